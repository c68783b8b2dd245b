//! Why something is not in the archive.

use crate::payload::PayloadError;
use crate::store::BoxError;

/// Why a history is not in the archive. Nothing was deleted.
///
/// ```
/// use everstep::archive::ArchiveError;
///
/// let away = ArchiveError::Unavailable { reason: "it is throttled".to_owned(), source: None };
/// assert!(away.is_retryable());
/// let other = ArchiveError::Differs { name: "order/2026/11/27/order-7.jsonl".to_owned() };
/// assert!(!other.is_retryable() && other.to_string().ends_with("move it away"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// No answer, or not now. It may have been done. Try again.
    #[error("the archive did not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// This program may not use the archive, or it is not there. `remedy` says what to do.
    #[error("the archive cannot be used: {remedy}")]
    Unusable {
        /// What is wrong and what to do.
        remedy: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The history is larger than what an archive takes: export it, and delete it without one
    /// (`everstep delete --no-archive`).
    #[error(
        "its history has more than {bytes_max} bytes, the most that is archived: export it, and delete it \
         with `everstep delete --no-archive`"
    )]
    TooLarge {
        /// The largest size.
        bytes_max: u64,
    },
    /// An object of this name is there and has something else in it. Look at it, and move it away.
    #[error("the archive has something else as {name}: move it away")]
    Differs {
        /// Its name.
        name: String,
    },
    /// What was put there is not there. Does something delete it?
    #[error("the archive has taken {name} and does not have it: does something else delete there?")]
    Missing {
        /// Its name.
        name: String,
    },
}

impl ArchiveError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Folders and buckets fail as those of payloads do.
impl From<PayloadError> for ArchiveError {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Unavailable { reason, source } => Self::Unavailable { reason, source },
            PayloadError::Unusable { remedy, source } => Self::Unusable { remedy, source },
            error => Self::Unusable { remedy: error.to_string(), source: None },
        }
    }
}
