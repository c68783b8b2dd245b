//! What is done to payloads on their way, and what erases them.

use std::sync::Arc;
use std::time::Duration;

use everstep::backend::Backend;
use everstep::client::{EraseError, HistoryError, ResultError};
use everstep::event::{Event, Json};
use everstep::payload::{
    Codec, CodecScope, DataKey, Encryption, Folder, KeyProvider, LocalKeys, MemoryPayloads,
    PayloadError, PayloadStore, Payloads, SealedPayload, Zstd,
};
use everstep::prelude::*;
use everstep::store::{Status, StoreError};
use everstep::testing::faults::{Fate, Faults, FaultyPayloads};
use everstep::testing::{Env, crash_everywhere};
use everstep::{ExecutionId, Result};

use super::{THRESHOLD, app, ask_child, counted, echo, fetch_and_count, run_until};

fn keys() -> LocalKeys {
    LocalKeys::new([7; 32])
}

/// The payloads of a program: programs share a store and no memory.
fn encrypted(store: &MemoryPayloads) -> Payloads {
    let store: Arc<dyn PayloadStore> = Arc::new(store.clone());
    Payloads::of(store).threshold(THRESHOLD).codec(Zstd::new()).codec(Encryption::new(keys()))
}

#[test]
fn with_every_codec_a_host_may_die_before_and_after_each_of_its_calls() {
    let with: [fn(Payloads) -> Payloads; 3] = [
        |payloads| payloads.codec(Zstd::new()),
        |payloads| payloads.codec(Encryption::new(keys())),
        |payloads| payloads.codec(Zstd::new()).codec(Encryption::new(keys())),
    ];
    for codecs in with {
        let env = || {
            let payloads = counted(&MemoryPayloads::new(), &Faults::none());
            Env::new(app().payloads(codecs(payloads)))
        };
        let crashes = crash_everywhere(env, |env| env.start(fetch_and_count, 2 * THRESHOLD));
        assert!(crashes.crashes >= 16, "{crashes:?}");
    }
    let env = || Env::new(app().payloads(encrypted(&MemoryPayloads::new())));
    crash_everywhere(env, |env| env.start(ask_child, 2 * THRESHOLD));
    crash_everywhere(env, |env| {
        let execution = env.start(echo, ());
        execution.signal_after(days(1), "said", "hello");
        execution
    });
}

#[tokio::test(start_paused = true)]
async fn what_shrinks_stays_in_the_log() {
    let faults = Faults::none();
    let payloads = counted(&MemoryPayloads::new(), &faults).codec(Zstd::new());
    let backend = Backend::memory().with_payloads(payloads);
    let client = Client::new(&backend);
    let handle = client.start(fetch_and_count, 100 * THRESHOLD).await.unwrap();
    run_until(app().backend(backend), &client, handle.id(), Status::Completed).await;
    assert_eq!(handle.result().await.unwrap(), 100 * THRESHOLD);
    assert_eq!(faults.counts().total(), 0, "a hundred kilobytes of a repeated sentence");
    let log = client.load(handle.id()).await.unwrap().commits;
    assert!(log.iter().map(|commit| commit.body.len()).sum::<usize>() < 5_000);
}

/// Shows what it was told, and fails with it.
#[workflow]
async fn fails_with(said: String) -> Result<()> {
    publish(&said);
    let _: String = super::fetch(100).await?;
    Err(everstep::Error::msg(said))
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_stored_can_be_read_without_the_key() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(encrypted(&store));
    let client = Client::new(&backend);
    let app = app().workflow(fails_with).backend(backend.clone());
    let handle = client.start(fails_with, "the secret word".to_owned()).await.unwrap();
    run_until(app, &client, handle.id(), Status::Failed).await;

    let loaded = client.load(handle.id()).await.unwrap();
    let log: String = loaded.commits.iter().map(|commit| commit.body.to_string()).collect();
    let record = serde_json::to_string(&loaded.record).unwrap();
    for stored in [&log, &record] {
        assert!(!stored.contains("secret") && !stored.contains("brown"), "{stored}");
    }
    assert!(record.contains("its error is encrypted"), "{record}");
    for blob in store.list(&Folder::of(handle.id())).await.unwrap() {
        let bytes = store.get(&blob).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
    }
    // Another program with the same key reads all of it; one with another key is told so.
    let other = Client::new(&backend.clone().with_payloads(encrypted(&store)));
    let view: Option<String> = other.view(handle.id()).await.unwrap();
    assert_eq!(view.as_deref(), Some("the secret word"));
    let error = other.handle(fails_with, handle.id().clone()).result().await.unwrap_err();
    assert!(format!("{error}").contains("the secret word"), "{error}");
    let wrong = Payloads::new(store).codec(Zstd::new());
    let wrong = wrong.codec(Encryption::new(LocalKeys::new([8; 32])));
    let wrong = Client::new(&backend.with_payloads(wrong));
    let error = wrong.view::<String>(handle.id()).await.unwrap_err().to_string();
    assert!(error.contains("give this program the key file"), "{error}");
}

/// Adds the first number that it is sent.
#[workflow]
async fn adds(to: u64) -> Result<u64> {
    let mut numbers = updates::<u64, u64>("add");
    let add = numbers.next().await;
    let sum = to + *add.request();
    add.reply(&sum);
    Ok(sum)
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_block_quotes_no_value_that_is_encrypted() {
    let backend = Backend::memory().with_payloads(encrypted(&MemoryPayloads::new()));
    let client = Client::new(&backend);
    let secret = Json::record("the secret word").unwrap();
    let handle = client.start_named("adds", secret).await.unwrap();
    let app = app().workflow(adds).backend(backend);
    let reason = run_until(app, &client, handle.id(), Status::Blocked).await.unwrap();
    assert!(reason.contains("the input of workflow adds"), "{reason}");
    assert!(!reason.contains("secret"), "{reason}");
}

#[tokio::test]
async fn the_refusal_of_an_update_quotes_no_value_that_is_encrypted() {
    let backend = Backend::memory().with_payloads(encrypted(&MemoryPayloads::new()));
    let client = Client::new(&backend);
    let handle = client.start(adds, 1).await.unwrap();
    let worker = app().workflow(adds).backend(backend).worker().await.unwrap();
    let asked = async {
        let refused = handle.update::<u64>("add", "the secret word").await.unwrap_err();
        assert_eq!(handle.update::<u64>("add", &2).await.unwrap(), 3);
        refused.to_string()
    };
    let refused = worker.run_until(asked).await.unwrap();
    assert!(refused.contains("the request is not a u64"), "{refused}");
    let log = client.load(handle.id()).await.unwrap().commits;
    let log: String = log.iter().map(|commit| commit.body.to_string()).collect();
    assert!(log.contains("the request is not a u64") && !log.contains("secret"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn an_erased_execution_verifies_and_nobody_reads_what_it_carried() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(encrypted(&store));
    let client = Client::new(&backend);
    let handle = client.start(fetch_and_count, 20 * THRESHOLD).await.unwrap();
    let error = client.erase(handle.id()).await.unwrap_err();
    assert!(matches!(error, EraseError::Open { .. }), "{error:?}");
    run_until(app().backend(backend.clone()), &client, handle.id(), Status::Completed).await;
    assert_eq!(handle.result().await.unwrap(), 20 * THRESHOLD);

    let before = client.load(handle.id()).await.unwrap().commits;
    let erased = client.erase(handle.id()).await.unwrap();
    assert!(erased.key && erased.readable == 0, "{erased:?}");
    let loaded = client.load(handle.id()).await.unwrap();
    assert_eq!(loaded.commits, before);
    assert!(loaded.read().1.is_none(), "every hash verifies");
    let left = store.list(&Folder::of(handle.id())).await.unwrap();
    assert_eq!(left.len(), 1, "what says that it was erased: {left:?}");

    for client in [client.clone(), Client::new(&backend.with_payloads(encrypted(&store)))] {
        let error = client.handle(fetch_and_count, handle.id().clone()).result().await;
        let Err(ResultError::History(HistoryError::Store(StoreError::Payload(error)))) = error
        else {
            panic!("{error:?}")
        };
        assert!(matches!(error, PayloadError::Erased), "{error:?}");
        let history = client.history(handle.id()).await.unwrap();
        let mut sealed = 0;
        for event in history.iter().flat_map(|commit| &commit.events) {
            event.payloads(&mut |json| {
                sealed += 1;
                assert!(SealedPayload::of(json).is_some(), "{json}");
            });
        }
        assert_eq!(sealed, 6);
    }
    let again = client.erase(handle.id()).await.unwrap();
    assert_eq!((again.key, again.blobs), (false, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_encrypted_is_counted_and_its_blobs_are_gone() {
    let store = MemoryPayloads::new();
    let payloads = Payloads::new(store.clone()).threshold(THRESHOLD);
    let backend = Backend::memory().with_payloads(payloads);
    let client = Client::new(&backend);
    let handle = client.start(fetch_and_count, 2 * THRESHOLD).await.unwrap();
    run_until(app().backend(backend.clone()), &client, handle.id(), Status::Completed).await;
    let erased = client.erase(handle.id()).await.unwrap();
    // The inputs of the workflow and of the first step, the result of the second, and the output.
    assert_eq!((erased.key, erased.blobs, erased.readable), (false, 2, 4));
    let without = Client::new(&backend.with_payloads(Payloads::none()));
    let error = without.erase(handle.id()).await.unwrap_err();
    assert!(matches!(error, EraseError::NoStore), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_erased_execution_that_starts_again_has_a_new_key_and_the_old_run_stays_erased() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(encrypted(&store));
    let client = Client::new(&backend);
    let start = || client.start(fetch_and_count, 10).id("again");
    let handle = start().await.unwrap();
    run_until(app().backend(backend.clone()), &client, handle.id(), Status::Completed).await;
    client.erase(handle.id()).await.unwrap();
    let restart = everstep::client::OnConflict::Restart;
    let handle = start().on_conflict(restart).await.unwrap();
    let other = backend.with_payloads(encrypted(&store));
    run_until(app().backend(other), &client, handle.id(), Status::Completed).await;
    assert_eq!(handle.result().await.unwrap(), 10);
    let history = handle.history().await.unwrap();
    let inputs: Vec<&Json> = history
        .iter()
        .flat_map(|commit| &commit.events)
        .filter_map(|event| match event {
            Event::WorkflowStarted(start) => Some(&start.input),
            _ => None,
        })
        .collect();
    assert!(SealedPayload::of(inputs[0]).is_some());
    assert_eq!(inputs[1].as_str(), "10");
}

/// A provider that counts, as KMS does on its bill.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<std::sync::Mutex<(u32, u32)>>);

#[async_trait::async_trait]
impl KeyProvider for Counted {
    async fn generate_data_key(
        &self,
        id: &ExecutionId,
    ) -> std::result::Result<DataKey, PayloadError> {
        self.0.lock().unwrap().0 += 1;
        keys().generate_data_key(id).await
    }

    async fn unwrap(
        &self,
        id: &ExecutionId,
        wrapped: &[u8],
    ) -> std::result::Result<[u8; 32], PayloadError> {
        self.0.lock().unwrap().1 += 1;
        keys().unwrap(id, wrapped).await
    }
}

#[tokio::test(start_paused = true)]
async fn of_sixteen_programs_that_need_a_data_key_one_makes_it_and_all_use_it() {
    // Each looks for it a little later than it begins: the first has put it by then. Or each puts it
    // a little later than it has found none: all have made one, and that of the first counts.
    for (slow, expected) in [("payloads.get", (1, 15)), ("payloads.put", (16, 15))] {
        data_keys_of_sixteen_programs(slow, expected).await;
    }
}

async fn data_keys_of_sixteen_programs(slow: &'static str, expected: (u32, u32)) {
    let slow = Faults::by(move |call| {
        let is_slow = call.name == slow;
        if is_slow { Fate::Slow(Duration::from_millis(10)) } else { Fate::Proceed }
    });
    let store = FaultyPayloads::new(Arc::new(MemoryPayloads::new()), &slow);
    let id = ExecutionId::new("order-1").unwrap();
    let folder = Folder::of(&id);
    let scope = CodecScope::new(&id, &folder, &store);
    let calls = Counted::default();
    let programs: Vec<_> = (0..16).map(|_| Encryption::new(calls.clone())).collect();
    let sealed =
        futures::future::join_all(programs.iter().map(|codec| codec.encode(&scope, b"hello")))
            .await;
    let sealed: Vec<_> = sealed.into_iter().map(|sealed| sealed.unwrap().unwrap()).collect();
    for (codec, sealed) in programs.iter().zip(sealed.iter().cycle().skip(5)) {
        assert_eq!(codec.decode(&scope, sealed, 5).await.unwrap(), b"hello");
    }
    let (made, unwrapped) = *calls.0.lock().unwrap();
    assert_eq!((made, unwrapped), expected, "and then each knows it");
}

#[tokio::test(start_paused = true)]
async fn who_reads_many_payloads_of_an_execution_asks_for_its_data_key_once() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(encrypted(&store));
    let client = Client::new(&backend);
    let handle = client.start(fetch_and_count, 20 * THRESHOLD).await.unwrap();
    run_until(app().backend(backend.clone()), &client, handle.id(), Status::Completed).await;

    let slow = Faults::by(|_| Fate::Slow(Duration::from_millis(10)));
    let calls = Counted::default();
    let payloads = counted(&store, &slow).codec(Zstd::new()).codec(Encryption::new(calls.clone()));
    let reader = Client::new(&backend.with_payloads(payloads));
    let history = reader.history(handle.id()).await.unwrap();
    for event in history.iter().flat_map(|commit| &commit.events) {
        event.payloads(&mut |json| assert!(SealedPayload::of(json).is_none(), "{json}"));
    }
    assert_eq!(*calls.0.lock().unwrap(), (0, 1));
}

#[tokio::test]
async fn what_is_changed_cut_or_moved_to_another_execution_is_not_read() {
    let store = MemoryPayloads::new();
    let [one, two] = ["order-1", "order-2"].map(|id| ExecutionId::new(id).unwrap());
    let [of_one, of_two] = [&one, &two].map(Folder::of);
    let codec = Encryption::new(keys());
    let scope = CodecScope::new(&one, &of_one, &store);
    let sealed = codec.encode(&scope, b"hello").await.unwrap().unwrap();
    let other = codec.encode(&scope, b"hello").await.unwrap().unwrap();
    assert_ne!(sealed, other, "a nonce is used once");
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        let error = codec.decode(&scope, &changed, 5).await.unwrap_err();
        assert!(matches!(error, PayloadError::Damaged { .. }), "{index}: {error:?}");
        let error = codec.decode(&scope, &sealed[..index], 5).await.unwrap_err();
        assert!(matches!(error, PayloadError::Damaged { .. }), "{index}: {error:?}");
    }
    // With the key moved along it is still another execution's.
    let key = store.get(&scope.key_name()).await.unwrap().unwrap();
    let moved = CodecScope::new(&two, &of_two, &store);
    store.put(&moved.key_name(), &key.into()).await.unwrap();
    assert!(codec.decode(&moved, &sealed, 5).await.is_err());
    // Also where both have the very same data key.
    let codec = Encryption::new(Same);
    let (one_store, two_store) = (MemoryPayloads::new(), MemoryPayloads::new());
    let scope = CodecScope::new(&one, &of_one, &one_store);
    let moved = CodecScope::new(&two, &of_two, &two_store);
    let sealed = codec.encode(&scope, b"hello").await.unwrap().unwrap();
    codec.encode(&moved, b"hello").await.unwrap();
    let error = codec.decode(&moved, &sealed, 5).await.unwrap_err();
    assert!(matches!(error, PayloadError::Damaged { .. }), "{error:?}");
}

/// One data key for all.
#[derive(Debug)]
struct Same;

#[async_trait::async_trait]
impl KeyProvider for Same {
    async fn generate_data_key(
        &self,
        _: &ExecutionId,
    ) -> std::result::Result<DataKey, PayloadError> {
        Ok(DataKey::new([9; 32], b"the one".to_vec()))
    }

    async fn unwrap(
        &self,
        _: &ExecutionId,
        _: &[u8],
    ) -> std::result::Result<[u8; 32], PayloadError> {
        Ok([9; 32])
    }
}

#[test]
fn a_key_file_has_thirty_two_bytes() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("key");
    let error = LocalKeys::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    std::fs::write(&path, b"short").unwrap();
    let error = LocalKeys::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("has 5 bytes, and a key has 32"), "{error}");
    std::fs::write(&path, [1; 32]).unwrap();
    LocalKeys::from_file(&path).unwrap();
}
