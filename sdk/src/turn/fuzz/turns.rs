//! The same programs in whole turns: the real `drive` on a store and a queue in memory, in virtual
//! time, with bodies that take their time, commits that do, and hosts that crash or run out of it.
//!
//! What is asserted beside the end:
//!
//! - **When a body starts**, the durable log alone leads the program to ask for that step, it does
//!   not have the step's result, and it has every attempt of it that failed before; and what the
//!   turn loaded does not end with the step given up. An at-most-once attempt begins once.
//! - **The log says all**: a replay of it, by the pure middle alone, makes the trace of the turn
//!   that saw the end and its result, and every call in it, byte for byte.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::programs::Program;
use super::programs::children::little;
use super::rng::Rng;
use super::store::Slow;
use super::trace::Trace;
use super::world::World;
use super::{Repeat, bodies, number, same_bytes};
use crate::context::{
    Needs, State, States, WorkflowEnd, WorkflowFuture, WorkflowSpec, attempt, idempotency_key,
    postpone,
};
use crate::error::Error;
use crate::event::{
    Event, Json, PromiseResult, StepCompleted, StepFailed, StoredCommit, WorkflowStarted,
};
use crate::host::{App, Registry};
use crate::id::{ExecutionId, HostId, WriterId};
use crate::limits::WORKER_LEASE;
use crate::memory::{MemoryQueue, MemoryStore};
use crate::replay::History;
use crate::store::{EventStore, Message, NewItem, Projection, Record, Sent, Status};
use crate::time::{Clock, Timestamp};
use crate::turn::{Kitchen, Lease, Term, Verdict};
use crate::wake::{Wake, WakeQueue};

/// Seeds a program, unless the environment says otherwise.
const SEEDS: u64 = 8;

pub(super) fn fuzz(program: &Program, cost: u64) {
    let first = number("EVERSTEP_FUZZ_FIRST", 0);
    let seeds = (number("EVERSTEP_FUZZ_TURN_SEEDS", SEEDS) / cost).max(1);
    for seed in first..first + seeds {
        let _repeat = Repeat { program: program.name, seed };
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(one(*program, seed));
    }
}

/// One execution from its start to its end.
async fn one(program: Program, seed: u64) {
    let stage = Arc::new(Stage::new(program, seed).await);
    let watched = Arc::clone(&stage);
    bodies::set(Arc::new(move || Arc::clone(&watched).body_begins().boxed()));
    let messages = tokio::spawn(Arc::clone(&stage).send_messages());
    let mut rng = Rng::new(seed ^ 1);
    let begun = Instant::now();
    for host in 0.. {
        assert!(begun.elapsed() < Duration::from_secs(100_000), "it does not end");
        stage.take_one_turn(host, &mut rng).await;
        let broken = stage.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        assert_eq!(broken, None);
        let record = stage.record().await;
        match record.projection.status {
            Status::Blocked => panic!("it is blocked: {:?}", record.projection.reason),
            Status::Completed | Status::Failed | Status::Cancelled => break,
            _ => {}
        }
    }
    messages.abort();
    stage.log_says_all().await;
}

/// The traces of the runs of the workflow, one a turn.
#[derive(Clone)]
struct Runs {
    program: Program,
    traces: Arc<Mutex<Vec<Trace>>>,
}

struct Stage {
    program: Program,
    id: ExecutionId,
    store: Arc<dyn EventStore>,
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
    runs: Runs,
    /// Whether turns run their workflow twice, and so whether all that is random, late or stopped
    /// here is nothing that the check could take for a difference.
    replay_check: bool,
    rng: Mutex<Rng>,
    /// The attempts that began, on whatever host.
    begun: Mutex<HashSet<(u32, u32, usize)>>,
    /// What was wrong with a body's start.
    broken: Mutex<Option<String>>,
}

impl Stage {
    async fn new(program: Program, seed: u64) -> Self {
        let rng = Mutex::new(Rng::new(seed));
        let store = Arc::new(Slow::new(Arc::new(MemoryStore::new()), seed));
        let queue = Arc::new(MemoryQueue::new());
        let clock = Clock::virtual_from(Timestamp(1_000));
        let id = ExecutionId::new("fuzz").expect("an id");
        let (at, execution, workflow) = (clock.now(), id.clone(), "fuzz".to_owned());
        let start = WorkflowStarted::first(at, execution, workflow, Json::null());
        let start = [Event::WorkflowStarted(start)];
        let start = StoredCommit::encode(0, WriterId::random(), None, &start);
        let (workflow, started_at) = ("fuzz".to_owned(), at);
        let record = Record {
            id: id.clone(),
            workflow,
            started_at,
            born: None,
            arrivals: 0,
            tags: std::collections::BTreeMap::new(),
            parent: None,
            projection: Projection::of_start(0, at),
        };
        store.create(&record, &start).await.expect("a new execution");
        queue.send(&Wake::news(id.clone()), Duration::ZERO).await.expect("sent");
        let runs = Runs { program, traces: Arc::default() };
        let (begun, broken) = (Mutex::default(), Mutex::default());
        let replay_check = seed % 2 == 1;
        Self { program, id, store, queue, clock, runs, replay_check, rng, begun, broken }
    }

    fn chance<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn record(&self) -> Record {
        self.store.record(&self.id).await.expect("an answer").expect("it exists")
    }

    async fn log(&self) -> Vec<Event> {
        let loaded = self.store.load(&self.id).await.expect("an answer").expect("it exists");
        History::read(&loaded.commits, loaded.from).expect("a sound log").events
    }

    /// A host of its own receives a wake and takes a turn, or crashes in it.
    async fn take_one_turn(&self, host: u64, rng: &mut Rng) {
        let received = self.queue.receive(1, Duration::from_secs(60)).await.expect("an answer");
        let Some(delivery) = received.into_iter().next() else { return };
        let wake = Wake::from_body(&delivery.body).expect("a wake of ours");
        let kitchen = Kitchen::new(
            Arc::clone(&self.store),
            Arc::clone(&self.queue),
            self.clock.clone(),
            HostId(format!("host-{host}").into()),
            self.registry(),
        );
        let (_running, stop) = watch::channel(None);
        let lease = if rng.below(3) == 0 {
            let deadline = self.clock.now().after(Duration::from_millis(100 + rng.below(400)));
            Lease::Invocation { deadline, hand_over: deadline.before(Duration::from_millis(60)) }
        } else {
            Lease::Renewed(WORKER_LEASE)
        };
        let term = Term { lease, stop };
        let crash =
            Duration::from_millis(if rng.below(3) == 0 { 1 + rng.below(150) } else { 100_000_000 });
        let turn = kitchen.take_turn(kitchen.visit(wake), delivery.receive_count, &term);
        match tokio::time::timeout(crash, turn).await {
            Ok(Ok(Verdict::Delete)) => self.queue.delete(&delivery.receipt).await.expect("deleted"),
            Ok(Ok(Verdict::Return(after))) => {
                self.queue.keep(&delivery.receipt, after).await.expect("kept");
            }
            Ok(Err(error)) => panic!("the turn failed: {error}"),
            Err(_) => {} // It crashed. The wake comes back, the claim runs out.
        }
    }

    fn registry(&self) -> Registry {
        let app = App::new().workflow(fuzzed).workflow(little).state(self.runs.clone());
        app.replay_check(self.replay_check).registry().expect("a registry")
    }

    /// One of the three signals or updates is sent now and then while the execution waits, and rarely else.
    async fn send_messages(self: Arc<Self>) {
        for number in 1_u64.. {
            loop {
                // The more there were the rarer they get, or a program that waits for children of
                // a dead host is drowned in them.
                let pause = 40 * (1 + number / 30);
                sleep(Duration::from_millis(1 + self.chance(|rng| rng.below(pause)))).await;
                let waits = self.record().await.projection.status == Status::Suspended;
                if waits || self.chance(|rng| rng.below(30)) == 0 {
                    break;
                }
            }
            let other = self.chance(|rng| super::message(number, rng));
            let cancels =
                self.program.name.starts_with("undo") && self.chance(|rng| rng.below(6)) == 0;
            let message = if cancels {
                Message::Cancel { reason: "by chance".to_owned() }
            } else {
                match self.word_of_a_promise(number).await {
                    Some(message) if self.chance(|rng| rng.below(2)) == 0 => message,
                    _ => other,
                }
            };
            let (id, arrived_at) = (format!("message/{number}"), self.clock.now());
            let item = NewItem { id, arrived_at, message };
            if let Sent::Closed { .. } = self.store.send(&self.id, &item).await.expect("an answer")
            {
                return;
            }
            let wake = Wake::news(self.id.clone());
            self.queue.send(&wake, Duration::ZERO).await.expect("sent");
        }
    }

    /// A result or a heartbeat for one of the promises that the log knows, resolved or not.
    async fn word_of_a_promise(&self, number: u64) -> Option<Message> {
        let known = |event: Event| match event {
            Event::PromiseCreated(e) => Some(e.key),
            _ => None,
        };
        let mut keys: Vec<_> = self.log().await.into_iter().filter_map(known).collect();
        let key = (!keys.is_empty())
            .then(|| keys.swap_remove(self.chance(|rng| rng.index(keys.len()))))?;
        let result = match self.chance(|rng| rng.below(4)) {
            0 => PromiseResult::Failed { reason: number.to_string() },
            1 => return Some(Message::Heartbeat { run: 1, key }),
            _ => PromiseResult::Completed { value: Json::record(&number).expect("a number") },
        };
        Some(Message::Promise { run: 1, key, result })
    }

    /// A body has started. What is wrong with that is kept for the test: a panic here would only be
    /// a failed attempt.
    async fn body_begins(self: Arc<Self>) {
        if let Err(problem) = self.may_begin().await {
            let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            broken.get_or_insert(problem);
        }
        let takes = self.chance(|rng| if rng.below(3) == 0 { 0 } else { 1 + rng.below(40) });
        if takes > 0 {
            sleep(Duration::from_millis(takes)).await;
        }
        if self.chance(|rng| rng.below(10)) == 0 {
            let delay = Duration::from_millis(self.chance(|rng| rng.below(3_000)));
            postpone(delay, "by chance").await;
        }
    }

    /// The durable log has all that led to this body, and not its result.
    async fn may_begin(&self) -> Result<(), String> {
        let (key, attempt, log) = (idempotency_key(), attempt(), self.log().await);
        let replayed = World::replay(&self.program, &log);
        let Some(seq) = replayed.step_asked_for(&key) else {
            return Err(format!("a body started that the durable log does not lead to: {log:#?}"));
        };
        let claim = log.iter().rposition(|event| matches!(event, Event::TurnStarted(_)));
        let loaded = World::replay(&self.program, &log[..claim.unwrap_or(log.len())]);
        // What may have to be undone is driven to its end, though nobody waits for it any more.
        let finishing = log.iter().any(
            |event| matches!(event, Event::CompensationStarted(e) if e.finishing.contains(&seq)),
        );
        if loaded.step_asked_for(&key).is_some_and(|seq| !loaded.waits_for(seq)) && !finishing {
            return Err(format!("a body started that the loaded log had given up: {log:#?}"));
        }
        let of_it = |event: &&Event| match event {
            Event::StepCompleted(e) => e.seq == seq,
            Event::StepFailed(e) => e.seq == seq,
            Event::StepAttemptFailed(e) => e.seq == seq,
            _ => false,
        };
        let (failed, results): (Vec<_>, Vec<_>) = log
            .iter()
            .filter(of_it)
            .partition(|event| matches!(event, Event::StepAttemptFailed(_)));
        if !results.is_empty() {
            return Err(format!("a body started whose result is durable: {log:#?}"));
        }
        if failed.len() + 1 != attempt as usize {
            return Err(format!("attempts before attempt {attempt} are not durable: {log:#?}"));
        }
        let at_most_once = log.iter().any(
            |event| matches!(event, Event::StepStarted(e) if e.seq == seq && e.attempt == attempt),
        );
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        // It may begin again each time that it said, durably, that it did nothing.
        let postponed = log.iter().filter(
            |event| matches!(event, Event::StepPostponed(e) if e.seq == seq && e.attempt == attempt),
        );
        if !begun.insert((seq, attempt, postponed.count())) && at_most_once {
            return Err(format!("attempt {attempt} began twice, at most once: {log:#?}"));
        }
        Ok(())
    }

    async fn log_says_all(&self) {
        let log = self.log().await;
        let replayed = World::replay(&self.program, &log);
        let cause = log.iter().find_map(|event| match event {
            Event::CompensationStarted(e) => Some(e.cause.clone()),
            _ => None,
        });
        let undone = cause.is_some();
        let end = match (log.last(), cause) {
            (Some(Event::WorkflowCompleted(e)), None) => WorkflowEnd::Completed(e.output.clone()),
            (Some(Event::WorkflowFailed(e)), None) => WorkflowEnd::Failed(e.error.clone()),
            (Some(Event::WorkflowFailed(e)), Some(cause)) => {
                WorkflowEnd::Undone { cause, left: e.not_undone.clone() }
            }
            (Some(Event::WorkflowCancelled(e)), Some(cause)) => {
                WorkflowEnd::Undone { cause, left: e.not_undone.clone() }
            }
            // What was there to be delivered when it was cancelled nobody has seen.
            (Some(Event::WorkflowCancelled(_)), None) => return,
            (last, _) => panic!("it has not ended: {last:?}"),
        };
        if undone {
            self.all_is_undone(&log);
        }
        assert_eq!(replayed.end, Some(end), "the result differs; log: {log:#?}");
        same_bytes(&log, &replayed.remade_log());
        let traces = self.runs.traces.lock().unwrap_or_else(PoisonError::into_inner);
        let last = traces.last().expect("it ran").take();
        assert_eq!(last, replayed.take_notes(), "the trace differs; log: {log:#?}");
    }
}

impl Stage {
    /// Whatever ran is undone, once and the last first; and whatever may have run has run to its
    /// end.
    fn all_is_undone(&self, log: &[Event]) {
        let mut done: Vec<String> = Vec::new();
        for event in log {
            match event {
                Event::StepCompleted(e) if e.key.name == "u" => done.push(e.key.to_string()),
                Event::StepCompleted(StepCompleted { key, input, .. })
                | Event::StepFailed(StepFailed { key, input, .. })
                    if key.name == "undo u" =>
                {
                    let undoes: serde_json::Value = input.read().expect("an object");
                    if let Some(undoes) = undoes["undoes"].as_str() {
                        assert_eq!(done.pop().as_deref(), Some(undoes), "log: {log:#?}");
                    }
                }
                _ => {}
            }
        }
        assert!(done.is_empty(), "{done:?} was not undone: {log:#?}");
        let replayed = World::replay(&self.program, log);
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for (seq, ..) in &*begun {
            let last = log.iter().rev().find_map(|event| match event {
                Event::StepCompleted(e) if e.seq == *seq => Some(true),
                Event::StepFailed(e) if e.seq == *seq => Some(true),
                Event::StepAttemptFailed(e) if e.seq == *seq => {
                    Some(e.key.name != "u" || !e.failure.leaves_doubt())
                }
                _ => None,
            });
            // Of its own attempt it says that it did nothing.
            let postponed =
                log.iter().any(|event| matches!(event, Event::StepPostponed(e) if e.seq == *seq));
            let last = last.or(postponed.then_some(true));
            assert!(
                !replayed.has_undo(*seq) || last == Some(true),
                "nobody knows what step {seq} did: {log:#?}"
            );
        }
    }
}

/// What registers the programs: whichever the state holds.
struct Fuzzed;

fn fuzzed(
    runs: State<Runs>,
) -> WorkflowFuture<Fuzzed, BoxFuture<'static, Result<serde_json::Value, Error>>> {
    WorkflowFuture::new(run(runs.0))
}

impl WorkflowSpec for Fuzzed {
    const NAME: &'static str = "fuzz";
    type Input = ();
    type Output = serde_json::Value;
    type Error = Error;

    fn needs(needs: &mut Needs) {
        needs.state::<Runs>();
    }

    fn run(states: &States, (): ()) -> BoxFuture<'static, Result<serde_json::Value, Error>> {
        fuzzed(states.get()).into_inner()
    }
}

fn run(runs: Runs) -> BoxFuture<'static, Result<serde_json::Value, Error>> {
    let trace = Trace::default();
    runs.traces.lock().unwrap_or_else(PoisonError::into_inner).push(trace.clone());
    (runs.program.make)(trace)
        .map(|end| match end {
            WorkflowEnd::Completed(output) => Ok(output.read()?),
            WorkflowEnd::Failed(error) => Err(error.read::<Error>()?),
            WorkflowEnd::Unrecordable(problem) => panic!("{problem}"),
            WorkflowEnd::Continued(_) => unreachable!("that is what a poll comes to"),
            WorkflowEnd::Undone { .. } => unreachable!("no workflow ends so by itself"),
        })
        .boxed()
}
