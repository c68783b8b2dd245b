//! What an execution shows of itself.

use serde::{Deserialize, Serialize};

use super::{Json, OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::ViewPublished`](super::Event::ViewPublished).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ViewPublished {
    /// When.
    pub at: Timestamp,
    /// The call's place in the order of the workflow's calls.
    pub seq: u32,
    /// `view#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// What is shown from here on.
    pub view: Json,
}
