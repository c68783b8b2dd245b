//! The replay check: beside the workflow another one of its kind is given the same events, and must
//! have made the same calls. What depends on a hash map's order or a clock is found in the turn
//! that wrote it, not at the replay that cannot go on.

use std::sync::Arc;

use super::Rehearsal;
use super::drive::Turn;
use crate::event::Event;
use crate::replay::{Fault, difference};

/// What a turn that checks itself keeps.
pub(super) struct Recheck {
    /// Every event the workflow was given, from its start.
    events: Vec<Event>,
    /// How many there were at the next check. From [`EACH_UNTIL`] on it doubles: all checks of a
    /// turn together cost no more than its last one twice, and those of a short log.
    next: usize,
}

/// So many events of a log are followed by a check each: a difference is found before anything that
/// comes after it is done, and in tests most logs are no longer.
const EACH_UNTIL: usize = 16;

impl Recheck {
    /// For a turn that begins with `log`.
    pub(super) fn new(log: &[Event]) -> Self {
        Self { events: log.to_vec(), next: log.len() + 1 }
    }
}

impl Turn<'_> {
    /// The workflow was given `event`.
    pub(super) fn recheck_after(&mut self, event: Event) {
        let Some(recheck) = &mut self.recheck else { return };
        recheck.events.push(event);
        if recheck.events.len() >= recheck.next {
            let known = recheck.events.len();
            recheck.next = if known < EACH_UNTIL { known + 1 } else { known * 2 };
            if let Some(fault) = self.recheck() {
                self.run.engine().fail(fault);
            }
        }
    }

    /// Runs the workflow once more, up to where it stands, and compares.
    pub(super) fn recheck(&self) -> Option<Fault> {
        let events = Arc::new(self.recheck.as_ref()?.events.clone());
        if self.run.fault().is_some() {
            return None;
        }
        let problem = match Rehearsal::of(&self.kitchen.registry, &events) {
            Err(fault) => Some(fault.in_brief()),
            Ok(again) => difference(&self.run.engine(), &again.run.engine())
                .or_else(|| again.ends_otherwise(self.end.as_ref())),
        };
        problem.map(|problem| Fault::NotRepeatable { problem })
    }
}
