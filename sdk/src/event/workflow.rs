//! How an execution begins, and how it ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InputHash, Json, OperationKey, Parent};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// See [`Event::WorkflowStarted`](super::Event::WorkflowStarted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowStarted {
    /// When the client started it, by the client's clock.
    pub at: Timestamp,
    /// Whose log this is.
    pub execution: ExecutionId,
    /// The workflow's name.
    pub workflow: String,
    /// The generation within the execution, from 1.
    pub run: u32,
    /// The workflow's input.
    pub input: Json,
    /// Whose child it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// What the execution is found by; see [`Start::tag`](crate::client::Start::tag).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Of a run that continues another one: with which input the first of them was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_input: Option<InputHash>,
}

impl WorkflowStarted {
    /// The start of a first run without tags.
    #[cfg(test)]
    pub(crate) fn first(
        at: Timestamp,
        execution: ExecutionId,
        workflow: String,
        input: Json,
    ) -> Self {
        let (parent, tags, first_input) = (None, BTreeMap::new(), None);
        Self { at, execution, workflow, run: 1, input, parent, tags, first_input }
    }
}

/// See [`Event::WorkflowCompleted`](super::Event::WorkflowCompleted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowCompleted {
    /// When.
    pub at: Timestamp,
    /// What it returned.
    pub output: Json,
}

/// See [`Event::WorkflowFailed`](super::Event::WorkflowFailed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowFailed {
    /// When.
    pub at: Timestamp,
    /// The error it returned.
    pub error: Json,
    /// The undo steps that failed for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_undone: Vec<OperationKey>,
}

/// See [`Event::WorkflowCancelled`](super::Event::WorkflowCancelled).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowCancelled {
    /// When.
    pub at: Timestamp,
    /// Why, in the words of who asked.
    pub reason: String,
    /// The undo steps that failed for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_undone: Vec<OperationKey>,
}

/// See [`Event::WorkflowTerminated`](super::Event::WorkflowTerminated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkflowTerminated {
    /// When.
    pub at: Timestamp,
    /// The sender's id of the request.
    pub id: String,
    /// Why, in the words of who asked.
    pub reason: String,
}
