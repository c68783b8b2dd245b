//! The log by the order of calls: what the code is expected to ask for at each place.

use std::sync::Arc;

use super::call::Kind;
use super::fault::Side;
use crate::event::{ChildRequested, Event, Json, OperationKey, WorkflowStarted};
use crate::time::Timestamp;

/// The events of a run, indexed by the call they are about.
pub(super) struct Recorded {
    events: Arc<Vec<Event>>,
    /// By the order of calls.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// The first event about this call; 0 (which is WorkflowStarted) if there is none.
    event: u32,
    /// Whether the call's outcome is in the log.
    settled: bool,
}

/// What the log says about a call.
pub(super) struct Expected<'a> {
    pub(super) kind: Kind,
    pub(super) key: &'a OperationKey,
    pub(super) site: &'a str,
    pub(super) input: Option<&'a Json>,
    pub(super) due: Option<Timestamp>,
    pub(super) settled: bool,
    /// The first event about the call.
    pub(super) event: &'a Event,
}

impl Recorded {
    pub(super) fn new(events: Arc<Vec<Event>>) -> Self {
        let mut slots: Vec<Slot> = Vec::with_capacity(events.len());
        for (event, index) in events.iter().zip(0..) {
            let Some((seq, settled)) = place(event) else { continue };
            let seq = seq as usize;
            if slots.len() <= seq {
                slots.resize(seq + 1, Slot::default());
            }
            // A heartbeat says least of its call: what follows takes its place.
            let known = &events[slots[seq].event as usize];
            if slots[seq].event == 0 || matches!(known, Event::StepHeartbeat(_)) {
                slots[seq].event = index;
            }
            slots[seq].settled |= settled;
        }
        Self { events, slots }
    }

    /// Whether the log goes on at call `seq` or behind it.
    pub(super) fn goes_on_at(&self, seq: usize) -> bool {
        // The last slot has an event, or it would not be there.
        self.slots.len() > seq || self.events.last().is_some_and(ends_run)
    }

    /// The start of the run.
    pub(super) fn start(&self) -> &WorkflowStarted {
        match &self.events[0] {
            Event::WorkflowStarted(start) => start,
            _ => unreachable!("the events of a run begin with WorkflowStarted"),
        }
    }

    pub(super) fn at(&self, seq: u32) -> Option<Expected<'_>> {
        let slot = self.slots.get(seq as usize).filter(|slot| slot.event != 0)?;
        let event = &self.events[slot.event as usize];
        let step = |key, site, input| (Kind::Step, key, site, Some(input), None);
        let (kind, key, site, input, due): (_, _, &String, _, _) = match event {
            Event::StepStarted(e) => step(&e.key, &e.site, &e.input),
            Event::StepAttemptFailed(e) => step(&e.key, &e.site, &e.input),
            Event::StepCompleted(e) => step(&e.key, &e.site, &e.input),
            Event::StepFailed(e) => step(&e.key, &e.site, &e.input),
            Event::StepHeartbeat(e) => (Kind::Step, &e.key, &e.site, None, None),
            Event::TimerStarted(e) => (Kind::Timer, &e.key, &e.site, None, Some(e.due)),
            Event::UpdateReplied(e) => (Kind::Reply, &e.key, &e.site, None, None),
            Event::ViewPublished(e) => (Kind::View, &e.key, &e.site, None, None),
            Event::ChildRequested(e) => (Kind::Child, &e.key, &e.site, Some(&e.input), None),
            Event::PromiseCreated(e) => (Kind::Promise, &e.key, &e.site, None, None),
            _ => return None,
        };
        Some(Expected { kind, key, site, input, due, settled: slot.settled, event })
    }

    /// The child that call `seq` asked for.
    pub(super) fn child_at(&self, seq: u32) -> Option<&ChildRequested> {
        let slot = self.slots.get(seq as usize)?;
        match &self.events[slot.event as usize] {
            Event::ChildRequested(request) => Some(request),
            _ => None,
        }
    }
}

fn ends_run(event: &Event) -> bool {
    event.is_end() || matches!(event, Event::ContinuedAsNew(_))
}

/// The call an event is about, and whether it settles it.
fn place(event: &Event) -> Option<(u32, bool)> {
    match event {
        Event::StepStarted(e) => Some((e.seq, false)),
        Event::StepAttemptFailed(e) => Some((e.seq, false)),
        Event::StepHeartbeat(e) => Some((e.seq, false)),
        Event::StepCompleted(e) => Some((e.seq, true)),
        Event::StepFailed(e) => Some((e.seq, true)),
        Event::TimerStarted(e) => Some((e.seq, false)),
        Event::TimerFired(e) => Some((e.seq, true)),
        Event::ChildRequested(e) => Some((e.seq, false)),
        Event::ChildStarted(e) => Some((e.seq, false)),
        Event::ChildCompleted(e) => Some((e.seq, true)),
        Event::PromiseCreated(e) => Some((e.seq, false)),
        Event::UpdateReplied(e) => Some((e.seq, true)),
        Event::ViewPublished(e) => Some((e.seq, true)),
        _ => None,
    }
}

impl Expected<'_> {
    pub(super) fn side(&self) -> Side {
        Side { kind: self.kind, key: self.key.to_string(), site: self.site.to_owned() }
    }
}
