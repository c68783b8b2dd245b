//! What a turn asks the engine: what the workflow waits for, and what is to be recorded.

use super::{Engine, side};
use crate::event::{Event, Json, WaitsFor};
use crate::limits::WAITS_FOR_MAX;
use crate::replay::body::Body;
use crate::replay::call::{Detail, State};
use crate::replay::fault::{Fault, NewOperation};
use crate::replay::versions::Chosen;
use crate::time::Timestamp;

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
}
