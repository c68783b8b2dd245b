//! `#[workflow(new_steps = "block")]`: an open execution that waits meets code that asks for more.
//!
//! A turn that ends suspended has written something about every step and timer that the workflow
//! waits for: an attempt that failed, a timer's start. So when the log ends there, and code that is
//! given the same log waits for a step or a timer of which it has nothing, the code has changed in
//! front of where the execution stands. Elsewhere that cannot be told: the body of a step that runs
//! leaves nothing in the log before it has ended.

use super::drive::Turn;
use crate::context::{Erased, Run};
use crate::event::{Event, TurnEnd};
use crate::replay::Fault;

/// Why the workflow, which was given all of `events`, may not go on from there.
///
/// Code that decides a version has said what it does about open executions, and may.
pub(super) fn refused(workflow: &Erased, code: &str, events: &[Event], run: &Run) -> Option<Fault> {
    if !workflow.blocks_new_steps || !waits(events) {
        return None;
    }
    let engine = run.engine();
    if engine.decides() {
        return None;
    }
    let written_by = events.iter().rev().find_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim.code.clone()),
        _ => None,
    });
    let (name, written_by) = (workflow.name.to_owned(), written_by.unwrap_or_default());
    engine.new_operation(name, written_by, code.to_owned())
}

impl Turn<'_> {
    /// [`refused`] for this turn, which has replayed `log`.
    pub(super) fn refuses_new_steps(&self, log: &[Event]) -> Option<Fault> {
        let Some(Event::WorkflowStarted(start)) = log.first() else { return None };
        let registry = &self.kitchen.registry;
        refused(registry.workflow(&start.workflow)?, registry.code(), log, &self.run)
    }
}

/// Whether the last turn that got anywhere ended suspended, and nothing that the workflow sees has
/// happened since.
fn waits(events: &[Event]) -> bool {
    let moves_nothing = |event: &&Event| match event {
        Event::TurnStarted(_) | Event::LeaseRenewed(_) | Event::Resumed(_) => true,
        Event::TurnEnded(end) => end.reason != TurnEnd::Suspended,
        _ => false,
    };
    let last = events.iter().rev().find(|event| !moves_nothing(event));
    matches!(last, Some(Event::TurnEnded(_)))
}
