//! Erasing what an execution's payloads were.

use super::{Client, HistoryError};
use crate::event::{Event, Json};
use crate::id::ExecutionId;
use crate::payload::{PayloadError, SealedPayload};
use crate::store::{Status, StoreError};

/// Why an execution was not erased.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::EraseError;
///
/// assert!(matches!(client.erase(sale.id()).await, Err(EraseError::Open { .. })));
/// sale.signal("paid", &true).await?;
/// sale.result().await?;
/// // This program keeps its payloads in the log, for ever.
/// assert!(matches!(client.erase(sale.id()).await, Err(EraseError::NoStore)));
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// It is open, and needs its payloads to go on: cancel or terminate it first.
    #[error("execution {id} is open ({status}): cancel or terminate it, and then erase it")]
    Open {
        /// Its id.
        id: ExecutionId,
        /// Where it stands.
        status: Status,
    },
    /// It was started again while it was erased, and what the new run had by then may be gone.
    #[error(
        "execution {id} was started again while it was erased: terminate it, and erase it again"
    )]
    StartedAgain {
        /// Its id.
        id: ExecutionId,
    },
    /// This program has no payload store, and payloads in the log cannot be erased.
    #[error(
        "this program has no payload store to erase from: set EVERSTEP_PAYLOADS to the one that the \
         executions use"
    )]
    NoStore,
    /// There is no such execution, its log cannot be read, or the store failed. Erase it again.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// What was erased.
///
/// ```
/// # use everstep::payload::{MemoryPayloads, Payloads};
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
/// # let payloads = Payloads::new(MemoryPayloads::new()).threshold(0);
/// # let env = everstep::testing::Env::new(App::new().workflow(sell).payloads(payloads));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// # sale.result().await?;
/// use everstep::client::Erased;
///
/// // Of an app whose payloads are all in a payload store, and not encrypted:
/// let erased: Erased = client.erase(sale.id()).await?;
/// assert!(erased.blobs > 0 && !erased.key);
/// assert_eq!(erased.readable, 0);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Whether the execution had a data key, which is gone now.
    pub key: bool,
    /// How many blobs it had, which are gone now.
    pub blobs: usize,
    /// How many payloads can be read still: they stand in the log, and were never encrypted.
    pub readable: usize,
}

impl Client {
    /// Makes the payloads of a closed execution unreadable, for ever and for everybody: deletes its
    /// data key and its blobs. The log stays, and [verifies](crate::store::Loaded::read); what it
    /// carried shows as sealed, and whoever asks for it gets [`PayloadError::Erased`].
    ///
    /// Only what is encrypted or stands in blobs is erased; [`Erased::readable`] counts what is not.
    /// What other executions were given (a parent its child's result, a child its input) is theirs.
    /// Processes that have the data key in memory forget it after
    /// [`DATA_KEY_KEPT_FOR`](crate::limits::DATA_KEY_KEPT_FOR). Started again, the execution has a new one,
    /// and what was on its way to the run before is an error of its own where it is read.
    /// Repeating it is safe, and completes one that was interrupted.
    ///
    /// ```
    /// # use everstep::payload::{MemoryPayloads, Payloads};
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # let payloads = Payloads::new(MemoryPayloads::new()).threshold(0);
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell).payloads(payloads));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// # sale.result().await?;
    /// client.erase(sale.id()).await?;
    /// assert!(sale.result().await.is_err()); // nobody reads it any more
    /// assert_eq!(sale.history().await?[0].events[0].kind(), "WorkflowStarted"); // the log stays
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// See [`EraseError`].
    pub async fn erase(&self, id: &ExecutionId) -> Result<Erased, EraseError> {
        let status = self.stored_record(id).await?.projection.status;
        if !status.is_closed() {
            return Err(EraseError::Open { id: id.clone(), status });
        }
        let store = |error: PayloadError| HistoryError::from(StoreError::from(error));
        let removed = self.payloads.erase(id, self.clock.now()).await.map_err(store)?;
        let removed = removed.ok_or(EraseError::NoStore)?;
        if !self.stored_record(id).await?.projection.status.is_closed() {
            return Err(EraseError::StartedAgain { id: id.clone() });
        }
        let (mut pages, mut readable) = (self.history_pages(id).sealed(), 0);
        while let Some(commits) = pages.next().await? {
            let events = commits.iter().flat_map(|commit| &commit.events);
            readable += events.map(readable_in).sum::<usize>();
        }
        Ok(Erased { key: removed.key, blobs: removed.blobs, readable })
    }
}

/// How many payloads of the event stand in it for all to read. `null` says nothing.
fn readable_in(event: &Event) -> usize {
    let mut count = 0;
    event.payloads(&mut |json: &Json| {
        let sealed = SealedPayload::of(json);
        let hidden = sealed.is_some_and(|sealed| sealed.is_hidden());
        count += usize::from(!hidden && !matches!(json.as_str(), "null" | "{}"));
    });
    count
}
