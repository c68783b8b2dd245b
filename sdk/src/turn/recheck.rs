//! The replay check: beside the workflow another one of its kind is given the same events, and must
//! have made the same calls. What depends on a hash map's order or a clock is found in the turn
//! that wrote it, not at the replay that cannot go on.
//!
//! The two are compared after every event. The one beside begins anew, from the log's start, after
//! each of its first events, whenever they have doubled, and before the turn ends; in between it
//! goes on with each event. Only a run from the start sees what is not in the log and lasts: a
//! global that an earlier step has set, a file that is there by now. A run that goes on costs no
//! more than the workflow itself. So all of it costs about three times the turn's own replay,
//! however many events there are.

use std::sync::Arc;

use super::Rehearsal;
use super::drive::Turn;
use crate::context::{Run, WorkflowEnd};
use crate::event::Event;
use crate::host::Registry;
use crate::replay::{Fault, compare};

/// What a turn that checks itself keeps.
pub(super) struct Recheck {
    /// Every event the workflow was given, from its start.
    events: Vec<Event>,
    /// How many there are when the one beside begins anew.
    next: usize,
    beside: Option<Beside>,
}

/// The workflow beside the turn's own.
struct Beside {
    rehearsal: Rehearsal,
    /// How many events it was given at its start.
    began_with: usize,
    /// How many calls were compared.
    compared: usize,
}

/// After each of so many events the one beside begins anew: what a step has left in memory is found
/// before anything that comes after it is done, and in tests most logs are no longer.
const EACH_UNTIL: usize = 16;

impl Recheck {
    /// For a turn that begins with `log`.
    pub(super) fn new(log: &[Event]) -> Self {
        Self { events: log.to_vec(), next: log.len() + 1, beside: None }
    }

    /// The workflow, which is at `run` and has come to `end`, was given `event`. How the one beside
    /// differs.
    fn given(
        &mut self,
        event: Event,
        registry: &Registry,
        run: &Run,
        end: Option<&WorkflowEnd>,
    ) -> Option<Fault> {
        self.events.push(event);
        let known = self.events.len();
        if known >= self.next {
            self.next = if known < EACH_UNTIL { known + 1 } else { known * 2 };
            return self.begin(registry, run, end);
        }
        let Some(beside) = &mut self.beside else { return self.begin(registry, run, end) };
        match beside.rehearsal.give(&self.events[known - 1]) {
            Ok(()) => beside.compare(run, end),
            Err(fault) => Some(of_beside(fault)),
        }
    }

    /// The one beside begins anew and runs to where the workflow stands.
    fn begin(
        &mut self,
        registry: &Registry,
        run: &Run,
        end: Option<&WorkflowEnd>,
    ) -> Option<Fault> {
        self.beside = None;
        let (events, began_with) = (Arc::new(self.events.clone()), self.events.len());
        match Rehearsal::of(registry, &events) {
            Ok(rehearsal) => {
                let beside = Beside { rehearsal, began_with, compared: 0 };
                self.beside.insert(beside).compare(run, end)
            }
            Err(fault) => Some(of_beside(fault)),
        }
    }

    /// Whether the one beside began with all that the workflow was given.
    fn has_just_begun(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| beside.began_with == self.events.len())
    }
}

impl Beside {
    fn compare(&mut self, run: &Run, end: Option<&WorkflowEnd>) -> Option<Fault> {
        match compare(&run.engine(), &self.rehearsal.run.engine(), self.compared) {
            Ok(compared) => self.compared = compared,
            Err(problem) => return Some(Fault::NotRepeatable { problem }),
        }
        let problem = self.rehearsal.ends_otherwise(end)?;
        Some(Fault::NotRepeatable { problem })
    }
}

/// What went wrong only beside the workflow.
fn of_beside(fault: Fault) -> Fault {
    match fault {
        // Which of the two is woken or polled by others first is chance.
        Fault::ForeignAwait(_) => fault,
        other => Fault::NotRepeatable { problem: other.in_brief() },
    }
}

impl Turn<'_> {
    /// The workflow was given `event`.
    pub(super) fn recheck_after(&mut self, event: Event) {
        let Some(recheck) = &mut self.recheck else { return };
        if self.run.fault().is_some() {
            return;
        }
        let registry = &self.kitchen.registry;
        if let Some(fault) = recheck.given(event, registry, &self.run, self.end.as_ref()) {
            self.run.engine().fail(fault);
        }
    }

    /// Runs the workflow once more from its start up to where it stands, and compares.
    pub(super) fn recheck(&mut self) -> Option<Fault> {
        let recheck = self.recheck.as_mut()?;
        if self.run.fault().is_some() || recheck.has_just_begun() {
            return None;
        }
        recheck.begin(&self.kitchen.registry, &self.run, self.end.as_ref())
    }
}
