//! Payload stores that are slow to take what a turn has: the turn gives up in order, and nobody is
//! blamed for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use everstep::backend::Backend;
use everstep::event::{Event, TurnEnd};
use everstep::id::ExecutionId;
use everstep::limits::{PAYLOAD_CALL_MAX, SEAL_GRACE, STRIKES_MAX};
use everstep::payload::{
    BlobBytes, BlobName, Folder, MemoryPayloads, PayloadError, PayloadStore, Payloads, Put,
};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::time::{Clock, Timestamp};
use everstep_tests::said::Said;
use everstep_tests::sim::check_log;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{THRESHOLD, text};

/// A store that takes what is small, such as a probe, and never answers for what is large, while it
/// is told to.
#[derive(Debug, Clone, Default)]
struct Narrow {
    blobs: MemoryPayloads,
    hangs: Arc<AtomicBool>,
    /// So many large ones are taken still.
    spare: Arc<AtomicU32>,
    /// So does everything, also what is small and what is read.
    all: Arc<AtomicBool>,
    asked: Arc<Notify>,
}

impl Narrow {
    async fn answer(&self, hangs: bool) {
        if hangs || self.all.load(Ordering::SeqCst) {
            self.asked.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl PayloadStore for Narrow {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        let hangs = bytes.len() > 100 && self.hangs.load(Ordering::SeqCst);
        let one_less = |spare: u32| spare.checked_sub(1);
        let spare = || self.spare.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        self.answer(hangs && spare().is_err()).await;
        self.blobs.put(name, bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.answer(false).await;
        self.blobs.get(name).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.blobs.list(folder).await
    }
}

#[derive(Clone, Default)]
struct Runs(Arc<AtomicU32>);

#[step(skip(runs))]
async fn scan(runs: State<Runs>) -> everstep::Result<String> {
    runs.0.0.fetch_add(1, Ordering::SeqCst);
    Ok(text(2 * THRESHOLD))
}

#[workflow]
async fn scan_once(runs: State<Runs>, _: u8) -> everstep::Result<usize> {
    Ok(scan(runs).await?.len())
}

/// Its input is large.
#[workflow]
async fn measure(_: State<Runs>, whole: String) -> everstep::Result<usize> {
    Ok(whole.len())
}

#[workflow]
async fn recite(_: State<Runs>, _: u8) -> everstep::Result<String> {
    Ok(text(2 * THRESHOLD))
}

#[workflow]
async fn asks(_: State<Runs>, _: u8) -> everstep::Result<usize> {
    Ok(child(recite, 1).await?.len())
}

struct World {
    line: Narrow,
    runs: Runs,
    backend: Backend,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let line = Narrow::default();
        let payloads = Payloads::new(line.clone()).threshold(THRESHOLD);
        let backend = Backend::memory().with_payloads(payloads);
        let clock = Clock::virtual_from(Timestamp(1_700_000_000_000));
        Self { line, runs: Runs::default(), backend, clock }
    }

    fn client(&self) -> Client {
        Client::new(&self.backend).clock(self.clock.clone())
    }

    async fn worker(&self) -> everstep::Worker {
        let app = App::new().workflow(scan_once).workflow(measure).workflow(recite).workflow(asks);
        let app = app.state(self.runs.clone());
        let worker = app.backend(self.backend.clone()).worker().await.unwrap();
        worker.clock(self.clock.clone())
    }

    /// Its log, which is as it must be.
    async fn events(&self, id: &ExecutionId) -> Vec<Event> {
        let log = self.client().history(id).await.unwrap();
        check_log(&log);
        log.into_iter().flat_map(|commit| commit.events).collect()
    }

    async fn status(&self, id: &ExecutionId) -> Status {
        self.client().describe(id).await.unwrap().projection.status
    }
}

fn gave_up(events: &[Event]) -> usize {
    let is =
        |event: &&Event| matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::GaveUp);
    events.iter().filter(is).count()
}

/// A probe goes through each time, so that each turn claims, runs the body, and cannot store what came
/// of it.
#[tokio::test(start_paused = true)]
async fn an_execution_whose_result_is_too_slow_to_store_is_never_taken_for_poison() {
    let world = World::new();
    world.line.hangs.store(true, Ordering::SeqCst);
    let handle = world.client().start(scan_once, 1).await.unwrap();
    let id = handle.id();
    let watching = async {
        tokio::time::sleep(hours(2)).await;
        let events = world.events(id).await;
        assert!(gave_up(&events) > 2 * STRIKES_MAX as usize, "{events:#?}");
        assert_eq!(world.status(id).await, Status::Running);
        // A sweep each half minute does not run the body more often than the back-off says.
        let runs = world.runs.0.load(Ordering::SeqCst);
        assert!(runs < 30, "{runs} runs of the body in two hours");
        world.line.hangs.store(false, Ordering::SeqCst);
        handle.result().await.unwrap()
    };
    let result = world.worker().await.run_until(watching).await.unwrap();
    assert_eq!(result, 2 * THRESHOLD);
    assert_eq!(gave_up(&world.events(id).await) + 1, world.runs.0.load(Ordering::SeqCst) as usize);
}

/// What has arrived for an execution that rests is taken at once: it may be a cancel.
#[tokio::test(start_paused = true)]
async fn an_execution_that_rests_after_an_outage_is_cancelled_at_once() {
    let world = World::new();
    world.line.hangs.store(true, Ordering::SeqCst);
    let handle = world.client().start(scan_once, 1).await.unwrap();
    let watching = async {
        tokio::time::sleep(hours(1)).await;
        // Until the next turn gives up, after which it rests for minutes.
        let before = gave_up(&world.events(handle.id()).await);
        let next = async {
            while gave_up(&world.events(handle.id()).await) == before {
                tokio::time::sleep(seconds(1)).await;
            }
        };
        tokio::time::timeout(hours(1), next).await.unwrap();
        let runs = world.runs.0.load(Ordering::SeqCst);
        handle.cancel("enough").await.unwrap();
        tokio::time::sleep(seconds(5)).await;
        assert_eq!(world.status(handle.id()).await, Status::Cancelled);
        assert_eq!(world.runs.0.load(Ordering::SeqCst), runs);
    };
    world.worker().await.run_until(watching).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_waits_for_a_payload_no_longer_than_for_its_bodies() {
    let world = World::new();
    world.line.hangs.store(true, Ordering::SeqCst);
    let handle = world.client().start(scan_once, 1).await.unwrap();
    let grace = seconds(10);
    assert!(grace + SEAL_GRACE < PAYLOAD_CALL_MAX);
    let worker = world.worker().await.stop_grace(grace);
    let told = async {
        world.line.asked.notified().await;
        Instant::now()
    };
    let told = worker.run_until(told).await.unwrap();
    assert_eq!(told.elapsed(), grace + SEAL_GRACE);
    let events = world.events(handle.id()).await;
    assert_eq!(gave_up(&events), 1, "its claim is over: {events:#?}");
    assert_eq!(world.runs.0.load(Ordering::SeqCst), 1);
}

/// Nothing has begun yet.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_does_not_wait_for_what_it_reads_before_a_turn() {
    let world = World::new();
    let handle = world.client().start(measure, text(2 * THRESHOLD)).await.unwrap();
    world.line.all.store(true, Ordering::SeqCst);
    let told = async {
        world.line.asked.notified().await;
        Instant::now()
    };
    let told = world.worker().await.run_until(told).await.unwrap();
    assert_eq!(told.elapsed(), Duration::ZERO);
    world.line.all.store(false, Ordering::SeqCst);
    assert_eq!(world.events(handle.id()).await.len(), 1, "nobody has claimed");
    // Nothing has failed: others have the wake at once.
    let began = Instant::now();
    let length = world.worker().await.run_until(handle.result()).await.unwrap().unwrap();
    assert_eq!(length, 2 * THRESHOLD);
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
}

/// A function answers in order before it is ended.
#[tokio::test(start_paused = true)]
async fn an_invocation_does_not_wait_for_what_it_reads_longer_than_to_its_hand_over() {
    let world = World::new();
    let handle = world.client().start(measure, text(2 * THRESHOLD)).await.unwrap();
    world.line.all.store(true, Ordering::SeqCst);
    let worker = world.worker().await.as_invocations(seconds(20), seconds(10));
    let began = Instant::now();
    let result = worker.run_until(async {
        world.line.asked.notified().await;
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        world.line.all.store(false, Ordering::SeqCst);
        handle.result().await
    });
    assert_eq!(result.await.unwrap().unwrap(), 2 * THRESHOLD);
    assert!(began.elapsed() < seconds(13), "{:?}", began.elapsed());
}

/// Nor for the answer to whether the store takes anything.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_does_not_wait_for_a_probe() {
    let world = World::new();
    world.line.hangs.store(true, Ordering::SeqCst);
    let handle = world.client().start(scan_once, 1).await.unwrap();
    let told = async {
        world.line.asked.notified().await;
        world.line.all.store(true, Ordering::SeqCst);
        world.line.asked.notified().await;
        Instant::now()
    };
    let told = world.worker().await.run_until(told).await.unwrap();
    assert_eq!(told.elapsed(), Duration::ZERO);
    assert_eq!(gave_up(&world.events(handle.id()).await), 1);
    assert_eq!(world.runs.0.load(Ordering::SeqCst), 1);
}

/// A child's result is sealed for its parent, too, after the child's last commit: by who wrote that, or
/// by who finds it.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_does_not_wait_for_what_an_end_says_to_others() {
    let said = Said::listen();
    let world = World::new();
    world.line.hangs.store(true, Ordering::SeqCst);
    world.line.spare.store(1, Ordering::SeqCst);
    let handle = world.client().start(asks, 1).await.unwrap();
    let grace = seconds(10);
    for found in [false, true] {
        let told = async {
            world.line.asked.notified().await;
            Instant::now()
        };
        let told = world.worker().await.stop_grace(grace).run_until(told).await.unwrap();
        assert_eq!(told.elapsed(), grace + SEAL_GRACE, "found: {found}");
    }
    // It may have been the store or the queue.
    let ended = said.with(&["the turn ended"]);
    assert!(ended.len() == 2 && ended.iter().all(|line| !line.contains("payload")), "{ended:?}");
    world.line.hangs.store(false, Ordering::SeqCst);
    let length = world.worker().await.run_until(handle.result()).await.unwrap().unwrap();
    assert_eq!(length, 2 * THRESHOLD);
}
