//! A turn without a store: what `drive` does, with chance in the place of time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;

use super::programs::Program;
use super::rng::Rng;
use crate::context::{Progress, Run, StepScope, WorkflowEnd, in_body};
use crate::event::{
    Event, Failure, Json, SignalReceived, StepAttemptFailed, StepCompleted, StepFailed, TimerFired,
    TimerStarted, WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::replay::{Attempt, Engine, Request, site};
use crate::time::Timestamp;
use crate::turn::sequence::Sequence;

/// What a program says happens in it.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub(super) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A run from its start to where it got.
pub(super) struct Played {
    pub(super) log: Vec<Event>,
    /// The program's notes, and every call with its key in the order of first polls.
    pub(super) trace: Vec<String>,
    pub(super) end: Option<WorkflowEnd>,
}

struct Live {
    run: Run,
    trace: Trace,
    log: Vec<Event>,
    sequence: Sequence,
    running: Vec<u32>,
    timers: BTreeSet<(Timestamp, u32)>,
    signals: u64,
    time: Timestamp,
    end: Option<WorkflowEnd>,
    rng: Rng,
}

/// Replays `log` and nothing more.
pub(super) fn replay(program: &Program, log: &[Event]) -> Played {
    let mut live = Live::new(program, 0, log);
    live.replay(log);
    live.played()
}

/// Replays `log` and goes on to the end, with `seed`.
pub(super) fn play(program: &Program, seed: u64, log: &[Event]) -> Played {
    let start = [start()];
    let log = if log.is_empty() { &start } else { log };
    let mut live = Live::new(program, seed, log);
    let asked = live.replay(log);
    live.take_requests(asked);
    for _ in 0..100_000 {
        if live.end.is_some() && live.sequence.next_undelivered().is_none() {
            return live.played();
        }
        live.move_on();
    }
    panic!("it does not end");
}

fn start() -> Event {
    let execution = ExecutionId::new("fuzz").expect("an id");
    let at = Timestamp(1_000);
    let (workflow, input) = ("fuzz".to_owned(), Json::null());
    Event::WorkflowStarted(WorkflowStarted { at, execution, workflow, run: 1, input })
}

impl Live {
    fn new(program: &Program, seed: u64, log: &[Event]) -> Self {
        let Event::WorkflowStarted(start) = &log[0] else { unreachable!("a log begins so") };
        let trace = Trace::default();
        let engine = Engine::new(start, Arc::new(log.to_vec()));
        Self {
            run: Run::new(engine, (program.make)(trace.clone())),
            trace,
            log: log.to_vec(),
            sequence: Sequence::default(),
            running: Vec::new(),
            timers: BTreeSet::new(),
            signals: log.iter().filter(|e| matches!(e, Event::SignalReceived(_))).count() as u64,
            time: log.iter().map(Event::at).max().unwrap_or_default(),
            end: None,
            rng: Rng::new(seed),
        }
    }

    fn played(self) -> Played {
        Played { log: self.log, trace: self.trace.take(), end: self.end }
    }

    /// Delivers the log; returns the calls that were polled.
    fn replay(&mut self, log: &[Event]) -> Vec<u32> {
        let progress = self.run.poll();
        let mut asked = self.progress(Some(progress));
        for event in &log[1..] {
            let progress = self.run.deliver(event);
            asked.extend(self.progress(progress));
        }
        asked
    }

    fn progress(&mut self, progress: Option<Progress>) -> Vec<u32> {
        match progress {
            None | Some(Progress::Waits) => {}
            Some(Progress::Ended(end)) => self.end = Some(end),
            Some(Progress::Faulted(fault)) => {
                panic!("{fault}; trace: {:#?}; log: {:#?}", self.trace.take(), self.log)
            }
        }
        let mut engine = self.run.engine();
        let asked = engine.take_asked();
        for seq in &asked {
            self.trace.note(format!("call {seq} is {}", engine.key(*seq)));
        }
        asked
    }

    fn take_requests(&mut self, asked: Vec<u32>) {
        for seq in asked {
            let request = self.run.engine().request(seq);
            match request {
                Some(Request::Step) => self.running.push(seq),
                Some(Request::Timer { due, started }) => {
                    if !started {
                        let at = self.now();
                        let event = {
                            let engine = self.run.engine();
                            let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
                            TimerStarted { at, seq, key, site, due }
                        };
                        self.happened(Event::TimerStarted(event));
                    }
                    self.timers.insert((due, seq));
                }
                Some(Request::Signal) | None => {}
            }
        }
    }

    /// One thing happens.
    fn move_on(&mut self) {
        let undelivered = self.sequence.next_undelivered().is_some();
        match self.rng.below(8) {
            0..3 if undelivered => self.deliver(),
            3..6 if !self.running.is_empty() => self.end_body(),
            6 if !self.timers.is_empty() => self.fire(),
            7 => self.signal(),
            _ if undelivered => self.deliver(),
            _ => {}
        }
    }

    fn deliver(&mut self) {
        let Some(event) = self.sequence.next_undelivered() else { return };
        let progress = self.run.deliver(event);
        self.sequence.mark_delivered();
        let asked = self.progress(progress);
        self.take_requests(asked);
    }

    fn end_body(&mut self) {
        let at = self.now();
        let index = self.rng.index(self.running.len());
        let seq = self.running[index];
        let fails = self.rng.below(6) == 0;
        let event = {
            let mut engine = self.run.engine();
            let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
            let uuid = engine.idempotency_key(seq);
            let step = engine.step(seq);
            let (attempt, input) = (step.attempts + 1, step.input.clone());
            // A step that was given up before it began never begins; one that runs is let end.
            let Some(body) = &step.body else {
                self.running.swap_remove(index);
                return;
            };
            let policy = body.policy();
            let took_us = 0;
            if fails && policy.retry.allows_after(attempt) {
                let failure = Failure::Interrupted { message: "by chance".into() };
                let retry_at = at;
                step.attempts = attempt;
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
                self.running.swap_remove(index);
                let body = in_body(StepScope { key: uuid, attempt }, body.attempt());
                match body.now_or_never().expect("bodies here do not wait") {
                    Ok(Attempt::Completed(output)) => Event::StepCompleted(StepCompleted {
                        at,
                        seq,
                        key,
                        site,
                        attempt,
                        took_us,
                        input,
                        output,
                    }),
                    Ok(Attempt::Failed { failure, .. }) => Event::StepFailed(StepFailed {
                        at,
                        seq,
                        key,
                        site,
                        attempt,
                        took_us,
                        input,
                        failure,
                    }),
                    Err(panic) => panic!("a body panicked: {panic}"),
                }
            }
        };
        self.happened(event);
    }

    fn fire(&mut self) {
        let Some((due, seq)) = self.timers.pop_first() else { return };
        if self.run.engine().request(seq).is_none() {
            return;
        }
        self.time = self.time.max(due);
        let at = self.now();
        let key = self.run.engine().key(seq).clone();
        self.happened(Event::TimerFired(TimerFired { at, seq, key }));
    }

    /// One of the three signals comes. Rarely, unless the workflow waits for one.
    fn signal(&mut self) {
        if !self.run.engine().waits_for_signals() && self.rng.below(8) != 0 {
            return;
        }
        let at = self.now();
        self.signals += 1;
        let id = format!("signal/{}", self.signals);
        let name = format!("s{}", self.rng.below(3));
        let payload = Json::record(&self.signals).expect("a number");
        self.happened(Event::SignalReceived(SignalReceived { at, id, name, payload }));
    }

    fn happened(&mut self, event: Event) {
        self.log.push(event.clone());
        self.sequence.push(event);
        // Here everything is durable at once.
        self.sequence.mark_written();
    }

    fn now(&mut self) -> Timestamp {
        self.time = Timestamp(self.time.0 + i64::try_from(self.rng.below(50)).unwrap_or(0));
        self.time
    }
}
