//! Starts of an id that is being deleted, and of one that was.

use everstep::client::StartError;
use everstep::store::StoreError;
use everstep::testing::faults::Fate;

use super::*;

/// What a start brings may be a blob that the deletion is about to remove: so it is refused, until
/// nobody removes anything any more.
#[tokio::test(start_paused = true)]
async fn a_start_is_refused_until_the_blobs_are_gone_for_long_and_then_keeps_its_own() {
    let place = Place::new();
    let client = place.client();
    let id = place.ended("order-7", 1_000).await;
    assert!(!client.delete(&id).await.unwrap().is_free);
    let refused = client.start(order, 1_000).id("order-7").await.unwrap_err();
    let StartError::Store { source: StoreError::Buried { .. }, .. } = &refused else {
        panic!("{refused}")
    };
    pass_by(minutes(5)).await;
    assert_eq!(client.delete_expired().await.unwrap().freed, 0, "too early");
    pass_by(minutes(2)).await;
    assert_eq!(client.delete_expired().await.unwrap().freed, 1);
    assert_eq!(place.ended("order-7", 1_000).await, id);
    let log = client.history(&id).await.unwrap();
    assert_eq!(log[0].number, 0, "it is a new execution");
    let (blobs, pass) = (place.blobs_of(&id).await, client.delete_expired().await.unwrap());
    assert!(pass.deleted.is_empty() && pass.freed == 0);
    assert_eq!((blobs, place.blobs_of(&id).await), (1, 1));
}

/// Whoever goes on with a deletion does not know when the one before has removed the last blob.
#[tokio::test(start_paused = true)]
async fn an_id_whose_deletion_was_taken_over_is_taken_for_as_long_again() {
    let place = Place::new();
    let id = place.ended("order-7", 1_000).await;
    place.faults.set(|call| if call.name == "rebury" { Fate::Hang } else { Fate::Proceed });
    let died = tokio::time::timeout(minutes(1), place.client().delete(&id)).await;
    assert!(died.is_err() && place.blobs_of(&id).await == 0);
    place.faults.heal();
    for freed in [0, 1] {
        assert!(place.client().start(order, 1).id("order-7").await.is_err());
        pass_by(minutes(7)).await;
        assert_eq!(place.client().delete_expired().await.unwrap().freed, freed);
    }
    assert!(place.is_gone(&id).await);
}

/// The blob that a refused start has left behind is not removed when the id is freed: the start that
/// is made next may count on it.
#[tokio::test(start_paused = true)]
async fn a_blob_that_comes_after_the_deletion_stays() {
    #[workflow]
    async fn echo(text: String) -> everstep::Result<String> {
        Ok(text)
    }
    let place = Place::new();
    let text = || "y".repeat(500);
    let run = async || {
        let handle = place.client().start(echo, text()).id("x").await.unwrap();
        let app = App::new().workflow(echo).retention(days(1));
        assert_eq!(place.host(app, handle.result()).await.unwrap(), text());
        place.until_closed(handle.id()).await;
        handle.id().clone()
    };
    let id = run().await;
    place.client().delete(&id).await.unwrap();
    assert!(place.client().start(echo, text()).id("x").await.is_err());
    assert_eq!(place.blobs_of(&id).await, 1, "of the refused start");
    pass_by(minutes(7)).await;
    assert_eq!(place.client().delete_expired().await.unwrap().freed, 1);
    assert_eq!(place.blobs_of(&id).await, 1);
    run().await;
}

/// A pass that is paused while it removes blobs, for longer than its grave belongs to it, removes no
/// more when it goes on.
#[tokio::test(start_paused = true)]
async fn a_pass_that_was_paused_removes_no_blob_of_the_next_execution() {
    let place = Place::new();
    let id = place.ended("order-7", 1_000).await;
    place.faults.set(|call| {
        if call.name == "payloads.list" { Fate::Slow(hours(1)) } else { Fate::Proceed }
    });
    let client = place.client();
    let paused = client.delete(&id);
    let others = async {
        pass_by(seconds(1)).await;
        place.faults.heal();
        for _ in 0..3 {
            pass_by(minutes(7)).await;
            place.client().delete_expired().await.unwrap();
        }
        assert_eq!(place.ended("order-7", 1_000).await, id);
    };
    let (paused, ()) = tokio::join!(paused, others);
    assert!(paused.is_err(), "{paused:?}");
    assert_eq!(place.blobs_of(&id).await, 1);
    assert_eq!(place.client().delete_expired().await.unwrap().freed, 0);
    let handle = place.client().handle(order, id);
    assert_eq!(handle.result().await.unwrap().len(), 1_000);
}

/// Whatever the policy: there is nothing to attach to any more.
#[tokio::test(start_paused = true)]
async fn the_id_of_a_deleted_execution_starts_as_a_new_one() {
    for policy in [
        OnConflict::Attach,
        OnConflict::AttachToAny,
        OnConflict::Reject,
        OnConflict::Restart,
        OnConflict::RestartIfClosed,
    ] {
        let place = Place::bare();
        let id = place.ended("order-7", 1).await;
        assert!(place.client().delete(&id).await.unwrap().is_free);
        let client = place.client();
        let start = client.start(order, 2).id("order-7").on_conflict(policy);
        let handle = start.await.unwrap();
        assert_eq!(place.host(app(), handle.result()).await.unwrap().len(), 2, "{policy:?}");
    }
}

/// It finds the execution closed, and gone before it can read its log or write behind it.
#[tokio::test(start_paused = true)]
async fn a_start_that_the_deletion_overtakes_starts_a_new_execution() {
    for policy in [OnConflict::Attach, OnConflict::Restart, OnConflict::RestartIfClosed] {
        for overtaken in [1, 2] {
            let place = Place::bare();
            let id = place.ended("order-7", 1).await;
            let (done, deleted) = tokio::sync::oneshot::channel();
            let done = std::sync::Mutex::new(Some(done));
            place.faults.take_counts();
            place.faults.set(move |call| {
                if call.index == overtaken
                    && let Some(done) = done.lock().unwrap().take()
                {
                    done.send(()).unwrap();
                    return Fate::Slow(seconds(1));
                }
                Fate::Proceed
            });
            let client = place.client();
            let start =
                async { client.start(order, 1).id("order-7").on_conflict(policy).await.unwrap() };
            let delete = async {
                let calm =
                    Backend::new(Arc::new(place.store.clone()), Arc::new(MemoryQueue::new()));
                // An attach has made its last call by then.
                if deleted.await.is_ok() {
                    Client::new(&calm).clock(place.clock.clone()).delete(&id).await.unwrap();
                }
            };
            let started = async {
                let handle = start.await;
                place.faults.heal();
                handle
            };
            let (handle, ()) = tokio::join!(started, delete);
            if place.store.record(&id).await.unwrap().is_some() {
                let result = place.host(app(), handle.result()).await.unwrap();
                assert_eq!(result.len(), 1, "{policy:?} {overtaken}");
            } else {
                assert_eq!((policy, overtaken), (OnConflict::Attach, 2), "it had attached before");
            }
        }
    }
}
