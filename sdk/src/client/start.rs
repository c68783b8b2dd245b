//! Starting executions: idempotent by id.

mod error;
mod make;
mod new_run;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use futures::future::{BoxFuture, FutureExt};

pub use error::StartError;
use new_run::NewRun;

use super::first::{self, First, Signal};
use super::{Client, Handle, Workflows};
use crate::context::{Workflow, WorkflowSpec};
use crate::event::{Json, UnrecordableValue};
use crate::id::{ExecutionId, InvalidExecutionId};
use crate::limits::{TAGS_MAX, is_name, is_tag};

/// What to do if an execution with the chosen id exists.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::OnConflict;
///
/// client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// let again = client.start(sell, "4242".to_owned()).id("sale-7");
/// assert!(again.on_conflict(OnConflict::Reject).await.is_err());
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// The handle is of the existing execution, open or closed, if workflow and input are the
    /// same; else it is an error. The default: a start that is repeated is one start.
    #[default]
    Attach,
    /// The handle is of the existing execution, whatever its input.
    AttachToAny,
    /// An error.
    Reject,
    /// A closed execution starts again, as a new run in the same log; an open one is an error.
    Restart,
    /// A closed execution starts again, as a new run in the same log; the handle is of an open
    /// one, whatever its input. A start that brings messages, one of which the closed execution
    /// has taken, was made before: nothing is started, and the handle is of the closed one.
    RestartIfClosed,
}

/// A start that has not been made; `.await` makes it, and gives a handle that reads results as `T`
/// and errors as `E`.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::{OnConflict, Start};
///
/// let start: Start<String, everstep::Error> = client
///     .start(sell, "4242".to_owned())
///     .id("sale-7") // so that it can be repeated
///     .tag("customer", "ada")
///     .on_conflict(OnConflict::RestartIfClosed)
///     .signal("paid", &true)
///     .signal_id("payment-3");
/// let sale = start.await?;
/// assert_eq!(sale.result().await?, "4242");
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is started unless it is awaited"]
#[derive(Debug)]
pub struct Start<'a, T, E> {
    pub(super) client: &'a Client,
    workflow: String,
    id: Result<ExecutionId, InvalidExecutionId>,
    input: Result<Json, UnrecordableValue>,
    on_conflict: OnConflict,
    tags: BTreeMap<String, String>,
    pub(super) signals: Vec<Signal>,
    /// Against these the name and the input are checked.
    known: Option<&'a Workflows>,
    result: PhantomData<fn() -> (T, E)>,
}

impl Client {
    /// Starts an execution of `workflow`. Without an [`id`](Start::id) of the caller's it gets a
    /// random one, and a repeated call starts another execution.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(sale.is_new());
    /// sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn start<A, W: Workflow<A>>(
        &self,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Start<'_, <W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
        let _ = workflow;
        let name = <W::Spec as WorkflowSpec>::NAME.to_owned();
        self.start_of(name, Json::record(&input), None)
    }

    /// Starts an execution of a workflow by its name.
    ///
    /// A client that an [`App`](crate::App::client) made refuses a name that is none of the app's
    /// workflows, and an input that the workflow cannot read. Any other cannot know: there an
    /// execution that no host can run is stored, and blocked when a host takes it up.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// use everstep::event::Json;
    ///
    /// let sale = client.start_named("sell", Json::record("4242")?).id("sale-7").await?;
    /// sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242"); // a serde_json::Value
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn start_named(
        &self,
        workflow: impl Into<String>,
        input: Json,
    ) -> Start<'_, serde_json::Value, serde_json::Value> {
        self.start_of(workflow.into(), Ok(input), self.workflows.as_deref())
    }

    fn start_of<'a, T, E>(
        &'a self,
        workflow: String,
        input: Result<Json, UnrecordableValue>,
        known: Option<&'a Workflows>,
    ) -> Start<'a, T, E> {
        let (id, on_conflict) = (Ok(ExecutionId::random()), OnConflict::default());
        let (tags, signals) = (BTreeMap::new(), Vec::new());
        Start {
            client: self,
            workflow,
            id,
            input,
            on_conflict,
            tags,
            signals,
            known,
            result: PhantomData,
        }
    }
}

impl<T, E> Start<'_, T, E> {
    /// The execution's id: the idempotency key of this start.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let repeated = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(sale.is_new() && !repeated.is_new());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn id<I: TryInto<ExecutionId, Error = X>, X: Into<InvalidExecutionId>>(
        mut self,
        id: I,
    ) -> Self {
        self.id = id.try_into().map_err(Into::into);
        self
    }

    /// What to do if an execution with this id exists; by default [`OnConflict::Attach`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// use everstep::client::OnConflict;
    ///
    /// client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let other = client.start(sell, "4711".to_owned()).id("sale-7");
    /// let attached = other.on_conflict(OnConflict::AttachToAny).await?;
    /// assert!(!attached.is_new());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// A tag to [find](super::List::tag) the execution by: up to 16, of up to 256 bytes with their
    /// names, for customers, tenants and the like. A second value for a name takes the place of
    /// the first. The execution keeps its tags over all its runs; a start that attaches to an
    /// existing execution changes none.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// client.start(sell, "4242".to_owned()).id("sale-7").tag("customer", "ada").await?;
    /// let of_ada = client.list().tag("customer", "ada").page().await?;
    /// assert_eq!(of_ada.records[0].id.as_str(), "sale-7");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Checks all that can be seen to be wrong without the store.
    #[cfg(feature = "schedules")]
    pub(crate) fn check(self) -> Result<(), StartError> {
        let bytes_max = self.client.payloads.value_bytes_max();
        check(&self.workflow, &self.input?, self.known, bytes_max)?;
        check_tags(&self.tags)
    }

    /// Starts it though this program knows no workflow of that name, or one that reads other
    /// inputs: another program's hosts may.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// use everstep::event::Json;
    ///
    /// // A host of another program knows it.
    /// client.start_named("refund", Json::record("4242")?).unchecked().await?;
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn unchecked(mut self) -> Self {
        self.known = None;
        self
    }
}

impl<'a, T: 'a, E: 'a> IntoFuture for Start<'a, T, E> {
    type Output = Result<Handle<T, E>, StartError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.bringing(None)
    }
}

impl<'a, T: 'a, E: 'a> Start<'a, T, E> {
    /// Makes the start, which may bring an update.
    pub(super) fn bringing(
        self,
        update: Option<First>,
    ) -> BoxFuture<'a, Result<Handle<T, E>, StartError>> {
        async move {
            let Self { client, workflow, id, input, on_conflict, tags, signals, known, .. } = self;
            let (id, input) = (id?, input?);
            let bytes_max = client.payloads.value_bytes_max();
            check(&workflow, &input, known, bytes_max)?;
            check_tags(&tags)?;
            let mut first = first::check(signals, bytes_max).map_err(StartError::Message)?;
            first.extend(update);
            let (workflow, input) = (&*workflow, &input);
            let run =
                NewRun { id: &id, workflow, input, tags, first: &first, after: None, born: None };
            let new = client.start_any(run, on_conflict).await?;
            Ok(Handle::new(client.clone(), id, new))
        }
        .boxed()
    }
}

/// Refuses what can be seen to be wrong before anything is stored.
fn check(
    workflow: &str,
    input: &Json,
    known: Option<&Workflows>,
    bytes_max: usize,
) -> Result<(), StartError> {
    if !is_name(workflow) {
        return Err(StartError::InvalidName { name: workflow.to_owned() });
    }
    let bytes = input.as_str().len();
    if bytes > bytes_max {
        return Err(StartError::InputTooLarge { bytes, bytes_max });
    }
    let Some(known) = known else { return Ok(()) };
    let Some(accepts) = known.get(workflow) else {
        let known = known.keys().copied().collect::<Vec<_>>().join(", ");
        return Err(StartError::UnknownWorkflow { name: workflow.to_owned(), known });
    };
    let refused = |source| StartError::WrongInput { workflow: workflow.to_owned(), source };
    accepts(input).map_err(refused)
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), StartError> {
    if tags.len() > TAGS_MAX {
        return Err(StartError::TooManyTags { count: tags.len() });
    }
    match tags.iter().find(|(name, value)| !is_tag(name, value)) {
        None => Ok(()),
        Some((name, value)) => {
            Err(StartError::InvalidTag { name: name.clone(), value: value.clone() })
        }
    }
}
