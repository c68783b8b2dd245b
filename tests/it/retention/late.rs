//! A host that is so late that its execution was deleted, and its id belongs to another one.

use std::sync::atomic::{AtomicUsize, Ordering};

use everstep::event::Event;
use everstep::store::Status;
use everstep::testing::faults::Fate;

use super::*;

/// The first has a body at once, the second after hours: nobody writes to it meanwhile.
#[workflow]
async fn again(life: u32) -> everstep::Result<String> {
    if life == 2 {
        sleep(hours(5)).await;
    }
    Ok(format!("{life}: {}", fetch(life as usize).await?))
}

/// A host of `again` on the place's store and a queue of its own, whose calls are asked for their fate.
async fn host(place: &Place, faults: &Faults, queue: &MemoryQueue, done: impl Future<Output = ()>) {
    let store = FaultyStore::new(Arc::new(place.store.clone()), faults);
    let backend = Backend::new(Arc::new(store), Arc::new(queue.clone()));
    let worker = App::new().workflow(again).backend(backend).worker().await.unwrap();
    worker.clock(place.clock.clone()).run_until(done).await.unwrap();
}

/// It is stalled for so long right before this call of its turn that the execution is ended by another
/// host, deleted and started anew. Then it goes on.
async fn check(name: &'static str, number: usize) {
    let place = Place::bare();
    // Whoever calls later is not heard by the one that is stalled.
    let (its_queue, queue) = (MemoryQueue::new(), MemoryQueue::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let stalled = Faults::none();
    let counts = Arc::clone(&calls);
    stalled.set(move |call| {
        let is_it = call.name == name && counts.fetch_add(1, Ordering::SeqCst) == number;
        if is_it { Fate::Slow(hours(2)) } else { Fate::Proceed }
    });
    let client = |queue: &MemoryQueue| {
        let backend = Backend::new(Arc::new(place.store.clone()), Arc::new(queue.clone()));
        Client::new(&backend).clock(place.clock.clone())
    };
    let before = client(&its_queue).start(again, 1).id("x").await.unwrap();
    let (id, client) = (before.id().clone(), client(&queue));
    let before = client.handle(again, id.clone());
    let story = async {
        while calls.load(Ordering::SeqCst) <= number {
            pass_by(seconds(1)).await;
        }
        before.terminate("nobody hears of its host").await.unwrap();
        while !place.store.record(&id).await.unwrap().unwrap().projection.status.is_closed() {
            pass_by(seconds(1)).await;
        }
        assert!(client.delete(&id).await.unwrap().is_free);
        let after = client.start(again, 2).id("x").await.unwrap();
        assert!(after.is_new());
        pass_by(hours(3)).await;
        assert_eq!(client.describe(&id).await.unwrap().projection.status, Status::Suspended);
        assert_eq!(after.result().await.unwrap(), "2: xx");
        while !place.store.record(&id).await.unwrap().unwrap().projection.status.is_closed() {
            pass_by(seconds(1)).await;
        }
    };
    let (other, until) = (Faults::none(), tokio::sync::Notify::new());
    let story = async {
        story.await;
        until.notify_waiters();
    };
    tokio::join!(
        host(&place, &stalled, &its_queue, until.notified()),
        host(&place, &other, &queue, story),
    );
    let log = client.history(&id).await.unwrap();
    let turns = |event: &&Event| matches!(event, Event::TurnStarted(_));
    let events: Vec<_> = log.iter().flat_map(|commit| &commit.events).collect();
    assert_eq!(events.iter().copied().filter(turns).count(), 2, "{name} {number}: {events:#?}");
    let last = place.store.record(&id).await.unwrap().unwrap().projection;
    assert_eq!((last.status, last.commit), (Status::Completed, log.last().unwrap().number));
}

/// Before its claim, before the result of a body, and before its record.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_late_by_a_whole_life_leaves_the_next_one_alone() {
    for (name, number) in [("append", 0), ("append", 1), ("project", 0)] {
        check(name, number).await;
    }
}
