//! Why a payload could not be stored or read.

use crate::store::BoxError;

/// Why a payload could not be stored or read.
///
/// ```
/// use everstep::payload::PayloadError;
///
/// let cause = std::io::Error::other("it has timed out");
/// assert!(PayloadError::unavailable("the disk is away", cause).is_retryable());
/// let cause = std::io::Error::other("permission denied");
/// assert!(!PayloadError::unusable("let this program write there", cause).is_retryable());
/// assert!(!PayloadError::damaged("its checksum is another").is_retryable());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// No answer, or not now. It may have been done. Try again.
    #[error("the payload store did not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// This program may not use the payload store or the keys, or they are not there. `remedy` says
    /// what to do.
    #[error("the payload store cannot be used: {remedy}")]
    Unusable {
        /// What is wrong and what to do.
        remedy: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The payload is in a payload store, and this program has none.
    #[error(
        "a payload of {bytes} bytes is in a payload store, and this program has none: set \
         EVERSTEP_PAYLOADS to the one that the program which wrote it uses"
    )]
    NoStore {
        /// Its size, as JSON.
        bytes: u64,
    },
    /// The payload went through a codec that this program does not have.
    #[error(
        "a payload of {bytes} bytes was written with codec {codec:?}, and this program does not have \
         it: give its Payloads the codecs of the program that wrote it"
    )]
    NoCodec {
        /// Its size, as JSON.
        bytes: u64,
        /// The codec's name.
        codec: String,
    },
    /// The payload was sealed by a newer version of everstep.
    #[error(
        "a payload is sealed in form {version}, which this program does not know: use a newer one"
    )]
    Newer {
        /// The version of its form.
        version: u64,
    },
    /// The payload store does not have the blob. Put it back, or name the right payload store.
    #[error(
        "the payload store does not have {blob}: is it the one that was written to? If so, put the \
         blob back from a backup or a version"
    )]
    Missing {
        /// The blob's name.
        blob: String,
    },
    /// What is stored of the payload is not what was written.
    #[error("a payload cannot be trusted: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// The key of the payload was deleted: nobody can read it any more.
    #[error("the payload was erased")]
    Erased,
}

impl PayloadError {
    /// An [`Unavailable`](Self::Unavailable) with its cause.
    pub fn unavailable(reason: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { reason: reason.into(), source: Some(source.into()) }
    }

    /// An [`Unusable`](Self::Unusable) with its cause.
    pub fn unusable(remedy: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unusable { remedy: remedy.into(), source: Some(source.into()) }
    }

    /// A [`Damaged`](Self::Damaged).
    pub fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged { problem: problem.into() }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether it is about this very payload, and not about where it is kept: then it stays sealed,
    /// and the others can be read.
    #[must_use]
    pub(crate) fn is_of_payload(&self) -> bool {
        !matches!(self, Self::Unavailable { .. } | Self::Unusable { .. })
    }

    /// Whether another program may well be able to read it: this one lacks something.
    pub(crate) fn is_of_program(&self) -> bool {
        matches!(self, Self::NoStore { .. } | Self::NoCodec { .. } | Self::Newer { .. })
    }
}
