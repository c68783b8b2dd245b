//! Blobs that are lost or damaged, and programs that are not configured for them.

use std::sync::Arc;
use std::time::Duration;

use everstep::client::{HistoryError, ResultError};
use everstep::event::{Event, Json};
use everstep::payload::{
    BlobName, Folder, MemoryPayloads, PayloadError, PayloadStore, Payloads, SealedPayload,
};
use everstep::prelude::*;
use everstep::store::{Status, StoreError};
use everstep::{Backend, ExecutionId};
use tokio::time::Instant;

use super::{THRESHOLD, app, echo, run_until, shout, text};

fn payloads(store: &MemoryPayloads) -> Payloads {
    let store: Arc<dyn PayloadStore> = Arc::new(store.clone());
    Payloads::of(store).threshold(THRESHOLD)
}

/// The one blob of an execution.
async fn only_blob(store: &MemoryPayloads, id: &ExecutionId) -> BlobName {
    let mut blobs = store.list(&Folder::of(id)).await.unwrap();
    assert_eq!(blobs.len(), 1, "{blobs:?}");
    blobs.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_blob_is_lost_or_damaged_is_blocked_and_goes_on_when_it_is_back() {
    for damage in [None, Some(b"other bytes".as_slice())] {
        let store = MemoryPayloads::new();
        let backend = Backend::memory().with_payloads(payloads(&store));
        let client = Client::new(&backend);
        let handle = client.start(shout, text(2 * THRESHOLD)).await.unwrap();
        let blob = only_blob(&store, handle.id()).await;
        let bytes = store.get(&blob).await.unwrap().unwrap();
        store.remove(&blob).await.unwrap();
        if let Some(damage) = damage {
            store.put(&blob, &damage.into()).await.unwrap();
        }
        let app = app().backend(backend);
        let reason = run_until(app.clone(), &client, handle.id(), Status::Blocked).await.unwrap();
        let expected = if damage.is_some() { "has another hash" } else { "does not have" };
        assert!(reason.contains(expected) && reason.contains(&blob.to_string()), "{reason}");
        // The log is what it was; the value shows as sealed.
        let history = handle.history().await.unwrap();
        let Event::WorkflowStarted(start) = &history[0].events[0] else { panic!("{history:?}") };
        let sealed = SealedPayload::of(&start.input).unwrap();
        assert_eq!((sealed.bytes, sealed.at.as_deref()), (Some(2_002), Some(blob.name())));

        store.remove(&blob).await.unwrap();
        store.put(&blob, &bytes.into()).await.unwrap();
        client.resume(handle.id()).await.unwrap();
        run_until(app, &client, handle.id(), Status::Completed).await;
        let result = handle.result().await.unwrap();
        assert_eq!(result, text(2 * THRESHOLD).to_uppercase());
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_without_the_payload_store_leaves_it_to_others_and_at_last_says_what_is_missing() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory();
    let with = backend.clone().with_payloads(payloads(&store));
    let client = Client::new(&with);
    let handle = client.start(shout, text(2 * THRESHOLD)).await.unwrap();
    let without = app().backend(backend.clone());
    let reason = run_until(without, &client, handle.id(), Status::Blocked).await.unwrap();
    assert!(reason.contains("2002 bytes") && reason.contains("EVERSTEP_PAYLOADS"), "{reason}");

    // A host that has it makes it go on when it starts.
    run_until(app().backend(with), &client, handle.id(), Status::Completed).await;
    let result: Result<String, _> = client.handle(shout, handle.id().clone()).result().await;
    assert_eq!(result.unwrap(), text(2 * THRESHOLD).to_uppercase());

    // A client that does not have it is told what to do; what is small it reads as ever.
    let plain = Client::new(&backend);
    let error = plain.handle(shout, handle.id().clone()).result().await.unwrap_err();
    let ResultError::History(HistoryError::Store(StoreError::Payload(error))) = error else {
        panic!("{error:?}")
    };
    assert!(matches!(error, PayloadError::NoStore { bytes: 2_002 }), "{error:?}");
    assert!(error.to_string().contains("set EVERSTEP_PAYLOADS"), "{error}");
    assert_eq!(
        plain.history(handle.id()).await.unwrap().len(),
        handle.history().await.unwrap().len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_without_the_payload_store_starts_and_signals_what_is_small() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory();
    let plain = Client::new(&backend);
    let handle = plain.start(echo, ()).await.unwrap();
    handle.signal("said", &text(2 * THRESHOLD)).await.unwrap();
    let with = backend.with_payloads(payloads(&store));
    run_until(app().backend(with.clone()), &plain, handle.id(), Status::Completed).await;
    // What the host wrote is in its store.
    let result = Client::new(&with).handle(echo, handle.id().clone()).result().await.unwrap();
    assert_eq!(result, text(2 * THRESHOLD));
    assert_eq!(plain.view::<usize>(handle.id()).await.unwrap(), Some(2 * THRESHOLD));
    assert!(SealedPayload::of(&Json::record(&1).unwrap()).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_blob_is_lost_can_be_terminated() {
    let store = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(payloads(&store));
    let client = Client::new(&backend);
    let handle = client.start(shout, text(2 * THRESHOLD)).await.unwrap();
    store.remove(&only_blob(&store, handle.id()).await).await.unwrap();
    let app = app().backend(backend);
    run_until(app.clone(), &client, handle.id(), Status::Blocked).await;
    handle.terminate("its input is lost").await.unwrap();
    run_until(app, &client, handle.id(), Status::Terminated).await;
}

#[step]
async fn takes_an_hour() -> everstep::Result<()> {
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    Ok(())
}

#[workflow]
async fn listens_late(_: ()) -> everstep::Result<String> {
    takes_an_hour().await?;
    Ok(signal("said").await?)
}

#[tokio::test(start_paused = true)]
async fn a_terminate_is_heard_while_a_body_runs_though_what_came_before_it_is_lost() {
    let backend = Backend::memory().with_payloads(payloads(&MemoryPayloads::new()));
    let client = Client::new(&backend);
    let handle = client.start(listens_late, ()).await.unwrap();
    // What it sends is in a payload store that nobody else has.
    let lost = Client::new(&backend.clone().with_payloads(payloads(&MemoryPayloads::new())));
    let ends = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        lost.signal(handle.id(), "said", &text(2 * THRESHOLD)).await.unwrap();
        handle.terminate("it is not needed").await.unwrap();
    };
    let begun = Instant::now();
    let app = App::new().workflow(listens_late).backend(backend);
    tokio::join!(ends, run_until(app, &client, handle.id(), Status::Terminated));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let commits = client.history(handle.id()).await.unwrap();
    let mut events = commits.iter().flat_map(|commit| &commit.events);
    let taken = events.any(|event| event.kind() == "SignalReceived");
    assert!(!taken, "what cannot be opened was taken as it is stored: {commits:#?}");
}
