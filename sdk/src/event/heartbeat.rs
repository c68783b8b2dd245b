//! How far a long step had got.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::StepHeartbeat`](super::Event::StepHeartbeat).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepHeartbeat {
    /// When it was written: up to some seconds after the body said it.
    pub at: Timestamp,
    /// The step's place in the order of the workflow's calls.
    pub seq: u32,
    /// `name#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// Which attempt said it, from 1.
    pub attempt: u32,
    /// What it said.
    pub details: Json,
}
