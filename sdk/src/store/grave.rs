//! What is left of an execution while it is deleted.

use super::Record;
use crate::time::Timestamp;

/// What stands in the place of an execution that is being deleted: nobody finds it any more, and
/// its id is not free yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grave {
    /// When somebody should go on with it, if nobody has: until then it belongs to whoever dug it.
    pub look_at: Timestamp,
    /// Whether its blobs are gone. Its id may be free from `look_at` on.
    pub emptied: bool,
}

/// What [`EventStore::bury`](super::EventStore::bury) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buried {
    /// The execution is there for nobody any more; perhaps by an earlier try of this very call.
    Done,
    /// It is open, or has another end than the caller has seen: nothing has changed.
    Refused {
        /// The record as it is.
        record: Box<Record>,
    },
    /// There is no such execution, or somebody else has buried it.
    NoExecution,
}
