//! How far an execution has been told, where it has not been told wholly.

use serde::{Deserialize, Serialize};

use super::{Projection, Status};
use crate::id::CommitNumber;
use crate::time::Timestamp;

/// What has been told of an execution of which something is [untold](Projection::untold), and what
/// whoever goes on with that has to know.
///
/// A store keeps it as JSON, and looks at nothing in it:
///
/// ```
/// # fn main() -> Result<(), serde_json::Error> {
/// use everstep::store::Telling;
///
/// // Nothing is told from commit 9 on, before which it was suspended; of those before, one was not.
/// let text = r#"{
///     "next": {"commit": 9, "index": 2, "run": 1, "workflow": "sell", "status": "suspended"},
///     "stuck": [{"commit": 4, "index": 1, "run": 1, "workflow": "sell"}],
///     "again": 1700000000000
/// }"#;
/// let telling: Telling = serde_json::from_str(text)?;
/// assert_eq!(telling.untold(), Some(4));
/// let stored = serde_json::to_string(&telling)?;
/// assert_eq!(serde_json::from_str::<Telling>(&stored)?, telling);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// From where on nothing is told. Without it all is, up to the record's commit, but what is stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
    /// What does not go through while others behind it do, in order: at most
    /// [`NOTIFY_STUCK_MAX`](crate::limits::NOTIFY_STUCK_MAX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stuck: Vec<Place>,
    /// When that is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Timestamp>,
}

/// Where telling goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Next {
    #[serde(flatten)]
    pub(crate) place: Place,
    /// The execution's status before that commit.
    pub(crate) status: Status,
}

/// The place of a notification, and what its commit alone does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) commit: CommitNumber,
    /// `None` of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<u32>,
    /// `None` of an execution whose log could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<u32>,
    pub(crate) workflow: String,
}

/// The order in which notifications are told: by commit, then by their place in it.
pub(crate) type Position = (CommitNumber, u32);

/// The place of a block: behind all that its commit has.
pub(crate) const BLOCK: u32 = u32::MAX;

impl Telling {
    /// The first commit that is not wholly told.
    #[must_use]
    pub fn untold(&self) -> Option<CommitNumber> {
        let next = self.next.as_ref().map(|next| next.place.commit);
        self.stuck.first().map(|stuck| stuck.commit).into_iter().chain(next).min()
    }
}

impl Place {
    pub(crate) fn position(&self) -> Position {
        (self.commit, self.index.unwrap_or(BLOCK))
    }
}

impl Projection {
    /// What is known of what is untold: nothing of a record that was written by a program of before
    /// there was a [`telling`](Self::telling), even if one is there that such a program has left behind.
    pub(crate) fn known_telling(&self) -> Option<&Telling> {
        self.telling.as_ref().filter(|telling| telling.untold() == self.untold)
    }

    /// This projection of a new run with what is untold of those `before`.
    pub(crate) fn take_over_untold(&mut self, before: Self) {
        (self.untold, self.telling) = (before.untold, before.telling);
    }
}
