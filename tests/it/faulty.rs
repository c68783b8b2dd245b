//! Stores and queues that throttle, time out and lose their answers, on every call: the execution
//! ends right all the same, and its code never sees any of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::client::SendError;
use everstep::event::Event;
use everstep::limits::QUEUE_RECEIVES_MAX;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::memory::MemoryQueue;
use everstep::store::EventStore;
use everstep::testing::faults::{Fate, Faults, FaultyQueue, FaultyStore, Rates};
use everstep::wake::WakeQueue;
use everstep::{App, Backend, Client};
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::sim::programs::{act, wary, wary_total};
use everstep_tests::sim::{Dice, Fates, Host, HostOptions, Ledger, World, check_log, seeds};

/// Starts and signals executions through a client whose calls fail as well, and checks their ends.
async fn end_right(world: &World, client: &Client, executions: usize) {
    let all = (0..executions).map(async |number| {
        let id = format!("order-{number}");
        // An error says "do it again with the same id".
        let handle = loop {
            match client.start(wary, id.clone()).id(&*id).await {
                Ok(handle) => break handle,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        loop {
            match handle.signal("go", &1).id("once").await {
                // What an earlier try had sent may have been all that it waited for.
                Ok(()) | Err(SendError::Closed { .. }) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        world.until(&id, Duration::from_secs(3_600), |it| it.projection.status.is_closed()).await;
        let log = world.log(&id).await;
        check_log(&log);
        let last = log.last().and_then(|commit| commit.events.last());
        let Some(Event::WorkflowCompleted(end)) = last else { panic!("{last:?}") };
        assert_eq!(end.output.read::<u64>().unwrap(), wary_total());
    });
    futures::future::join_all(all).await;
    world.ledger.check();
    assert_eq!(world.ledger.errors_seen(), Vec::<String>::new());
    // A lost answer to the write of its start leaves it undone; nothing makes it run twice.
    let charges = world.ledger.runs_of("charge");
    assert!(charges <= executions, "{charges} charges of {executions} executions");
}

const BAD: Rates = Rates { before_per_million: 100_000, after_per_million: 100_000 };

#[test]
fn in_memory_a_fifth_of_all_calls_may_fail() {
    seeds("in_memory_a_fifth", 150, async |seed| {
        let world = World::new();
        let fates = Fates::good(&world, "host");
        let mut dice = Dice::new(seed);
        let drawn = std::sync::Mutex::new(dice.split());
        fates.faults().set(move |_| match drawn.lock().unwrap().below(10) {
            0 => Fate::FailBefore,
            1 => Fate::FailAfter,
            _ => Fate::Proceed,
        });
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let app = App::new().workflow(wary).state(world.ledger.clone());
        let host = Host::start(&world, app, backend, &fates, &HostOptions::default());
        let faults = Faults::seeded(seed, BAD);
        let store = FaultyStore::new(Arc::clone(&world.store), &faults);
        let queue = FaultyQueue::new(Arc::clone(&world.queue), &faults);
        let client = Client::new(&Backend::new(Arc::new(store), Arc::new(queue)));
        end_right(&world, &client.clock(world.clock.clone()), 2).await;
        host.kill().await;
    });
}

/// For half a minute out of each, nothing answers at all.
#[test]
fn outages_only_make_it_late() {
    seeds("outages_only_make_it_late", 20, async |seed| {
        let world = World::new();
        let fates = Fates::good(&world, "host");
        let mut dice = Dice::new(seed);
        let (clock, offset) = (world.clock.clone(), dice.below(60_000));
        fates.faults().set(move |_| {
            let out = (clock.now().0.unsigned_abs() + offset) % 60_000 < 30_000;
            if out { Fate::FailBefore } else { Fate::Proceed }
        });
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let app = App::new().workflow(wary).state(world.ledger.clone());
        let host = Host::start(&world, app, backend, &fates, &HostOptions::default());
        tokio::time::sleep(dice.time(Duration::from_secs(60))).await;
        end_right(&world, &world.client(), 2).await;
        host.kill().await;
    });
}

/// Real time and real I/O: several executions at once on one worker.
async fn on_a_real_store(seed: u64, store: Arc<dyn EventStore>, queue: Arc<dyn WakeQueue>) {
    let rates = Rates { before_per_million: 50_000, after_per_million: 50_000 };
    let world = World::on(store, queue, || 0);
    let faults = Faults::seeded(seed, rates);
    let store = FaultyStore::new(Arc::clone(&world.store), &faults);
    let queue = FaultyQueue::new(Arc::clone(&world.queue), &faults);
    let backend = Backend::new(Arc::new(store), Arc::new(queue));
    let app = App::new().workflow(wary).state(world.ledger.clone()).backend(backend.clone());
    let client = Client::new(&backend).clock(world.clock.clone());
    let worker = app.worker().await.unwrap().clock(world.clock.clone());
    worker.run_until(end_right(&world, &client, 8)).await.unwrap();
}

#[tokio::test]
async fn on_sqlite_a_tenth_of_all_calls_may_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("everstep.db");
    let sqlite = SqliteBackend::open(&file, &SqliteOptions::new()).unwrap();
    on_a_real_store(1, Arc::new(sqlite.store()), Arc::new(sqlite.queue())).await;
}

#[tokio::test]
async fn on_dynamodb_a_tenth_of_all_calls_may_fail() {
    let dynamodb = DynamoDb::start();
    let store = dynamodb.store().await;
    on_a_real_store(2, Arc::new(store), Arc::new(MemoryQueue::new())).await;
}

/// While a body runs its turn asks for news every few seconds.
#[tokio::test(start_paused = true)]
async fn a_look_for_news_that_is_not_answered_stops_no_body() {
    let world = World::new();
    let fates = Fates::each(&world, "host", "record", Fate::FailBefore);
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(slow).state(world.ledger.clone());
    let _host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    let handle = world.client().start(slow, "x".to_owned()).id("x").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 1);
    assert_eq!(world.ledger.runs_of("slow"), 1);
    world.check_closed("x").await;
}

#[everstep::workflow]
async fn slow(
    everstep::State(ledger): everstep::State<Ledger>,
    id: String,
) -> everstep::Result<u64> {
    act(&ledger, &id, "slow", &[], Duration::from_secs(60)).await?;
    Ok(1)
}

/// Somebody who waits for a result has not asked whether the store is well.
#[tokio::test(start_paused = true)]
async fn a_wait_for_a_result_outlasts_an_outage() {
    let world = World::new();
    let app = App::new().workflow(slow).state(world.ledger.clone());
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let _host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    let inside = world.clone();
    let faults = Faults::none();
    faults.set(move |_| {
        let out = (10..600).contains(&inside.elapsed().as_secs());
        if out { Fate::FailBefore } else { Fate::Proceed }
    });
    let store = FaultyStore::new(Arc::clone(&world.store), &faults);
    let client = Client::new(&Backend::new(Arc::new(store), Arc::clone(&world.queue)));
    let client = client.clock(world.clock.clone());
    let handle = client.start(slow, "x".to_owned()).id("x").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 1);
    assert!(world.elapsed() >= Duration::from_secs(600), "it ended in the outage");
}

/// After so many receipts SQS gives a message to the dead-letter queue.
#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_does_not_use_up_the_receipts_of_a_wake() {
    let world = World::new();
    let looks = Arc::new(AtomicU32::new(0));
    let (counted, until) = (Arc::clone(&looks), Duration::from_secs(3_600));
    let inside = world.clone();
    let fates = Fates::by(&world, "host", move |call| {
        if call.name != "load" || inside.elapsed() > until {
            return Fate::Proceed;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Fate::FailBefore
    });
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(slow).state(world.ledger.clone());
    let options = HostOptions { sweeps: false, ..HostOptions::default() };
    let _host = Host::start(&world, app, backend, &fates, &options);
    let handle = world.client().start(slow, "x".to_owned()).id("x").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 1);
    let looks = looks.load(Ordering::SeqCst);
    assert!((10..QUEUE_RECEIVES_MAX).contains(&looks), "{looks} receipts");
}
