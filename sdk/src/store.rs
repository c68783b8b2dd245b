//! The event store: what a turn and a client need of it, and what must hold after a crash.
//!
//! A store keeps, for each execution, one log, one [record](Record) and one inbox. It interprets
//! none of them: bodies of commits and payloads of items are opaque text. Every store passes the
//! suite in [`testing::conformance`](crate::testing).
//!
//! What clients and turns do with a store, by hand:
//!
//! ```
//! # use std::sync::Arc;
//! # use everstep::event::{Event, Json, StoredCommit};
//! # use everstep::id::{ExecutionId, HostId, WriterId};
//! # use everstep::memory::MemoryStore;
//! # use everstep::store::*;
//! # use everstep::time::Timestamp;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let id = ExecutionId::new("sale-7")?;
//! # let record: Record = serde_json::from_str(
//! #     r#"{"id": "sale-7", "workflow": "sell", "started_at": 1000, "arrivals": 0, "commit": 0,
//! #         "status": "running", "wake_at": 1000, "updated_at": 1000, "code": "1", "reason": null}"#,
//! # )?;
//! # let started: Event = serde_json::from_str(
//! #     r#"{"WorkflowStarted": {"at": 1000, "execution": "sale-7", "workflow": "sell", "run": 1, "input": "4242"}}"#,
//! # )?;
//! # let completed: Event = serde_json::from_str(r#"{"WorkflowCompleted": {"at": 2000, "output": "4242"}}"#)?;
//! let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
//! store.setup().await?;
//!
//! // A client starts an execution: its first commit and its record in one write.
//! let start = StoredCommit::encode(0, WriterId::random(), None, &[started]);
//! assert_eq!(store.create(&record, &start).await?, Created::New);
//!
//! // Somebody sends it a signal, and again, since the answer was lost.
//! let message = Message::Signal { name: "paid".to_owned(), payload: Json::record(&true)? };
//! let item = NewItem { id: "signal/1".to_owned(), arrived_at: Timestamp(1_500), message };
//! assert_eq!(store.send(&id, &item).await?, Sent::New);
//! assert_eq!(store.send(&id, &item).await?, Sent::Known);
//!
//! // A turn loads it and appends what has happened; then the record may say so.
//! let loaded = store.load(&id).await?.expect("it is there");
//! assert_eq!((loaded.commits.len(), loaded.inbox.len()), (1, 1));
//! let turn = WriterId::random();
//! let end = StoredCommit::encode(1, turn, Some(start.hash), &[completed]);
//! assert_eq!(store.append(&id, &end).await?, Appended::Done);
//! assert_eq!(store.append(&id, &end).await?, Appended::Taken { by: turn }); // by itself
//! // With what a step wants written in the same transaction, if the store takes that: memory does not.
//! let writes = Writes::new("UPDATE stock SET pieces = pieces - 1");
//! assert!(!store.takes_writes());
//! let not_taken = AppendedWith::Refused(Refusal::NotTaken);
//! assert_eq!(store.append_with(&id, &end, &writes).await?, not_taken);
//! let life = loaded.record.life(); // and not that of another execution of the same id
//! let stored = loaded.record.projection;
//! let ended = Projection { commit: 1, status: Status::Completed, wake_at: None, ..stored };
//! assert_eq!(store.project(&id, &ended).await?.projection, ended);
//! store.remove_items(&id, life, &[loaded.inbox[0].seen()]).await?;
//!
//! // Everybody sees it.
//! assert_eq!(store.record(&id).await?.expect("it is there").arrivals, 1);
//! assert_eq!(store.load_all(&id).await?.expect("it is there").commits.len(), 2);
//! let page = store.load_page(&id, 0, 1).await?.expect("it is there");
//! assert_eq!((page.commits.len(), page.next), (1, Some(1)));
//! let query = ListQuery { status: Some(Status::Completed), ..ListQuery::default() };
//! assert_eq!(store.list(&query).await?.records[0].id, id);
//! assert!(store.overdue(Timestamp(9_000), 10).await?.is_empty());
//!
//! // It is deleted in steps; after each of them somebody else may go on.
//! let grave = Grave { look_at: Timestamp(5_000), emptied: false };
//! let closed = store.record(&id).await?.expect("it is there");
//! assert_eq!(store.bury(&closed, &grave).await?, Buried::Done);
//! assert!(store.load(&id).await?.is_none()); // from here on it is there for nobody
//! let expired = store.expired(Timestamp(0), Timestamp(9_000), 10).await?;
//! assert_eq!(expired, [(Timestamp(5_000), id.clone())]);
//! assert_eq!(store.grave(&id).await?, Some(grave));
//! let emptied = Grave { emptied: true, ..grave };
//! assert!(store.rebury(&id, &grave, &emptied).await?);
//! store.remove(&id, &emptied).await?; // now the id is free
//!
//! // Memory does not know of processes; the claims of one that is gone end with their leases.
//! assert!(!store.is_gone(&HostId("web/17".into())).await?);
//! # Ok(()) }
//! ```

mod check;
mod cursor;
mod grave;
mod inbox;
mod page;
mod telling;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::event::{Commit, CorruptCommit, Json, Previous, StoredCommit};
use crate::id::{Born, CommitNumber, ExecutionId, HostId, Life, WriterId};
#[cfg(doc)]
use crate::limits::LOG_PAGE_BYTES_MAX;
use crate::payload::PayloadError;
use crate::time::Timestamp;
pub use crate::writes::{Refusal, Writes};

pub(crate) use cursor::ListCursor;
pub use grave::{Buried, Grave};
pub use inbox::{InboxItem, Message, NewItem, SeenItem, Sent};
pub use page::LogPage;
pub(crate) use page::{PageSize, commits};
pub use telling::Telling;
pub(crate) use telling::{BLOCK, Next, Place, Position};

/// A failure's cause, as the store's own library reports it.
///
/// ```
/// use std::error::Error;
/// use everstep::store::{BoxError, StoreError};
///
/// let cause: BoxError = "connection reset".into();
/// let error = StoreError::unavailable("the connection broke", cause);
/// assert_eq!(error.source().expect("its cause").to_string(), "connection reset");
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where logs, records and inboxes are kept.
///
/// Each method is one atomic step of the protocol: after a crash at any moment it has happened
/// wholly or not at all. A method that returns [`StoreError::Unavailable`] may have happened;
/// every caller calls again with the same arguments, and a call that repeats one that happened
/// changes nothing and says so.
///
/// Dropping a returned future may leave the call done or not done, like a crash.
#[async_trait]
pub trait EventStore: Send + Sync + fmt::Debug + 'static {
    /// Makes what the store needs (a table, a file's tables) if it is missing. Safe to repeat.
    async fn setup(&self) -> Result<(), StoreError>;

    /// Starts a run: writes its first commit and the record in one transaction.
    ///
    /// With `start.number` 0 the execution must not exist. Otherwise it starts again: the stored
    /// record must be closed, stand at commit `start.number - 1` and have the same
    /// [`born`](Record::born); it is replaced, but for its `arrivals`, which stay. In every other
    /// case nothing is written and [`Created::Exists`] tells what is there.
    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError>;

    /// The record, the log of the current run and the whole inbox, read consistently and **in this
    /// order**, so that an inbox item deleted meanwhile is in the log that was read. `None` if the
    /// execution does not exist; a log without a record is an error.
    ///
    /// The log is that from the record's [`first`](Projection::first) commit on: a load takes no
    /// longer for the runs before. Commits come in ascending order, with their stored numbers.
    /// Where one is missing the others are returned all the same: whoever [reads](Loaded::read)
    /// them sees the hole and names it. A commit that was [appended](Self::append) for another life is
    /// not among them.
    ///
    /// Inbox items come in the order of their [arrival](InboxItem::arrival), and none of them
    /// before every earlier one is in the inbox or in the log.
    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError>;

    /// [`load`](Self::load) with the log of all runs, from commit 0 on: to show and to verify it.
    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError>;

    /// A part of the log of all runs: the record, and then the commits from `from` on, up to `limit` of
    /// them, read consistently. A page ends before it has more than [`LOG_PAGE_BYTES_MAX`] bytes of
    /// bodies, but has one commit at least, if there is one; a store may end it sooner. It costs no more
    /// than what it has: nothing before it is read, and nothing of the inbox.
    ///
    /// `None` if the execution does not exist. Of the commits the same holds as in [`load`](Self::load):
    /// where one is missing the others are returned all the same, and none of another life is among them.
    /// Whoever reads page after page compares the [life](Record::life) of their records: between two
    /// pages the execution may have been deleted, and another one started.
    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError>;

    /// Writes `commit` if its number is free. The only write that decides a race.
    ///
    /// Its writer may be late by so much that the execution that it has read was deleted, and another
    /// one has its id. Where `commit.life` says for which it is, no other one's log is touched: either
    /// the store refuses it ([`Appended::Gone`]), or it takes it and nobody ever sees it. What lies so
    /// on a number that the life in the record asks for is in nobody's way: that append is done.
    async fn append(&self, id: &ExecutionId, commit: &StoredCommit)
    -> Result<Appended, StoreError>;

    /// Whether [`append_with`](Self::append_with) takes writes of steps at all.
    fn takes_writes(&self) -> bool {
        false
    }

    /// [`append`](Self::append), and `writes` in the same transaction: both are done, or neither is. A
    /// commit that would be a stray, for an execution that was deleted, is [`Appended::Gone`] here: its
    /// writes must not be done.
    ///
    /// Each try of one commit has the same writes, and no other commit has its writer. So whatever
    /// became of a try without an answer, the next commit with this number decides it.
    async fn append_with(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
        writes: &Writes,
    ) -> Result<AppendedWith, StoreError> {
        let _ = (id, commit, writes);
        Ok(AppendedWith::Refused(Refusal::NotTaken))
    }

    /// The record alone, read consistently.
    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError>;

    /// Replaces the record's [projection](Projection), on condition that the stored one is
    /// [older](Projection::replaces) and of the same [life](Projection::life); a projection without a
    /// [view](Projection::view) or [tags](Projection::tags) keeps the stored ones. Returns the record
    /// as it is afterwards, in the same atomic step: an item counted neither in its `arrivals` nor in
    /// an earlier look at the inbox arrives later.
    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError>;

    /// Puts `item` in the inbox and counts it in the record's `arrivals`, in one transaction, on
    /// condition that the execution exists and is open and no item with this id is there. The
    /// store gives the item its [arrival](InboxItem::arrival); one that is there keeps its own.
    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError>;

    /// Removes items from the inbox of that life of an execution, as they were seen there. Those that
    /// are not there are passed over, and so are those with the same ids that were sent to another life,
    /// or have [arrived](InboxItem::arrival) anew since they were seen.
    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError>;

    /// Up to `limit` executions that are overdue: open and not blocked, with `wake_at` before
    /// `before` or an inbox item that arrived before `before`; or of any status, with `wake_at`
    /// before `before` and something that is [untold](Projection::untold). May be stale: it is
    /// only a hint.
    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError>;

    /// A page of records by workflow, status, tags and time of start, newest first. May be stale.
    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError>;

    /// The first step of deleting an execution: it is closed, stands at the commit of `record` and is
    /// of its [life](Record::life), and from now on it is there for nobody. Of `record` nothing else is
    /// looked at. Every other method does as if it did not exist, but for
    /// [`create`](Self::create), which fails with [`StoreError::Buried`]: its id is free only once
    /// its remains are [removed](Self::remove). All of it, the log too, is gone for readers at once.
    async fn bury(&self, record: &Record, grave: &Grave) -> Result<Buried, StoreError> {
        let _ = (record, grave);
        Err(StoreError::deletes_nothing())
    }

    /// The grave of a buried execution, read consistently. `None` if it is not buried.
    async fn grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        let _ = id;
        Ok(None)
    }

    /// Puts the grave `new` in the place of `old`. `false` if another one is there, or none: somebody
    /// else goes on with it.
    async fn rebury(&self, id: &ExecutionId, old: &Grave, new: &Grave) -> Result<bool, StoreError> {
        let _ = (id, old, new);
        Err(StoreError::deletes_nothing())
    }

    /// The last step: removes the log and the inbox of a buried execution, and its grave last of
    /// all, if that is still `grave`. Then its id is free. Nothing of another execution with this id
    /// is touched, whenever it starts.
    async fn remove(&self, id: &ExecutionId, grave: &Grave) -> Result<(), StoreError> {
        let _ = (id, grave);
        Err(StoreError::deletes_nothing())
    }

    /// Up to `limit` executions to be deleted, each with its time: closed with
    /// [`wake_at`](Projection::wake_at) at `from` or later and before `before`, or buried with such a
    /// [`look_at`](Grave::look_at); the earliest first. May be stale: it is only a hint.
    async fn expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        let _ = (from, before, limit);
        Ok(Vec::new())
    }

    /// Whether the store knows for certain that the process `host` is gone. A store that cannot
    /// tell says `false`, and the host's claims end with their leases.
    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        let _ = host;
        Ok(false)
    }
}

/// Why a store did not do what it was asked.
///
/// What a store says, whoever implements it:
///
/// ```
/// # use everstep::event::{Event, Json, StoredCommit};
/// # use everstep::id::{ExecutionId, WriterId};
/// # use everstep::store::{Message, NewItem};
/// # use everstep::time::Timestamp;
/// use everstep::store::StoreError;
///
/// // Not now: whoever asked asks again. Or never like this: somebody has to do something.
/// assert!(StoreError::unavailable("the table is throttled", "429").is_retryable());
/// let error = StoreError::unusable("make the table first", "no such table");
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "the event store cannot be used: make the table first");
///
/// // What is too large for one store is too large for all.
/// # let event: Event = serde_json::from_str(r#"{"Resumed": {"at": 0, "id": "x"}}"#).unwrap();
/// let commit = StoredCommit::encode(3, WriterId::random(), Some([0; 32]), &[event]);
/// assert!(StoreError::check_commit(&commit).is_ok());
/// let payload = Json::record(&"x".repeat(500_000)).unwrap();
/// let message = Message::Signal { name: "note".to_owned(), payload };
/// let item = NewItem { id: "1".to_owned(), arrived_at: Timestamp(0), message };
/// assert!(matches!(StoreError::check_item(&item), Err(StoreError::TooLarge { .. })));
///
/// // What it does not find.
/// let id = ExecutionId::new("sale-7").unwrap();
/// assert!(StoreError::missing(&id).to_string().ends_with("there is no such execution"));
/// assert!(StoreError::gap(&id, 7).to_string().contains("commit 7"));
/// assert!(StoreError::lost_record(&id).to_string().ends_with("it has a log and no record"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer, or not now: throttled, timed out, reset, busy. It may have been done. Try again.
    #[error("the event store did not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The store is not set up, or this program may not use it. `remedy` says what to do.
    #[error("the event store cannot be used: {remedy}")]
    Unusable {
        /// What is wrong and what to do.
        remedy: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The write is larger than the store takes. Nothing was written.
    #[error("{what} has {bytes} bytes and the event store takes at most {bytes_max}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        bytes: usize,
        /// The largest size.
        bytes_max: usize,
    },
    /// A list is to go on where no page of it ended. Nothing was read.
    #[error("{cursor:?} is not where a page of this store ended: pass `next` of the page before")]
    Cursor {
        /// What was passed.
        cursor: String,
    },
    /// A payload could not be stored or read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The execution is being deleted, and its id is not free yet: start it again in some minutes.
    /// Nothing was written.
    #[error("execution {id} is being deleted: start it again in some minutes")]
    Buried {
        /// Which.
        id: ExecutionId,
    },
    /// What is stored cannot be read.
    #[error("what is stored for execution {id} cannot be read: {problem}")]
    Corrupt {
        /// Whose.
        id: ExecutionId,
        /// What is wrong, and where.
        problem: String,
    },
}

impl StoreError {
    /// An [`Unavailable`](Self::Unavailable) with its cause.
    pub fn unavailable(reason: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { reason: reason.into(), source: Some(source.into()) }
    }

    /// An [`Unusable`](Self::Unusable) with its cause.
    pub fn unusable(remedy: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unusable { remedy: remedy.into(), source: Some(source.into()) }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Payload(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// What [`EventStore::create`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The execution is new.
    New,
    /// It was there already, perhaps by an earlier try of this very call.
    Exists {
        /// Who wrote the commit with the number asked for, if it is there.
        by: Option<WriterId>,
        /// The record as it is.
        record: Box<Record>,
    },
}

/// What [`EventStore::append`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The commit is in the log.
    Done,
    /// The number was taken, by this writer: perhaps by an earlier try of this very call.
    Taken {
        /// Who has it.
        by: WriterId,
    },
    /// The execution that the commit is [for](StoredCommit::life) was deleted, and another one may have
    /// its id: nothing was written. A store that cannot tell at once says [`Done`](Self::Done), and
    /// nobody sees that commit.
    Gone,
}

/// One execution as it stands in the store.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// let loaded = client.load(sale.id()).await?;
/// let (commits, corrupt) = loaded.read();
/// assert!(corrupt.is_none());
/// assert_eq!(commits[0].events[0].kind(), "WorkflowStarted");
///
/// // A log that has lost its end is known by its record.
/// let mut cut = loaded.clone();
/// cut.commits.clear();
/// assert!(loaded.check_end().is_ok());
/// assert_eq!(cut.check_end().unwrap_err().number, 0);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The record.
    pub record: Record,
    /// The number of the first commit that was asked for.
    pub from: CommitNumber,
    /// The log from there on.
    pub commits: Vec<StoredCommit>,
    /// What others sent and no commit has taken, or has taken and not yet deleted.
    pub inbox: Vec<InboxItem>,
}

/// The execution record: a small projection of the log, and the count of arrivals.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// # sale.signal("paid", &true).await?;
/// # sale.result().await?;
/// use everstep::store::{Projection, Status};
///
/// let record = client.describe(sale.id()).await?;
/// assert_eq!(record.workflow, "sell");
/// assert_eq!(record.projection.status, Status::Completed);
///
/// // The view is large: lists go without it, and a projection without one keeps the stored one.
/// assert!(record.listed().projection.view.is_none());
/// let silent = Projection { view: None, ..record.projection.clone() };
/// assert_eq!(record.clone().with(&silent), record);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose.
    pub id: ExecutionId,
    /// The workflow's name.
    pub workflow: String,
    /// When the execution was started.
    pub started_at: Timestamp,
    /// What tells it from others that had its id and were deleted: drawn when it is first started, and
    /// the same when it starts again. `None` of a start by a program of before there was one, and in
    /// lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Born>,
    /// How many inbox items were ever accepted.
    pub arrivals: u64,
    /// What it is found by; see [`Start::tag`](crate::client::Start::tag).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Whose child it is; `None` also in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRun>,
    /// What follows from the log.
    #[serde(flatten)]
    pub projection: Projection,
}

/// The run of an execution that has started another as its child.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn pack(what: String) -> everstep::Result<String> {
///     Ok(format!("a box of {what}"))
/// }
///
/// #[workflow]
/// async fn fulfil(what: String) -> everstep::Result<String> {
///     Ok(child(pack, what).id("box-1").await?)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(fulfil));
/// # let fulfilment = env.start(fulfil, "cups".to_owned());
/// # fulfilment.result().unwrap();
/// # let client = env.client();
/// # env.block_on(async {
/// let record = client.describe(&ExecutionId::new("box-1")?).await?;
/// let parent = record.parent.expect("it is a child");
/// assert_eq!((parent.execution.as_str(), parent.run), ("e-1", 1));
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRun {
    /// Which execution.
    pub execution: ExecutionId,
    /// Which run of it.
    pub run: u32,
}

/// The part of a record that a turn derives from the log.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::store::{Projection, Status};
///
/// let record = client.describe(sale.id()).await?;
/// let stored = &record.projection;
/// assert!(stored.is_swept() && !stored.expires()); // it is open
///
/// // More of the log takes the place of less, whichever is written last.
/// let commit = stored.commit + 1;
/// let ended = Projection { commit, status: Status::Completed, ..stored.clone() };
/// assert!(ended.replaces(&record));
/// assert!(!stored.replaces(&record.clone().with(&ended)));
/// assert!(ended.expires() && !ended.is_swept());
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// The commit up to which the log was taken into account.
    pub commit: CommitNumber,
    /// The commit from which on the current run, or one before it, is read. Whoever reads from
    /// there finds where the last run begins.
    #[serde(default)]
    pub first: CommitNumber,
    /// Where the execution stands.
    pub status: Status,
    /// When somebody should look at it: a moment for a timer or a lease's end, `None` if it waits
    /// for messages only or is blocked. The sweeper's index. If it has ended: when it may be
    /// deleted, `None` if it is kept for ever.
    pub wake_at: Option<Timestamp>,
    /// The first commit of which some [notification](crate::notify) could not be sent. `None` if
    /// all were, up to [`commit`](Self::commit), or if nobody is to be notified. Where it is set,
    /// `wake_at` is when to try again at the latest, whatever the status. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<CommitNumber>,
    /// What of it is told all the same. `None` if nothing is untold, or if that was found by a program
    /// of before there was this: then all is told again from `untold` on. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling: Option<Telling>,
    /// When this was written.
    pub updated_at: Timestamp,
    /// The version of the code that wrote it.
    pub code: String,
    /// Why it is blocked, failed or was ended, for people.
    pub reason: Option<String>,
    /// What the workflow has [published](crate::publish). As an argument of
    /// [`EventStore::project`], `None` leaves the stored one as it is. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Json>,
    /// The record's [tags](Record::tags) from here on, all of them: only as an argument of
    /// [`EventStore::project`], where `None` leaves the stored ones as they are.
    #[serde(skip)]
    pub tags: Option<BTreeMap<String, String>>,
    /// The [life](Record::life) of the record that it is for: only as an argument of
    /// [`EventStore::project`]. A host may be late by so much that its execution was deleted and its
    /// id belongs to another one, whose record stays as it is. `None` is for whichever is there.
    #[serde(skip)]
    pub life: Option<Life>,
}

/// Where an execution stands.
///
/// ```
/// use everstep::store::Status;
///
/// let open: Vec<Status> = Status::ALL.into_iter().filter(|status| !status.is_closed()).collect();
/// assert_eq!(open, [Status::Running, Status::Suspended, Status::Blocked]);
/// assert!(!Status::Blocked.is_swept()); // only a resume brings it back
/// assert!(Status::Failed.has_returned() && !Status::Cancelled.has_returned());
///
/// assert_eq!(Status::parse("suspended"), Some(Status::Suspended));
/// assert_eq!(Status::Suspended.as_str(), "suspended");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It runs or is about to.
    Running,
    /// It waits for a timer, a signal or another message.
    Suspended,
    /// Code and log disagree, the workflow panicked, or its turns die: it waits for a fix.
    Blocked,
    /// It returned `Ok`.
    Completed,
    /// It returned `Err`.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was ended without its code.
    Terminated,
}

/// Which records [`EventStore::list`] returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only of this workflow.
    pub workflow: Option<String>,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only with all of these tags.
    pub tags: BTreeMap<String, String>,
    /// Only those that started at this time or later.
    pub started_from: Option<Timestamp>,
    /// Only those that started earlier than this.
    pub started_before: Option<Timestamp>,
    /// At most so many; 0 means the store's own page size.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// A page of records.
///
/// Page by page:
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// for card in 1..=5 {
///     client.start(sell, card.to_string()).await?;
/// }
/// let (mut found, mut pages) = (0, 0);
/// let mut list = client.list().limit(2);
/// loop {
///     let page = list.page().await?;
///     found += page.records.len();
///     pages += 1;
///     let Some(next) = page.next else { break };
///     list = list.after(next);
/// }
/// assert_eq!((found, pages), (5, 3));
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct ListPage {
    /// The records, newest start first.
    pub records: Vec<Record>,
    /// Where this page ended, if more may follow: the next query's `after`.
    pub next: Option<String>,
}

impl Loaded {
    /// Reads the log and verifies it: every hash, every link to the commit before (but that of the
    /// first to one that was not loaded), and that it reaches as far as the record. Returns the
    /// commits before the first that cannot be trusted, and what is wrong with that one.
    #[must_use]
    pub fn read(&self) -> (Vec<Commit>, Option<CorruptCommit>) {
        let mut commits: Vec<Commit> = Vec::with_capacity(self.commits.len());
        for (number, stored) in (self.from..).zip(&self.commits) {
            if stored.number != number {
                return (commits, Some(CorruptCommit::missing(number)));
            }
            let before = commits.last().map(|commit| Previous::Hash(commit.hash));
            match stored.decode_after(before.unwrap_or_else(|| Previous::before(self.from))) {
                Ok(commit) => commits.push(commit),
                Err(corrupt) => return (commits, Some(corrupt)),
            }
        }
        (commits, self.check_end().err())
    }

    /// Reports what came too late for a run that has ended, so that nobody who wrote to it is left
    /// without an answer; `taken` is what its log has. Returns what is to be removed.
    pub(crate) fn report_late(&self, taken: impl Fn(&str) -> bool) -> Vec<SeenItem> {
        let late = self.inbox.iter().filter(|item| !taken(&item.id));
        late.inspect(|item| {
            tracing::warn!(
                everstep.execution.id = %self.record.id,
                everstep.item.id = %item.id,
                "too late: the execution had ended when this message was looked at"
            );
        })
        .map(InboxItem::seen)
        .collect()
    }

    /// Checks that the log reaches as far as the record. The record is read first and written
    /// last: a log that is shorter has lost its end.
    ///
    /// # Errors
    /// Names the first commit that is missing.
    pub fn check_end(&self) -> Result<(), CorruptCommit> {
        let number = self.from + self.commits.len() as CommitNumber;
        if number <= self.record.projection.commit {
            return Err(CorruptCommit::missing(number));
        }
        Ok(())
    }
}

impl Record {
    /// Which of the executions it is that have had this id, one after the other. Not of a record in a
    /// list.
    #[must_use]
    pub fn life(&self) -> Life {
        self.born.map_or(Life::Since(self.started_at), Life::Born)
    }

    /// This record as it stands in a list: without the view, which is large, the parent, what is
    /// untold, and what tells it from others of its id.
    #[must_use]
    pub fn listed(&self) -> Self {
        let projection =
            Projection { view: None, untold: None, telling: None, ..self.projection.clone() };
        Self { projection, parent: None, born: None, ..self.clone() }
    }

    /// This record with `projection` in the place of its own: without a view or tags of its own it
    /// keeps the stored ones.
    #[must_use]
    pub fn with(self, projection: &Projection) -> Self {
        let stored = self.projection.view;
        let view = projection.view.clone().or(stored);
        let tags = projection.tags.clone().unwrap_or(self.tags);
        let projection = Projection { view, tags: None, life: None, ..projection.clone() };
        Self { tags, projection, ..self }
    }
}

impl Status {
    /// Every status, in the order an execution may pass through them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Suspended,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Terminated,
    ];

    /// Whether the execution has ended.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Terminated)
    }

    /// Whether the workflow's function has returned.
    #[must_use]
    pub fn has_returned(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    /// Whether the sweeper looks at executions that stand here: the open ones that do not wait for
    /// a fix.
    #[must_use]
    pub fn is_swept(self) -> bool {
        !self.is_closed() && self != Self::Blocked
    }

    /// Its stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
        }
    }

    /// The status with this stored name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Projection {
    /// Of a run that begins with `commit` and has had no turn yet.
    pub(crate) fn of_start(commit: CommitNumber, at: Timestamp) -> Self {
        Self {
            commit,
            first: commit,
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
        }
    }

    /// Whether this may take the place of what `record` has, of its own life only. More of the log
    /// wins: without this rule an older update that lands last shows a closed execution as open. With
    /// the same log only a block is news: leaving `blocked` always comes with a commit, so a slow host
    /// that repairs the record cannot lift a block it has not seen. And what was untold may have been
    /// told: that changes nothing of where the execution stands.
    #[must_use]
    pub fn replaces(&self, record: &Record) -> bool {
        let stored = &record.projection;
        let alive = self.life.is_none_or(|life| life == record.life());
        let blocks = self.status == Status::Blocked && stored.status != Status::Blocked;
        let tells = self.status == stored.status && stored.untold.is_some();
        let newer = self.commit > stored.commit;
        alive && (newer || (self.commit == stored.commit && (blocks || tells)))
    }

    /// Whether it says that the execution is blocked behind just this commit.
    pub(crate) fn blocks(&self, commit: CommitNumber) -> bool {
        self.status == Status::Blocked && self.commit == commit
    }

    /// Whether the sweeper looks at this execution once [`wake_at`](Self::wake_at) is past.
    #[must_use]
    pub fn is_swept(&self) -> bool {
        self.status.is_swept() || self.untold.is_some()
    }

    /// Whether it has ended, and is to be deleted once [`wake_at`](Self::wake_at) is past, if that is
    /// ever: what is untold is told first.
    #[must_use]
    pub fn expires(&self) -> bool {
        self.status.is_closed() && self.untold.is_none()
    }
}

/// What [`EventStore::append_with`] did.
///
/// ```
/// use everstep::store::{AppendedWith, Refusal};
///
/// // The number of the commit is still free: the step's failure may have it.
/// let sold_out = AppendedWith::Refused(Refusal::Conditions(vec![0]));
/// assert!(!matches!(sold_out, AppendedWith::Appended(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendedWith {
    /// What [`append`](EventStore::append) would say. If it is [`Appended::Done`] the writes are
    /// done; else they are not, but by an earlier try of this very call.
    Appended(Appended),
    /// The writes cannot be done. Neither they nor the commit are, and its number is as free as before.
    Refused(Refusal),
}
