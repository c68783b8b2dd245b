//! What follows from a trigger.

use serde::Serialize;

use crate::client::OnConflict;
use crate::context::{Workflow, WorkflowSpec};
use crate::error::Error;
use crate::event::{Json, UnrecordableValue};
use crate::id::{ExecutionId, InvalidExecutionId, PromiseToken};

/// What follows from a [`Trigger`](super::Trigger). Nothing is done until the closure has returned
/// it to the host.
#[must_use = "an action does nothing unless a closure returns it"]
#[derive(Debug, Clone)]
pub struct Action(pub(super) Kind);

/// What it is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Ignore,
    Start(Box<StartAction>),
    Signal(SignalAction),
    Complete { token: PromiseToken, value: Recorded },
    Fail { token: PromiseToken, reason: String },
}

pub(super) type Recorded = Result<Json, UnrecordableValue>;

/// An id that a closure has given.
pub(super) type GivenId = Option<Result<ExecutionId, InvalidExecutionId>>;

impl Action {
    /// Nothing: what happened is of no interest.
    pub fn ignore() -> Self {
        Self(Kind::Ignore)
    }

    /// Starts an execution, with an id that is made from the workflow's name and the event's own id
    /// unless [`id`](StartAction::id) gives one. A start that is repeated is one start.
    pub fn start<A, W: Workflow<A>>(
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> StartAction {
        let _ = workflow;
        StartAction::new(<W::Spec as WorkflowSpec>::NAME.to_owned(), Json::record(&input))
    }

    /// Starts an execution of a workflow by its name.
    pub fn start_named(workflow: impl Into<String>, input: Json) -> StartAction {
        StartAction::new(workflow.into(), Ok(input))
    }

    /// Sends a signal, with an id that is made from the event's own unless
    /// [`id`](SignalAction::id) gives one. That there is no such execution, or that it ended without
    /// this signal, is an error.
    pub fn signal<I: TryInto<ExecutionId, Error = X>, X: Into<InvalidExecutionId>>(
        to: I,
        name: impl Into<String>,
        payload: &(impl Serialize + ?Sized),
    ) -> SignalAction {
        SignalAction {
            to: to.try_into().map_err(Into::into),
            signal: NewSignal { id: None, name: name.into(), payload: Json::record(payload) },
        }
    }

    /// Completes a promise. That it has this very result already is no error.
    pub fn complete(token: &PromiseToken, value: &(impl Serialize + ?Sized)) -> Self {
        Self(Kind::Complete { token: token.clone(), value: Json::record(value) })
    }

    /// Fails a promise with this reason.
    pub fn fail(token: &PromiseToken, reason: impl Into<String>) -> Self {
        Self(Kind::Fail { token: token.clone(), reason: reason.into() })
    }
}

/// A start that a closure asks for.
#[must_use = "an action does nothing unless a closure returns it"]
#[derive(Debug, Clone)]
pub struct StartAction {
    pub(super) workflow: String,
    pub(super) input: Recorded,
    pub(super) id: GivenId,
    pub(super) on_conflict: OnConflict,
    pub(super) tags: Vec<(String, String)>,
    pub(super) signals: Vec<NewSignal>,
}

/// A signal that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct NewSignal {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) payload: Recorded,
}

impl StartAction {
    fn new(workflow: String, input: Recorded) -> Self {
        let (tags, signals) = (Vec::new(), Vec::new());
        Self { workflow, input, id: None, on_conflict: OnConflict::default(), tags, signals }
    }

    /// The execution's id. Make it of what is the same when the event comes again: a key, an order's
    /// number; never of a clock or of chance.
    pub fn id<I: TryInto<ExecutionId, Error = X>, X: Into<InvalidExecutionId>>(
        mut self,
        id: I,
    ) -> Self {
        self.id = Some(id.try_into().map_err(Into::into));
        self
    }

    /// What to do if an execution with this id exists; by default [`OnConflict::Attach`].
    /// [`OnConflict::Restart`] starts once more for each delivery that comes after the end, and
    /// [`OnConflict::Reject`] refuses an event that has started its execution if it comes again.
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// A tag of the execution: see [`Start::tag`](crate::client::Start::tag).
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Sends a signal with the start, also to the execution that exists if the
    /// [policy](Self::on_conflict) attaches to it: see
    /// [`Start::signal`](crate::client::Start::signal). Its id is made from the event's own unless
    /// [`signal_id`](Self::signal_id) gives one.
    pub fn signal(mut self, name: impl Into<String>, payload: &(impl Serialize + ?Sized)) -> Self {
        let payload = Json::record(payload);
        self.signals.push(NewSignal { id: None, name: name.into(), payload });
        self
    }

    /// The id of the signal that was named last. Without a signal it changes nothing.
    pub fn signal_id(mut self, id: impl Into<String>) -> Self {
        if let Some(signal) = self.signals.last_mut() {
            signal.id = Some(id.into());
        }
        self
    }
}

/// A signal that a closure asks for.
#[must_use = "an action does nothing unless a closure returns it"]
#[derive(Debug, Clone)]
pub struct SignalAction {
    pub(super) to: Result<ExecutionId, InvalidExecutionId>,
    pub(super) signal: NewSignal,
}

impl SignalAction {
    /// The signal's id: a second signal with the same id is the same signal.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.signal.id = Some(id.into());
        self
    }
}

impl From<StartAction> for Action {
    fn from(start: StartAction) -> Self {
        Self(Kind::Start(Box::new(start)))
    }
}

impl From<SignalAction> for Action {
    fn from(signal: SignalAction) -> Self {
        Self(Kind::Signal(signal))
    }
}

/// What a closure of [`App::on`](crate::App::on) may return: an [`Action`], a start or a signal as
/// it is, an `Option` of one (`None` ignores), or a `Result`, whose error refuses the event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can follow from a trigger",
    label = "not an action",
    note = "return `Action::start(...)`, `Action::signal(...)`, `Action::complete(...)` or `Action::ignore()`, or an `Option` or `everstep::Result` of one"
)]
pub trait IntoAction {
    /// The action, or why the event is refused.
    ///
    /// # Errors
    /// The closure's own.
    fn into_action(self) -> Result<Action, Error>;
}

impl IntoAction for Action {
    fn into_action(self) -> Result<Action, Error> {
        Ok(self)
    }
}

impl IntoAction for StartAction {
    fn into_action(self) -> Result<Action, Error> {
        Ok(self.into())
    }
}

impl IntoAction for SignalAction {
    fn into_action(self) -> Result<Action, Error> {
        Ok(self.into())
    }
}

impl<A: IntoAction> IntoAction for Option<A> {
    fn into_action(self) -> Result<Action, Error> {
        self.map_or_else(|| Ok(Action::ignore()), IntoAction::into_action)
    }
}

impl<A: IntoAction, E: Into<Error>> IntoAction for Result<A, E> {
    fn into_action(self) -> Result<Action, Error> {
        self.map_err(Into::into)?.into_action()
    }
}
