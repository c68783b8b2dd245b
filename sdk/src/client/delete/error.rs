//! Why an execution was not deleted.

use crate::archive::ArchiveError;
use crate::client::HistoryError;
use crate::id::ExecutionId;
use crate::payload::PayloadError;
use crate::store::{Status, StoreError};

/// Why an execution was not deleted. It is there as it was, but for [`Blobs`](Self::Blobs).
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # let client = env.client();
/// # env.block_on(async {
/// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
/// use everstep::client::DeleteError;
///
/// match client.delete(sale.id()).await {
///     Err(DeleteError::Open { status, .. }) => assert!(!status.is_closed()),
///     other => panic!("{other:?}"),
/// }
/// sale.terminate("a test").await?;
/// sale.result().await.unwrap_err();
/// client.delete(sale.id()).await?;
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// It is open: cancel or terminate it first.
    #[error("execution {id} is open ({status}): cancel or terminate it, and then delete it")]
    Open {
        /// Its id.
        id: ExecutionId,
        /// Where it stands.
        status: Status,
    },
    /// It was started again, or closed in another way, since it was looked at. Look at it, and delete it
    /// again if it is still to go.
    #[error("execution {id} has changed meanwhile, and is not deleted: look at it again")]
    Changed {
        /// Its id.
        id: ExecutionId,
    },
    /// Not all of it could be told yet: the sweeper tells it. Delete it later.
    #[error("execution {id} has notifications that are not sent yet: delete it later")]
    Untold {
        /// Its id.
        id: ExecutionId,
    },
    /// The run that started it as its child is open, and its log does not say yet that the child was
    /// started: it would start it a second time. Delete it later.
    #[error("execution {id} was started by {parent}, which does not know yet: delete it later")]
    Child {
        /// Its id.
        id: ExecutionId,
        /// Whose child it is.
        parent: ExecutionId,
    },
    /// Its payloads cannot be read by this program, and so not be archived, or not be found, and so
    /// not be deleted.
    #[error("the payloads of execution {id} cannot be read, and it is not deleted")]
    Payloads {
        /// Its id.
        id: ExecutionId,
        /// Why not.
        source: PayloadError,
    },
    /// Its history is not in the archive.
    #[error("execution {id} cannot be archived, and is not deleted")]
    Archive {
        /// Its id.
        id: ExecutionId,
        /// Why not.
        source: ArchiveError,
    },
    /// It is gone for everybody, and its blobs are there still: the next pass goes on.
    #[error("execution {id} is deleted, but not all of its blobs: the next pass goes on")]
    Blobs {
        /// Its id.
        id: ExecutionId,
        /// Why, if it was not the time.
        source: Option<PayloadError>,
    },
    /// There is no such execution, its log cannot be read, or the store failed. Delete it again: what
    /// has begun is gone on with.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl From<StoreError> for DeleteError {
    fn from(error: StoreError) -> Self {
        Self::History(error.into())
    }
}

impl DeleteError {
    /// Whether it is about the store, the payload store or the archive, and not about this execution:
    /// another one would fare the same.
    pub(in crate::client) fn is_of_place(&self) -> bool {
        let store = |error: &StoreError| {
            error.is_retryable() || matches!(error, StoreError::Unusable { .. })
        };
        match self {
            Self::Archive { source, .. } => {
                matches!(source, ArchiveError::Unavailable { .. } | ArchiveError::Unusable { .. })
            }
            // A key that is gone and a provider that refuses all look alike: the others are tried.
            Self::Payloads { source, .. } => source.is_retryable(),
            Self::Blobs { source, .. } => source.is_some(),
            Self::History(HistoryError::Store(error)) => store(error),
            _ => false,
        }
    }
}
