//! A turn: its claim, and how it ends when its execution does not.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::HostId;
use crate::time::Timestamp;

/// See [`Event::TurnStarted`](super::Event::TurnStarted). The turn is the writer of the commit that
/// holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TurnStarted {
    /// When.
    pub at: Timestamp,
    /// Which process.
    pub host: HostId,
    /// The version of the code that runs there.
    pub code: String,
    /// Until when nobody else may claim.
    pub lease_end: Timestamp,
    /// The published version of the Lambda function that the process is of, if its app
    /// [pins](crate::App::pin_to_version) runs to that; absent otherwise, and in older logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_version: Option<u64>,
}

/// The published version of a Lambda function that a run with these events is pinned to, if it is: that
/// of its last claim.
pub(crate) fn pinned_to(events: &[Event]) -> Option<u64> {
    let claim = events.iter().rev().find_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim),
        _ => None,
    });
    claim?.function_version
}

/// See [`Event::LeaseRenewed`](super::Event::LeaseRenewed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeaseRenewed {
    /// When.
    pub at: Timestamp,
    /// The new end.
    pub lease_end: Timestamp,
    /// It was written ahead of events that its turn had delivered before it: [`ExecutionInfo`] does
    /// not count it.
    ///
    /// [`ExecutionInfo`]: crate::ExecutionInfo
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ahead: bool,
}

/// See [`Event::TurnEnded`](super::Event::TurnEnded).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TurnEnded {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: TurnEnd,
    /// The earliest time at which something becomes due, if anything does.
    pub wake_at: Option<Timestamp>,
    /// The times for which a timer wake is under way, so that later turns do not send it again.
    pub armed: Vec<Timestamp>,
    /// Which messages a suspended execution waits for. For people; absent in older logs.
    #[serde(default, skip_serializing_if = "WaitsFor::is_empty")]
    pub waits_for: WaitsFor,
}

/// Why a turn ended before its execution did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TurnEnd {
    /// Everything waits for a timer, a signal or another message.
    Suspended,
    /// The host has no more time; another turn goes on at once.
    Yielded,
    /// The code cannot go on from here; the record says why. A resume, after a fix, goes on.
    Blocked,
    /// Something that the turn needs (a payload store, a queue) did not answer in its time. What it
    /// had not written is as if it had died; but it is no strike. Another turn goes on at `wake_at`.
    GaveUp,
}

/// The messages that a suspended execution waits for, by name: of each kind the first
/// [`WAITS_FOR_MAX`](crate::limits::WAITS_FOR_MAX) in alphabetical order.
///
/// ```
/// use everstep::event::{Event, WaitsFor};
///
/// let stored = r#"{"TurnEnded":{"at":5000,"reason":"suspended","wake_at":null,"armed":[],"waits_for":{"signals":["paid"]}}}"#;
/// let event = serde_json::from_str(stored).unwrap();
/// let Event::TurnEnded(end) = event else { panic!("{event:?}") };
/// assert_eq!(end.waits_for.signals, ["paid"]);
/// assert!(WaitsFor::default().is_empty()); // a timer, a child or a promise at most
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaitsFor {
    /// Signals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<String>,
    /// Updates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<String>,
}

impl WaitsFor {
    /// Whether it waits for no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signals.is_empty() && self.updates.is_empty()
    }
}
