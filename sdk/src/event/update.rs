//! Requests to an execution, and what it answered.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::UpdateReceived`](super::Event::UpdateReceived).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpdateReceived {
    /// When a turn took it.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
    /// The update's name.
    pub name: String,
    /// What is asked.
    pub request: Json,
}

/// See [`Event::UpdateReplied`](super::Event::UpdateReplied).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpdateReplied {
    /// When.
    pub at: Timestamp,
    /// The reply's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`, with the update's name.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// The sender's id of the update.
    pub update: String,
    /// The answer.
    pub reply: Reply,
}

/// What an update was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// The workflow replied with this.
    Value(Json),
    /// The workflow rejected it with this.
    Rejected(Json),
    /// The library answered for the workflow: the request was not of its type, or was dropped
    /// without a reply. Why, for people.
    Refused(String),
}

impl Reply {
    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Value(json) | Self::Rejected(json) => json.as_str().len(),
            Self::Refused(reason) => reason.len(),
        }
    }

    /// Takes out of a refusal, which is no payload, what may quote the request.
    pub(crate) fn leave_out_values(&mut self) {
        if let Self::Refused(reason) = self {
            reason.truncate(reason.find(": ").unwrap_or(reason.len()));
        }
    }

    /// Whether two replies are the same answer. The words of a refusal are not compared: they may
    /// be those of another version of a library.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) | (Self::Rejected(a), Self::Rejected(b)) => a.same(b),
            (Self::Refused(_), Self::Refused(_)) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Rejected(error) => write!(f, "rejected: {}", super::error_text(error)),
            Self::Refused(reason) => write!(f, "rejected: {reason}"),
        }
    }
}
