//! Undoing what a workflow did.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey};
use crate::time::Timestamp;

/// See [`Event::CompensationStarted`](super::Event::CompensationStarted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompensationStarted {
    /// When.
    pub at: Timestamp,
    /// What led to it, and how the execution ends after it.
    pub cause: CompensationCause,
    /// The steps, by their place in the order of calls, that may have been running: they are let
    /// end first.
    pub finishing: Vec<u32>,
}

/// Why what a workflow did is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompensationCause {
    /// Somebody asked for the execution to be cancelled.
    Cancelled {
        /// Why, in the words of who asked.
        reason: String,
    },
    /// The workflow returned `Err`.
    Failed {
        /// The error it returned.
        error: Json,
    },
}

/// Why an execution ended, for people, with what was not undone.
pub(crate) fn reason_with(reason: String, not_undone: &[OperationKey]) -> String {
    let Some((first, others)) = not_undone.split_first() else { return reason };
    let keys = others.iter().fold(first.to_string(), |keys, key| format!("{keys}, {key}"));
    format!("{reason}; failed for good, so that something is not undone: {keys}")
}
