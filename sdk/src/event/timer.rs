//! Timers.

use serde::{Deserialize, Serialize};

use super::{OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::TimerStarted`](super::Event::TimerStarted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimerStarted {
    /// When.
    pub at: Timestamp,
    /// The timer's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// When it fires.
    pub due: Timestamp,
}

/// See [`Event::TimerFired`](super::Event::TimerFired).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimerFired {
    /// When it was seen to be due: never before its time.
    pub at: Timestamp,
    /// The timer's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
}
