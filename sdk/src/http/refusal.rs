//! What the client's errors are for those who ask over HTTP. Nothing of stores and queues gets out.

use super::problem::{Kind, Problem};
use crate::client::{HistoryError, PromiseSendError, SendError, StartError, UpdateError};
use crate::store::StoreError;
use crate::wake::QueueError;

/// What to do after a write that got no answer.
const AGAIN: &str =
    "it may or may not have been done: send the same request again, with the same id";

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_retryable() => Self::new(
                Kind::Unavailable,
                "the store did not answer: send the same request again, with the same id",
            ),
            error @ StoreError::Buried { .. } => Self::new(Kind::Unavailable, error.to_string()),
            error @ StoreError::TooLarge { .. } => Self::new(Kind::TooLarge, error.to_string()),
            error @ StoreError::Cursor { .. } => Self::new(Kind::InvalidCursor, error.to_string()),
            error => Self::internal(&error),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unavailable { .. } => Self::new(Kind::Unavailable, AGAIN),
            error => Self::internal(&error),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            error @ HistoryError::Unknown { .. } => {
                Self::new(Kind::UnknownExecution, error.to_string())
            }
            HistoryError::Corrupt { id, source, .. } => corrupt(id.as_str(), source.number),
            HistoryError::Store(error) => error.into(),
        }
    }
}

fn corrupt(id: &str, number: u64) -> Problem {
    let detail = format!("the log of execution {id} cannot be trusted from commit {number} on");
    Problem::new(Kind::CorruptLog, detail)
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Unknown { .. } => Kind::UnknownExecution,
            SendError::Closed { .. } => Kind::Closed,
            SendError::Corrupt { id, .. } => {
                let detail = format!("the log of execution {id} cannot be trusted");
                return Self::new(Kind::CorruptLog, detail);
            }
            SendError::Invalid { .. } | SendError::Payload(_) => Kind::Invalid,
            SendError::PayloadTooLarge { .. } => Kind::TooLarge,
            SendError::Store(error) => return error.into(),
            SendError::Wake(error) => return error.into(),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        let kind = match error {
            StartError::InvalidId(_) => Kind::InvalidId,
            StartError::UnknownWorkflow { .. } => Kind::UnknownWorkflow,
            StartError::WrongInput { workflow, source } => {
                let detail = format!("workflow {workflow} cannot read its input: {source}");
                return Self::new(Kind::WrongInput, detail);
            }
            StartError::InvalidName { .. }
            | StartError::Input(_)
            | StartError::InvalidTag { .. }
            | StartError::TooManyTags { .. } => Kind::Invalid,
            StartError::InputTooLarge { .. } | StartError::TooLarge { .. } => Kind::TooLarge,
            StartError::Exists { .. } => Kind::Exists,
            StartError::Corrupt { id, source } => return corrupt(id.as_str(), source.number),
            StartError::Store { source, .. } => return source.into(),
            StartError::Send { source, .. } | StartError::Message(source) => return source.into(),
            StartError::Wake { source, .. } => return source.into(),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Self {
        let text = error.to_string();
        match error {
            UpdateError::Rejected { error, .. } => {
                Self::new(Kind::Rejected, text).with_error(error)
            }
            UpdateError::Refused { .. } => Self::new(Kind::Refused, text),
            UpdateError::Closed { .. } => Self::new(Kind::Closed, text),
            UpdateError::Blocked { .. } => Self::new(Kind::Blocked, text),
            UpdateError::Send(error) => error.into(),
            UpdateError::Start(error) => error.into(),
            UpdateError::History(error) => error.into(),
            error @ (UpdateError::NoAnswer { .. } | UpdateError::Unreadable { .. }) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<PromiseSendError> for Problem {
    fn from(error: PromiseSendError) -> Self {
        let kind = match error {
            PromiseSendError::NoPromise { .. } => Kind::UnknownPromise,
            PromiseSendError::RunEnded { .. } => Kind::RunEnded,
            PromiseSendError::Resolved { .. } => Kind::PromiseOver,
            PromiseSendError::Value(_) => Kind::Invalid,
            PromiseSendError::TooLarge { .. } => Kind::TooLarge,
            PromiseSendError::History(error) => return error.into(),
            PromiseSendError::Send(error) => return error.into(),
        };
        Self::new(kind, error.to_string())
    }
}
