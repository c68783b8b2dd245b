//! What a history says of promises.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::PromiseCreated`](super::Event::PromiseCreated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromiseCreated {
    /// When.
    pub at: Timestamp,
    /// The promise's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// When it fails by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// For how long it may be without a heartbeat, if there is a limit, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
}

/// See [`Event::PromiseHeartbeat`](super::Event::PromiseHeartbeat).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromiseHeartbeat {
    /// When a turn took it: its limit counts from here.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
    /// The run whose promise it is.
    pub run: u32,
    /// `name#count`.
    pub key: OperationKey,
}

/// See [`Event::PromiseResolved`](super::Event::PromiseResolved). Of several of one promise the
/// first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PromiseResolved {
    /// When a turn took it, or found its time to be up: never before that.
    pub at: Timestamp,
    /// The sender's id of it; none if nobody sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The run whose promise it is.
    pub run: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// How it ended.
    pub result: PromiseResult,
}

/// How a promise ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PromiseResult {
    /// Somebody completed it.
    Completed {
        /// With this.
        value: Json,
    },
    /// Somebody failed it.
    Failed {
        /// Why, in the words of who did.
        reason: String,
    },
    /// Its time was up.
    TimedOut {
        /// The time it had, in milliseconds.
        after_ms: u64,
    },
    /// No heartbeat came in time.
    HeartbeatMissed {
        /// The time each heartbeat had, in milliseconds.
        after_ms: u64,
    },
    /// The workflow dropped it: nobody waits for it any more.
    GivenUp,
}

impl PromiseResult {
    /// How it ended, in a few words and without the value.
    #[must_use]
    pub fn summary(&self) -> String {
        let after = |ms: &u64| humantime::format_duration(Duration::from_millis(*ms)).to_string();
        match self {
            Self::Completed { .. } => "completed".to_owned(),
            Self::Failed { reason } => format!("failed: {reason}"),
            Self::TimedOut { after_ms } => format!("timed out after {}", after(after_ms)),
            Self::HeartbeatMissed { after_ms } => format!("no heartbeat for {}", after(after_ms)),
            Self::GivenUp => "given up by the workflow".to_owned(),
        }
    }
}
