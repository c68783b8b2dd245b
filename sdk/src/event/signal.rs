//! Signals that were taken from the inbox.

use serde::{Deserialize, Serialize};

use super::Json;
use crate::time::Timestamp;

/// See [`Event::SignalReceived`](super::Event::SignalReceived).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SignalReceived {
    /// When a turn took it.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
    /// The signal's name.
    pub name: String,
    /// What it carries.
    pub payload: Json,
}
