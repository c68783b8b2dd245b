//! What an execution is found by, set while it runs.

use serde::{Deserialize, Serialize};

use super::{OperationKey, Text};
use crate::time::Timestamp;

/// See [`Event::TagSet`](super::Event::TagSet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TagSet {
    /// When.
    pub at: Timestamp,
    /// The call's place in the order of the workflow's calls.
    pub seq: u32,
    /// `tag#count`.
    pub key: OperationKey,
    /// Source file and line of the call.
    pub site: Text,
    /// The tag's name.
    pub name: String,
    /// Its value from here on.
    pub value: String,
}
