//! What follows from a trigger.

use serde::Serialize;

use crate::client::OnConflict;
use crate::context::{Workflow, WorkflowSpec};
use crate::error::Error;
use crate::event::{Json, UnrecordableValue};
use crate::id::{ExecutionId, InvalidExecutionId, PromiseToken};

/// What follows from a [`Trigger`](super::Trigger). Nothing is done until the closure has returned
/// it to the host.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::event::Json;
/// use everstep::trigger::{Action, Invoke};
///
/// #[workflow]
/// async fn fulfil(article: String) -> everstep::Result<String> {
///     let receipt = signal::<String>("paid").await?;
///     let address = promise::<String>("address").await?;
///     Ok(format!("{article} to {address}, {receipt}"))
/// }
///
/// #[derive(serde::Deserialize)]
/// enum News {
///     Ordered { order: String, article: Json },
///     Paid { order: String, receipt: String },
///     Lives { at: String, reply_to: PromiseToken },
///     Moved { reply_to: PromiseToken },
///     Advertisement,
/// }
///
/// fn follow(news: News) -> Action {
///     match news {
///         News::Ordered { order, article } => Action::start_named("fulfil", article).id(order).into(),
///         News::Paid { order, receipt } => Action::signal(order, "paid", &receipt).into(),
///         News::Lives { at, reply_to } => Action::complete(&reply_to, &at),
///         News::Moved { reply_to } => Action::fail(&reply_to, "nobody lives there any more"),
///         News::Advertisement => Action::ignore(),
///     }
/// }
///
/// let app = App::new().workflow(fulfil).on(|invoke: Invoke| invoke.json().map(follow));
/// # let env = Env::new(app);
/// # let triggers = env.triggers();
/// # let tell = |news: serde_json::Value| {
/// #     env.block_on(triggers.deliver(&news.to_string(), &news.to_string())).unwrap();
/// #     env.advance(seconds(1));
/// # };
/// # tell(serde_json::json!({ "Ordered": { "order": "order-7", "article": "a cup" } }));
/// # tell(serde_json::json!("Advertisement"));
/// # tell(serde_json::json!({ "Paid": { "order": "order-7", "receipt": "r-1" } }));
/// # tell(serde_json::json!({ "Lives": { "at": "London", "reply_to": "p1.order-7.1.address.1" } }));
/// # let order = env.client().handle(fulfil, ExecutionId::new("order-7").unwrap());
/// # let result = env.block_on(order.result());
/// assert_eq!(result.unwrap(), "a cup to London, r-1"); // after the first three
/// ```
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
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::client::OnConflict;
/// use everstep::trigger::{Action, SqsMessage, StartAction};
/// # #[workflow] async fn cart(customer: String) -> everstep::Result<String> { Ok(format!("{} for {customer}", signal::<String>("add").await?)) }
///
/// /// Puts an article into the cart of a customer, who may have none yet.
/// fn add(message: SqsMessage) -> Option<StartAction> {
///     let (customer, article) = message.body.split_once(": ")?;
///     let start = Action::start(cart, customer.to_owned())
///         .id(format!("cart/{customer}"))
///         .on_conflict(OnConflict::RestartIfClosed)
///         .tag("customer", customer)
///         .signal("add", article)
///         .signal_id(format!("add/{}", message.id));
///     Some(start)
/// }
///
/// let app = App::new().workflow(cart).on(add);
/// # let env = Env::new(app);
/// # let event = serde_json::json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m-1",
/// #     "receiptHandle": "r", "body": "Ada: a cup" }] });
/// # env.block_on(env.triggers().deliver(&event.to_string(), "1")).unwrap();
/// # let (client, id) = (env.client(), ExecutionId::new("cart/Ada").unwrap());
/// # env.block_on(async {
/// assert_eq!(client.describe(&id).await?.tags["customer"], "Ada");
/// assert_eq!(client.handle(cart, id).result().await?, "a cup for Ada");
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
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
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, SignalAction, SnsMessage};
/// # #[workflow] async fn fulfil(_: ()) -> everstep::Result<String> { Ok(signal::<String>("paid").await?) }
///
/// /// The subject is the receipt: the bank tells of a payment twice, in two messages.
/// fn paid(message: SnsMessage) -> SignalAction {
///     let receipt = message.subject.unwrap_or_default();
///     Action::signal(message.message, "paid", &receipt).id(format!("payment/{receipt}"))
/// }
///
/// let env = Env::new(App::new().workflow(fulfil).on(paid));
/// let order = env.start(fulfil, ());
/// # let event = serde_json::json!({ "Records": [{ "EventSource": "aws:sns", "Sns": {
/// #     "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:bank",
/// #     "Subject": "r-7", "Message": order.id() } }] });
/// # env.block_on(env.triggers().deliver(&event.to_string(), "1")).unwrap();
/// assert_eq!(order.result().unwrap(), "r-7");
/// ```
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
///
/// ```
/// use everstep::trigger::{Action, IntoAction};
///
/// fn is_taken(answer: impl IntoAction) -> bool {
///     answer.into_action().is_ok()
/// }
///
/// assert!(is_taken(Action::start_named("fulfil", everstep::event::Json::null())));
/// assert!(is_taken(None::<Action>));
/// assert!(!is_taken(Err::<Action, _>(everstep::Error::msg("no order has this number"))));
/// ```
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
