//! What a history says about children, and a child's about its parent.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// Who asked for an execution: the operation of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parent {
    /// The parent.
    pub execution: ExecutionId,
    /// The parent's run.
    pub run: u32,
    /// The operation's place in the order of that run's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Whether the parent waits for the result, which is then sent to it.
    pub waits: bool,
}

impl Parent {
    pub(crate) fn new(
        execution: ExecutionId,
        run: u32,
        seq: u32,
        key: OperationKey,
        waits: bool,
    ) -> Self {
        Self { execution, run, seq, key, waits }
    }
}

/// What becomes of a child that is still open when its parent ends, however that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClosePolicy {
    /// The child is asked to cancel. The default of a child that is awaited: nobody else waits for
    /// what it does.
    Cancel,
    /// It goes on. The default of a child that is [started](crate::Child::start) and not awaited.
    Leave,
}

/// See [`Event::ChildRequested`](super::Event::ChildRequested).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChildRequested {
    /// When; the child's own start has the same time.
    pub at: Timestamp,
    /// The operation's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`; the name is that of the child's workflow.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// The child's id.
    pub child: ExecutionId,
    /// What it is started with.
    pub input: Json,
    /// Whether the workflow awaits its result, or started and forgot it.
    pub waits: bool,
    /// What becomes of it when this execution ends first.
    pub on_close: ClosePolicy,
}

/// See [`Event::ChildStarted`](super::Event::ChildStarted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChildStarted {
    /// When this was known.
    pub at: Timestamp,
    /// The operation's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// The child's id.
    pub child: ExecutionId,
}

/// See [`Event::ChildCompleted`](super::Event::ChildCompleted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChildCompleted {
    /// When this execution took it in.
    pub at: Timestamp,
    /// The operation's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// The child's id.
    pub child: ExecutionId,
    /// How it ended.
    pub outcome: ChildOutcome,
}

/// How a child ended, as its parent is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChildOutcome {
    /// It returned `Ok`.
    Completed {
        /// What it returned.
        output: Json,
    },
    /// It returned `Err`.
    Failed {
        /// The error.
        error: Json,
    },
    /// It was cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It was terminated.
    Terminated {
        /// Why.
        reason: String,
    },
    /// It never was a child of this execution: another execution has its id.
    NotStarted {
        /// Why.
        problem: String,
    },
}

/// The id of the inbox item that tells run `run` of a parent what became of the child that its call
/// `seq` asked for: one call, one child, one item.
pub(crate) fn child_item_id(run: u32, seq: u32) -> String {
    format!("everstep/child/{run}/{seq}")
}
