//! One turn: replay, then deliver, write, run, until the workflow ends or only waits.
//!
//! The order of the loop is the protocol:
//!
//! 1. While a body waits to start, nothing is delivered. Everything that has finished is written
//!    first, in one commit: the **write barrier**.
//! 2. Else the next finished event is delivered, and the workflow polled until it is quiet.
//! 3. Else what has ended meanwhile (bodies, timers) joins the sequence.
//! 4. Else the turn waits, as long as a body runs or a short back-off does; or ends.

mod children;
mod compensate;
mod long;
mod promises;
mod runs;
mod terminate;
mod visible;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::compensate::{Undoing, end_of};
use super::bodies::{Bodies, Ended as EndedBody, Over};
use super::children::{Family, send_turns};
use super::end::{Ended, brief};
use super::log::{LogEnd, Written};
use super::recheck::Recheck;
use super::sequence::Sequence;
use super::{Active, Items, Kitchen, Lease, Term, TurnError};
use crate::context::{Progress, Run, StepScope, Watch, WorkflowEnd};
use crate::event::{
    CompensationCause, Event, Failure, Json, LeaseRenewed, StepAttemptFailed, StepCompleted,
    StepFailed, StepStarted, TimerFired, TimerStarted, TurnEnd, TurnEnded, TurnStarted, WaitsFor,
    WorkflowTerminated,
};
use crate::id::{CommitNumber, WriterId};
use crate::limits::{
    BACKOFF_IN_PLACE_MAX, CLOCK_SKEW, GROUP_COMMIT_LINGER, HEARTBEAT_WRITE_EVERY, INBOX_LOOK_EVERY,
    QUEUE_DELAY_MAX,
};
use crate::replay::{Attempt, Engine, Fault, History, Request, TakenIds, site};
use crate::store::{InboxItem, Loaded, Message, Status, StoreError};
use crate::time::Timestamp;
use crate::wake::{Wake, WakeKind};
use tokio::sync::Semaphore;
use visible::Visible;

/// How a turn ended.
pub(super) enum Driven {
    /// Its last commit is written: the execution has ended, waits, or was handed over.
    Ended(Ended),
    /// Its last commit begins the next run.
    Continued(Ended),
    /// The execution cannot go on with this code. `last` is the log's last commit, `view` what it
    /// shows and the record does not.
    Blocked { last: CommitNumber, view: Option<Json>, fault: Fault },
    /// The fence was lost or the lease is too short to start a body: look again.
    Stale,
    /// No time is left to start anything, and nothing was written.
    NoTime,
}

/// Why the loop stops.
enum Halt {
    Lost,
    Error(TurnError),
}

impl<E: Into<TurnError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

pub(super) struct Turn<'a> {
    pub(super) kitchen: &'a Kitchen,
    wake: &'a Wake,
    term: Term,
    pub(super) run: Run,
    log: LogEnd<'a>,
    sequence: Sequence,
    bodies: Bodies,
    /// A buffer of [`take_requests`](Self::take_requests).
    asked: Vec<u32>,
    /// Attempts that wait for the barrier.
    ready: VecDeque<u32>,
    /// Steps that wait for their next attempt.
    backoffs: BTreeSet<(Timestamp, u32)>,
    timers: BTreeSet<(Timestamp, u32)>,
    /// The times that have a timer wake under way.
    armed: Vec<Timestamp>,
    lease_end: Timestamp,
    /// Whether this turn has written its claim.
    claimed: bool,
    /// The time of the last event: events are never older than the one before.
    time: Timestamp,
    pub(super) end: Option<WorkflowEnd>,
    /// What the replay check needs, where it is on.
    pub(super) recheck: Option<Recheck>,
    /// The reason of a cancel request that was taken.
    cancel: Option<String>,
    /// A terminate that arrived while bodies run.
    terminate: Option<WorkflowTerminated>,
    /// When the oldest unwritten event finished.
    unwritten_since: Option<Timestamp>,
    arrivals: u64,
    /// The run's parent and children, up to the last commit.
    family: Family,
    /// Permits of sends to other executions.
    send_turns: Arc<Semaphore>,
    /// What a send to another execution died of: the turn is over.
    broken: Option<TurnError>,
    /// Where the current run begins in the log.
    first: CommitNumber,
    taken: TakenIds,
    /// The ids of all items that were seen in the inbox.
    seen: Vec<String>,
    next_inbox_look: Timestamp,
    visible: Visible,
    /// What it shares with its bodies.
    watch: Arc<Watch>,
    /// When what bodies say is written next, at the earliest.
    next_heartbeats: Timestamp,
    active: Active<'a>,
}

impl Kitchen {
    pub(super) async fn drive(
        &self,
        wake: &Wake,
        loaded: &Loaded,
        mut history: History,
        items: Items,
        eager: bool,
        term: &Term,
    ) -> Result<Driven, TurnError> {
        let last = history.last;
        let shown = loaded.record.projection.view.as_ref();
        let view = history.view.take().filter(|view| shown != Some(view));
        let Some(workflow) = self.registry.workflow(&history.start().workflow) else {
            let name = history.start().workflow.clone();
            return Ok(Driven::Blocked { last, view, fault: Fault::UnknownWorkflow { name } });
        };
        let future = match (workflow.make)(self.registry.states(), &history.start().input) {
            Ok(future) => future,
            Err(problem) => {
                let what = format!("the input of workflow {}", workflow.name);
                return Ok(Driven::Blocked { last, view, fault: Fault::Value { what, problem } });
            }
        };
        let now = self.clock.now();
        let (lease_end, late) = match term.lease {
            Lease::Renewed(lease) => (now.after(lease), false),
            Lease::Invocation { deadline, hand_over } => {
                (deadline.after(CLOCK_SKEW), now >= hand_over)
            }
        };
        if late || now.after(CLOCK_SKEW) >= lease_end || term.stop.borrow().is_some() {
            // A claim under which no body may start is a strike of an execution that is well.
            return Ok(Driven::NoTime);
        }
        let events = Arc::new(std::mem::take(&mut history.events));
        let Event::WorkflowStarted(start) = &events[0] else {
            unreachable!("History::read puts WorkflowStarted first")
        };
        let engine = Engine::new(start, Arc::clone(&events));
        let writer = WriterId::random();
        let resumed = items.iter().any(|item| matches!(item.message, Message::Resume));
        let mut turn = Turn {
            kitchen: self,
            wake,
            term: term.clone(),
            run: Run::new(engine, future),
            log: LogEnd::new(
                &*self.store,
                &wake.execution,
                writer,
                history.last,
                history.last_hash,
            ),
            sequence: Sequence::default(),
            bodies: Bodies::default(),
            asked: Vec::new(),
            ready: VecDeque::new(),
            backoffs: BTreeSet::new(),
            timers: BTreeSet::new(),
            // A blocked execution's timer wake may have come and gone.
            armed: if resumed { Vec::new() } else { history.armed },
            lease_end,
            claimed: false,
            time: history.time,
            end: None,
            recheck: self.registry.replay_check().then(|| Recheck::new(&events)),
            cancel: None,
            terminate: None,
            unwritten_since: None,
            arrivals: loaded.record.arrivals,
            first: history.first,
            taken: history.taken,
            family: Family::of(start, &events),
            send_turns: send_turns(),
            broken: None,
            seen: loaded.inbox.iter().map(|item| item.id.clone()).collect(),
            next_inbox_look: now.after(INBOX_LOOK_EVERY),
            visible: Visible::new(view),
            watch: Arc::default(),
            next_heartbeats: now.after(HEARTBEAT_WRITE_EVERY),
            active: self.enter(writer),
        };
        let gone = turn.go(&events, items, eager).await;
        // However the turn ends, none of its bodies runs when the next one looks at the log.
        turn.bodies.abort().await;
        match gone {
            Ok(driven) => Ok(driven),
            Err(Halt::Lost) => Ok(Driven::Stale),
            Err(Halt::Error(error)) => Err(error),
        }
    }
}

impl Turn<'_> {
    async fn go(&mut self, log: &[Event], items: Items, eager: bool) -> Result<Driven, Halt> {
        let at = self.now();
        self.sequence.push(Event::TurnStarted(TurnStarted {
            at,
            host: self.kitchen.host.clone(),
            code: self.kitchen.registry.code().to_owned(),
            lease_end: self.lease_end,
        }));
        let resumed = items.iter().any(|item| matches!(item.message, Message::Resume));
        for item in items {
            self.take(item);
        }
        if eager {
            // This wake has been here before: code that kills its host in replay must leave a
            // trace, or nobody ever counts its deaths.
            self.write().await?;
        }
        if let Some(fault) = self.replay(log) {
            return self.blocked(fault).await;
        }
        if resumed {
            // A step that has used up its attempts is given up as soon as it is looked at: what
            // the resume takes back must be known before.
            if let Some(fault) = self.deliver_all() {
                return self.blocked(fault).await;
            }
        }
        // Taken by a turn that died before it could act on it.
        let asked_before = self.run.engine().cancelled().map(ToOwned::to_owned);
        self.cancel = self.cancel.take().or(asked_before);
        loop {
            if let Some(fault) = self.take_requests() {
                return self.blocked(fault).await;
            }
            if let Some(end) = self.terminate.take() {
                return self.terminated(end).await;
            }
            if let Some(error) = self.broken.take() {
                return Err(Halt::Error(error));
            }
            // What undoes a workflow is shielded from the cancel that led to it, and from others.
            let cancel = self.cancel.take().filter(|_| !self.run.engine().compensates());
            if let Some(reason) = cancel {
                match self.start_to_undo(CompensationCause::Cancelled { reason }).await {
                    Undoing::Started => continue,
                    Undoing::Nothing(end) => return self.cancelled(end).await,
                    Undoing::Fault(fault) => return self.blocked(fault).await,
                }
            }
            if self.end.is_some()
                && self.sequence.next_undelivered().is_none()
                && let Some(fault) = self.recheck()
            {
                return self.blocked(fault).await;
            }
            if self.sequence.next_undelivered().is_none()
                && let Some(end) = self.end.take()
            {
                let error = match end {
                    WorkflowEnd::Failed(error) => error,
                    WorkflowEnd::Continued(input) => return self.continued(input).await,
                    end => return self.ended(end).await,
                };
                match self.start_to_undo(CompensationCause::Failed { error }).await {
                    Undoing::Started => continue,
                    Undoing::Nothing(end) => return self.ended(end).await,
                    Undoing::Fault(fault) => return self.blocked(fault).await,
                }
            }
            if self.end.is_none() && !self.ready.is_empty() {
                if self.stopping() {
                    // What runs may still end; what waits does not start.
                    if self.bodies.is_empty() || self.wait().await? {
                        return self.hand_over().await;
                    }
                    self.collect_bodies();
                    continue;
                }
                if !self.start_bodies().await? {
                    return Ok(Driven::Stale);
                }
                continue;
            }
            if self.deliver_next() {
                if let Some(fault) = self.run.fault() {
                    return self.blocked(fault).await;
                }
                continue;
            }
            if self.end.is_none() && (self.collect_bodies() || self.fire_due()) {
                continue;
            }
            if self.bodies.is_empty() && !self.backs_off_in_place() {
                if let Some(fault) = self.recheck() {
                    return self.blocked(fault).await;
                }
                return self.suspend().await;
            }
            if self.wait().await? {
                return self.hand_over().await;
            }
        }
    }

    /// Delivers the loaded log. No body starts before all of it is delivered.
    fn replay(&mut self, log: &[Event]) -> Option<Fault> {
        let progress = self.run.poll();
        let mut fault = self.progress(progress);
        for event in &log[1..] {
            if fault.is_some() {
                break;
            }
            if let Event::CompensationStarted(_) = event {
                self.end = None;
            }
            if let Some(progress) = self.run.deliver(event) {
                fault = self.progress(progress);
            }
        }
        fault.or_else(|| self.refuses_new_steps(log))
    }

    fn progress(&mut self, progress: Progress) -> Option<Fault> {
        match progress {
            Progress::Waits => None,
            Progress::Faulted(fault) => Some(fault),
            Progress::Ended(WorkflowEnd::Unrecordable(problem)) => {
                let fault = Fault::Value { what: "what it returned".into(), problem };
                self.run.engine().fail(fault.clone());
                Some(fault)
            }
            Progress::Ended(end) => {
                self.end = Some(end);
                None
            }
        }
    }

    /// Takes an inbox item into the sequence.
    fn take(&mut self, item: InboxItem) {
        let (at, id) = (self.now(), item.id);
        if !self.taken.insert(id.clone(), at) {
            return;
        }
        match item.message {
            Message::Promise { run, key, result } => {
                let event = self.promise_result(id, run, key, result);
                self.happened(event);
            }
            Message::Heartbeat { run, key } => {
                let event = self.promise_heartbeat(id, run, key);
                self.happened(event);
            }
            // It is in the log as the execution's end.
            Message::Terminate { reason } => {
                self.terminate = Some(WorkflowTerminated { at, id, reason });
            }
            Message::ChildEnded { run, seq, child, outcome } => {
                self.child_ended(run, seq, child, outcome);
            }
            message => {
                if let Message::Cancel { reason } = &message {
                    self.cancel.get_or_insert_with(|| reason.clone());
                }
                let event = message.taken(at, id);
                event.into_iter().for_each(|event| self.happened(event));
            }
        }
    }

    /// What the workflow has asked for since the last time.
    fn take_requests(&mut self) -> Option<Fault> {
        self.take_chosen();
        let mut asked = std::mem::take(&mut self.asked);
        self.run.engine().take_asked(&mut asked);
        for seq in asked.drain(..) {
            let request = self.run.engine().request(seq);
            match request {
                Some(Request::Step) => {
                    if let Some(fault) = self.schedule(seq) {
                        return Some(fault);
                    }
                }
                Some(Request::Timer { due, started }) => {
                    if !started {
                        let at = self.now();
                        let started = {
                            let engine = self.run.engine();
                            let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
                            TimerStarted { at, seq, key, site, due }
                        };
                        self.happened(Event::TimerStarted(started));
                    }
                    self.timers.insert((due, seq));
                }
                Some(Request::Child { requested, started }) => {
                    self.ask_for_child(seq, requested, started);
                }
                Some(Request::Promise { due, announced }) => {
                    self.promise_is_open(seq, due, announced);
                }
                Some(Request::GiveUp) => self.promise_is_dropped(seq),
                Some(Request::Note) => self.take_note(seq),
                Some(Request::Signal) | None => {}
            }
        }
        self.asked = asked;
        self.run.fault()
    }

    /// Takes what call `seq` leaves in the log, if it is one that only leaves an event.
    fn take_note(&mut self, seq: u32) {
        let at = self.now();
        let note = self.run.engine().take_note(seq, at);
        note.into_iter().for_each(|note| self.happened(note));
    }

    /// Puts a step's next attempt where it belongs: to the barrier, or to wait for its time.
    fn schedule(&mut self, seq: u32) -> Option<Fault> {
        let (attempts, retry_at, begun, policy, key) = {
            let mut engine = self.run.engine();
            let key = engine.key(seq).clone();
            let step = engine.step(seq);
            let Some(body) = &step.body else { return None };
            if self.bodies.is_running(seq) {
                return None; // Let end, and already at it.
            }
            (step.attempts, step.retry_at, step.begun, body.policy(), key)
        };
        if let Some(attempt) = begun {
            // An at-most-once attempt began and nobody knows how it ended.
            let message = "the host died or was stopped during this attempt".to_owned();
            let failure = Failure::Interrupted { message };
            return self.attempt_failed(seq, attempt, 0, failure, true);
        }
        if attempts > 0 && !policy.retry.allows_after(attempts) {
            let problem = format!("all {attempts} attempts failed");
            return Some(Fault::StepGaveUp { key: key.to_string(), problem });
        }
        if let Some(ended) = self.total_time_is_up(seq, attempts, &policy) {
            return ended;
        }
        match retry_at {
            Some(retry_at) => {
                self.backoffs.insert((retry_at, seq));
            }
            None => self.make_ready(seq),
        }
        None
    }

    fn make_ready(&mut self, seq: u32) {
        let started = {
            let mut engine = self.run.engine();
            let (key, site) = (engine.key(seq).clone(), engine.location(seq));
            let step = engine.step(seq);
            let at_most_once = step.body.as_ref().is_some_and(|body| body.policy().at_most_once);
            at_most_once.then(|| (key, self::site(site), step.attempts + 1, step.input.clone()))
        };
        if let Some((key, site, attempt, input)) = started {
            let at = self.now();
            self.happened(Event::StepStarted(StepStarted { at, seq, key, site, attempt, input }));
        }
        self.ready.push_back(seq);
    }

    /// The write barrier, and then every body that waits at it. `false` if the lease is too short.
    async fn start_bodies(&mut self) -> Result<bool, Halt> {
        if !self.bodies.is_empty() {
            // Whoever finishes together is written together.
            tokio::task::yield_now().await;
            self.collect_bodies();
        }
        if self.kitchen.clock.now() >= self.next_inbox_look {
            // Steps that are over at once never let the turn wait; its end must not wait for that.
            self.look_at_inbox().await?;
            if self.cancel.is_some() || self.terminate.is_some() {
                return Ok(true);
            }
        }
        self.renew_if_old();
        self.write().await?;
        let alone = self.ready.len() == 1 && self.bodies.is_empty();
        while let Some(seq) = self.ready.pop_front() {
            // Invariant (promise 2): whatever a body can depend on is durable before it starts.
            assert!(self.sequence.is_durable(), "a body would start before the barrier");
            // Promise 1: not under a lease that others may see expired.
            if self.kitchen.clock.now().after(CLOCK_SKEW) >= self.lease_end {
                return Ok(false);
            }
            let mut engine = self.run.engine();
            match engine.request(seq) {
                Some(Request::Step) => {}
                Some(Request::Child { .. }) => {
                    drop(engine);
                    self.start_child(seq);
                    continue;
                }
                _ => continue,
            }
            let key = engine.idempotency_key(seq);
            let step = engine.step(seq);
            let (attempt, before, asked_at) =
                (step.attempts + 1, step.heartbeat.clone(), step.asked_at);
            let Some(body) = step.body.take() else { continue };
            drop(engine);
            let left = self.time_left(asked_at, &body.policy());
            let watch = Arc::clone(&self.watch);
            let scope = StepScope { key, seq, attempt, before, left, watch };
            // Cloning its arguments is user code: outside the lock.
            self.bodies.start(seq, scope, &*body, alone);
            self.run.engine().put_body_back(seq, body);
        }
        self.show().await?;
        Ok(true)
    }

    /// Delivers the next event, if there is one.
    fn deliver_next(&mut self) -> bool {
        let Some(event) = self.sequence.next_undelivered() else { return false };
        if let Event::CompensationStarted(_) = event {
            self.end = None;
        }
        let progress = self.run.deliver(event);
        let checked = self.recheck.is_some().then(|| event.clone());
        self.sequence.mark_delivered();
        if let Some(progress) = progress {
            // A fault is seen by whoever called this.
            self.progress(progress);
        }
        if let Some(event) = checked {
            self.recheck_after(event);
        }
        true
    }

    /// Takes in the bodies that have ended. Whether any had.
    fn collect_bodies(&mut self) -> bool {
        let mut any = false;
        while let Some(over) = self.bodies.next_ended() {
            match over {
                Over::Body(body) => self.body_ended(body),
                Over::Child(seq, sent) => self.child_sent(seq, sent),
            }
            any = true;
        }
        any
    }

    fn body_ended(&mut self, body: EndedBody) {
        let EndedBody { seq, attempt, took_us, result } = body;
        match result {
            Ok(Attempt::Completed(output)) => {
                let at = self.now();
                let completed = {
                    let mut engine = self.run.engine();
                    let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
                    let input = engine.step(seq).input.clone();
                    StepCompleted { at, seq, key, site, attempt, took_us, input, output }
                };
                self.watch.ended(seq);
                self.happened(Event::StepCompleted(completed));
            }
            Ok(Attempt::Failed { failure, retryable }) => {
                self.note_failed(seq, attempt, took_us, failure, retryable);
            }
            Err(message) => {
                let failure = Failure::Panicked { message: brief(message) };
                self.note_failed(seq, attempt, took_us, failure, true);
            }
        }
    }

    fn note_failed(&mut self, seq: u32, attempt: u32, took: u64, failure: Failure, retry: bool) {
        self.note_last_heartbeat(seq, attempt);
        if let Some(fault) = self.attempt_failed(seq, attempt, took, failure, retry) {
            self.run.engine().fail(fault);
        }
    }

    /// An attempt has failed: another follows, or the step has failed, or the execution cannot go
    /// on because the step's error type has no room for this failure.
    fn attempt_failed(
        &mut self,
        seq: u32,
        attempt: u32,
        took_us: u64,
        failure: Failure,
        retryable: bool,
    ) -> Option<Fault> {
        let at = self.now();
        let (key, site, input, asked_at, policy, open, finishing) = {
            let mut engine = self.run.engine();
            let (key, site) = (engine.key(seq).clone(), site(engine.location(seq)));
            let step = engine.step(seq);
            let (input, asked_at) = (step.input.clone(), step.asked_at);
            let policy = step.body.as_ref().map(|body| body.policy());
            // Given up by the workflow, with an effect that may be there and would have to be undone.
            let open = failure.leaves_doubt() && engine.matters_though_dropped(seq);
            (key, site, input, asked_at, policy, open, engine.is_finishing(seq))
        };
        // Nobody waits for the step any more: its failure is its end.
        let retry = policy.map(|policy| policy.retry).filter(|_| retryable);
        let next = retry.filter(|retry| retry.allows_after(attempt));
        let next = next.map(|retry| at.after(retry.delay_after(attempt, jitter())));
        // No attempt begins after the step's total time.
        let end = policy.and_then(|policy| Some(asked_at.after(policy.total_timeout?)));
        let next = next.filter(|next| end.is_none_or(|end| *next < end));
        let takes = policy.is_none_or(|policy| policy.takes_failures)
            || matches!(failure, Failure::Error { .. })
            || finishing;
        if next.is_none() && takes && !open {
            let failed = StepFailed { at, seq, key, site, attempt, took_us, input, failure };
            self.happened(Event::StepFailed(failed));
            return None;
        }
        let retry_at = next.unwrap_or(at);
        let problem = failure.message();
        let gave_up = key.to_string();
        let event =
            StepAttemptFailed { at, seq, key, site, attempt, took_us, input, failure, retry_at };
        self.happened(Event::StepAttemptFailed(event));
        if open {
            return None;
        }
        if next.is_none() {
            return Some(Fault::StepGaveUp { key: gave_up, problem });
        }
        self.backoffs.insert((retry_at, seq));
        None
    }

    /// Fires due timers and readies due attempts. Whether there were any.
    fn fire_due(&mut self) -> bool {
        let now = self.kitchen.clock.now();
        let mut any = false;
        while let Some(&(due, seq)) = self.timers.first().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, seq));
            let request = self.run.engine().request(seq).filter(|request| request.is_due_at(due));
            match request {
                Some(Request::Promise { .. }) => self.promise_lapses(seq),
                Some(_) => {
                    let (at, key) = (self.now(), self.run.engine().key(seq).clone());
                    self.happened(Event::TimerFired(TimerFired { at, seq, key }));
                }
                None => continue,
            }
            any = true;
        }
        while let Some(&(due, seq)) = self.backoffs.first().filter(|(due, _)| *due <= now) {
            self.backoffs.remove(&(due, seq));
            if self.run.engine().request(seq).is_some() {
                self.make_ready(seq);
                any = true;
            }
        }
        any
    }

    /// The earliest time something that is still wanted becomes due.
    fn next_due(&mut self) -> Option<Timestamp> {
        let engine = self.run.engine();
        let waits = |due, seq| engine.request(seq).is_some_and(|request| request.is_due_at(due));
        self.timers.retain(|(due, seq)| waits(*due, *seq));
        self.backoffs.retain(|(_, seq)| engine.request(*seq).is_some());
        let timer = self.timers.first().map(|(due, _)| *due);
        let backoff = self.backoffs.first().map(|(due, _)| *due);
        timer.into_iter().chain(backoff).min()
    }

    /// The times that have a wake under way which somebody still waits for. This turn's own wake
    /// is about to be deleted and does not count; nor do times of timers that were dropped, or
    /// a loop of time-outs would carry them all along.
    fn still_armed(&mut self) -> Vec<Timestamp> {
        self.next_due();
        let now = self.kitchen.clock.now();
        let own = match self.wake.kind {
            WakeKind::Timer { due } => Some(due),
            WakeKind::News | WakeKind::Sweep => None,
        };
        let waited_for = |at: Timestamp| {
            let next = |set: &BTreeSet<(Timestamp, u32)>| {
                set.range((at, 0)..).next().is_some_and(|(due, _)| *due == at)
            };
            next(&self.timers) || next(&self.backoffs)
        };
        let counts = |at: &Timestamp| *at > now && Some(*at) != own && waited_for(*at);
        self.armed.iter().copied().filter(counts).collect()
    }

    fn backs_off_in_place(&mut self) -> bool {
        let horizon = self.kitchen.clock.now().after(BACKOFF_IN_PLACE_MAX);
        self.next_due();
        self.backoffs.first().is_some_and(|(due, _)| *due <= horizon)
    }

    /// Waits for whatever comes next. `true` if the turn is to be handed over.
    async fn wait(&mut self) -> Result<bool, Halt> {
        let clock = self.kitchen.clock.clone();
        let stop_at = *self.term.stop.borrow_and_update();
        let hand_over = match self.term.lease {
            Lease::Invocation { hand_over, .. } => {
                stop_at.map_or(hand_over, |at| at.min(hand_over))
            }
            Lease::Renewed(_) => stop_at.unwrap_or(Timestamp::MAX),
        };
        if clock.now() >= hand_over || (stop_at.is_some() && self.bodies.is_empty()) {
            return Ok(true);
        }
        self.note_heartbeats();
        let tell_at = self.tell_at();
        self.tell_bodies(stop_at.is_some() || tell_at.is_some_and(|at| clock.now() >= at));
        let mut until = hand_over.min(self.next_inbox_look);
        if let Some(tell_at) = tell_at.filter(|at| clock.now() < *at) {
            until = until.min(tell_at);
        }
        if let Some(due) = self.next_due() {
            until = until.min(due);
        }
        if let Some(since) = self.unwritten_since {
            until = until.min(since.after(GROUP_COMMIT_LINGER));
        }
        if let Some(renew_at) = self.renew_at() {
            until = until.min(renew_at);
        }
        if let Some(due) = self.visible.due() {
            until = until.min(due);
        }
        tokio::select! {
            biased;
            () = self.bodies.wait() => return Ok(false),
            changed = self.term.stop.changed() => {
                if changed.is_err() {
                    // The host is gone; so is this turn, soon.
                    return Ok(true);
                }
            }
            () = self.run.execution().foreign_wake() => return Ok(false),
            () = self.active.told.notified() => self.next_inbox_look = Timestamp::default(),
            () = clock.sleep_until(until) => {}
        }
        let now = clock.now();
        if self.unwritten_since.is_some_and(|since| now >= since.after(GROUP_COMMIT_LINGER)) {
            self.write().await?;
        }
        if self.renew_at().is_some_and(|at| now >= at) {
            self.renew_if_old();
            self.write().await?;
        }
        if now >= self.next_inbox_look {
            self.look_at_inbox().await?;
        }
        self.show().await?;
        Ok(false)
    }

    /// Asks whether anything arrived while bodies run, so that a cancel need not wait for them.
    async fn look_at_inbox(&mut self) -> Result<(), Halt> {
        self.next_inbox_look = self.kitchen.clock.now().after(INBOX_LOOK_EVERY);
        let id = &self.wake.execution;
        let store = &self.kitchen.store;
        let Some(record) = if_answered(store.record(id).await)? else { return Ok(()) };
        if record.arrivals == self.arrivals {
            return Ok(());
        }
        if let Some(loaded) = if_answered(store.load(id).await)? {
            self.arrivals = loaded.record.arrivals;
            for item in loaded.inbox {
                self.seen.push(item.id.clone());
                self.take(item);
            }
            // Items stay in the inbox until the turn's end: each look finds those of all before it.
            self.seen.sort_unstable();
            self.seen.dedup();
        }
        Ok(())
    }

    fn renew_at(&self) -> Option<Timestamp> {
        match self.term.lease {
            Lease::Renewed(lease) if self.claimed => Some(self.lease_end.before(lease / 2)),
            _ => None,
        }
    }

    /// A lease that is half over is renewed with the next commit. It counts once that is durable.
    fn renew_if_old(&mut self) {
        let Lease::Renewed(lease) = self.term.lease else { return };
        let now = self.kitchen.clock.now();
        if self.renew_at().is_some_and(|at| now >= at) {
            let at = self.now();
            let lease_end = now.after(lease);
            self.happened(Event::LeaseRenewed(LeaseRenewed { at, lease_end }));
        }
    }

    /// Writes all that has happened. Bodies go on meanwhile; what they finish is the next commit.
    async fn write(&mut self) -> Result<(), Halt> {
        self.write_noting(usize::MAX).await.map(drop)
    }

    /// The same. Returns the number of the commit that has the unwritten event at `mark`.
    async fn write_noting(&mut self, mark: usize) -> Result<Option<CommitNumber>, Halt> {
        let events = self.sequence.unwritten();
        if events.is_empty() {
            return Ok(None);
        }
        let (Written::Durable, marked) = self.log.append_noting(events, mark).await? else {
            return Err(Halt::Lost);
        };
        self.claimed = true;
        for event in events {
            if let Event::LeaseRenewed(renewed) = event {
                self.lease_end = renewed.lease_end;
            }
            self.family.note(event);
            self.visible.written(event);
            self.kitchen.registry.observe(&self.wake.execution, event);
        }
        self.sequence.mark_written();
        self.unwritten_since = None;
        Ok(marked)
    }

    async fn ended(&mut self, end: WorkflowEnd) -> Result<Driven, Halt> {
        self.let_clean_up().await;
        self.bodies.abort().await;
        let (event, status, reason) = end_of(end, self.now());
        self.last_commit(event, status, None, reason).await
    }

    async fn cancelled(&mut self, end: WorkflowEnd) -> Result<Driven, Halt> {
        // What was done to the world by now stands in the log.
        self.let_clean_up().await;
        self.collect_bodies();
        self.run.drop_future();
        self.ended(end).await
    }

    /// Nothing moves before a timer, a message or a later attempt.
    async fn suspend(&mut self) -> Result<Driven, Halt> {
        let due = self.next_due();
        let waits_for = self.run.engine().waits_for();
        if due.is_none() && !self.run.engine().waits_for_messages() {
            let what = "it waits, but for none of its own operations (a channel, a lock or a \
                        future that nothing completes)"
                .to_owned();
            return self.blocked(Fault::ForeignAwait { what }).await;
        }
        let now = self.kitchen.clock.now();
        let mut armed = self.still_armed();
        if let Some(due) = due
            && !armed.contains(&due)
        {
            // Before the commit: a crash between the two must not lose the timer.
            let wake = Wake::timer(self.wake.execution.clone(), due);
            let delay = due.since(now).min(QUEUE_DELAY_MAX);
            self.kitchen.queue.send(&wake, delay).await?;
            armed.push(due);
        }
        let at = self.now();
        let reason = TurnEnd::Suspended;
        let event = Event::TurnEnded(TurnEnded { at, reason, wake_at: due, armed, waits_for });
        self.last_commit(event, Status::Suspended, due, None).await
    }

    /// No time is left: what is finished is written, what runs is stopped, another turn goes on.
    async fn hand_over(&mut self) -> Result<Driven, Halt> {
        self.collect_bodies();
        for (seq, attempt) in self.bodies.abort().await {
            // It counts as an attempt, or a step longer than its host lives is tried for ever.
            let message = "the host's time was up".to_owned();
            self.note_failed(seq, attempt, 0, Failure::Interrupted { message }, true);
        }
        if let Some(fault) = self.run.fault() {
            return self.blocked(fault).await;
        }
        if !self.claimed {
            return Ok(Driven::NoTime);
        }
        let at = self.now();
        let armed = self.still_armed();
        let reason = TurnEnd::Yielded;
        let (wake_at, waits_for) = (Some(at), WaitsFor::default());
        let event = Event::TurnEnded(TurnEnded { at, reason, wake_at, armed, waits_for });
        let driven = self.last_commit(event, Status::Running, Some(at), None).await?;
        let wake = Wake::news(self.wake.execution.clone());
        self.kitchen.queue.send(&wake, Duration::ZERO).await?;
        Ok(driven)
    }

    /// The code cannot go on. What happened before that is kept: results are not lost to a bug
    /// behind them. A disagreement between code and log is found in replay, before any of this.
    async fn blocked(&mut self, fault: Fault) -> Result<Driven, Halt> {
        self.collect_bodies();
        self.bodies.abort().await;
        if self.claimed {
            let at = self.now();
            let (reason, armed) = (TurnEnd::Blocked, self.still_armed());
            let (wake_at, waits_for) = (None, WaitsFor::default());
            let ended = TurnEnded { at, reason, wake_at, armed, waits_for };
            self.sequence.push(Event::TurnEnded(ended));
            self.write().await?;
        }
        Ok(Driven::Blocked { last: self.log.last, view: self.visible.take(), fault })
    }

    async fn last_commit(
        &mut self,
        event: Event,
        status: Status,
        wake_at: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Driven, Halt> {
        self.happened(event);
        self.write().await?;
        Ok(Driven::Ended(Ended {
            last: self.log.last,
            family: status.is_closed().then(|| self.family.clone()),
            first: self.first,
            status,
            wake_at,
            reason,
            view: self.visible.take(),
            arrivals: self.arrivals,
            seen: std::mem::take(&mut self.seen),
        }))
    }

    pub(super) fn happened(&mut self, event: Event) {
        self.unwritten_since.get_or_insert(event.at());
        self.sequence.push(event);
    }

    /// The time of the next event: never before the last one, whatever the clock says.
    pub(super) fn now(&mut self) -> Timestamp {
        self.time = self.time.max(self.kitchen.clock.now());
        self.time
    }

    /// Whether no more bodies may start.
    fn stopping(&self) -> bool {
        let late = match self.term.lease {
            Lease::Invocation { hand_over, .. } => self.kitchen.clock.now() >= hand_over,
            Lease::Renewed(_) => false,
        };
        late || self.term.stop.borrow().is_some()
    }
}

/// A random number in `[0, 1)`: of no consequence for any history, so it need not replay.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
fn jitter() -> f64 {
    (uuid::Uuid::new_v4().as_u64_pair().1 << 11 >> 11) as f64 / (1_u64 << 53) as f64
}

/// A store that does not answer now is asked again at the next look: no body is stopped for it.
fn if_answered<T>(answer: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Err(error) if error.is_retryable() => Ok(None),
        answer => answer,
    }
}
