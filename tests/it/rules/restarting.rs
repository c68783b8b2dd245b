//! Rules 18 and 19 where a closed execution is started again: what was for one run is not for the
//! next.

use std::sync::atomic::{AtomicU32, Ordering};

use everstep::client::OnConflict;
use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::prelude::*;
use everstep::store::{Message, NewItem, Record, Status};
use everstep::testing::faults::Fate;
use everstep_tests::said::Said;
use everstep_tests::sim::{Fates, World};
use futures::FutureExt;

use super::{closed, count, counts, going, host, host_with, item_lands, without_sweeper};

#[tokio::test(start_paused = true)]
async fn each_run_of_an_execution_can_be_cancelled() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let client = world.client();
    for run in 1..=3 {
        let start = client.start(counts, ("x".to_owned(), 3_600)).id("x");
        let handle = start.on_conflict(OnConflict::Restart).await.unwrap();
        handle.cancel("enough").await.unwrap();
        handle.cancel("enough, again").await.unwrap();
        closed(&world, "x", minutes(1)).await;
        assert_eq!(handle.describe().await.unwrap().projection.status, Status::Cancelled);
        let requested = count(&world, "x", |it| matches!(it, Event::CancelRequested(_))).await;
        assert_eq!(requested, run, "asking twice is asking once");
    }
    world.check_closed("x").await;
}

/// The signal lands while the first run ends, and its host dies before it can say so.
#[tokio::test(start_paused = true)]
async fn what_came_too_late_for_one_run_is_reported_and_not_taken_by_the_next() {
    let world = World::new();
    let (inside, records) = (world.clone(), AtomicU32::new(0));
    let dies = Fates::by(&world, "dead", move |call| match call.name {
        "project" if records.fetch_add(1, Ordering::SeqCst) == 1 => {
            let message =
                Message::Signal { name: "go".into(), payload: serde_json::from_str("7").unwrap() };
            let item =
                NewItem { id: "signal/late".into(), arrived_at: inside.clock.now(), message };
            let id = ExecutionId::new("x").unwrap();
            inside.store.send(&id, &item).now_or_never().unwrap().unwrap();
            Fate::Proceed
        }
        "remove_items" => Fate::Hang,
        _ => Fate::Proceed,
    });
    let mut dead = host_with(&world, &dies, &without_sweeper());
    world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    dead.dies().await;
    closed(&world, "x", minutes(1)).await;

    let said = Said::listen();
    let start = world.client();
    let start = start.start(counts, ("x".to_owned(), 60)).id("x");
    let handle = start.on_conflict(OnConflict::Restart).await.unwrap();
    let report = said.with(&["WARN", "execution.id=x", "item.id=signal/late", "too late"]);
    assert_eq!(report.len(), 1, "{:#?}", said.with(&[]));
    let _host = host(&world, "host", &without_sweeper());
    assert_eq!(handle.result().await.unwrap(), 0, "it was taken by the next run");
}

/// The signal lands while the first run ends. Who removes it is slow: meanwhile the execution is started
/// again, and the sender, who had no answer, tries again with the same id.
#[tokio::test(start_paused = true)]
async fn what_is_sent_again_to_the_next_run_is_not_removed_as_too_late_for_the_last() {
    let world = World::new();
    let (inside, records, again) = (world.clone(), AtomicU32::new(0), AtomicU32::new(0));
    let slow = Fates::by(&world, "slow", move |call| {
        match call.name {
            "project" if records.fetch_add(1, Ordering::SeqCst) == 1 => {
                item_lands(&inside, ("signal/late", going(7)));
            }
            "remove_items" if again.fetch_add(1, Ordering::SeqCst) == 0 => {
                let client = inside.client();
                let start = client.start(counts, ("x".to_owned(), 60)).id("x");
                let start = start.on_conflict(OnConflict::Restart).into_future();
                start.now_or_never().expect("memory answers at once").unwrap();
                item_lands(&inside, ("signal/late", going(7)));
            }
            _ => {}
        }
        Fate::Proceed
    });
    let _host = host_with(&world, &slow, &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    let second = |record: &Record| record.projection.first > 0 && record.arrivals == 2;
    world.until("x", minutes(1), second).await;
    closed(&world, "x", minutes(3)).await;
    assert_eq!(handle.result().await.unwrap(), 1, "the second run has lost its signal");
    world.check_closed("x").await;
}
