//! The engine: every call the workflow has made, matched with the log, and what was delivered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use uuid::Uuid;

use super::body::Body;
use super::call::{Call, Detail, Kind, Outcome, State, StepState};
use super::channels::Channels;
use super::child::ChildState;
use super::compensate::Compensation;
use super::fault::{Fault, Mismatch, NewOperation, Side};
use super::note::Note;
use super::promises::Promises;
use super::recorded::{Expected, Recorded};
use super::seed::{self, Seed};
use super::versions::{Chosen, Versions};
use crate::event::{
    ChildRequested, Event, Json, LeaseRenewed, OperationKey, SignalReceived, Text, UpdateReceived,
    WaitsFor, WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::limits::{VALUE_BYTES_MAX, WAITS_FOR_MAX};
use crate::time::Timestamp;

/// One run of a workflow, as far as it has got.
pub(crate) struct Engine {
    execution: ExecutionId,
    pub(super) run: u32,
    recorded: Recorded,
    pub(super) calls: Vec<Call>,
    /// How often each name was called. Names are few: a tree is quicker here than hashing them.
    counts: BTreeMap<(Kind, Cow<'static, str>), u32>,
    /// The places of the calls that have left an event, as texts.
    sites: BTreeMap<&'static Location<'static>, Text>,
    signals: Channels<SignalReceived>,
    updates: Channels<UpdateReceived>,
    /// How many messages were received.
    received: u64,
    /// What was published last.
    pub(super) view: Option<Json>,
    /// The execution's tags, once the workflow has set one.
    pub(super) tags: Option<BTreeMap<String, String>>,
    versions: Versions,
    pub(super) promises: Promises,
    seed: Seed,
    pub(super) now: Timestamp,
    /// Calls polled for the first time since the turn last asked; and promises that were made,
    /// dropped or heard of.
    pub(super) asked: Vec<u32>,
    pub(super) compensation: Compensation,
    cancel: Option<String>,
    fault: Option<Fault>,
    /// The input of the next run, once the workflow has asked for one.
    pub(super) continues: Option<Json>,
    size: LogSize,
    /// How large a value may be.
    value_bytes_max: usize,
}

/// How long a run's log is, as far as it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSize {
    pub(crate) events: u64,
    /// By [`Event::weight`].
    pub(crate) bytes: u64,
}

/// What a delivered event means for the workflow.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Poll it, after waking the operation that has its outcome now, if one has.
    Moves(Option<Waker>),
    /// Nothing: bookkeeping.
    Quiet,
}

/// What is left of a dropped operation: to be woken and dropped outside any lock, since user code
/// may hang on each.
#[derive(Default)]
pub(crate) struct Dropped {
    /// Whom to wake.
    pub(crate) wake: Option<Waker>,
    _waker: Option<Waker>,
    _body: Option<Box<dyn Body>>,
}

/// The idempotency key of a step, hashed when somebody asks for it.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    pub(crate) execution: ExecutionId,
    #[cfg_attr(
        not(any(feature = "aws", feature = "postgres")),
        expect(dead_code, reason = "for a table of results")
    )]
    pub(crate) run: u32,
    pub(crate) key: OperationKey,
    seed: Seed,
}

impl IdempotencyKey {
    pub(crate) fn uuid(&self) -> Uuid {
        self.seed.key_of(&self.key)
    }
}

/// What the workflow waits for at a call that has no outcome yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// A step is to be run.
    Step,
    /// A timer is to fire at `due`; `started` if the log knows it already.
    Timer { due: Timestamp, started: bool },
    /// Nothing but a message moves it.
    Signal,
    /// A child is to be started, unless the log says that it is, and then its end moves it;
    /// `requested` if the log knows that it was asked for.
    Child { requested: bool, started: bool },
    /// A promise may be completed from outside, or is over at `due`; `announced` if the log knows
    /// of it already.
    Promise { due: Option<Timestamp>, announced: bool },
    /// A promise was dropped, and those who would complete it may know.
    GiveUp,
    /// Nothing moves it: it is to be recorded, and that is all.
    Note,
}

impl Request {
    /// Whether it is for `due` that the turn waits.
    pub(crate) fn is_due_at(self, due: Timestamp) -> bool {
        match self {
            Self::Timer { due: at, .. } => at == due,
            Self::Promise { due: at, .. } => at == Some(due),
            Self::Step | Self::Signal | Self::Child { .. } | Self::GiveUp | Self::Note => false,
        }
    }
}

impl Engine {
    /// A run that has not been polled. `events` are those of the run so far, WorkflowStarted
    /// first.
    pub(crate) fn new(start: &WorkflowStarted, events: Arc<Vec<Event>>) -> Self {
        Self {
            seed: Seed::new(&start.execution, start.run),
            execution: start.execution.clone(),
            run: start.run,
            now: start.at,
            calls: Vec::with_capacity(events.len()),
            versions: Versions::recorded(&events),
            size: LogSize { events: 1, bytes: weight(events.first()) },
            recorded: Recorded::new(events),
            counts: BTreeMap::new(),
            sites: BTreeMap::new(),
            signals: Channels::default(),
            updates: Channels::default(),
            received: 0,
            view: None,
            tags: None,
            promises: Promises::default(),
            asked: Vec::new(),
            compensation: Compensation::default(),
            cancel: None,
            fault: None,
            continues: None,
            value_bytes_max: VALUE_BYTES_MAX,
        }
    }

    /// Lets values have so many bytes; by default [`VALUE_BYTES_MAX`].
    pub(crate) fn with_value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// How large a value may be.
    pub(crate) fn value_bytes_max(&self) -> usize {
        self.value_bytes_max
    }

    // --- What operations ask ---

    /// A step is called with these arguments, a JSON text: its place in the order of calls, and
    /// whether the log has its outcome.
    pub(crate) fn call_step(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        input: String,
    ) -> (u32, bool) {
        let seq = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        // Mostly the log has them already: then they are kept once.
        let recorded = self.recorded.at(seq).and_then(|expected| expected.input);
        let input = match recorded.filter(|recorded| recorded.as_str() == input) {
            Some(recorded) => recorded.clone(),
            None => Json::from_written(input),
        };
        let step = StepState {
            input,
            body: None,
            attempts: 0,
            retry_at: None,
            asked_at: self.now,
            heartbeat: None,
            begun: None,
            undoable: None,
        };
        self.call(name, location, Detail::Step(step))
    }

    /// How to run step `seq`.
    pub(crate) fn set_body(&mut self, seq: u32, body: Box<dyn Body>) {
        self.step(seq).body = Some(body);
    }

    /// A timer is called.
    pub(crate) fn call_timer(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        due: Timestamp,
    ) -> u32 {
        self.call(name, location, Detail::Timer { due, started: false }).0
    }

    /// A wait for a signal is called.
    pub(crate) fn call_signal(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
    ) -> u32 {
        self.call(name, location, Detail::Signal).0
    }

    /// Whether the log has a call that the workflow has not made yet: whoever recorded it had been
    /// given all that it was given by now.
    pub(crate) fn has_been_here(&self) -> bool {
        self.recorded.goes_on_at(self.calls.len())
    }

    /// Which version of change `name` this run is on. It is no call: it takes no place among them.
    pub(crate) fn version(&mut self, name: Cow<'static, str>, range: &RangeInclusive<u32>) -> u32 {
        let is_past = self.has_been_here();
        let (version, fault) = self.versions.of(name, range, is_past);
        if let Some(fault) = fault {
            self.fail(fault);
        }
        version
    }

    /// A wait for an update is called.
    pub(crate) fn call_update(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
    ) -> u32 {
        self.call(name, location, Detail::Update).0
    }

    /// Something is called that only leaves an event.
    pub(crate) fn call_note(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        note: Note,
    ) {
        self.see_note(&note);
        let detail = Detail::Note { kind: note.kind(), note: Some(note) };
        let (seq, recorded) = self.call(name, location, detail);
        self.asked.push(seq);
        let call = self.call_mut(seq);
        call.state = State::Wanted;
        if let Detail::Note { note, .. } = &mut call.detail
            && recorded
        {
            (call.state, *note) = (State::Taken, None);
        }
    }

    pub(super) fn call_mut(&mut self, seq: u32) -> &mut Call {
        &mut self.calls[seq as usize]
    }

    pub(super) fn call(
        &mut self,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
        mut detail: Detail,
    ) -> (u32, bool) {
        let seq = u32::try_from(self.calls.len()).expect("fewer than 2^32 calls in a run");
        let kind = detail.kind();
        let count = self.counts.entry((kind, name.clone())).or_insert(0);
        *count += 1;
        let key = OperationKey { name, count: *count };
        let mut settled = false;
        if let Some(expected) = self.recorded.at(seq) {
            settled = expected.settled;
            if let Some(detail) = differs(&expected, kind, &key, &detail) {
                let recorded = Some(expected.side());
                let asked = Some(side(kind, &key, location));
                self.fail(Mismatch { seq, recorded, asked, detail }.into());
            } else if let Detail::Timer { started, .. } = &mut detail {
                *started = true;
            } else if let Detail::Child(child) = &mut detail {
                child.requested = true;
            }
        }
        self.calls.push(Call { key, location, state: State::Called, waker: None, detail });
        (seq, settled)
    }

    /// Operation `seq` is polled: its outcome, once, and then it is as good as dropped. After a
    /// fault nothing is ever ready. Also returns what is to be dropped outside any lock.
    pub(crate) fn poll(&mut self, seq: u32, waker: &Waker) -> (Poll<Outcome>, Dropped) {
        if self.fault.is_some() || self.continues.is_some() {
            return (Poll::Pending, Dropped::default());
        }
        let call = &mut self.calls[seq as usize];
        if let State::Called = call.state {
            call.state = State::Wanted;
            let kept = match call.detail {
                Detail::Signal => self.signals.wait(&call.key.name, seq).map(Outcome::Signal),
                Detail::Update => self.updates.wait(&call.key.name, seq).map(Outcome::Update),
                _ => None,
            };
            match kept {
                Some(outcome) => call.state = State::Ready(outcome),
                // The turn has known of a promise since it was called.
                None if matches!(call.detail, Detail::Promise(_)) => {}
                None => self.asked.push(seq),
            }
            if let Detail::Child(_) = call.detail {
                self.check_child(seq);
            }
        }
        let call = &mut self.calls[seq as usize];
        if let State::Ready(_) = call.state {
            let State::Ready(outcome) = std::mem::replace(&mut call.state, State::Taken) else {
                unreachable!("matched above")
            };
            return (Poll::Ready(outcome), self.drop_call(seq));
        }
        let _waker = match &mut call.waker {
            Some(known) if known.will_wake(waker) => None,
            other => other.replace(waker.clone()),
        };
        (Poll::Pending, Dropped { _waker, ..Dropped::default() })
    }

    /// The future of operation `seq` is dropped.
    pub(crate) fn drop_call(&mut self, seq: u32) -> Dropped {
        let call = &mut self.calls[seq as usize];
        let state = std::mem::replace(&mut call.state, State::Dropped);
        let mut dropped = Dropped { wake: None, _waker: call.waker.take(), _body: None };
        match (&mut call.detail, state) {
            (Detail::Step(step), state) => {
                dropped._body = step.give_up(matches!(state, State::Wanted));
            }
            (Detail::Promise(_), State::Called | State::Wanted) => self.asked.push(seq),
            (Detail::Signal, State::Wanted) => self.signals.leave(&call.key.name, seq),
            (Detail::Signal, State::Ready(Outcome::Signal(kept))) => {
                if let Some((next, kept)) = self.signals.give_back(kept) {
                    dropped.wake = self.settle(next, Outcome::Signal(kept));
                }
            }
            (Detail::Update, State::Wanted) => self.updates.leave(&call.key.name, seq),
            (Detail::Update, State::Ready(Outcome::Update(kept))) => {
                if let Some((next, kept)) = self.updates.give_back(kept) {
                    dropped.wake = self.settle(next, Outcome::Update(kept));
                }
            }
            _ => {}
        }
        dropped
    }

    /// The key of call `seq`.
    pub(crate) fn key(&self, seq: u32) -> &OperationKey {
        &self.calls[seq as usize].key
    }

    /// Where call `seq` stands in the source, as its events carry it.
    pub(crate) fn site(&mut self, seq: u32) -> Text {
        let location = self.calls[seq as usize].location;
        self.sites.entry(location).or_insert_with(|| site(location)).clone()
    }

    /// The key of call `seq`, and where it stands in the source: what its events begin with.
    pub(crate) fn place(&mut self, seq: u32) -> (OperationKey, Text) {
        (self.key(seq).clone(), self.site(seq))
    }

    /// Where call `seq` stands in the source.
    pub(crate) fn location(&self, seq: u32) -> &'static Location<'static> {
        self.calls[seq as usize].location
    }

    /// What makes a UUID that is the same for every attempt of step `seq` and for nothing else.
    pub(crate) fn idempotency_key(&self, seq: u32) -> IdempotencyKey {
        IdempotencyKey {
            execution: self.execution.clone(),
            run: self.run,
            key: self.calls[seq as usize].key.clone(),
            seed: self.seed.clone(),
        }
    }

    /// The time of the last event the workflow has seen.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The next 32 random bytes of the run.
    pub(crate) fn draw(&mut self) -> [u8; 32] {
        self.seed.draw()
    }

    /// The next random UUID of the run.
    pub(crate) fn draw_uuid(&mut self) -> Uuid {
        seed::uuid_of(self.seed.draw())
    }

    /// Whose run this is.
    pub(crate) fn execution(&self) -> &ExecutionId {
        &self.execution
    }

    /// The generation within the execution.
    pub(crate) fn run(&self) -> u32 {
        self.run
    }

    // --- What the other files of this folder ask ---

    /// Which call of this name the next one is.
    #[expect(clippy::ptr_arg, reason = "the counts are looked up by it")]
    pub(super) fn count_of_next(&self, kind: Kind, name: &Cow<'static, str>) -> u32 {
        self.counts.get(&(kind, name.clone())).map_or(1, |count| count + 1)
    }

    /// What only this kind of call has.
    pub(super) fn detail(&mut self, seq: u32) -> &mut Detail {
        &mut self.calls[seq as usize].detail
    }

    /// Child `seq` as the log has it, and as the code asks for it; `None` if the log does not.
    pub(super) fn child_and_record(&self, seq: u32) -> Option<(&ChildRequested, &ChildState)> {
        match &self.calls[seq as usize].detail {
            Detail::Child(child) => Some((self.recorded.child_at(seq)?, child)),
            _ => None,
        }
    }

    /// Call `seq` as the log has it.
    pub(super) fn recorded_side(&self, seq: u32) -> Option<Side> {
        self.recorded.at(seq).map(|expected| expected.side())
    }

    /// The calls that the workflow waits for.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Detail> {
        let waiting = self.calls.iter().filter(|call| matches!(call.state, State::Wanted));
        waiting.map(|call| &call.detail)
    }

    /// A UUID that is this run's and this key's.
    pub(super) fn key_uuid(&self, key: &OperationKey) -> Uuid {
        self.seed.key_of(key)
    }

    /// The start of this run.
    pub(crate) fn start(&self) -> &WorkflowStarted {
        self.recorded.start()
    }

    /// How long its log is, as far as the workflow has seen it.
    pub(crate) fn size(&self) -> LogSize {
        self.size
    }

    /// The workflow is to go on as a new run with this input. From here on nothing moves it.
    pub(crate) fn continue_with(&mut self, input: Json) {
        if self.compensates() {
            let what = "continue_as_new() while the workflow is undone".to_owned();
            let problem =
                "what undoes it must come to its end: begin another life by starting the \
                           execution again"
                    .to_owned();
            self.fail(Fault::Value { what, problem });
            return;
        }
        self.continues.get_or_insert(input);
    }

    // --- What the turn asks ---

    /// The input of the next run, if the workflow has asked for one.
    pub(crate) fn continues(&self) -> Option<&Json> {
        self.continues.as_ref()
    }

    /// What was received and not consumed, in order: the events that brought it. Complete once
    /// the workflow is dropped.
    pub(crate) fn unconsumed(&self) -> Vec<Event> {
        let mut messages: Vec<(u64, Event)> =
            self.signals.unconsumed().chain(self.updates.unconsumed()).collect();
        messages.sort_unstable_by_key(|(place, _)| *place);
        messages.into_iter().map(|(_, event)| event).collect()
    }

    /// The calls polled for the first time (and the notes called) since this was last asked, in
    /// the order of those polls, in the place of what `asked` holds.
    pub(crate) fn take_asked(&mut self, asked: &mut Vec<u32>) {
        self.asked_taken();
        asked.clear();
        std::mem::swap(&mut self.asked, asked);
    }

    /// The versions decided since this was last asked, which are to be recorded.
    pub(crate) fn take_chosen(&mut self) -> Vec<Chosen> {
        self.versions.take_chosen()
    }

    /// Whether a version was decided that is to be recorded.
    pub(crate) fn decides(&self) -> bool {
        self.versions.decides()
    }

    /// The first step, timer or promise that was asked for since the turn last asked and of which the log
    /// has nothing.
    pub(crate) fn new_operation(
        &self,
        workflow: String,
        written_by: String,
        code: String,
    ) -> Option<Fault> {
        let is_new = |seq: &&u32| {
            let request = self.request(**seq);
            let leaves_something = matches!(
                request,
                Some(
                    Request::Step
                        | Request::Timer { .. }
                        | Request::Child { .. }
                        | Request::Promise { .. }
                )
            );
            leaves_something && self.recorded.at(**seq).is_none()
        };
        let call = &self.calls[*self.asked.iter().find(is_new)? as usize];
        let asked = side(call.detail.kind(), &call.key, call.location);
        let new = NewOperation { workflow, asked, written_by, code };
        Some(Fault::NewOperation(Box::new(new)))
    }

    /// What call `seq` still needs; `None` if it has its outcome or nobody waits for it.
    pub(crate) fn request(&self, seq: u32) -> Option<Request> {
        let call = &self.calls[seq as usize];
        if let Detail::Promise(promise) = &call.detail {
            return self.request_of_promise(call, promise);
        }
        if !matches!(call.state, State::Wanted) {
            return self.is_finishing(seq).then_some(Request::Step);
        }
        Some(match &call.detail {
            Detail::Step(_) => Request::Step,
            Detail::Timer { due, started } => Request::Timer { due: *due, started: *started },
            Detail::Signal | Detail::Update => Request::Signal,
            Detail::Note { .. } => Request::Note,
            Detail::Child(child) => {
                Request::Child { requested: child.requested, started: child.started }
            }
            Detail::Promise(_) => unreachable!("answered above"),
        })
    }

    /// Gives step `seq` its body back after it was taken out to start an attempt.
    pub(crate) fn put_body_back(&mut self, seq: u32, body: Box<dyn Body>) {
        if self.request(seq).is_some() {
            self.step(seq).body = Some(body);
        }
    }

    /// Which messages the workflow waits for.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        let mut waits_for = WaitsFor::default();
        waits_for.signals.extend(self.signals.waited_for().take(WAITS_FOR_MAX).cloned());
        waits_for.updates.extend(self.updates.waited_for().take(WAITS_FOR_MAX).cloned());
        waits_for
    }

    /// Whether the workflow waits for anything that others send.
    pub(crate) fn waits_for_messages(&self) -> bool {
        !self.waits_for().is_empty() || self.waits_for_promises() || self.waits_for_children()
    }

    /// The state of step `seq`.
    pub(crate) fn step(&mut self, seq: u32) -> &mut StepState {
        match &mut self.calls[seq as usize].detail {
            Detail::Step(step) => step,
            _ => unreachable!("call {seq} is not a step"),
        }
    }

    /// Delivers one event: from the log or, with the very same effect, live.
    pub(crate) fn deliver(&mut self, event: &Event) -> Result<Delivered, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if !matches!(event, Event::LeaseRenewed(LeaseRenewed { ahead: true, .. })) {
            self.size.events += 1;
            self.size.bytes += weight(Some(event));
        }
        self.see_asked();
        let moved = match event {
            Event::StepCompleted(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.undoable_settled(e.seq, Some(&e.output));
                self.settle(e.seq, Outcome::Value(e.output.clone()))
            }
            Event::StepFailed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.undoable_settled(e.seq, None);
                self.settle(e.seq, Outcome::Failed(e.failure.clone()))
            }
            Event::TimerFired(e) => {
                self.check(Kind::Timer, e.seq, &e.key, "fired")?;
                self.settle(e.seq, Outcome::Fired)
            }
            Event::ChildStarted(e) => {
                self.check(Kind::Child, e.seq, &e.key, "started")?;
                let child = self.child(e.seq);
                child.started = true;
                if child.waits() {
                    return Ok(Delivered::Quiet);
                }
                self.settle(e.seq, Outcome::Started(e.child.clone()))
            }
            Event::ChildCompleted(e) => {
                self.check(Kind::Child, e.seq, &e.key, "completed")?;
                self.settle(e.seq, Outcome::Child(e.child.clone(), e.outcome.clone()))
            }
            Event::SignalReceived(e) => {
                let taker = self.signals.arrive(self.received, e);
                self.received += 1;
                taker.and_then(|(seq, kept)| self.settle(seq, Outcome::Signal(kept)))
            }
            Event::CompensationStarted(e) => {
                self.start_compensation(e)?;
                None
            }
            Event::StepAttemptFailed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                let step = self.step(e.seq);
                step.attempts = e.attempt;
                step.retry_at = Some(e.retry_at);
                step.begun = None;
                if !self.attempt_of_undoable_failed(e.seq, &e.failure) {
                    return Ok(Delivered::Quiet);
                }
                None
            }
            Event::StepPostponed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                let step = self.step(e.seq);
                step.retry_at = Some(e.retry_at);
                step.begun = None;
                if !self.attempt_of_undoable_postponed(e.seq) {
                    return Ok(Delivered::Quiet);
                }
                None
            }
            Event::PromiseResolved(e) => return Ok(self.promise_resolved(e)),
            Event::UpdateReceived(e) => {
                let taker = self.updates.arrive(self.received, e);
                self.received += 1;
                taker.and_then(|(seq, kept)| self.settle(seq, Outcome::Update(kept)))
            }
            other => return self.note(other).map(|()| Delivered::Quiet),
        };
        self.now = event.at();
        Ok(Delivered::Moves(moved))
    }

    /// Takes in an event that the workflow itself does not see.
    fn note(&mut self, event: &Event) -> Result<(), Fault> {
        self.note_undoables(event);
        match event {
            Event::StepStarted(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.step(e.seq).begun = Some(e.attempt);
            }
            Event::StepHeartbeat(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.step(e.seq).heartbeat = Some(e.details.clone());
            }
            Event::TimerStarted(e) => self.check(Kind::Timer, e.seq, &e.key, &e.site)?,
            Event::ChildRequested(e) => {
                self.check(Kind::Child, e.seq, &e.key, &e.site)?;
                self.child(e.seq).requested = true;
            }
            Event::PromiseCreated(e) => self.promise_created(e)?,
            Event::PromiseHeartbeat(e) => self.promise_heartbeat(e),
            Event::UpdateReplied(e) => self.check(Kind::Reply, e.seq, &e.key, &e.site)?,
            Event::ViewPublished(e) => self.check(Kind::View, e.seq, &e.key, &e.site)?,
            Event::TagSet(e) => self.check(Kind::Tag, e.seq, &e.key, &e.site)?,
            Event::CancelRequested(e) => {
                self.cancel.get_or_insert_with(|| e.reason.clone());
            }
            Event::Resumed(_) => {
                for call in &mut self.calls {
                    if let Detail::Step(step) = &mut call.detail {
                        step.attempts = 0;
                        step.retry_at = None;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The reason of a cancel request that was delivered.
    pub(crate) fn cancelled(&self) -> Option<&str> {
        self.cancel.as_deref()
    }

    /// What went wrong first, if anything did.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Notes what went wrong; the first one stays.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn settle(&mut self, seq: u32, outcome: Outcome) -> Option<Waker> {
        let call = &mut self.calls[seq as usize];
        match call.state {
            State::Called | State::Wanted => {
                call.state = State::Ready(outcome);
                call.waker.take()
            }
            State::Ready(_) | State::Taken | State::Dropped => None,
        }
    }

    /// The log is about call `seq`: the code must have made that call, and the same one.
    pub(super) fn check(
        &mut self,
        kind: Kind,
        seq: u32,
        key: &OperationKey,
        at: &str,
    ) -> Result<(), Fault> {
        let asked = self.calls.get(seq as usize);
        if asked.is_some_and(|call| call.detail.kind() == kind && call.key == *key) {
            return Ok(());
        }
        let fault = Fault::from(Mismatch {
            seq,
            recorded: Some(Side { kind, key: key.to_string(), site: at.into() }),
            asked: asked.map(|call| side(call.detail.kind(), &call.key, call.location)),
            detail: String::new(),
        });
        self.fail(fault.clone());
        Err(fault)
    }
}

fn weight(event: Option<&Event>) -> u64 {
    event.map_or(0, Event::weight) as u64
}

impl From<Mismatch> for Fault {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(Box::new(mismatch))
    }
}

pub(super) fn side(kind: Kind, key: &OperationKey, location: &Location<'_>) -> Side {
    Side { kind, key: key.to_string(), site: site(location) }
}

/// `file:line`, as events carry it.
pub(crate) fn site(location: &Location<'_>) -> Text {
    let mut site = String::with_capacity(location.file().len() + 8);
    site.push_str(location.file());
    site.push(':');
    site.push_str(itoa::Buffer::new().format(location.line()));
    site.into()
}

/// How a call differs from what the log expects there; `None` if it does not. The text is empty
/// where the two sides speak for themselves.
fn differs(
    expected: &Expected<'_>,
    kind: Kind,
    key: &OperationKey,
    detail: &Detail,
) -> Option<String> {
    if expected.kind != kind || expected.key != key {
        return Some(String::new());
    }
    match detail {
        Detail::Step(step) => {
            let recorded = expected.input.filter(|recorded| !recorded.same(&step.input))?;
            Some(format!("its arguments were {recorded} and are now {}", step.input))
        }
        Detail::Timer { due, .. } => {
            let recorded = expected.due.filter(|recorded| recorded != due)?;
            Some(format!("it was due at {recorded} and is now due at {due}"))
        }
        Detail::Child(child) => {
            let recorded = expected.input.filter(|recorded| !recorded.same(child.input()))?;
            Some(format!("its input was {recorded} and is now {}", child.input()))
        }
        // A promise's limits are not known when it is called.
        Detail::Signal | Detail::Update | Detail::Promise(_) => None,
        Detail::Note { note, .. } => note.as_ref()?.differs(expected.event),
    }
}
