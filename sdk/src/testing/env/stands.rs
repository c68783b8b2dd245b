//! What stands in for steps, and how often bodies ran.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::context::{Failing, Mock, Probe, Stand};
use crate::event::OperationKey;

/// How often an attempt's body began, and how often it then returned `Ok`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::testing) struct Runs {
    pub(in crate::testing) begun: usize,
    pub(in crate::testing) completed: usize,
}

/// An attempt of a step: its key, and its number from 1.
pub(in crate::testing) type AttemptOf = (String, u32);

#[derive(Default)]
pub(in crate::testing) struct Stands(Mutex<State>);

#[derive(Default)]
struct State {
    mocks: HashMap<String, Stand>,
    failing: HashMap<String, Stand>,
    /// The mocks that nothing but their name connects with a step.
    by_name: BTreeSet<String>,
    called: BTreeSet<String>,
    /// Those that say how they are undone, or that there is nothing to undo.
    covered: BTreeSet<String>,
    runs: BTreeMap<AttemptOf, Runs>,
}

impl Stands {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mock<A, T, E>(&self, name: &str, mock: Mock<A, T, E>)
    where
        Mock<A, T, E>: Send + Sync + 'static,
    {
        self.state().mocks.insert(name.to_owned(), Arc::new(mock));
    }

    pub(super) fn by_name(&self, name: &str) {
        self.state().by_name.insert(name.to_owned());
    }

    /// Attempts of step `name` fail: what was said of other attempts before stays.
    pub(super) fn fail<E: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        attempts: RangeInclusive<u32>,
        error: E,
    ) {
        let mut state = self.state();
        let before = state.failing.get(name).map(|before| {
            let before = before.downcast_ref::<Failing<E>>();
            let before = before.unwrap_or_else(|| {
                panic!(
                    "attempts of step {name} fail with another error than a {}",
                    type_name::<E>()
                )
            });
            Arc::clone(&before.0)
        });
        let failing = Failing(Arc::new(move |attempt| {
            if attempts.contains(&attempt) {
                return Some(error.clone());
            }
            before.as_ref().and_then(|before| before(attempt))
        }));
        state.failing.insert(name.to_owned(), Arc::new(failing));
    }

    pub(in crate::testing) fn runs(&self) -> BTreeMap<AttemptOf, Runs> {
        self.state().runs.clone()
    }

    /// How often bodies of steps with this name began and completed.
    pub(super) fn runs_of(&self, name: &str) -> Runs {
        let state = self.state();
        let of_name = |key: &str| key.rsplit_once('#').is_some_and(|(step, _)| step == name);
        let of_name = state.runs.iter().filter(|((key, _), _)| of_name(key));
        of_name.fold(Runs::default(), |sum, (_, runs)| Runs {
            begun: sum.begun + runs.begun,
            completed: sum.completed + runs.completed,
        })
    }

    /// Whether step `name` says how it is undone, or that there is nothing to undo.
    pub(super) fn is_covered(&self, name: &str) -> bool {
        self.state().covered.contains(name)
    }

    /// A mock by a name that no step had.
    pub(super) fn without_a_step(&self) -> Option<String> {
        let state = self.state();
        let name = state.by_name.difference(&state.called).next()?;
        let called: Vec<_> = state.called.iter().map(String::as_str).collect();
        Some(format!(
            "no step named {name:?} was called, and there is a mock or a failure for one; called \
             were: {}",
            if called.is_empty() { "none".to_owned() } else { called.join(", ") }
        ))
    }

    fn note(&self, key: &OperationKey, attempt: u32, note: impl FnOnce(&mut Runs)) {
        note(self.state().runs.entry((key.to_string(), attempt)).or_default());
    }
}

impl Probe for Stands {
    fn called(&self, name: &str) {
        let mut state = self.state();
        if !state.called.contains(name) {
            state.called.insert(name.to_owned());
        }
    }

    fn covers(&self, name: &str) {
        let mut state = self.state();
        if !state.covered.contains(name) {
            state.covered.insert(name.to_owned());
        }
    }

    fn mock(&self, name: &str) -> Option<Stand> {
        self.state().mocks.get(name).cloned()
    }

    fn failing(&self, name: &str) -> Option<Stand> {
        self.state().failing.get(name).cloned()
    }

    fn begins(&self, key: &OperationKey, attempt: u32) {
        self.note(key, attempt, |runs| runs.begun += 1);
    }

    fn completes(&self, key: &OperationKey, attempt: u32) {
        self.note(key, attempt, |runs| runs.completed += 1);
    }
}
