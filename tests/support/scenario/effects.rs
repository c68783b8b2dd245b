//! What steps did, as the world outside sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list of what was done, in order. A clone is the same list.
#[derive(Debug, Clone, Default)]
pub struct Effects(Arc<Mutex<Vec<String>>>);

impl Effects {
    /// `what` was done.
    pub fn note(&self, what: impl Into<String>) {
        self.list().push(what.into());
    }

    /// How often `what` was done.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.list().iter().filter(|done| *done == what).count()
    }

    /// Everything that was done.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
