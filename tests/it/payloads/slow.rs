//! Payload stores that take longer than a claim holds, and two hosts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use everstep::ExecutionId;
use everstep::backend::Backend;
use everstep::event::Event;
use everstep::limits::WRITE_TRIES_MAX;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::payload::{MemoryPayloads, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::{Call, Fate, Faults, FaultyPayloads, FaultyStore};
use everstep::time::Clock;
use everstep::wake::WakeQueue;

use super::{THRESHOLD, text};

/// How often the body ran, and what the workflow was told of its size each time it got there.
#[derive(Clone, Default)]
struct Seen {
    runs: Arc<AtomicU32>,
    sizes: Arc<Mutex<Vec<u64>>>,
    /// The kinds of what became durable, as its hosts have told.
    kinds: Arc<Mutex<Vec<&'static str>>>,
}

impl Seen {
    fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }

    fn sizes(&self) -> MutexGuard<'_, Vec<u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[step(skip(seen))]
async fn scan(seen: State<Seen>, seconds: u64) -> everstep::Result<String> {
    seen.0.runs.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(text(2 * THRESHOLD))
}

#[step]
async fn count(whole: String) -> everstep::Result<usize> {
    Ok(whole.len())
}

/// A large result, a step after it that starts behind the barrier, and a replay.
#[workflow]
async fn scan_and_count(seen: State<Seen>, seconds: u64) -> everstep::Result<String> {
    let whole = scan(seen.clone(), seconds).await?;
    seen.0.sizes().push(execution_info().events);
    let counted = count(whole.clone()).await?;
    sleep(hours(1)).await;
    let _: usize = count(whole).await?;
    Ok(text(counted))
}

#[step(skip(seen))]
async fn scan_for(seen: State<Seen>, millis: u64) -> everstep::Result<String> {
    seen.0.runs.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(text(2 * THRESHOLD))
}

/// Two large results, of bodies beside each other.
#[workflow]
async fn scan_both(seen: State<Seen>, millis: [u64; 2]) -> everstep::Result<u64> {
    let scans = join_all(millis.map(|millis| scan_for(seen.clone(), millis))).await;
    scans.into_iter().map(|scan| scan.map(|whole| whole.len() as u64)).sum()
}

/// Two hosts with stores of their own before one store, one queue and one place for blobs.
struct Two {
    seen: Seen,
    store: Arc<MemoryStore>,
    queue: Arc<MemoryQueue>,
    blobs: MemoryPayloads,
    clock: Clock,
}

impl Two {
    fn new() -> Self {
        let clock = Clock::system();
        Self {
            seen: Seen::default(),
            store: Arc::new(MemoryStore::new()),
            queue: Arc::new(MemoryQueue::new()),
            blobs: MemoryPayloads::new(),
            clock: Clock::virtual_from(clock.now()),
        }
    }

    fn backend(&self, faults: &Faults) -> Backend {
        let store = Arc::new(FaultyStore::new(self.store.clone(), faults));
        let queue: Arc<dyn WakeQueue> = self.queue.clone();
        let blobs: Arc<dyn PayloadStore> = Arc::new(self.blobs.clone());
        let blobs = Payloads::of(Arc::new(FaultyPayloads::new(blobs, faults)));
        Backend::new(store, queue).with_payloads(blobs.threshold(THRESHOLD))
    }

    fn client(&self) -> Client {
        Client::new(&self.backend(&Faults::none()))
    }

    /// Starts a host that meets these faults.
    async fn host(&self, faults: &Faults) -> tokio::task::JoinHandle<()> {
        let app = App::new().workflow(scan_and_count).workflow(scan_both);
        let kinds = Arc::clone(&self.seen.kinds);
        let observer = move |_: &ExecutionId, event: &Event| {
            kinds.lock().unwrap_or_else(PoisonError::into_inner).push(event.kind());
        };
        let app = app.state(self.seen.clone()).replay_check(true).observe(observer);
        let worker = app.backend(self.backend(faults)).worker().await.unwrap();
        let worker = worker.clock(self.clock.clone());
        tokio::spawn(async move { worker.run_until(std::future::pending::<()>()).await.unwrap() })
    }

    async fn events(&self, id: &ExecutionId) -> Vec<Event> {
        let commits = self.client().history(id).await.unwrap();
        commits.into_iter().flat_map(|commit| commit.events).collect()
    }

    async fn completed(&self, id: &ExecutionId) {
        let completed = async {
            loop {
                match self.client().describe(id).await.unwrap().projection.status {
                    Status::Completed => return,
                    Status::Running | Status::Suspended => {}
                    other => panic!("it is {other}"),
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(hours(5), completed).await.unwrap();
    }
}

fn slow_puts(call: &Call) -> Fate {
    if call.name == "payloads.put" { Fate::Slow(Duration::from_secs(50)) } else { Fate::Proceed }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_while_a_blob_is_written_and_no_body_runs_twice() {
    let two = Two::new();
    let slow = Faults::by(slow_puts);
    let _hosts = [two.host(&slow).await, two.host(&slow).await];
    let handle = two.client().start(scan_and_count, 1).await.unwrap();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 1);
    assert_eq!(handle.result().await.unwrap().len(), 2 * THRESHOLD);
    let events = two.events(handle.id()).await;
    let ahead = |event: &&Event| matches!(event, Event::LeaseRenewed(renewed) if renewed.ahead);
    assert!(events.iter().filter(ahead).count() >= 4, "{events:#?}");
    assert!(events.is_sorted_by_key(Event::at), "{events:#?}");
    let sizes = two.seen.sizes().clone();
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

/// The first body ends just before the claim is to be renewed: its result and that renewal are one
/// commit, with others ahead of it by the time that it is written.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_waits_for_a_blob_takes_nothing_back() {
    let two = Two::new();
    let _host = two.host(&Faults::by(slow_puts)).await;
    let handle = two.client().start(scan_both, [9_970, 120_000]).await.unwrap();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 2);
    let events = two.events(handle.id()).await;
    let done = events.iter().position(|event| matches!(event, Event::StepCompleted(_))).unwrap();
    let renewed = |event: &Event, is_ahead: bool| matches!(event, Event::LeaseRenewed(renewed) if renewed.ahead == is_ahead);
    assert!(renewed(&events[done - 1], true) && renewed(&events[done + 1], false), "{events:#?}");
    let ends = events.iter().filter_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim.lease_end),
        Event::LeaseRenewed(renewed) => Some(renewed.lease_end),
        _ => None,
    });
    assert!(ends.is_sorted(), "{events:#?}");
    let kinds: Vec<_> = events[1..].iter().map(Event::kind).collect();
    let told = two.seen.kinds.lock().unwrap();
    assert_eq!(*told, kinds, "who watches hears of the renewals, too, in the order of the log");
}

#[tokio::test(start_paused = true)]
async fn a_payload_store_that_hangs_costs_one_more_run_of_a_body_however_long_it_hangs() {
    let two = Two::new();
    let faults =
        Faults::by(|call| if call.name == "payloads.put" { Fate::Hang } else { Fate::Proceed });
    let _hosts = [two.host(&faults).await, two.host(&faults).await];
    let handle = two.client().start(scan_and_count, 1).await.unwrap();
    tokio::time::sleep(hours(2)).await;
    assert_eq!(two.seen.runs(), 1);
    faults.heal();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 2);
    assert_eq!(handle.result().await.unwrap().len(), 2 * THRESHOLD);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_while_a_message_is_read_that_came_meanwhile() {
    let two = Two::new();
    let slow = Faults::by(|call| match call.name {
        "payloads.get" => Fate::Slow(Duration::from_secs(50)),
        _ => Fate::Proceed,
    });
    let _hosts = [two.host(&slow).await, two.host(&slow).await];
    let handle = two.client().start(scan_and_count, 300).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    handle.signal("nobody", &text(2 * THRESHOLD)).await.unwrap();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 1);
}

/// Nobody knows whether that renewal is in the log.
#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_ends_the_turn_also_while_a_message_is_read() {
    let two = Two::new();
    let (reads, lost) = (AtomicU32::new(0), AtomicU32::new(0));
    let faults = Faults::by(move |call| match call.name {
        "payloads.get" => {
            reads.fetch_add(1, Ordering::Relaxed);
            Fate::Slow(Duration::from_secs(50))
        }
        "append"
            if reads.load(Ordering::Relaxed) > 0
                && lost.fetch_add(1, Ordering::Relaxed) < WRITE_TRIES_MAX =>
        {
            Fate::FailAfter
        }
        _ => Fate::Proceed,
    });
    let _host = two.host(&faults).await;
    let handle = two.client().start(scan_and_count, 300).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    handle.signal("nobody", &text(2 * THRESHOLD)).await.unwrap();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 2);
    assert_eq!(handle.result().await.unwrap().len(), 2 * THRESHOLD);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_loses_its_claim_while_it_seals_writes_nothing_more() {
    let two = Two::new();
    let appends = AtomicU32::new(0);
    // It stands still over its renewal, until the other one's sweeper has found the execution.
    let one = Faults::by(move |call| match call.name {
        "append" if appends.fetch_add(1, Ordering::Relaxed) == 1 => {
            Fate::Slow(Duration::from_secs(200))
        }
        _ => slow_puts(call),
    });
    let first = two.host(&one).await;
    let handle = two.client().start(scan_and_count, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let _second = two.host(&Faults::none()).await;
    tokio::time::sleep(minutes(5)).await;
    first.abort();
    two.completed(handle.id()).await;
    assert_eq!(two.seen.runs(), 2);
    let events = two.events(handle.id()).await;
    let done = events.iter().filter(|event| matches!(event, Event::StepCompleted(_)));
    assert_eq!(done.count(), 3, "{events:#?}");
    let claims = |event: &&Event| matches!(event, Event::TurnStarted(_));
    assert!(events.iter().filter(claims).count() >= 3, "{events:#?}");
}
