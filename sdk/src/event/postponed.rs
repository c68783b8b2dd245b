//! An attempt that could not begin its work, and says when to try again.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::StepPostponed`](super::Event::StepPostponed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepPostponed {
    /// When the attempt ended.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// Which attempt, from 1. The next one has the same number.
    pub attempt: u32,
    /// How long the attempt ran, in microseconds.
    pub took_us: u64,
    /// The recorded arguments.
    pub input: Json,
    /// What it waits for, in the body's words.
    pub reason: String,
    /// When it may start again.
    pub retry_at: Timestamp,
}
