//! Looking at executions.

use chrono::{DateTime, Utc};

use super::{Client, Handle, ask};
use crate::context::{Workflow, WorkflowSpec};
use crate::event::{Commit, CorruptCommit, Json};
use crate::id::ExecutionId;
use crate::payload::PayloadError;
#[cfg(doc)]
use crate::payload::SealedPayload;
use crate::store::{ListPage, ListQuery, Loaded, Record, Status, StoreError};

/// Why an execution could not be looked at.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::HistoryError;
///
/// let unknown = ExecutionId::new("sale-8")?;
/// match client.history(&unknown).await {
///     Err(HistoryError::Unknown { id }) => assert_eq!(id, unknown),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is no such execution.
    #[error("there is no execution {id}")]
    Unknown {
        /// The id.
        id: ExecutionId,
    },
    /// Its log cannot be read. Everything before the named commit can.
    #[error("the log of execution {id} cannot be read")]
    Corrupt {
        /// The id.
        id: ExecutionId,
        /// The commits before it.
        readable: Vec<Commit>,
        /// What is wrong.
        source: CorruptCommit,
    },
    /// The store did not answer or cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Client {
    /// A handle of an execution that may have been started elsewhere. Nothing is looked up.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let sale = client.handle(sell, ExecutionId::new("sale-7")?);
    /// sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn handle<A, W: Workflow<A>>(
        &self,
        workflow: W,
        id: ExecutionId,
    ) -> Handle<<W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
        let _ = workflow;
        Handle::new(self.clone(), id, false)
    }

    /// A handle of an execution whose types this program does not know.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let sale = client.handle_named(ExecutionId::new("sale-7")?);
    /// sale.signal("paid", &true).await?;
    /// assert_eq!(sale.result().await?, "4242"); // a serde_json::Value
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn handle_named(&self, id: ExecutionId) -> Handle<serde_json::Value, serde_json::Value> {
        Handle::new(self.clone(), id, false)
    }

    /// A handle that reads results as `T` and errors as `E`.
    #[cfg(feature = "http")]
    pub(crate) fn handle_as<T, E>(&self, id: ExecutionId) -> Handle<T, E> {
        Handle::new(self.clone(), id, false)
    }

    /// The record of an execution: its status and what else is known without reading its log. A view
    /// that cannot be opened is there as it is stored: see [`SealedPayload::of`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(client.describe(sale.id()).await?.workflow, "sell");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, or the store did not answer.
    pub async fn describe(&self, id: &ExecutionId) -> Result<Record, HistoryError> {
        let mut record = self.stored_record(id).await?;
        if let Some(view) = &mut record.projection.view {
            self.payloads.open_if_possible(id, view).await.map_err(StoreError::from)?;
        }
        Ok(record)
    }

    /// The record as it is stored: its view need not be opened for what else it says.
    pub(crate) async fn stored_record(&self, id: &ExecutionId) -> Result<Record, HistoryError> {
        let record = ask(|| self.store.record(id)).await?;
        record.ok_or_else(|| HistoryError::Unknown { id: id.clone() })
    }

    /// The log of an execution with all its runs, [verified](Loaded::read). A payload that cannot be
    /// opened is there as it is stored: see [`SealedPayload::of`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let log = client.history(sale.id()).await?;
    /// assert_eq!(log[0].events[0].kind(), "WorkflowStarted");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, a commit was cut, edited, removed or written by a newer
    /// program, or the store did not answer.
    pub async fn history(&self, id: &ExecutionId) -> Result<Vec<Commit>, HistoryError> {
        let mut commits = self.stored_history(id).await?;
        self.open_commits(id, &mut commits).await?;
        Ok(commits)
    }

    /// Opens the payloads of some commits, as far as they can be opened.
    pub(crate) async fn open_commits(
        &self,
        id: &ExecutionId,
        commits: &mut [Commit],
    ) -> Result<(), HistoryError> {
        self.payloads.open_commits(id, commits).await.map_err(StoreError::from)?;
        Ok(())
    }

    /// The log as it is stored, verified.
    pub(crate) async fn stored_history(
        &self,
        id: &ExecutionId,
    ) -> Result<Vec<Commit>, HistoryError> {
        verified(id, &self.load_all(id).await?)
    }

    /// The part of the log in which the current run is, verified, as it is stored.
    pub(super) async fn current_run(&self, id: &ExecutionId) -> Result<Vec<Commit>, HistoryError> {
        verified(id, &self.load(id).await?)
    }

    /// Opens the payloads of what was [loaded](Self::load) and [read](Loaded::read), as far as they can
    /// be opened: those in `commits`, in the inbox, and the record's view. The others stay as they are
    /// stored (see [`SealedPayload::of`]), and why the first of them does is returned.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let mut loaded = client.load(sale.id()).await?;
    /// let (mut commits, _) = loaded.read();
    /// let first_closed = client.open_payloads(&mut loaded, &mut commits).await?;
    /// assert!(first_closed.is_none()); // all can be read
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The payload store did not answer or cannot be used.
    pub async fn open_payloads(
        &self,
        loaded: &mut Loaded,
        commits: &mut [Commit],
    ) -> Result<Option<PayloadError>, HistoryError> {
        let Loaded { record, inbox, .. } = loaded;
        let opened = async {
            let in_log = self.payloads.open_commits(&record.id, commits).await?;
            let in_inbox = self.payloads.open_items(&record.id, inbox).await?;
            let in_view = match &mut record.projection.view {
                Some(view) => self.payloads.open_if_possible(&record.id, view).await?,
                None => None,
            };
            Ok(in_log.or(in_inbox).or(in_view))
        };
        opened.await.map_err(|error: PayloadError| StoreError::from(error).into())
    }

    /// Opens one payload of execution `id`.
    pub(crate) async fn open_payload(
        &self,
        id: &ExecutionId,
        json: &mut Json,
    ) -> Result<(), HistoryError> {
        self.payloads.open(id, json).await.map_err(|error| StoreError::from(error).into())
    }

    /// What is stored of an execution, as it is stored: its record, the log of its current run,
    /// and its inbox.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(!client.load(sale.id()).await?.commits.is_empty());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, or the store did not answer.
    pub async fn load(&self, id: &ExecutionId) -> Result<Loaded, HistoryError> {
        let loaded = ask(|| self.store.load(id)).await?;
        loaded.ok_or_else(|| HistoryError::Unknown { id: id.clone() })
    }

    /// The same with the log of all its runs.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert_eq!(client.load_all(sale.id()).await?.commits[0].number, 0);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// There is no such execution, or the store did not answer.
    pub async fn load_all(&self, id: &ExecutionId) -> Result<Loaded, HistoryError> {
        let loaded = ask(|| self.store.load_all(id)).await?;
        loaded.ok_or_else(|| HistoryError::Unknown { id: id.clone() })
    }

    /// Executions by workflow, status, tags and time of start, newest first, a page at a time. May be a moment behind.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let page = client.list().workflow("sell").page().await?;
    /// assert_eq!(page.records.len(), 1);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn list(&self) -> List<'_> {
        List { client: self, query: ListQuery::default() }
    }
}

fn verified(id: &ExecutionId, loaded: &Loaded) -> Result<Vec<Commit>, HistoryError> {
    match loaded.read() {
        (commits, None) => Ok(commits),
        (readable, Some(source)) => Err(HistoryError::Corrupt { id: id.clone(), readable, source }),
    }
}

/// A listing that has not been asked for.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// use everstep::client::List;
/// use everstep::store::Status;
///
/// let sale = client.start(sell, "4242".to_owned()).tag("customer", "ada").await?;
/// let started = sale.describe().await?.started_at;
/// let of_ada: List = client
///     .list()
///     .workflow("sell")
///     .tag("customer", "ada")
///     .started_from(started)
///     .started_before(started.after(days(1)));
/// assert_eq!(of_ada.page().await?.records.len(), 1);
/// assert!(of_ada.status(Status::Failed).page().await?.records.is_empty());
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[must_use = "nothing is listed unless a page is asked for"]
#[derive(Debug)]
pub struct List<'a> {
    client: &'a Client,
    query: ListQuery,
}

impl List<'_> {
    /// Only executions of this workflow.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// assert!(client.list().workflow("refund").page().await?.records.is_empty());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn workflow(mut self, name: impl Into<String>) -> Self {
        self.query.workflow = Some(name.into());
        self
    }

    /// Only executions with this status.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// use everstep::store::Status;
    ///
    /// assert!(client.list().status(Status::Blocked).page().await?.records.is_empty());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn status(mut self, status: Status) -> Self {
        self.query.status = Some(status);
        self
    }

    /// Only executions that were [started with this tag](super::Start::tag). Every call adds one:
    /// an execution must have them all.
    ///
    /// No index helps: a store reads all that the other conditions leave. DynamoDB bills what it
    /// reads, about half a read unit for each execution.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// client.start(sell, "4242".to_owned()).tag("customer", "ada").await?;
    /// assert_eq!(client.list().tag("customer", "ada").page().await?.records.len(), 1);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.tags.insert(name.into(), value.into());
        self
    }

    /// Only executions that started at `time` or later.
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # async fn yesterdays(client: &everstep::Client) -> Result<(), everstep::store::StoreError> {
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let page = client.list().started_from(SystemTime::now() - day).page().await?;
    /// # Ok(()) }
    /// ```
    pub fn started_from(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.query.started_from = Some(time.into().into());
        self
    }

    /// Only executions that started earlier than `time`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let started = sale.describe().await?.started_at;
    /// let before = client.list().started_before(started).page().await?; // not at that time
    /// assert!(before.records.is_empty());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn started_before(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.query.started_before = Some(time.into().into());
        self
    }

    /// At most so many a page; by default the store's own page size.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # client.start(sell, "4242".to_owned()).await?;
    /// # client.start(sell, "4711".to_owned()).await?;
    /// assert_eq!(client.list().limit(1).page().await?.records.len(), 1);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn limit(mut self, records: usize) -> Self {
        self.query.limit = records;
        self
    }

    /// Begin where the page before ended: its `next`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # client.start(sell, "4242".to_owned()).await?;
    /// # client.start(sell, "4711".to_owned()).await?;
    /// let first = client.list().limit(1).page().await?;
    /// let next = first.next.expect("there are two");
    /// let second = client.list().limit(1).after(next).page().await?;
    /// assert_ne!(first.records[0].id, second.records[0].id);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    pub fn after(mut self, next: impl Into<String>) -> Self {
        self.query.after = Some(next.into());
        self
    }

    /// One page.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// let page = client.list().page().await?;
    /// assert_eq!(page.records[0].id, *sale.id());
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The store did not answer or cannot be used.
    pub async fn page(&self) -> Result<ListPage, StoreError> {
        ask(|| self.client.store.list(&self.query)).await
    }
}
