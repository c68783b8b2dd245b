//! What a host runs: workflows by name, their states, and who is told what happened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::retention::Retentions;
use crate::backend::Backend;
use crate::context::{Erased, MissingState, States};
use crate::event::Event;
use crate::id::ExecutionId;
use crate::notify::Notifications;
use crate::telemetry::Watchers;
use crate::time::{Clock, Timestamp};

pub(crate) type Observer = Arc<dyn Fn(&ExecutionId, &Event) + Send + Sync>;

/// The workflows of a program.
#[derive(Default)]
pub(crate) struct Registry {
    workflows: BTreeMap<&'static str, Erased>,
    states: Arc<States>,
    code: String,
    observers: Vec<Observer>,
    notifications: Option<Notifications>,
    replay_check: bool,
    pins: bool,
    watchers: Watchers,
    retentions: Retentions,
}

impl Registry {
    pub(super) fn new(
        workflows: BTreeMap<&'static str, Erased>,
        states: States,
        code: String,
        observers: Vec<Observer>,
    ) -> Result<Self, MissingState> {
        for workflow in workflows.values() {
            workflow.check(&states)?;
        }
        let (replay_check, pins, watchers) = (false, false, Watchers::default());
        let (notifications, retentions) = (None, Retentions::default());
        Ok(Self {
            workflows,
            states: Arc::new(states),
            code,
            observers,
            notifications,
            replay_check,
            pins,
            watchers,
            retentions,
        })
    }

    /// How long what has closed is kept.
    pub(super) fn with_retentions(self, retentions: Retentions) -> Self {
        Self { retentions, ..self }
    }

    /// When an execution of this workflow that ended at `end` may be deleted, if ever.
    pub(crate) fn delete_at(&self, workflow: &str, end: Timestamp) -> Option<Timestamp> {
        self.retentions.delete_at(workflow, end)
    }

    /// Whether anything that closes here is deleted one day.
    pub(crate) fn deletes(&self) -> bool {
        self.retentions.deletes()
    }

    /// Whether turns check that their workflow can be run again.
    pub(super) fn with_replay_check(self, replay_check: bool) -> Self {
        Self { replay_check, ..self }
    }

    /// Whether runs stay with the version of the function that has them.
    pub(super) fn pinning(self, pins: bool) -> Self {
        Self { pins, ..self }
    }

    /// Who gets the measures of its turns.
    pub(super) fn with_watchers(self, watchers: Watchers) -> Self {
        Self { watchers, ..self }
    }

    /// Whom to tell what happens to executions.
    pub(super) fn telling(self, notifications: Option<Notifications>) -> Self {
        Self { notifications, ..self }
    }

    /// What the schedules that it serves start, they start here.
    #[cfg_attr(not(feature = "schedules"), expect(unused_mut, unused_variables))]
    pub(super) fn starting_on(mut self, backend: &Backend, clock: &Clock) -> Self {
        #[cfg(feature = "schedules")]
        Arc::make_mut(&mut self.states).put(crate::schedule::Starter::new(backend, clock));
        self
    }

    /// See [`App::replay_check`](super::App::replay_check).
    pub(crate) fn replay_check(&self) -> bool {
        self.replay_check
    }

    /// Whether runs stay with the version of the function that has them.
    pub(crate) fn pins(&self) -> bool {
        self.pins
    }

    /// Who gets the measures of its turns.
    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    pub(crate) fn workflow(&self, name: &str) -> Option<&Erased> {
        self.workflows.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.workflows.keys().copied()
    }

    pub(crate) fn states(&self) -> &Arc<States> {
        &self.states
    }

    /// The version of the code, as every claim records it.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What is told of executions, and to whom; `None` if nothing is.
    pub(crate) fn notifications(&self) -> Option<&Notifications> {
        self.notifications.as_ref()
    }

    /// An event is durable: tell whoever wants to know.
    pub(crate) fn observe(&self, execution: &ExecutionId, event: &Event) {
        for observer in &self.observers {
            observer(execution, event);
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("workflows", &self.workflows.keys())
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
