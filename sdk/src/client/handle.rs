//! One execution, from outside.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cancelling, Client, HistoryError, SendError, Sending};
use crate::event::{Commit, Event, OperationKey};
use crate::id::ExecutionId;
use crate::store::{Record, Status};

/// An execution, and the types of its result. Dropping it changes nothing.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::Handle;
///
/// /// What a page shows of a sale.
/// async fn line(sale: &Handle<String, everstep::Error>) -> everstep::Result<String> {
///     let record = sale.describe().await?;
///     Ok(format!("{} is {}", sale.id(), record.projection.status))
/// }
///
/// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// sale.signal("paid", &true).await?;
/// sale.result().await?;
/// assert_eq!(line(&sale).await?, "sale-7 is completed");
///
/// // Any program has a handle that knows the id.
/// let elsewhere = client.handle(sell, ExecutionId::new("sale-7")?);
/// assert_eq!(elsewhere.result().await?, "4242");
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
pub struct Handle<T, E> {
    client: Client,
    id: ExecutionId,
    new: bool,
    result: PhantomData<fn() -> (T, E)>,
}

/// Why there is no result.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::ResultError;
///
/// sale.cancel("no money").await?;
/// match sale.result().await {
///     Err(ResultError::Cancelled { reason }) => assert_eq!(reason, "no money"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError<E> {
    /// The workflow returned this error.
    #[error("the workflow failed: {0:?}")]
    Failed(E),
    /// The execution was cancelled.
    #[error("the execution was cancelled: {reason}")]
    Cancelled {
        /// Why, in the words of who asked.
        reason: String,
    },
    /// It failed or was cancelled, and not all that it did is undone: these undo steps failed for
    /// good, each for a reason that the history has. The others ran.
    #[error("{ended}; not undone, for these failed for good: {}", keys(.undo_steps))]
    NotUndone {
        /// How it ended.
        ended: Box<Self>,
        /// The undo steps that failed.
        undo_steps: Vec<OperationKey>,
    },
    /// The execution was ended without its code.
    #[error("the execution was terminated: {reason}")]
    Terminated {
        /// Why, in the words of who asked.
        reason: String,
    },
    /// The execution is blocked and waits for a fix; ask again after it.
    #[error("the execution is blocked: {reason}")]
    Blocked {
        /// Why.
        reason: String,
    },
    /// The result is not of the expected type.
    #[error("the recorded result is not a {expected}")]
    Unreadable {
        /// The expected type.
        expected: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The log cannot be had.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl<T, E> Handle<T, E> {
    pub(super) fn new(client: Client, id: ExecutionId, new: bool) -> Self {
        Self { client, id, new, result: PhantomData }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The execution's id.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(sale.id().as_str(), "sale-7");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// Whether the start that returned this handle started it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(sale.is_new());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// The execution's record.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(sale.describe().await?.workflow, "sell");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, or the store did not answer.
    pub async fn describe(&self) -> Result<Record, HistoryError> {
        self.client.describe(&self.id).await
    }

    /// The execution's log.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(sale.history().await?[0].events[0].kind(), "WorkflowStarted");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, its log cannot be read, or the store did not answer.
    pub async fn history(&self) -> Result<Vec<Commit>, HistoryError> {
        self.client.history(&self.id).await
    }

    /// Sends a signal; see [`Client::signal`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn signal<P: Serialize + ?Sized>(
        &self,
        name: impl Into<String>,
        payload: &P,
    ) -> Sending<'_> {
        self.client.signal(&self.id, name, payload)
    }

    /// Asks for the execution to be cancelled; see [`Client::cancel`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// sale.cancel("no money").await?;
    /// assert!(sale.result().await.is_err());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`Client::cancel`].
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<Cancelling, SendError> {
        self.client.cancel(&self.id, reason).await
    }

    /// Ends the execution without its code; see [`Client::terminate`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// sale.terminate("nobody can mend it").await?;
    /// assert!(sale.result().await.is_err());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`Client::terminate`].
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), SendError> {
        self.client.terminate(&self.id, reason).await
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned> Handle<T, E> {
    /// Waits for the execution to end and returns its result. Asks the store again and again, at
    /// first every 20 ms, later every second; an outage of the store is waited out, however long.
    /// Dropping the future changes nothing.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// # sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The workflow failed, was cancelled or is blocked; or its result cannot be had.
    pub async fn result(&self) -> Result<T, ResultError<E>> {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.outcome().await {
                Ok(Some(output)) => return Ok(output),
                Ok(None) => {}
                Err(ResultError::History(HistoryError::Store(error))) if error.is_retryable() => {
                    tracing::warn!(everstep.execution.id = %self.id, %error, "the result is asked for again");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 5 / 4).min(Duration::from_secs(1));
        }
    }

    /// What it has come to by now, if it has.
    pub(crate) async fn outcome(&self) -> Result<Option<T>, ResultError<E>> {
        let record = self.client.stored_record(&self.id).await?;
        match record.projection.status {
            Status::Running | Status::Suspended => return Ok(None),
            Status::Blocked => {
                let reason = record.projection.reason.unwrap_or_default();
                return Err(ResultError::Blocked { reason });
            }
            Status::Completed | Status::Failed | Status::Cancelled | Status::Terminated => {}
        }
        let run = self.client.current_run(&self.id).await?;
        let last = run.into_iter().flat_map(|commit| commit.events).next_back();
        let unreadable = |expected| move |source| ResultError::Unreadable { expected, source };
        match last {
            Some(Event::WorkflowCompleted(mut end)) => {
                self.client.open_payload(&self.id, &mut end.output).await?;
                let output = end.output.read();
                output.map(Some).map_err(unreadable(std::any::type_name::<T>()))
            }
            Some(Event::WorkflowFailed(mut end)) => {
                self.client.open_payload(&self.id, &mut end.error).await?;
                let error = end.error.read().map_err(unreadable(std::any::type_name::<E>()))?;
                Err(not_undone(ResultError::Failed(error), end.not_undone))
            }
            Some(Event::WorkflowCancelled(end)) => {
                let ended = ResultError::Cancelled { reason: end.reason };
                Err(not_undone(ended, end.not_undone))
            }
            Some(Event::WorkflowTerminated(end)) => {
                Err(ResultError::Terminated { reason: end.reason })
            }
            // It was started again between the two reads.
            _ => Ok(None),
        }
    }
}

fn not_undone<E>(ended: ResultError<E>, undo_steps: Vec<OperationKey>) -> ResultError<E> {
    if undo_steps.is_empty() {
        return ended;
    }
    ResultError::NotUndone { ended: Box::new(ended), undo_steps }
}

fn keys(keys: &[OperationKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl<T, E> fmt::Debug for Handle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).field("new", &self.new).finish()
    }
}
