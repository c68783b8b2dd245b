//! Steps: the attempts that the log knows of, and their results.

use serde::{Deserialize, Serialize};

use super::{Failure, Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::StepStarted`](super::Event::StepStarted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepStarted {
    /// When.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The recorded arguments.
    pub input: Json,
}

/// See [`Event::StepAttemptFailed`](super::Event::StepAttemptFailed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepAttemptFailed {
    /// When the attempt ended.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How long the attempt ran, in microseconds.
    pub took_us: u64,
    /// The recorded arguments.
    pub input: Json,
    /// What went wrong.
    pub failure: Failure,
    /// When the next attempt may start.
    pub retry_at: Timestamp,
}

/// See [`Event::StepCompleted`](super::Event::StepCompleted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepCompleted {
    /// When the body ended.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// The attempt that succeeded, from 1.
    pub attempt: u32,
    /// How long that attempt ran, in microseconds.
    pub took_us: u64,
    /// The recorded arguments.
    pub input: Json,
    /// The result.
    pub output: Json,
}

/// See [`Event::StepFailed`](super::Event::StepFailed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepFailed {
    /// When the last attempt ended.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// The last attempt, from 1.
    pub attempt: u32,
    /// How long the last attempt ran, in microseconds.
    pub took_us: u64,
    /// The recorded arguments.
    pub input: Json,
    /// What went wrong at the last attempt.
    pub failure: Failure,
}
