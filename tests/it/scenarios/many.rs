//! Very many executions, while hosts are killed and the store is away for a moment, over and over.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::EventStore;
use everstep::testing::faults::{Fate, Faults, FaultyStore};
use everstep::time::{Clock, Timestamp};
use everstep::wake::WakeQueue;

const EXECUTIONS: u32 = 10_000;

/// How many executions a host works on at once, and so how many bodies die with it.
const AT_ONCE: usize = 100;

/// How often each part of each order was booked.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<(u32, u32), usize>>>);

#[step(skip(ledger))]
async fn book(ledger: &Ledger, number: u32, part: u32) -> everstep::Result<u32> {
    tokio::time::sleep(Duration::from_millis(400)).await;
    *ledger.0.lock().unwrap().entry((number, part)).or_default() += 1;
    Ok(part)
}

#[workflow]
async fn three_parts(State(ledger): State<Ledger>, number: u32) -> everstep::Result<u32> {
    let mut sum = 0;
    for part in 1..=3 {
        sum += book(&ledger, number, part).await?;
    }
    Ok(sum)
}

/// Hosts one after the other, each killed when it has lived so long.
async fn hosts(
    backend: &dyn Fn() -> Backend,
    clock: &Clock,
    ledger: &Ledger,
    life: Duration,
    deaths: &Cell<usize>,
) {
    loop {
        let app = App::new().workflow(three_parts).state(ledger.clone()).backend(backend());
        let worker = app.worker().await.unwrap().clock(clock.clone()).concurrency(AT_ONCE);
        let works = worker.sweep(seconds(5), seconds(10)).run_until(std::future::pending::<()>());
        if let Ok(ended) = tokio::time::timeout(life, works).await {
            panic!("a host stopped by itself: {ended:?}");
        }
        deaths.set(deaths.get() + 1);
    }
}

/// Every three seconds the store is away for a moment: what it is asked for is not done, or done
/// without an answer.
async fn restarts(store: &Faults, count: &Cell<usize>) {
    loop {
        tokio::time::sleep(seconds(3)).await;
        store.set(
            |call| if call.index.is_multiple_of(2) { Fate::FailBefore } else { Fate::FailAfter },
        );
        tokio::time::sleep(Duration::from_millis(400)).await;
        store.heal();
        count.set(count.get() + 1);
    }
}

/// L3
#[tokio::test(start_paused = true)]
async fn ten_thousand_executions_end_right_while_hosts_die_and_the_store_restarts() {
    let clock = Clock::virtual_from(Timestamp(1_704_067_200_000));
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let queue: Arc<dyn WakeQueue> = Arc::new(MemoryQueue::new());
    let faults = Faults::none();
    let client =
        Client::new(&Backend::new(Arc::clone(&store), Arc::clone(&queue))).clock(clock.clone());
    let store: Arc<dyn EventStore> = Arc::new(FaultyStore::new(store, &faults));
    let backend = || Backend::new(Arc::clone(&store), Arc::clone(&queue));

    let mut orders = Vec::new();
    for number in 0..EXECUTIONS {
        orders.push(client.start(three_parts, number).id(format!("order-{number}")).await.unwrap());
    }
    let (ledger, deaths, away) = (Ledger::default(), Cell::new(0), Cell::new(0));
    let all_end = async {
        for order in &orders {
            assert_eq!(order.result().await.unwrap(), 6, "{}", order.id());
        }
    };
    tokio::select! {
        biased;
        () = all_end => {}
        () = hosts(&backend, &clock, &ledger, seconds(9), &deaths) => {}
        () = hosts(&backend, &clock, &ledger, seconds(13), &deaths) => {}
        () = restarts(&faults, &away) => {}
    }
    assert!(deaths.get() >= 5 && away.get() >= 10, "{deaths:?} deaths, {away:?} restarts");

    for order in &orders {
        let log = order.history().await.unwrap();
        let events = log.iter().flat_map(|commit| &commit.events);
        let booked = events.filter(|event| event.kind() == "StepCompleted").count();
        assert_eq!(booked, 3, "{}", order.id());
    }
    let ledger = ledger.0.lock().unwrap();
    assert_eq!(ledger.len(), 3 * EXECUTIONS as usize, "a step has no effect");
    // A body runs again only if its result was not in the log: of those that a host took along, or
    // that a turn gave up for want of a store.
    let repeats = ledger.values().sum::<usize>() - ledger.len();
    let most = (deaths.get() + 2 * away.get()) * AT_ONCE;
    assert!(repeats <= most, "{repeats} bodies ran again, at most {most} could");
}
