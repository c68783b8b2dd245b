//! What every store refuses, whoever implements it.

use super::{NewItem, StoreError};
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId};
use crate::limits::{COMMIT_BYTES_MAX, EVENT_BYTES_MAX};

impl StoreError {
    /// Refuses a commit whose body is larger than [`COMMIT_BYTES_MAX`], so that what runs on one
    /// store runs on every other.
    ///
    /// # Errors
    /// [`TooLarge`](Self::TooLarge).
    pub fn check_commit(commit: &StoredCommit) -> Result<(), Self> {
        let what = || format!("commit {}", commit.number);
        check_bytes(what, commit.body.len(), COMMIT_BYTES_MAX)
    }

    /// Refuses an inbox item that would not fit into a commit as an event.
    ///
    /// # Errors
    /// [`TooLarge`](Self::TooLarge).
    pub fn check_item(item: &NewItem) -> Result<(), Self> {
        // Our own types of text and numbers: they are always JSON.
        let bytes = serde_json::to_string(item).map_or(0, |text| text.len());
        check_bytes(|| format!("inbox item {}", item.id), bytes, EVENT_BYTES_MAX)
    }

    /// What a store says that is asked to append beyond the end of the log.
    #[must_use]
    pub fn gap(id: &ExecutionId, number: CommitNumber) -> Self {
        let problem = format!("commit {number} is to be appended and the one before it is missing");
        Self::Corrupt { id: id.clone(), problem }
    }

    /// What a store says that has a log and no record for it.
    #[must_use]
    pub fn lost_record(id: &ExecutionId) -> Self {
        Self::Corrupt { id: id.clone(), problem: "it has a log and no record".into() }
    }

    /// What a store says that has no way to delete an execution.
    pub(super) fn deletes_nothing() -> Self {
        let remedy = "it does not delete executions: it has no EventStore::bury".to_owned();
        Self::Unusable { remedy, source: None }
    }

    /// What a store says that is asked to change an execution it does not have.
    #[must_use]
    pub fn missing(id: &ExecutionId) -> Self {
        Self::Corrupt { id: id.clone(), problem: "there is no such execution".into() }
    }
}

fn check_bytes(
    what: impl FnOnce() -> String,
    bytes: usize,
    bytes_max: usize,
) -> Result<(), StoreError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(StoreError::TooLarge { what: what(), bytes, bytes_max })
}
