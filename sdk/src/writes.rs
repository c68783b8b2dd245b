//! Writes of a step that are one transaction with the commit of its result.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What a step wants written in one transaction with the commit of its result. What it is only the
/// module of the store knows that [takes](crate::store::EventStore::takes_writes) it.
///
/// ```
/// use everstep::store::Writes;
///
/// let writes = Writes::new(vec!["UPDATE stock SET pieces = pieces - 1"]);
/// assert_eq!(writes.downcast_ref::<Vec<&str>>().map(Vec::len), Some(1));
/// assert!(writes.downcast_ref::<String>().is_none()); // another store's
/// ```
#[derive(Clone)]
pub struct Writes(Arc<dyn Any + Send + Sync>);

impl Writes {
    /// These writes.
    pub fn new<W: Any + Send + Sync>(writes: W) -> Self {
        Self(Arc::new(writes))
    }

    /// They, if they are of this type.
    #[must_use]
    pub fn downcast_ref<W: Any>(&self) -> Option<&W> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writes")
    }
}

/// Why the writes of a step cannot be done.
///
/// ```
/// use everstep::store::Refusal;
///
/// let refusal = Refusal::Invalid("there is no table \"stock\"".to_owned());
/// assert_ne!(refusal, Refusal::NotTaken);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Conditions of theirs did not hold: of these writes, by their places from 0, as far as it is known.
    Conditions(Vec<usize>),
    /// Not now: what they write to is throttled, or busy with other transactions. What was seen.
    Unavailable(String),
    /// Not like this: what is wrong with them.
    Invalid(String),
    /// This store takes no writes of this type.
    NotTaken,
}
