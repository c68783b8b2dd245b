//! Which executions are known to be in a later run than their first.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::ExecutionId;

/// How many are remembered.
const MAX: usize = 10_000;

/// Ids of executions with several runs. Only a hint how to read them: nothing depends on it.
#[derive(Debug, Clone, Default)]
pub(super) struct LaterRuns(Arc<Mutex<HashSet<ExecutionId>>>);

impl LaterRuns {
    pub(super) fn has(&self, id: &ExecutionId) -> bool {
        self.ids(|ids| ids.contains(id))
    }

    pub(super) fn note(&self, id: &ExecutionId) {
        self.ids(|ids| {
            if ids.contains(id) {
                return;
            }
            if ids.len() >= MAX {
                ids.clear();
            }
            ids.insert(id.clone());
        });
    }

    pub(super) fn forget(&self, id: &ExecutionId) {
        self.ids(|ids| ids.remove(id));
    }

    fn ids<T>(&self, f: impl FnOnce(&mut HashSet<ExecutionId>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
