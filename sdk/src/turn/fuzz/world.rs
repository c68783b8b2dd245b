//! A turn without a store: what `drive` does, with chance in the place of time. Whatever is
//! written is durable at once, so only the order of things is at stake.

mod children;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::programs::Program;
use super::rng::Rng;
use super::trace::{self, Trace};
use crate::context::{Progress, Run, StepScope, WorkflowEnd, in_body};
use crate::event::{
    Event, Failure, Json, OperationKey, PromiseHeartbeat, PromiseResolved, PromiseResult,
    StepAttemptFailed, StepCompleted, StepFailed, StepPostponed, StepStarted, TimerFired,
    TimerStarted, VersionChosen, WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::replay::{Attempt, Chosen, Engine, Request, site};
use crate::time::Timestamp;
use crate::turn::sequence::Sequence;

/// A run, the world around it, and what was seen of it.
pub(super) struct World {
    pub(super) run: Run,
    trace: Trace,
    pub(super) log: Vec<Event>,
    pub(super) sequence: Sequence,
    delivered: usize,
    /// Calls in the order of their first polls, and how many of them were looked at.
    pub(super) asked: Vec<u32>,
    pub(super) looked_at: usize,
    /// Versions that were decided and are not recorded.
    chosen: Vec<Chosen>,
    /// Attempts that may start, and those that run.
    pub(super) ready: BTreeSet<u32>,
    pub(super) running: BTreeMap<u32, Running>,
    pub(super) timers: BTreeSet<(Timestamp, u32)>,
    timers_started: BTreeSet<u32>,
    messages: u64,
    /// The children that have not ended, and which of them are started.
    children: BTreeMap<u32, bool>,
    /// Those that were made known.
    promises: Vec<(u32, OperationKey)>,
    pub(super) time: Timestamp,
    pub(super) end: Option<WorkflowEnd>,
    rng: Rng,
}

pub(super) struct Running {
    attempt: u32,
    body: BoxFuture<'static, Result<Attempt, String>>,
}

impl World {
    /// A run that begins.
    pub(super) fn new(program: &Program, seed: u64) -> Self {
        let execution = ExecutionId::new("fuzz").expect("an id");
        let (at, workflow, input) = (Timestamp(1_000), "fuzz".to_owned(), Json::null());
        let start = WorkflowStarted::first(at, execution, workflow, input);
        let mut world = Self::replay(program, &[Event::WorkflowStarted(start)]);
        world.look();
        world.reseed(seed);
        world
    }

    /// A run brought back from its log, on which nothing new has happened.
    pub(super) fn replay(program: &Program, log: &[Event]) -> Self {
        let log = trace::stored_and_read(log);
        let Event::WorkflowStarted(start) = &log[0] else { unreachable!("a log begins so") };
        let trace = Trace::default();
        let run =
            Run::new(Engine::new(start, Arc::new(log.clone())), (program.make)(trace.clone()));
        let mut world = Self {
            run,
            trace,
            sequence: Sequence::default(),
            delivered: 1,
            asked: Vec::new(),
            looked_at: 0,
            chosen: Vec::new(),
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            timers: BTreeSet::new(),
            timers_started: BTreeSet::new(),
            messages: log.iter().filter(|event| is_message(event)).count() as u64,
            promises: log.iter().filter_map(made_known).collect(),
            children: BTreeMap::new(),
            time: log.iter().map(Event::at).max().unwrap_or_default(),
            end: None,
            rng: Rng::new(0),
            log: log.clone(),
        };
        let progress = world.run.poll();
        world.progress(Some(progress));
        for event in &log[1..] {
            world.meet(event);
        }
        world
    }

    /// A run brought back from its log by a host that goes on with it.
    pub(super) fn resume(program: &Program, log: &[Event]) -> Self {
        let mut world = Self::replay(program, log);
        world.look();
        world
    }

    /// What a crash does, but for the crash: what happened so far is delivered, all bodies end
    /// where they are, and the turn looks anew at what the workflow waits for. The workflow itself
    /// stays: it is not replayed.
    pub(super) fn interrupt(&mut self) {
        while let Some(event) = self.sequence.next_undelivered().cloned() {
            self.sequence.mark_delivered();
            self.meet(&event);
        }
        self.ready.clear();
        self.running.clear();
        self.timers.clear();
        self.children.clear();
        self.looked_at = 0;
        self.look();
    }

    /// From here on chance is `seed`'s.
    pub(super) fn reseed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }

    pub(super) fn go_on_to_the_end(&mut self) {
        self.go_on(|world| {
            let delivered = world.sequence.next_undelivered().is_none();
            world.end.is_some() && delivered && !world.must_undo()
        });
    }

    /// Goes on until the log has `len` events or more.
    pub(super) fn go_on_to(&mut self, len: usize) {
        self.go_on(|world| world.log.len() >= len);
    }

    fn go_on(&mut self, until: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if until(self) {
                return;
            }
            self.move_on();
        }
        panic!("it does not end; trace: {:#?}", self.trace.take());
    }

    pub(super) fn take_trace(&self) -> Vec<String> {
        self.trace.take()
    }

    /// What the program said.
    #[cfg(feature = "testing")]
    pub(super) fn take_notes(&self) -> Vec<String> {
        trace::notes(self.trace.take())
    }

    /// The step with this idempotency key, if the workflow has asked for it.
    #[cfg(feature = "testing")]
    pub(super) fn step_asked_for(&self, idempotency_key: &str) -> Option<u32> {
        let engine = self.run.engine();
        // A callback's promise has the name and count of the step that hands it out.
        let is_it = |seq: &u32| {
            engine.is_step(*seq)
                && engine.idempotency_key(*seq).uuid().to_string() == idempotency_key
        };
        self.asked.iter().copied().find(is_it)
    }

    /// Whether the workflow still waits for call `seq`.
    #[cfg(feature = "testing")]
    pub(super) fn waits_for(&self, seq: u32) -> bool {
        self.run.engine().request(seq).is_some()
    }

    /// Whether every version that it has asked for was in the log or is from before the change.
    pub(super) fn decides_nothing(&self) -> bool {
        self.chosen.is_empty()
    }

    /// The log as this run would have written it: every event with the call as the code makes it.
    pub(super) fn remade_log(&self) -> Vec<Event> {
        let mut engine = self.run.engine();
        self.log.iter().map(|event| trace::remade(event, &mut engine)).collect()
    }

    /// The workflow meets an event of the log.
    pub(super) fn meet(&mut self, event: &Event) {
        if let Event::CompensationStarted(_) = event {
            self.end = None;
        }
        self.delivered += 1;
        self.trace.driver(format_args!("event {} is {}", self.delivered, event.kind()));
        let progress = self.run.deliver(event);
        self.progress(progress);
    }

    fn progress(&mut self, progress: Option<Progress>) {
        match progress {
            None | Some(Progress::Waits) => {}
            Some(Progress::Ended(end)) => self.end = Some(end),
            Some(Progress::Faulted(fault)) => {
                panic!("{fault}; trace: {:#?}; log: {:#?}", self.trace.take(), self.log)
            }
        }
        let mut engine = self.run.engine();
        let mut asked = Vec::new();
        engine.take_asked(&mut asked);
        for seq in asked {
            self.trace.driver(trace::call(&mut engine, seq));
            self.asked.push(seq);
        }
        self.chosen.extend(engine.take_chosen());
    }

    /// Looks at what the workflow has asked for.
    pub(super) fn look(&mut self) {
        for Chosen { name, version } in std::mem::take(&mut self.chosen) {
            let at = self.time;
            self.happened(Event::VersionChosen(VersionChosen { at, name, version }));
        }
        while let Some(&seq) = self.asked.get(self.looked_at) {
            self.looked_at += 1;
            let request = self.run.engine().request(seq);
            match request {
                Some(Request::Step) => self.schedule(seq),
                Some(Request::Timer { due, started }) => {
                    self.timers.insert((due, seq));
                    if self.timers_started.insert(seq) && !started {
                        let at = self.time;
                        let engine = self.run.engine();
                        let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
                        drop(engine);
                        self.happened(Event::TimerStarted(TimerStarted {
                            at,
                            seq,
                            key,
                            site,
                            due,
                        }));
                    }
                }
                Some(Request::Note) => {
                    let note = self.run.engine().take_note(seq, self.time);
                    note.into_iter().for_each(|note| self.happened(note));
                }
                Some(Request::Promise { due, announced }) => {
                    if !announced {
                        let created = self.run.engine().announce(seq, self.time);
                        let created = created.expect("a promise");
                        self.promises.push((created.seq, created.key.clone()));
                        self.happened(Event::PromiseCreated(created));
                    }
                    self.timers.extend(due.map(|due| (due, seq)));
                }
                Some(Request::GiveUp) if self.end.is_none() => {
                    let given_up = self.run.engine().give_up(seq, self.time);
                    self.happened(Event::PromiseResolved(given_up.expect("a promise")));
                }
                Some(Request::Child { requested, started }) => {
                    self.ask_for_child(seq, requested, started);
                }
                Some(Request::GiveUp | Request::Signal) | None => {}
            }
        }
    }

    fn schedule(&mut self, seq: u32) {
        if self.running.contains_key(&seq) {
            return; // Let end, and already at it.
        }
        let (begun, attempts, input, policy, key, site) = {
            let mut engine = self.run.engine();
            let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
            let step = engine.step(seq);
            let policy = step.body.as_ref().expect("it has no result").policy();
            (step.begun, step.attempts, step.input.clone(), policy, key, site)
        };
        if let Some(attempt) = begun {
            let message = "nobody knows".to_owned();
            return self.attempt_failed(seq, attempt, Failure::Interrupted { message }, true);
        }
        if policy.at_most_once {
            let (at, attempt) = (self.time, attempts + 1);
            let started = StepStarted { at, seq, key, site, attempt, input };
            self.happened(Event::StepStarted(started));
        }
        self.ready.insert(seq);
    }

    /// One thing happens.
    fn move_on(&mut self) {
        let undelivered = self.sequence.next_undelivered().is_some();
        if !undelivered && self.must_undo() {
            return self.undo_after_failure();
        }
        if self.may_be_cancelled() && self.rng.below(60) == 0 {
            return self.undo_after_cancel();
        }
        match self.rng.below(11) {
            0..3 if undelivered => self.deliver(),
            3..5 if !self.ready.is_empty() => self.start_body(),
            5..8 if !self.running.is_empty() => self.end_body(),
            8 if !self.timers.is_empty() => self.fire(),
            9 if self.rng.below(2) == 0 && !self.promises.is_empty() => self.word_of_a_promise(),
            9 => self.message(),
            10 if !self.children.is_empty() => self.move_child(),
            _ if undelivered => self.deliver(),
            _ => {}
        }
    }

    fn deliver(&mut self) {
        let Some(event) = self.sequence.next_undelivered().cloned() else { return };
        self.sequence.mark_delivered();
        self.meet(&event);
        self.go_again(&event);
        self.look();
    }

    /// Makes another attempt of a step of which this one came to nothing.
    pub(super) fn go_again(&mut self, event: &Event) {
        let seq = match event {
            Event::StepAttemptFailed(e) => e.seq,
            Event::StepPostponed(e) => e.seq,
            _ => return,
        };
        if self.run.engine().request(seq) == Some(Request::Step) {
            self.schedule(seq);
        }
    }

    fn start_body(&mut self) {
        let index = self.rng.index(self.ready.len());
        let seq = *self.ready.iter().nth(index).expect("one of them");
        self.ready.remove(&seq);
        let mut engine = self.run.engine();
        if engine.request(seq) != Some(Request::Step) {
            return; // Given up before it began: it never does.
        }
        let key = engine.idempotency_key(seq);
        let step = engine.step(seq);
        let attempt = step.attempts + 1;
        let Some(body) = step.body.take() else { return };
        drop(engine);
        let watch = Arc::default();
        let bytes_max = crate::limits::VALUE_BYTES_MAX;
        let scope = StepScope::new(key, seq, attempt, bytes_max, watch);
        let running = in_body(scope, body.attempt()).boxed();
        self.run.engine().put_body_back(seq, body);
        self.running.insert(seq, Running { attempt, body: running });
    }

    /// A body ends, whether or not anybody waits for it still.
    fn end_body(&mut self) {
        let index = self.rng.index(self.running.len());
        let seq = *self.running.keys().nth(index).expect("one of them");
        let Some(Running { attempt, body }) = self.running.remove(&seq) else { return };
        self.pass_time();
        let retry = self.run.engine().step(seq).body.as_ref().map(|body| body.policy().retry);
        if self.rng.below(6) == 0 && retry.is_none_or(|retry| retry.allows_after(attempt)) {
            let message = "by chance".to_owned();
            return self.attempt_failed(seq, attempt, Failure::Interrupted { message }, true);
        }
        if self.rng.below(12) == 0 {
            return self.postponed(seq, attempt);
        }
        match body.now_or_never().expect("bodies here do not wait") {
            Ok(Attempt::Completed(output)) => {
                let (at, took_us) = (self.time, 0);
                let (key, site, input) = self.call(seq);
                self.happened(Event::StepCompleted(StepCompleted {
                    at,
                    seq,
                    key,
                    site,
                    attempt,
                    took_us,
                    input,
                    output,
                }));
            }
            Ok(Attempt::Failed { failure, retryable }) => {
                self.attempt_failed(seq, attempt, failure, retryable);
            }
            Ok(Attempt::Together(_)) => unreachable!("no body here returns writes"),
            Ok(Attempt::Postponed { .. }) => self.postponed(seq, attempt),
            Err(message) => {
                self.attempt_failed(seq, attempt, Failure::Panicked { message }, true);
            }
        }
    }

    fn postponed(&mut self, seq: u32, attempt: u32) {
        let (at, took_us, reason, retry_at) = (self.time, 0, "by chance".to_owned(), self.time);
        let (key, site, input) = self.call(seq);
        let event = StepPostponed { at, seq, key, site, attempt, took_us, input, reason, retry_at };
        self.happened(Event::StepPostponed(event));
    }

    fn attempt_failed(&mut self, seq: u32, attempt: u32, failure: Failure, retryable: bool) {
        let (at, took_us) = (self.time, 0);
        let (key, site, input) = self.call(seq);
        let policy = self.run.engine().step(seq).body.as_ref().map(|body| body.policy());
        let open = failure.leaves_doubt() && self.run.engine().matters_though_dropped(seq);
        let again =
            open || policy.is_some_and(|policy| retryable && policy.retry.allows_after(attempt));
        self.happened(if again {
            let retry_at = at;
            Event::StepAttemptFailed(StepAttemptFailed {
                at,
                seq,
                key,
                site,
                attempt,
                took_us,
                input,
                failure,
                retry_at,
            })
        } else {
            Event::StepFailed(StepFailed { at, seq, key, site, attempt, took_us, input, failure })
        });
    }

    fn call(&self, seq: u32) -> (crate::event::OperationKey, crate::event::Text, Json) {
        let mut engine = self.run.engine();
        let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
        (key, site, engine.step(seq).input.clone())
    }

    fn fire(&mut self) {
        let Some((due, seq)) = self.timers.pop_first() else { return };
        let request = self.run.engine().request(seq).filter(|request| request.is_due_at(due));
        if request.is_none() {
            return;
        }
        self.pass_time();
        self.time = self.time.max(due);
        if let Some(Request::Promise { .. }) = request {
            // A heartbeat that is on its way would have pushed it.
            let lapsed = self.run.engine().lapse(seq, self.time).expect("it has a limit");
            return self.happened(Event::PromiseResolved(lapsed));
        }
        let (at, key) = (self.time, self.run.engine().key(seq).clone());
        self.happened(Event::TimerFired(TimerFired { at, seq, key }));
    }

    /// One of the three signals or updates comes. Rarely, unless the workflow waits for one.
    fn message(&mut self) {
        if self.run.engine().waits_for().is_empty() && self.rng.below(8) != 0 {
            return;
        }
        self.pass_time();
        self.messages += 1;
        let (at, message) = (self.time, super::message(self.messages, &mut self.rng));
        let taken = message.taken(at, format!("message/{}", self.messages));
        self.happened(taken.expect("a message from outside"));
    }

    /// Somebody completes or fails a promise, or says that it is being worked on; whether or not
    /// somebody else has before.
    fn word_of_a_promise(&mut self) {
        let index = self.rng.index(self.promises.len());
        let (seq, key) = self.promises[index].clone();
        self.pass_time();
        self.messages += 1;
        let (at, run, id) = (self.time, 1, format!("promise/{}", self.messages));
        let event = match self.rng.below(4) {
            0 => {
                let result = PromiseResult::Failed { reason: format!("{seq}") };
                Event::PromiseResolved(PromiseResolved { at, id: Some(id), run, key, result })
            }
            1 => Event::PromiseHeartbeat(PromiseHeartbeat { at, id, run, key }),
            _ => {
                let value = Json::record(&self.messages).expect("a number");
                let result = PromiseResult::Completed { value };
                Event::PromiseResolved(PromiseResolved { at, id: Some(id), run, key, result })
            }
        };
        self.happened(event);
    }

    pub(super) fn happened(&mut self, event: Event) {
        self.log.push(event.clone());
        self.sequence.push(event);
        self.sequence.mark_written();
    }

    fn pass_time(&mut self) {
        self.time = Timestamp(self.time.0 + i64::try_from(self.rng.below(50)).unwrap_or(0));
    }
}

/// Whether somebody has sent it.
fn is_message(event: &Event) -> bool {
    match event {
        Event::SignalReceived(_) | Event::UpdateReceived(_) | Event::PromiseHeartbeat(_) => true,
        Event::PromiseResolved(e) => e.id.is_some(),
        _ => false,
    }
}

fn made_known(event: &Event) -> Option<(u32, OperationKey)> {
    match event {
        Event::PromiseCreated(e) => Some((e.seq, e.key.clone())),
        _ => None,
    }
}
