//! The engine: every call the workflow has made, matched with the log, and what was delivered.

mod deliver;
mod differs;
mod foreign;
mod request;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use uuid::Uuid;

use deliver::weight;
pub(crate) use deliver::{Delivered, LogSize};
use differs::differs;
pub(super) use differs::side;
pub(crate) use differs::site;
pub(crate) use request::Request;

use super::body::Body;
use super::call::{Call, Detail, Kind, Outcome, State, StepState};
use super::channels::Channels;
use super::child::ChildState;
use super::compensate::Compensation;
use super::fault::{Fault, Mismatch, Side};
use super::note::Note;
use super::promises::Promises;
use super::recorded::Recorded;
use super::seed::{self, IdempotencyKey, Seed};
use super::versions::Versions;
use crate::event::{
    ChildRequested, Event, Json, OperationKey, SignalReceived, Text, UpdateReceived,
    WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::limits::VALUE_BYTES_MAX;
use crate::time::Timestamp;

/// One run of a workflow, as far as it has got.
pub(crate) struct Engine {
    execution: ExecutionId,
    pub(super) run: u32,
    recorded: Recorded,
    pub(super) calls: Vec<Call>,
    /// The call that was made last, or whose outcome the workflow took last: what it does now, it
    /// does behind it.
    last: Option<u32>,
    /// Where the workflow stands in the source, if that is known.
    declared: Option<&'static Location<'static>>,
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

/// What is left of a dropped operation: to be woken and dropped outside any lock, since user code
/// may hang on each.
#[derive(Default)]
pub(crate) struct Dropped {
    /// Whom to wake.
    pub(crate) wake: Option<Waker>,
    _waker: Option<Waker>,
    _body: Option<Box<dyn Body>>,
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
            last: None,
            declared: None,
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

    /// Says where the workflow stands in the source, if that is known.
    pub(crate) fn declared_at(mut self, location: Option<&'static Location<'static>>) -> Self {
        self.declared = location;
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
            covered: false,
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
        self.last = Some(seq);
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
            self.last = Some(seq);
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

    // --- What the turn asks, beside what is in `request` ---

    /// The start of this run.
    pub(crate) fn start(&self) -> &WorkflowStarted {
        self.recorded.start()
    }

    /// How long its log is, as far as the workflow has seen it.
    pub(crate) fn size(&self) -> LogSize {
        self.size
    }

    /// The state of step `seq`.
    pub(crate) fn step(&mut self, seq: u32) -> &mut StepState {
        match &mut self.calls[seq as usize].detail {
            Detail::Step(step) => step,
            _ => unreachable!("call {seq} is not a step"),
        }
    }

    /// Whether call `seq` is a step.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn is_step(&self, seq: u32) -> bool {
        matches!(self.calls[seq as usize].detail, Detail::Step(_))
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
}
