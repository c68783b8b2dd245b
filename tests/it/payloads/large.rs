//! Large payloads, from end to end.

use std::sync::Arc;
use std::time::Duration;

use everstep::backend::Backend;
use everstep::client::{SendError, StartError};
use everstep::event::{Commit, Event};
use everstep::limits::{PAYLOAD_BYTES_MAX, VALUE_BYTES_MAX};
use everstep::memory::MemoryQueue;
use everstep::payload::{FilePayloads, MemoryPayloads, Payloads};
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::testing::Env;
use everstep::testing::faults::Faults;
use everstep_tests::dynamodb::DynamoDb;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{THRESHOLD, app, ask_child, counted, echo, fetch_and_count, run_until, text};

/// Ten megabytes, as JSON.
const LARGE: usize = 10_000_000;

/// A small workflow with large values, on this backend.
async fn large_values_pass(backend: Backend) {
    #[workflow]
    async fn pass(bytes: usize) -> everstep::Result<String> {
        let whole = super::fetch(bytes).await?;
        let said: String = signal("said").await?;
        Ok(whole + &said)
    }
    let client = Client::new(&backend);
    let handle = client.start(pass, LARGE).await.unwrap();
    handle.signal("said", &text(200_000)).await.unwrap();
    let worker = App::new().workflow(pass).backend(backend).worker().await.unwrap();
    let result = worker.run_until(handle.result()).await.unwrap().unwrap();
    assert!(result == text(LARGE) + &text(200_000));
    // The log as it is stored has none of it.
    let loaded = client.load(handle.id()).await.unwrap();
    let stored: usize = loaded.commits.iter().map(|commit| commit.body.len()).sum();
    assert!(stored < 10_000, "{stored}");
    // Read as a history it has everything.
    let history = handle.history().await.unwrap();
    let end = history.into_iter().flat_map(|commit| commit.events).next_back();
    let Some(Event::WorkflowCompleted(end)) = end else { panic!("{end:?}") };
    assert_eq!(end.output.as_str().len(), LARGE + 200_002);
}

#[tokio::test]
async fn ten_megabytes_pass_in_memory() {
    let payloads = Payloads::new(MemoryPayloads::new());
    large_values_pass(Backend::memory().with_payloads(payloads)).await;
}

#[tokio::test]
async fn ten_megabytes_pass_in_sqlite_and_files() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    let backend = Backend::from_url(&url).await.unwrap();
    let payloads = Payloads::new(FilePayloads::new(folder.path().join("payloads")));
    large_values_pass(backend.with_payloads(payloads)).await;
}

#[tokio::test]
async fn ten_megabytes_pass_in_dynamodb() {
    let db = DynamoDb::start();
    let store: Arc<dyn EventStore> = Arc::new(db.store().await);
    let backend = Backend::new(store, Arc::new(MemoryQueue::new()));
    large_values_pass(backend.with_payloads(Payloads::new(MemoryPayloads::new()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_small_payload_costs_no_call_and_a_large_one_a_put_and_a_get() {
    for (bytes, puts, gets) in [(100, 0, 0), (THRESHOLD * 2, 2, 1)] {
        let faults = Faults::none();
        let payloads = counted(&MemoryPayloads::new(), &faults);
        let backend = Backend::memory().with_payloads(payloads);
        let client = Client::new(&backend);
        let handle = client.start(fetch_and_count, bytes).await.unwrap();
        run_until(app().backend(backend), &client, handle.id(), Status::Completed).await;
        assert_eq!(handle.result().await.unwrap(), bytes);
        let counts = faults.counts();
        // The step's result; and the arguments of the step that it is passed to.
        assert_eq!(counts.of("payloads.put"), puts, "of {bytes} bytes");
        // One replay, after the timer.
        assert_eq!(counts.of("payloads.get"), gets, "of {bytes} bytes");
        assert_eq!(counts.total(), puts + gets);
    }
}

#[step]
async fn takes_a_minute() -> everstep::Result<()> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[workflow]
async fn hears_three(_: ()) -> everstep::Result<usize> {
    takes_a_minute().await?;
    let mut bytes = 0;
    for _ in 0..3 {
        let said: String = signal("said").await?;
        bytes += said.len();
    }
    Ok(bytes)
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_turn_is_at_work_is_opened_once() {
    let faults = Faults::none();
    let payloads = counted(&MemoryPayloads::new(), &faults);
    let backend = Backend::memory().with_payloads(payloads);
    let client = Client::new(&backend);
    let handle = client.start(hears_three, ()).await.unwrap();
    let says = async {
        for more in 0..3 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            handle.signal("said", &text(2 * THRESHOLD + more)).await.unwrap();
        }
    };
    let app = App::new().workflow(hears_three).backend(backend);
    tokio::join!(says, run_until(app, &client, handle.id(), Status::Completed));
    assert_eq!(handle.result().await.unwrap(), 6 * THRESHOLD + 3);
    assert_eq!(faults.counts().of("payloads.get"), 3);
}

#[test]
fn what_a_message_carries_and_what_a_child_gets_and_returns_may_be_large() {
    let faults = Faults::none();
    let env = Env::new(app().payloads(counted(&MemoryPayloads::new(), &faults)));
    let said = text(5 * THRESHOLD);
    let execution = env.start(echo, ());
    execution.signal("said", &said);
    assert_eq!(execution.result().unwrap(), said);
    assert_eq!(env.run(ask_child, 5 * THRESHOLD).unwrap(), 5 * THRESHOLD);
    assert!(faults.counts().of("payloads.put") > 3);
}

fn events(history: &[Commit]) -> Vec<&Event> {
    history.iter().flat_map(|commit| &commit.events).collect()
}

#[tokio::test]
async fn a_repeated_start_with_a_large_input_is_one_start_and_another_input_is_refused() {
    let payloads = Payloads::new(MemoryPayloads::new()).threshold(THRESHOLD);
    let client = Client::new(&Backend::memory().with_payloads(payloads));
    let start = |input: String| client.start(super::shout, input).id("order-1");
    assert!(start(text(5_000)).await.unwrap().is_new());
    assert!(!start(text(5_000)).await.unwrap().is_new());
    let error = start(text(5_001)).await.unwrap_err();
    assert!(matches!(error, StartError::Exists { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_is_stored() {
    let store = MemoryPayloads::new();
    let without = Client::new(&Backend::memory());
    let with = Client::new(&Backend::memory().with_payloads(Payloads::new(store.clone())));
    for (client, most) in [(without, VALUE_BYTES_MAX), (with, PAYLOAD_BYTES_MAX)] {
        let input = "x".repeat(most - 1);
        let error = client.start(super::shout, input.clone()).await.unwrap_err();
        let StartError::InputTooLarge { bytes, bytes_max } = error else { panic!("{error:?}") };
        assert_eq!((bytes, bytes_max), (most + 1, most));
        let handle = client.start(echo, ()).await.unwrap();
        let error = handle.signal("said", &input).await.unwrap_err();
        assert!(
            matches!(error, SendError::PayloadTooLarge { bytes_max, .. } if bytes_max == most),
            "{error:?}"
        );
    }
    assert!(format!("{store:?}").contains("blobs: 0"), "{store:?}");
}

#[test]
fn a_result_that_is_too_large_even_for_a_payload_store_fails_its_step_and_says_so() {
    let env = Env::new(app().payloads(Payloads::new(MemoryPayloads::new())));
    let error = env.run(fetch_and_count, PAYLOAD_BYTES_MAX).unwrap_err().to_string();
    assert!(error.contains(&format!("at most {PAYLOAD_BYTES_MAX}")), "{error:.400}");
}

#[step]
async fn same(value: Value) -> everstep::Result<Value> {
    Ok(value)
}

#[workflow]
async fn hand_back(value: Value) -> everstep::Result<Value> {
    let back = same(value.clone()).await?;
    sleep(hours(1)).await;
    assert_eq!(back, value);
    Ok(back)
}

/// Values that look like sealed ones, more or less.
fn lookalikes() -> impl Strategy<Value = Value> {
    let inner = prop_oneof![
        Just(json!(1)),
        Just(json!({})),
        Just(json!({ "v": 1 })),
        Just(json!({ "v": 2 })),
        Just(json!({ "v": 1, "bytes": 3, "data": "AAAA" })),
        Just(json!({ "v": 1, "bytes": 3, "at": "ab" })),
        Just(json!({ "v": 1, "value": { "$everstep": 1 } })),
        "[a-z]{0,2000}".prop_map(Value::from),
    ];
    (inner, any::<bool>(), 0..3_u8).prop_map(|(inner, with_more, deep)| {
        let mut value = json!({ "$everstep": inner });
        if with_more {
            value["more"] = json!(true);
        }
        (0..deep).fold(value, |value, _| json!({ "$everstep": value }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_value_that_looks_like_a_sealed_one_is_what_it_was(value in lookalikes()) {
        let stores = [
            Payloads::none(),
            Payloads::new(MemoryPayloads::new()),
            Payloads::new(MemoryPayloads::new()).threshold(0),
        ];
        for payloads in stores {
            let env = Env::new(App::new().workflow(hand_back).payloads(payloads));
            let execution = env.start(hand_back, value.clone());
            prop_assert_eq!(execution.result().unwrap(), value.clone());
            let history = execution.history();
            let first = events(&history)[0];
            let Event::WorkflowStarted(start) = first else { panic!("{first:?}") };
            prop_assert_eq!(start.input.read::<Value>().unwrap(), value.clone());
        }
    }
}
