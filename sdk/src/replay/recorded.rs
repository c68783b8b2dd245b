//! The log by the order of calls: what the code is expected to ask for at each place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::Kind;
use super::fault::Side;
use crate::event::{ChildRequested, Event, Json, OperationKey, Text, WorkflowStarted};
use crate::time::Timestamp;

/// The events of a run, indexed by the call they are about.
pub(super) struct Recorded {
    events: Arc<Vec<Event>>,
    /// By the order of calls.
    slots: Vec<Slot>,
    /// Those of calls that are far behind the others: of a forged log, or of code that has asked for
    /// much that left no event. A list that reached to them would take gigabytes.
    far: BTreeMap<u32, Slot>,
}

/// How far a call may be behind the one before it in the list, in calls.
const GAP_MAX: usize = 1 << 16;

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
    pub(super) site: &'a Text,
    pub(super) input: Option<&'a Json>,
    pub(super) due: Option<Timestamp>,
    pub(super) settled: bool,
    /// The first event about the call.
    pub(super) event: &'a Event,
}

impl Recorded {
    pub(super) fn new(events: Arc<Vec<Event>>) -> Self {
        let mut slots: Vec<Slot> = Vec::with_capacity(events.len());
        let mut far: BTreeMap<u32, Slot> = BTreeMap::new();
        for (event, index) in events.iter().zip(0..) {
            let Some((seq, settled)) = place(event) else { continue };
            let place = seq as usize;
            let slot = if place >= slots.len() + GAP_MAX || far.contains_key(&seq) {
                far.entry(seq).or_default()
            } else {
                if slots.len() <= place {
                    slots.resize(place + 1, Slot::default());
                }
                &mut slots[place]
            };
            // A heartbeat says least of its call: what follows takes its place.
            let known = &events[slot.event as usize];
            if slot.event == 0 || matches!(known, Event::StepHeartbeat(_)) {
                slot.event = index;
            }
            slot.settled |= settled;
        }
        Self { events, slots, far }
    }

    fn slot(&self, seq: u32) -> Option<&Slot> {
        self.far.get(&seq).or_else(|| self.slots.get(seq as usize))
    }

    /// Whether the log goes on at call `seq` or behind it.
    pub(super) fn goes_on_at(&self, seq: usize) -> bool {
        // The last slot has an event, or it would not be there.
        let far = self.far.last_key_value().is_some_and(|(last, _)| *last as usize >= seq);
        self.slots.len() > seq || far || self.events.last().is_some_and(ends_run)
    }

    /// The start of the run.
    pub(super) fn start(&self) -> &WorkflowStarted {
        match &self.events[0] {
            Event::WorkflowStarted(start) => start,
            _ => unreachable!("the events of a run begin with WorkflowStarted"),
        }
    }

    pub(super) fn at(&self, seq: u32) -> Option<Expected<'_>> {
        let slot = self.slot(seq).filter(|slot| slot.event != 0)?;
        let event = &self.events[slot.event as usize];
        let step = |key, site, input| (Kind::Step, key, site, Some(input), None);
        let (kind, key, site, input, due): (_, _, _, _, _) = match event {
            Event::StepStarted(e) => step(&e.key, &e.site, &e.input),
            Event::StepAttemptFailed(e) => step(&e.key, &e.site, &e.input),
            Event::StepPostponed(e) => step(&e.key, &e.site, &e.input),
            Event::StepCompleted(e) => step(&e.key, &e.site, &e.input),
            Event::StepFailed(e) => step(&e.key, &e.site, &e.input),
            Event::StepHeartbeat(e) => (Kind::Step, &e.key, &e.site, None, None),
            Event::TimerStarted(e) => (Kind::Timer, &e.key, &e.site, None, Some(e.due)),
            Event::UpdateReplied(e) => (Kind::Reply, &e.key, &e.site, None, None),
            Event::ViewPublished(e) => (Kind::View, &e.key, &e.site, None, None),
            Event::TagSet(e) => (Kind::Tag, &e.key, &e.site, None, None),
            Event::ChildRequested(e) => (Kind::Child, &e.key, &e.site, Some(&e.input), None),
            Event::PromiseCreated(e) => (Kind::Promise, &e.key, &e.site, None, None),
            _ => return None,
        };
        Some(Expected { kind, key, site, input, due, settled: slot.settled, event })
    }

    /// The child that call `seq` asked for.
    pub(super) fn child_at(&self, seq: u32) -> Option<&ChildRequested> {
        let slot = self.slot(seq)?;
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
        Event::StepPostponed(e) => Some((e.seq, false)),
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
        Event::TagSet(e) => Some((e.seq, true)),
        _ => None,
    }
}

impl Expected<'_> {
    pub(super) fn side(&self) -> Side {
        Side { kind: self.kind, key: self.key.to_string(), site: self.site.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TimerFired;
    use crate::event::TimerStarted;

    fn timer(seq: u32) -> [Event; 2] {
        let (at, due) = (Timestamp(0), Timestamp(9));
        let key = OperationKey { name: "sleep".into(), count: seq };
        let site = Text::from("");
        let fired = TimerFired { at, seq, key: key.clone() };
        [Event::TimerStarted(TimerStarted { at, seq, key, site, due }), Event::TimerFired(fired)]
    }

    /// Whoever writes to a store can forge a log whose hashes are right.
    #[test]
    fn a_call_that_is_far_behind_the_others_takes_no_memory_up_to_it() {
        let [far, far_fired] = timer(u32::MAX);
        let [near, near_fired] = timer(70_000);
        let mut events = vec![Event::WorkflowStarted(crate::event::WorkflowStarted::first(
            Timestamp(0),
            crate::id::ExecutionId::random(),
            "order".to_owned(),
            Json::null(),
        ))];
        events.extend([far, near]);
        // The list reaches beyond it before it fires.
        events.extend((0..3).flat_map(|step| timer(step * 60_000)));
        events.extend([near_fired, far_fired]);
        let recorded = Recorded::new(Arc::new(events));
        assert!(recorded.slots.len() < 200_000, "{} places", recorded.slots.len());
        for seq in [0, 60_000, 70_000, 120_000, u32::MAX] {
            let expected = recorded.at(seq).expect("it is in the log");
            assert_eq!((expected.key.count, expected.settled), (seq, true));
        }
        assert!(recorded.at(1).is_none() && recorded.at(u32::MAX - 1).is_none());
        assert!(recorded.goes_on_at(u32::MAX as usize));
    }
}
