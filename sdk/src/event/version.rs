//! The versions of changes that runs are on.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// See [`Event::VersionChosen`](super::Event::VersionChosen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionChosen {
    /// When.
    pub at: Timestamp,
    /// The change, as the code calls it.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
}
