//! Names of things: executions, turns, hosts, inbox items.
//!
//! Whose names are in a history:
//!
//! ```
//! use everstep::event::Event;
//! use everstep::id::{CommitNumber, HostId, WriterId};
//! use everstep::prelude::*;
//!
//! # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
//! # let env = everstep::testing::Env::new(App::new().workflow(sell));
//! let sale = env.start(sell, "4242".to_owned());
//! sale.result().unwrap();
//! let log = sale.history();
//!
//! // The client that started it wrote commit 0, a turn wrote the others.
//! let (client, turn): (WriterId, WriterId) = (log[0].writer, log[1].writer);
//! assert_ne!(client, turn);
//! let last: CommitNumber = log.last().unwrap().number;
//! assert_eq!(last + 1, log.len() as CommitNumber);
//!
//! // The turn says which process it was in.
//! let mut events = log.iter().flat_map(|commit| &commit.events);
//! let host: Option<&HostId> = events.find_map(|event| match event {
//!     Event::TurnStarted(claim) => Some(&claim.host),
//!     _ => None,
//! });
//! assert!(!host.unwrap().to_string().is_empty());
//! ```

mod life;
mod promise;

pub use life::{Born, Life};
pub use promise::{InvalidPromiseToken, PromiseToken};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::limits::EXECUTION_ID_BYTES_MAX;

/// The name of one execution, chosen by the caller: the idempotency key of its start.
///
/// Any text of 1 to 512 bytes without control characters and without white space at either end.
/// Two ids are the same execution only if they are equal byte for byte: nothing is folded or
/// normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ExecutionId(Arc<str>);

/// Why a text is no [`ExecutionId`].
///
/// ```
/// use everstep::id::{ExecutionId, InvalidExecutionId};
///
/// assert_eq!(ExecutionId::new(""), Err(InvalidExecutionId::Empty));
/// let error = ExecutionId::new("order-7 ").unwrap_err();
/// assert_eq!(error, InvalidExecutionId::Padded { id: "order-7 ".to_owned() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidExecutionId {
    /// The text is empty.
    #[error("an execution id has at least one character")]
    Empty,
    /// The text is longer than the limit.
    #[error("an execution id has at most {EXECUTION_ID_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// The length of the refused text.
        bytes: usize,
    },
    /// The text holds a control character.
    #[error("an execution id has no control characters, this one has {character:?} at byte {at}")]
    Control {
        /// The refused character.
        character: char,
        /// Where it stands.
        at: usize,
    },
    /// The text begins or ends with white space.
    #[error("an execution id neither begins nor ends with white space: {id:?}")]
    Padded {
        /// The refused text.
        id: String,
    },
}

impl ExecutionId {
    /// Checks `id` against the rule above.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// assert!(ExecutionId::new("order/7").is_ok());
    /// assert!(ExecutionId::new("order\n7").is_err());
    /// ```
    ///
    /// # Errors
    /// Says which part of the rule `id` breaks.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidExecutionId> {
        let id = id.into();
        if id.is_empty() {
            return Err(InvalidExecutionId::Empty);
        }
        if id.len() > EXECUTION_ID_BYTES_MAX {
            return Err(InvalidExecutionId::TooLong { bytes: id.len() });
        }
        if let Some((at, character)) = id.char_indices().find(|(_, c)| c.is_control()) {
            return Err(InvalidExecutionId::Control { character, at });
        }
        if id.trim() != id {
            return Err(InvalidExecutionId::Padded { id });
        }
        Ok(Self(id.into()))
    }

    /// A new id that no other execution has: a random UUID.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// assert_ne!(ExecutionId::random(), ExecutionId::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// The id of something whose path would be too long: what is unique of it, and its last part,
    /// which is a key.
    pub(crate) fn of_path(unique: Uuid, last: &str) -> Self {
        Self(format!("{unique}/{last}").into())
    }

    /// The id as text.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// assert_eq!(ExecutionId::new("order/7").unwrap().as_str(), "order/7");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ExecutionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExecutionId {
    type Err = InvalidExecutionId;
    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<&str> for ExecutionId {
    type Error = InvalidExecutionId;
    fn try_from(id: &str) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<String> for ExecutionId {
    type Error = InvalidExecutionId;
    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

/// So that a function that takes whatever becomes an id takes an id.
impl From<std::convert::Infallible> for InvalidExecutionId {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl<'de> Deserialize<'de> for ExecutionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Who wrote a commit: a turn, or the client that started the execution.
///
/// A writer writes each number at most once, so number and writer together name a commit, and a
/// writer that is told "this number is taken" can tell whether it was itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriterId(pub Uuid);

impl WriterId {
    /// A writer that has not written yet.
    ///
    /// ```
    /// # use everstep::id::WriterId;
    /// assert_ne!(WriterId::random(), WriterId::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process that takes turns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub Arc<str>);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a commit in its execution's log: 0, 1, 2 …
pub type CommitNumber = u64;
