//! Why an attachment could not be made or read.

use std::io;
use std::path::PathBuf;

use crate::id::ExecutionId;
use crate::limits::ATTACHMENT_BYTES_MAX;
use crate::payload::PayloadError;

/// Why an attachment could not be made or read.
///
/// In a step `?` makes an [`Error`](crate::Error) of it, and the step is tried again. What trying
/// again does not help is not [retryable](Self::is_retryable).
///
/// ```
/// use everstep::payload::{Attachment, AttachmentError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // Of whom would it be? No step runs here.
/// let error = Attachment::from_file("film.mov").await.unwrap_err();
/// assert!(matches!(error, AttachmentError::Outside) && !error.is_retryable());
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// It was not called in the body of a step that a workflow has called.
    #[error(
        "attachments are made and read in a step that a workflow calls, in its body and not in a task \
         or thread that the body starts; elsewhere Client::attachment reads them"
    )]
    Outside,
    /// This program has no payload store.
    #[error(
        "attachments are in a payload store, and this program has none: set EVERSTEP_PAYLOADS, or give \
         the App its Payloads"
    )]
    NoStore,
    /// It would have more than [`ATTACHMENT_BYTES_MAX`] bytes.
    #[error("an attachment has at most {ATTACHMENT_BYTES_MAX} bytes, and this one is larger")]
    TooLarge,
    /// What it was to be made of could not be read.
    #[error("what was to be attached cannot be read")]
    Source {
        /// Why not.
        source: io::Error,
    },
    /// A file that it was to be made of or written to.
    #[error("the file {} cannot be {action}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// "read" or "written".
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It could not be put into the payload store.
    #[error("the attachment cannot be stored")]
    Unstored {
        /// Why not.
        source: PayloadError,
    },
    /// It could not be read: it is [missing](PayloadError::Missing), was
    /// [erased](PayloadError::Erased) or [damaged](PayloadError::Damaged), or the payload store did not
    /// answer.
    #[error("the attachment of {bytes} bytes that execution {of} has made cannot be read")]
    Unread {
        /// Whose it is. If that one was deleted, its attachments are gone.
        of: ExecutionId,
        /// How large it is.
        bytes: u64,
        /// Why not.
        source: PayloadError,
    },
}

impl AttachmentError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Source { .. } | Self::File { .. } => true,
            Self::Unstored { source } | Self::Unread { source, .. } => source.is_retryable(),
            Self::Outside | Self::NoStore | Self::TooLarge => false,
        }
    }
}

/// For [`AsyncRead`](tokio::io::AsyncRead): the error is in it.
impl From<AttachmentError> for io::Error {
    fn from(error: AttachmentError) -> Self {
        let kind = match &error {
            AttachmentError::Unread { source, .. } => match source {
                PayloadError::Missing { .. } | PayloadError::Erased => io::ErrorKind::NotFound,
                PayloadError::Damaged { .. } => io::ErrorKind::InvalidData,
                _ => io::ErrorKind::Other,
            },
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
