//! One turn: replay, then deliver, write, run, until the workflow ends or only waits.
//!
//! The order of the loop is the protocol:
//!
//! 1. While a body waits to start, nothing is delivered. Everything that has finished is written
//!    first, in one commit: the **write barrier**.
//! 2. Else the next finished event is delivered, and the workflow polled until it is quiet.
//! 3. Else what has ended meanwhile (bodies, timers) joins the sequence.
//! 4. Else the turn waits, as long as a body runs or a short back-off does; or ends.

mod attempts;
mod children;
mod compensate;
mod ends;
mod long;
mod postponed;
mod promises;
mod replay;
mod runs;
mod seal;
mod terminate;
mod times;
mod together;
mod visible;
mod wait;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use self::compensate::Undoing;
use self::together::Waiting;
use super::bodies::{Bodies, Over};
use super::children::{Family, send_turns};
use super::desk::Active;
use super::end::{Ended, Stand};
use super::log::{LogEnd, Written};
use super::outbox::Outbox;
use super::recheck::Recheck;
use super::sequence::Sequence;
use super::shown::Shown;
use super::{Items, Kitchen, Lease, Term, TurnError};
use crate::context::{Progress, Run, StepScope, Watch, WorkflowEnd, WritesGo};
use crate::event::{CompensationCause, Event, TimerStarted, TurnStarted, WorkflowTerminated};
use crate::id::{CommitNumber, Life};
use crate::limits::{CLOCK_SKEW, HEARTBEAT_WRITE_EVERY, INBOX_LOOK_EVERY};
use crate::replay::{Armed, Engine, Fault, History, Request, TakenIds};
use crate::store::{InboxItem, Loaded, Message, SeenItem, Status};
use crate::telemetry::{StepSpans, TurnTelemetry};
use crate::time::Timestamp;
use crate::wake::Wake;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use visible::Visible;

/// How a turn ended.
pub(super) enum Driven {
    /// Its last commit is written: the execution has ended, waits, or was handed over.
    Ended(Ended),
    /// Its last commit begins the next run.
    Continued(Ended),
    /// The execution cannot go on with this code. `last` is the log's last commit, `shown` what it
    /// shows and the record does not, `outbox` what is to be told.
    Blocked { last: CommitNumber, shown: Shown, fault: Fault, outbox: Option<Outbox> },
    /// The fence was lost or the lease is too short to start a body: look again.
    Stale,
    /// No time is left to start anything, and nothing was written.
    NoTime,
}

impl Driven {
    /// In a word.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            // Only who hands over ends while the execution runs.
            Self::Ended(ended) if ended.status == Status::Running => "yielded",
            Self::Ended(ended) => ended.status.as_str(),
            Self::Continued(_) => "continued",
            // Perhaps another host knows it: a rolling deploy.
            Self::Blocked { fault: Fault::UnknownWorkflow { .. }, .. } => "unknown_workflow",
            Self::Blocked { .. } => "blocked",
            Self::Stale => "lost",
            Self::NoTime => "no_time",
        }
    }
}

/// What a turn begins with.
pub(super) struct Begin<'a> {
    pub(super) active: Active,
    pub(super) items: Items,
    /// Write the claim before anything runs.
    pub(super) eager: bool,
    /// No other suspect begins before this is dropped.
    pub(super) alone: Option<OwnedSemaphorePermit>,
    pub(super) telemetry: &'a TurnTelemetry,
    /// What is to be told, if anything is.
    pub(super) outbox: Option<Outbox>,
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
    /// Attempts whose results are not theirs before their writes are done.
    together: VecDeque<Waiting>,
    writes_go: WritesGo,
    /// A buffer of [`take_requests`](Self::take_requests).
    asked: Vec<u32>,
    /// Attempts that wait for the barrier.
    ready: VecDeque<u32>,
    /// Steps that wait for their next attempt.
    backoffs: BTreeSet<(Timestamp, u32)>,
    timers: BTreeSet<(Timestamp, u32)>,
    /// The times that have a timer wake under way.
    armed: Vec<Armed>,
    /// The latest time that the end of a turn before may have.
    turn_ended_at: Option<Timestamp>,
    /// How many turns before it gave up, without progress since.
    gave_up: u32,
    lease_end: Timestamp,
    /// Whether this turn has written its claim.
    claimed: bool,
    /// Whether it takes a resume.
    resumed: bool,
    /// The time of the last event: events are never older than the one before.
    time: Timestamp,
    pub(super) end: Option<WorkflowEnd>,
    /// What the replay check needs, where it is on.
    pub(super) recheck: Option<Recheck>,
    /// How many calls were looked at for gaps.
    pub(super) gaps_looked_at: usize,
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
    /// Which of the executions it is that have had this id.
    life: Life,
    taken: TakenIds,
    /// When the inbox was read last.
    looked_at: Timestamp,
    /// All items that were seen in the inbox.
    seen: Vec<SeenItem>,
    next_inbox_look: Timestamp,
    visible: Visible,
    /// What it shares with its bodies.
    watch: Arc<Watch>,
    /// When what bodies say is written next, at the earliest.
    next_heartbeats: Timestamp,
    active: Active,
    /// Dropped with the first commit after the claim.
    alone: Option<OwnedSemaphorePermit>,
    telemetry: &'a TurnTelemetry,
    steps: StepSpans,
    outbox: Option<Outbox>,
}

impl Kitchen {
    pub(super) async fn drive(
        &self,
        wake: &Wake,
        loaded: &Loaded,
        mut history: History,
        term: &Term,
        begin: Begin<'_>,
    ) -> Result<Driven, TurnError> {
        let Begin { active, items, eager, alone, telemetry, outbox } = begin;
        let last = history.last;
        let shown = Shown::missing_in(&loaded.record, &history);
        let tags = std::mem::take(&mut history.tags);
        let Some(workflow) = self.registry.workflow(&history.start().workflow) else {
            let name = history.start().workflow.clone();
            let fault = Fault::UnknownWorkflow { name };
            return Ok(Driven::Blocked { last, shown, fault, outbox });
        };
        let future = match (workflow.make)(self.registry.states(), &history.start().input) {
            Ok(future) => future,
            Err(problem) => {
                let what = format!("the input of workflow {}", workflow.name);
                let fault = Fault::Value { what, problem };
                return Ok(Driven::Blocked { last, shown, fault, outbox });
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
        let values = self.payloads.value_bytes_max();
        let engine = Engine::new(start, Arc::clone(&events))
            .with_value_bytes_max(values)
            .declared_at(workflow.location);
        let writer = active.writer;
        let resumed = items.iter().any(|item| matches!(item.message, Message::Resume));
        let mut turn = Turn {
            kitchen: self,
            wake,
            term: term.clone(),
            run: Run::new(engine, future),
            log: LogEnd::new(
                &*self.store,
                &wake.execution,
                loaded.record.life(),
                writer,
                history.last,
                history.last_hash,
            ),
            sequence: Sequence::default(),
            bodies: Bodies::default(),
            together: VecDeque::new(),
            writes_go: self.writes_go(),
            asked: Vec::new(),
            ready: VecDeque::new(),
            backoffs: BTreeSet::new(),
            timers: BTreeSet::new(),
            // A blocked execution's timer wake may have come and gone.
            armed: if resumed { Vec::new() } else { history.armed },
            turn_ended_at: history.turn_ended_at,
            gave_up: history.gave_up,
            lease_end,
            claimed: false,
            resumed,
            time: history.time,
            end: None,
            recheck: self.registry.replay_check().then(|| Recheck::new(&events)),
            gaps_looked_at: 0,
            cancel: None,
            terminate: None,
            unwritten_since: None,
            arrivals: loaded.record.arrivals,
            first: history.first,
            life: loaded.record.life(),
            taken: history.taken,
            family: Family::of(start, &events),
            send_turns: send_turns(),
            broken: None,
            seen: loaded.inbox.iter().map(InboxItem::seen).collect(),
            looked_at: now,
            next_inbox_look: now.after(INBOX_LOOK_EVERY),
            visible: Visible::new(shown, tags),
            watch: Arc::new(Watch::new(self.payloads.clone())),
            next_heartbeats: now.after(HEARTBEAT_WRITE_EVERY),
            active,
            alone,
            telemetry,
            steps: StepSpans::default(),
            outbox,
        };
        turn.log.counts = turn.outbox.is_some().then(Vec::new);
        let gone = turn.go(&events, items, eager).await;
        // However the turn ends, none of its bodies runs when the next one looks at the log.
        turn.bodies.abort().await;
        if let Err(Halt::Error(error)) = &gone {
            turn.give_up(error).await;
        }
        let [commits, bytes] = turn.log.written;
        telemetry.wrote(commits, bytes);
        match gone {
            Ok(driven) => Ok(driven),
            Err(Halt::Lost) => Ok(Driven::Stale),
            Err(Halt::Error(error)) => Err(error),
        }
    }
}

impl Turn<'_> {
    /// Where the log stands.
    fn stand(&self) -> Stand {
        Stand { last: self.log.last, first: self.first, life: self.life }
    }

    async fn go(&mut self, log: &[Event], items: Items, eager: bool) -> Result<Driven, Halt> {
        let at = self.now();
        let function_version = match log.first() {
            Some(Event::WorkflowStarted(start)) => self.kitchen.pins_to(&start.workflow),
            _ => None,
        };
        self.sequence.push(Event::TurnStarted(TurnStarted {
            at,
            host: self.kitchen.host.clone(),
            code: self.kitchen.registry.code().to_owned(),
            lease_end: self.lease_end,
            function_version,
        }));
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
        if self.resumed {
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
            self.write_together().await?;
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
                match self.start_to_undo(CompensationCause::Cancelled { reason }).await? {
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
                match self.start_to_undo(CompensationCause::Failed { error }).await? {
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
                // Most are over by now.
                self.collect_bodies();
                continue;
            }
            if self.deliver_next() {
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
                // A back-off can wait without a turn, and a turn that has only waited for one has not
                // died of it: to yield is no progress (rule 22).
                if self.bodies.is_empty() && self.claimed {
                    return self.suspend().await;
                }
                return self.hand_over().await;
            }
        }
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
        let mut asked = std::mem::take(&mut self.asked);
        match self.run.take_asked(&mut asked) {
            Err(fault) => return Some(fault),
            Ok(decided) if decided => self.take_chosen(),
            Ok(_) => {}
        }
        self.tell_gaps();
        if asked.is_empty() {
            self.asked = asked;
            return None;
        }
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
                        let (key, site) = self.run.engine().place(seq);
                        let started = TimerStarted { at, seq, key, site, due };
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
        let mut note = self.run.engine().take_note(seq, at);
        if let Some(Event::UpdateReplied(replied)) = &mut note
            && self.kitchen.payloads.hides()
        {
            replied.reply.leave_out_values();
        }
        note.into_iter().for_each(|note| self.happened(note));
    }

    /// The write barrier, and then every body that waits at it. `false` if the lease is too short.
    async fn start_bodies(&mut self) -> Result<bool, Halt> {
        if !self.bodies.is_empty() {
            // Whoever finishes together is written together.
            tokio::task::yield_now().await;
            self.collect_bodies();
        }
        // By the clock, as the times it is compared to: the time of the last event may be ahead of it,
        // or, after a long replay, far behind.
        let now = self.kitchen.clock.now();
        if now >= self.next_inbox_look {
            // Steps that are over at once never let the turn wait; its end must not wait for that.
            self.look_at_inbox().await?;
            if self.cancel.is_some() || self.terminate.is_some() {
                return Ok(true);
            }
        }
        self.renew_if_old(now);
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
            let bytes_max = self.kitchen.payloads.value_bytes_max();
            let writes_go = self.writes_go.clone();
            let scope = StepScope::new(key, seq, attempt, bytes_max, watch);
            let scope = StepScope { before, left, writes_go, ..scope };
            // Cloning its arguments is user code: outside the lock.
            let span = self.steps.attempt(seq, &scope.key.key, attempt);
            self.bodies.start(seq, scope, &*body, alone, span);
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
        // A claim that was made longer while messages were read has its end put in, too.
        let is_longer = matches!(
            events.first(),
            Some(Event::TurnStarted(claim)) if claim.lease_end != self.lease_end
        );
        let sealed = if is_longer || self.kitchen.payloads.seals_any(events) {
            Some(self.seal_unwritten().await?)
        } else {
            None
        };
        let events = sealed.as_deref().unwrap_or(self.sequence.unwritten());
        let (Written::Durable, marked) = self.log.append_noting(events, mark).await? else {
            return Err(Halt::Lost);
        };
        self.wrote(sealed.as_deref());
        Ok(marked)
    }

    /// What is unwritten is durable now: as it is, or as `sealed`.
    fn wrote(&mut self, sealed: Option<&[Event]>) {
        if self.claimed {
            self.alone = None;
        }
        self.claimed = true;
        let events = self.sequence.unwritten();
        let sealed = sealed.unwrap_or(events);
        for (event, sealed) in events.iter().zip(sealed) {
            if let Event::LeaseRenewed(renewed) = sealed {
                self.lease_end = renewed.lease_end;
            }
            self.family.note(event);
            self.visible.written(sealed);
            if event.is_progress() {
                self.gave_up = 0;
            }
            self.kitchen.note_durable(&self.wake.execution, event, &self.telemetry.meter);
        }
        if let (Some(outbox), Some(counts)) = (&mut self.outbox, &self.log.counts) {
            outbox.wrote(self.log.last, counts, sealed);
        }
        self.sequence.mark_written();
        self.unwritten_since = None;
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
