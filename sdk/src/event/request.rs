//! What somebody asked for from outside: a cancel, or that a blocked execution goes on.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// See [`Event::CancelRequested`](super::Event::CancelRequested).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CancelRequested {
    /// When a turn took it.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
    /// Why, in the sender's words.
    pub reason: String,
}

/// See [`Event::Resumed`](super::Event::Resumed).
///
/// ```
/// use everstep::event::Event;
///
/// let event = serde_json::from_str(r#"{"Resumed":{"at":6000,"id":"r-1"}}"#).unwrap();
/// let Event::Resumed(resumed) = event else { panic!("{event:?}") };
/// assert_eq!(resumed.id, "r-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resumed {
    /// When a turn took it.
    pub at: Timestamp,
    /// The sender's id of it.
    pub id: String,
}
