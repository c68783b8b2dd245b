//! Children and parents that are deleted.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use everstep::client::DeleteError;
use everstep::event::Event;
use everstep::payload::{Codec, CodecScope, PayloadError};
use everstep::store::{Buried, Grave};
use everstep::testing::faults::Fate;
use everstep_tests::sim::{Fates, Host, HostOptions, World};

use super::*;

#[workflow]
async fn nap(minutes_long: u64) -> everstep::Result<u64> {
    sleep(minutes(minutes_long)).await;
    Ok(minutes_long)
}

#[workflow]
async fn asks(minutes_long: u64) -> everstep::Result<u64> {
    let child = child(nap, minutes_long).await;
    sleep(minutes(10)).await;
    Ok(child?)
}

const CHILD: &str = "x/nap#1";

fn family() -> App {
    App::new().workflow(nap).workflow(asks).retention(days(1))
}

fn host(world: &World, fates: &Fates) -> Host {
    let backend = fates.backend(world.store.clone(), world.queue.clone());
    let options = HostOptions { sweeps: false, ..HostOptions::default() };
    Host::start(world, family(), backend, fates, &options)
}

/// The parent's log does not say that it has started: its next turn would start it again, and it would
/// run a second time.
#[tokio::test(start_paused = true)]
async fn a_child_is_kept_until_its_parent_knows_that_it_was_started() {
    let world = World::new();
    let fates = Fates::each(&world, "dead", "create", Fate::HangAfter);
    let _ = world.client().start(asks, 1).id("x").await.unwrap();
    host(&world, &fates).dies().await;
    let child = ExecutionId::new(CHILD).unwrap();
    // Somebody else runs the child, and it is ended, and the parent has not been looked at.
    let other = World::on(world.store.clone(), Arc::new(MemoryQueue::new()), || 0);
    let client = other.client();
    client.handle_named(child.clone()).terminate("enough").await.unwrap();
    let good = Fates::good(&other, "other");
    let ending = host(&other, &good);
    other.until(CHILD, minutes(5), |record| record.projection.status.is_closed()).await;
    drop(ending);

    let error = world.client().delete(&child).await.unwrap_err();
    assert!(matches!(error, DeleteError::Child { .. }), "{error}");
    assert!(world.client().history(&child).await.is_ok());

    let _host = host(&world, &Fates::good(&world, "good"));
    world.client().sweep(Some(Duration::ZERO)).await.unwrap();
    let heard = |event: &Event| matches!(event, Event::ChildStarted(_) | Event::ChildCompleted(_));
    for _ in 0..60 {
        if world.log("x").await.iter().flat_map(|commit| &commit.events).any(heard) {
            break;
        }
        pass_by(seconds(1)).await;
    }
    world.client().delete(&child).await.unwrap();
    assert!(world.client().describe(&child).await.is_err());
}

/// What it returned is in the parent's inbox or log before its record shows its end.
#[tokio::test(start_paused = true)]
async fn a_parent_has_its_childs_result_though_the_child_is_deleted() {
    let place = Place::new();
    let client = place.client();
    let parent = client.start(asks, 1).id("x").await.unwrap();
    let child = ExecutionId::new(CHILD).unwrap();
    let closed = async {
        while !client.describe(&child).await.is_ok_and(|it| it.projection.status.is_closed()) {
            pass_by(seconds(1)).await;
        }
    };
    place.host(family(), closed).await;
    client.delete(&child).await.unwrap();
    assert_eq!(place.host(family(), parent.result()).await.unwrap(), 1);
    assert!(client.describe(&child).await.is_err(), "it did not run again");
}

#[workflow]
async fn asks_for(id: String) -> everstep::Result<u64> {
    Ok(child(nap, 1).id(id).await?)
}

/// Counts how often it was told to forget.
#[derive(Debug, Clone, Default)]
struct Forgets(Arc<AtomicUsize>);

#[async_trait]
impl Codec for Forgets {
    fn name(&self) -> &'static str {
        "forgets"
    }

    async fn encode(
        &self,
        _: &CodecScope<'_>,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, PayloadError> {
        Ok(Some(bytes.to_vec()))
    }

    async fn decode(
        &self,
        _: &CodecScope<'_>,
        bytes: &[u8],
        _: usize,
    ) -> Result<Vec<u8>, PayloadError> {
        Ok(bytes.to_vec())
    }

    fn forget(&self, _: &Folder) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The id is free some minutes later, and that is no trouble of the parent's. What was sealed for the
/// child meanwhile may be erased with the old one: it is sealed anew, and not with what is in memory.
#[tokio::test(start_paused = true)]
async fn a_child_whose_id_is_being_deleted_starts_once_it_is_free() {
    let (place, forgets) = (Place::bare(), Forgets::default());
    let payloads = Payloads::new(place.blobs.clone()).codec(forgets.clone());
    let place = Place { backend: place.backend.clone().with_payloads(payloads), ..place };
    let (client, app) = (place.client(), || family().workflow(asks_for));
    let before = client.start(nap, 1).id("nap").await.unwrap();
    assert_eq!(place.host(app(), before.result()).await.unwrap(), 1);
    place.until_closed(before.id()).await;
    let ended = place.store.record(before.id()).await.unwrap().unwrap();
    let grave = Grave { look_at: place.clock.now().after(hours(1)), emptied: true };
    assert_eq!(place.store.bury(&ended, &grave).await.unwrap(), Buried::Done);
    let parent = client.start(asks_for, "nap".to_owned()).id("x").await.unwrap();
    let freed = async {
        let forgotten = forgets.0.load(Ordering::SeqCst);
        pass_by(minutes(20)).await;
        assert!(forgets.0.load(Ordering::SeqCst) > forgotten + 10);
        place.store.remove(before.id(), &grave).await.unwrap();
        tokio::time::timeout(minutes(20), parent.result()).await.unwrap().unwrap()
    };
    assert_eq!(place.host(app(), freed).await, 1);
}

/// A parent that was deleted and started again finds the child of the one before it: that is not its
/// own, has ended long ago, and will tell it nothing.
#[tokio::test(start_paused = true)]
async fn a_new_parent_does_not_take_the_child_of_a_deleted_one_for_its_own() {
    let place = Place::bare();
    let client = place.client();
    let parent = client.start(asks, 1).id("x").await.unwrap();
    assert_eq!(
        place.host(App::new().workflow(nap).workflow(asks), parent.result()).await.unwrap(),
        1
    );
    place.until_closed(parent.id()).await;
    client.delete(parent.id()).await.unwrap();
    let parent = client.start(asks, 1).id("x").await.unwrap();
    let error = place.host(family(), parent.result()).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("another execution has this id"), "{text}");
}
