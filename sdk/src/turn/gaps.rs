//! The lint of gaps: a workflow that undoes what it did, and a step in it that says nothing of its
//! undoing. No macro sees that, since a workflow's macro does not see its steps. So a host that
//! checks itself says it of what workflows call, once for each step.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::drive::Turn;

/// The gaps that this process has told of: a workflow's name, and a step's.
#[derive(Default)]
pub(super) struct Gaps(Mutex<BTreeSet<(String, String)>>);

impl Gaps {
    /// Whether this one is news.
    fn is_new(&self, workflow: &str, step: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((workflow.to_owned(), step.to_owned()))
    }
}

impl Turn<'_> {
    /// Tells of the gaps among the calls that were made since this was last called.
    pub(super) fn tell_gaps(&mut self) {
        if !self.kitchen.registry.replay_check() {
            return;
        }
        let (gaps, workflow) = {
            let engine = self.run.engine();
            let (gaps, looked_at) = engine.gaps(self.gaps_looked_at);
            self.gaps_looked_at = looked_at;
            if gaps.is_empty() {
                return;
            }
            (gaps, engine.start().workflow.clone())
        };
        for (step, at) in gaps {
            if self.kitchen.gaps.is_new(&workflow, &step) {
                // Its own fields: the spans around it may be filtered out.
                tracing::warn!(
                    everstep.workflow.name = workflow.as_str(),
                    everstep.step.name = step.as_str(),
                    at = %at,
                    "a gap: the workflow undoes what it did when it fails or is cancelled, and this \
                     step says nothing of its undoing. Give it `undo = ...`, or say that there is \
                     nothing to undo: `undo = none`, or `.no_undo()` where it has no function"
                );
            }
        }
    }
}
