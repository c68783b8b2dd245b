//! Starting executions: idempotent by id.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};

use super::first::{self, First, Signal};
use super::send::SendError;
use super::{Client, Handle, Workflows, ask};
use crate::context::{Workflow, WorkflowSpec, WrongInput};
use crate::event::{
    Carried, CorruptCommit, Event, InputHash, Json, StoredCommit, UnrecordableValue,
    WorkflowStarted,
};
use crate::id::{Born, ExecutionId, InvalidExecutionId, WriterId};
use crate::limits::{COMMIT_BYTES_MAX, NAME_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX, is_name, is_tag};
use crate::payload::{PayloadError, Payloads};
use crate::replay::History;
use crate::store::{Created, Loaded, Projection, Record, Status, StoreError};
use crate::wake::{QueueError, Wake};

/// How often a start meets an execution that is being deleted before it says so, and what it waits in
/// between: without blobs a deletion is over by then.
const BURIED_TRIES: u32 = 5;
const BURIED_AGAIN_AFTER: Duration = Duration::from_millis(100);

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

/// Why nothing was started.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::StartError;
///
/// match client.start(sell, "4711".to_owned()).id("sale-7").await {
///     Err(StartError::Exists { id, difference, .. }) => {
///         assert_eq!(id.as_str(), "sale-7"); // somebody else's card
///         assert!(!difference.is_empty());
///     }
///     other => panic!("{other:?}"),
/// }
/// match client.start(sell, "4711".to_owned()).id("sale\n8").await {
///     Err(StartError::InvalidId(problem)) => assert!(problem.to_string().contains("control")),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The id breaks the rule for ids.
    #[error(transparent)]
    InvalidId(#[from] InvalidExecutionId),
    /// The workflow's name is empty, too long or has control characters.
    #[error(
        "a workflow's name has 1 to {NAME_BYTES_MAX} bytes and no control characters: {name:?}"
    )]
    InvalidName {
        /// The refused name.
        name: String,
    },
    /// This program has no workflow of that name; nothing is stored. If another program's hosts
    /// have one, start it [unchecked](Start::unchecked).
    #[error("there is no workflow {name:?} here: there are {known}")]
    UnknownWorkflow {
        /// The refused name.
        name: String,
        /// The names of the workflows there are.
        known: String,
    },
    /// The workflow cannot read the input; nothing is stored.
    #[error("workflow {workflow} cannot read its input")]
    WrongInput {
        /// The workflow.
        workflow: String,
        /// Where, and what is wrong there.
        source: WrongInput,
    },
    /// The input cannot be recorded.
    #[error("the input cannot be recorded: {0}")]
    Input(#[from] UnrecordableValue),
    /// A tag breaks the rule for tags; nothing is stored.
    #[error(
        "a tag is a name without '=' and a value, {TAG_BYTES_MAX} bytes together at most and without control characters: {name:.64}={value:.64}"
    )]
    InvalidTag {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// There are too many tags; nothing is stored.
    #[error("an execution has at most {TAGS_MAX} tags, and these are {count}")]
    TooManyTags {
        /// How many there are.
        count: usize,
    },
    /// The input is too large.
    #[error(
        "the input has {bytes} bytes and at most {bytes_max} can be recorded: store it elsewhere and pass where it is"
    )]
    InputTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size: a payload store raises it.
        bytes_max: usize,
    },
    /// The input and what else comes with the start are too large together; nothing is stored.
    #[error(
        "what is to be stored with the start of execution {id} has {bytes} bytes and {COMMIT_BYTES_MAX} at most fit into one write: send the signals after the start, or store their payloads elsewhere"
    )]
    TooLarge {
        /// The id.
        id: ExecutionId,
        /// The size of all together.
        bytes: usize,
    },
    /// An execution with this id exists, and the policy or another input refuses the start.
    #[error("execution {id} exists ({status}) {difference}")]
    Exists {
        /// The id.
        id: ExecutionId,
        /// Where it stands.
        status: Status,
        /// What stands against attaching to it.
        difference: &'static str,
    },
    /// An execution with this id exists and its log cannot be read.
    #[error("execution {id} exists and its log cannot be read")]
    Corrupt {
        /// The id.
        id: ExecutionId,
        /// What is wrong.
        source: CorruptCommit,
    },
    /// The store failed. The execution may or may not have been started: start it again.
    #[error("execution {id} may or may not have been started: start it again with the same id")]
    Store {
        /// The id.
        id: ExecutionId,
        /// The cause.
        source: StoreError,
    },
    /// The execution exists, but a signal that came with the start is not sent. Where the store or
    /// the queue failed: start it again, with the same ids.
    #[error("execution {id} exists, and what came with its start is not sent")]
    Send {
        /// The id.
        id: ExecutionId,
        /// Why.
        source: SendError,
    },
    /// What is to come with the start cannot be sent; nothing is stored.
    #[error("what is to come with the start cannot be sent")]
    Message(#[source] SendError),
    /// The execution is stored, but nobody was told. A sweeper will; starting it again does at once.
    #[error(
        "execution {id} is started, but its wake was not sent: start it again or wait for a sweeper"
    )]
    Wake {
        /// The id.
        id: ExecutionId,
        /// The cause.
        source: QueueError,
    },
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

impl Client {
    /// Whether the execution is new.
    async fn start_any(
        &self,
        mut run: NewRun<'_>,
        on_conflict: OnConflict,
    ) -> Result<bool, StartError> {
        let NewRun { id, workflow, input, first, .. } = run;
        let failed = |source| StartError::Store { id: id.clone(), source };
        // What the run before has not told anybody is told with the next.
        let mut untold = None;
        let mut buried = 0;
        loop {
            // Sealing for one that is there would leave a blob behind, perhaps of one that was erased.
            let known = if run.after.is_none() && run.seals(&self.payloads) {
                ask(|| self.store.record(id)).await.map_err(failed)?
            } else {
                None
            };
            let existing = match known {
                Some(record) => Some(Box::new(record)),
                None => match self.create(&run, untold.clone()).await {
                    Ok(existing) => existing,
                    // What was sealed for this try may be removed: the next one seals it again.
                    Err(error @ StartError::Store { source: StoreError::Buried { .. }, .. }) => {
                        // Its data key too, also for whoever starts it later.
                        self.payloads.forget(id);
                        if buried == BURIED_TRIES {
                            return Err(error);
                        }
                        buried += 1;
                        tokio::time::sleep(BURIED_AGAIN_AFTER).await;
                        (run.after, untold) = (None, None);
                        continue;
                    }
                    // It was deleted since it was looked at: this is its first run.
                    Err(StartError::Store { source: StoreError::Corrupt { .. }, .. })
                        if run.after.is_some()
                            && ask(|| self.store.record(id)).await.map_err(failed)?.is_none() =>
                    {
                        (run.after, untold) = (None, None);
                        self.payloads.forget(id);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            let Some(existing) = existing else {
                #[cfg(feature = "opentelemetry")]
                crate::telemetry::link_to_run(id, run.number());
                self.wake_started(id).await?;
                return Ok(true);
            };
            let refuse = |difference| StartError::Exists {
                id: id.clone(),
                status: existing.projection.status,
                difference,
            };
            match on_conflict {
                OnConflict::Reject => return Err(refuse("and a second start is to be refused")),
                OnConflict::AttachToAny => {}
                OnConflict::Attach => {
                    let Some(loaded) = ask(|| self.store.load(id)).await.map_err(failed)? else {
                        continue; // deleted meanwhile
                    };
                    let history = read(id, &loaded)?;
                    let start = history.start();
                    if start.workflow != workflow {
                        return Err(refuse("as an execution of another workflow"));
                    }
                    let same = match start.first_input {
                        None => {
                            let mut there = start.input.clone();
                            let opened = self.payloads.open(id, &mut there).await;
                            opened.map_err(|error| failed(error.into()))?;
                            there.same(input)
                        }
                        Some(first) => first == InputHash::of(input),
                    };
                    if !same {
                        return Err(refuse("with another input"));
                    }
                }
                OnConflict::Restart | OnConflict::RestartIfClosed
                    if existing.projection.status.is_closed() =>
                {
                    let Some(loaded) = ask(|| self.store.load(id)).await.map_err(failed)? else {
                        continue; // deleted meanwhile
                    };
                    let ended = read(id, &loaded)?;
                    untold = Some(loaded.record.projection.clone());
                    if loaded.record.projection.status.is_closed() {
                        // Rule 18: what came for the run that has ended is not for the next.
                        loaded.report_late(|item_id| ended.taken.contains(item_id));
                        self.empty_inbox(&loaded).await.map_err(failed)?;
                    }
                    let again = on_conflict == OnConflict::RestartIfClosed;
                    if again && first.iter().any(|first| ended.taken.contains(&first.id)) {
                        return Ok(false);
                    }
                    // It may have been erased meanwhile, and this process not know.
                    self.payloads.forget(id);
                    (run.after, run.born) = (Some(ended), loaded.record.born);
                    continue;
                }
                OnConflict::RestartIfClosed => {}
                OnConflict::Restart => return Err(refuse("and only a closed one starts again")),
            }
            if !existing.projection.status.is_closed() {
                // Rule 2: the first start may have died before its wake.
                self.wake_started(id).await?;
            }
            self.send_first(id, first).await?;
            return Ok(false);
        }
    }

    /// Makes the run. `None` if it is there now, and else the record that is in its place.
    async fn create(
        &self,
        run: &NewRun<'_>,
        untold: Option<Projection>,
    ) -> Result<Option<Box<Record>>, StartError> {
        let id = run.id;
        let failed = |source| StartError::Store { id: id.clone(), source };
        // One writer for all tries of one write: an answer that was lost is recognised.
        let writer = WriterId::random();
        let sealed = run.encode(self.clock.now(), writer, &self.payloads).await;
        let (mut record, start) = sealed.map_err(|error| failed(error.into()))?;
        untold.into_iter().for_each(|before| record.projection.take_over_untold(before));
        let bytes = start.body.len();
        if bytes > COMMIT_BYTES_MAX {
            return Err(StartError::TooLarge { id: id.clone(), bytes });
        }
        let created = ask(|| self.store.create(&record, &start)).await.map_err(failed)?;
        Ok(match created {
            Created::New => None,
            Created::Exists { by, .. } if by == Some(writer) => None,
            Created::Exists { record, .. } => Some(record),
        })
    }

    async fn empty_inbox(&self, loaded: &Loaded) -> Result<(), StoreError> {
        let ids: Vec<String> = loaded.inbox.iter().map(|item| item.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        ask(|| self.store.remove_items(&loaded.record.id, loaded.record.life(), &ids)).await
    }

    async fn wake_started(&self, id: &ExecutionId) -> Result<(), StartError> {
        let wake = Wake::news(id.clone());
        self.wake(&wake).await.map_err(|source| StartError::Wake { id: id.clone(), source })
    }
}

fn read(id: &ExecutionId, loaded: &Loaded) -> Result<History, StartError> {
    let read = History::read(&loaded.commits, loaded.from)
        .and_then(|history| loaded.check_end().map(|()| history));
    read.map_err(|source| StartError::Corrupt { id: id.clone(), source })
}

/// A run to be started: the first, or the next after a closed one.
struct NewRun<'a> {
    id: &'a ExecutionId,
    workflow: &'a str,
    input: &'a Json,
    tags: BTreeMap<String, String>,
    first: &'a [First],
    after: Option<History>,
    /// What the record of the run before has; the first run gets its own.
    born: Option<Born>,
}

impl NewRun<'_> {
    fn number(&self) -> u32 {
        self.after.as_ref().map_or(1, |history| history.start().run + 1)
    }

    /// Whether any of it may not be stored as it is.
    fn seals(&self, payloads: &Payloads) -> bool {
        payloads.seals(self.input)
            || self.first.iter().any(|first| payloads.seals_message(&first.message))
    }

    async fn encode(
        &self,
        now: crate::time::Timestamp,
        writer: WriterId,
        payloads: &Payloads,
    ) -> Result<(Record, StoredCommit), PayloadError> {
        // Later than the start of the run before, by which one run's cancel is told from another's.
        let at = self.after.as_ref().map_or(now, |history| {
            now.max(history.time).max(history.start().at.after(Duration::from_millis(1)))
        });
        let number = self.after.as_ref().map_or(0, |history| history.last + 1);
        let previous = self.after.as_ref().map(|history| history.last_hash);
        let run = self.number();
        let event = Event::WorkflowStarted(WorkflowStarted {
            at,
            execution: self.id.clone(),
            workflow: self.workflow.to_owned(),
            run,
            input: self.input.clone(),
            parent: None,
            tags: self.tags.clone(),
            first_input: None,
        });
        // Rule 19: what an earlier run took is not taken again.
        let hours = self.after.as_ref().map(|history| history.taken.carried(at, &[]));
        let hours = hours.unwrap_or_default();
        let (messages, taken) = (Vec::new(), Vec::new());
        let carried =
            (!hours.is_empty()).then_some(Event::Carried(Carried { at, messages, taken, hours }));
        let events: Vec<Event> =
            carried.into_iter().chain([event]).chain(first::events(self.first, at)).collect();
        let sealed = payloads.seal_events(self.id, &events).await?;
        let start = StoredCommit::encode(number, writer, previous, &sealed);
        let record = Record {
            id: self.id.clone(),
            workflow: self.workflow.to_owned(),
            started_at: at,
            born: if self.after.is_some() { self.born } else { Some(Born::random()) },
            arrivals: 0,
            tags: self.tags.clone(),
            parent: None,
            projection: Projection {
                commit: number,
                first: number,
                status: Status::Running,
                wake_at: Some(at),
                untold: None,
                telling: None,
                updated_at: at,
                code: String::new(),
                reason: None,
                view: None,
                tags: None,
                life: None,
            },
        };
        Ok((record, start))
    }
}
