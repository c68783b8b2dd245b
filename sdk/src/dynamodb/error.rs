//! Why writes have no result.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use serde::{Deserialize, Serialize};

use crate::aws::words;

/// Why a step's writes were not done, other than for a reason of the step's own.
///
/// It can be part of an error type that is recorded. Unless a variant says otherwise, the attempt has
/// written nothing; one before it that was [`InDoubt`](Self::InDoubt) may have.
///
/// ```
/// use everstep::dynamodb::TransactError;
///
/// /// A `retry_if`: what a condition has refused is not tried again.
/// fn may_help(error: &TransactError) -> bool {
///     matches!(error, TransactError::Unavailable { .. } | TransactError::InDoubt { .. })
/// }
///
/// let refused = TransactError::Refused { writes: vec!["the stock".to_owned()] };
/// assert!(!may_help(&refused));
/// assert_eq!(refused.to_string(), "conditions did not hold, of the writes the stock");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransactError {
    /// Conditions of the closure's own did not hold.
    #[error("conditions did not hold, of the writes {}", .writes.join(", "))]
    Refused {
        /// The names of the writes whose conditions are known not to have held.
        writes: Vec<String>,
    },
    /// DynamoDB did not answer, or other transactions would not make room. Try again.
    #[error("DynamoDB is not available: {message}")]
    Unavailable {
        /// What was seen last.
        message: String,
    },
    /// No answer came, and DynamoDB could not be asked afterwards. The writes may be done; the next
    /// attempt finds out.
    #[error("nobody knows yet whether the writes were done: {message}")]
    InDoubt {
        /// What was seen last.
        message: String,
    },
    /// DynamoDB does not take such a request: two writes of one item, too many bytes, a table that is
    /// missing, or a permission.
    #[error("DynamoDB does not take these writes: {message}")]
    Invalid {
        /// What it said.
        message: String,
    },
    /// There are more writes than a transaction takes.
    #[error(
        "{count} writes are too many for one transaction, which takes {most}: make several steps"
    )]
    TooMany {
        /// How many there are.
        count: usize,
        /// [How many](crate::limits::TRANSACT_WRITES_MAX) there may be.
        most: usize,
    },
    /// The result cannot be recorded, or not read back.
    #[error("the result of the writes cannot be recorded: {message}")]
    Unrecordable {
        /// Why, and the way out.
        message: String,
    },
    /// An earlier attempt did the writes, and its result has no place in this type. They are done.
    #[error("the recorded result of the writes is not of its type any more: {message}")]
    Unreadable {
        /// Why.
        message: String,
    },
    /// This attempt has begun this part of its step before.
    #[error(
        "this step has had its writes{}: give each their own name, `transact(..).part(\"fee\")`",
        if .part.is_empty() { String::new() } else { format!(" {part:?}") }
    )]
    Twice {
        /// The part; empty if it has no name.
        part: String,
    },
    /// The step returns its writes, and the log of this execution is not in DynamoDB.
    #[error(
        "the step returns writes that belong in one transaction with its event, and the log is not in \
         DynamoDB: give the app a table of markers, `.state(Markers::new(..))`, or return a plain value \
         and make the writes with `transact(..)`"
    )]
    OtherLog,
    /// No step's body runs here, so there is nothing to recognise the writes by.
    #[error(
        "exactly-once writes belong in the body of a step that a workflow has called: make them \
         there, and not in a task that the body starts"
    )]
    OutsideStep,
}

/// What an error answer leads to.
pub(super) enum Trouble {
    /// The same may go well a moment later. Whether it was done nobody knows, if it is `in_doubt`.
    Again { message: String, in_doubt: bool },
    /// It will not.
    Never(TransactError),
}

/// What a failed call means, other than a transaction that was cancelled.
pub(super) fn trouble<E>(error: &SdkError<E, HttpResponse>) -> Trouble
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let message = words(error);
    let SdkError::ServiceError(service) = error else {
        // A request that was never sent, or one without an answer.
        return match error {
            SdkError::ConstructionFailure(_) => Trouble::Never(TransactError::Invalid { message }),
            _ => Trouble::Again { message, in_doubt: true },
        };
    };
    let message = match (service.err().code(), service.err().message()) {
        (Some(code), Some(said)) => format!("{code}: {said}"),
        (Some(code), None) => code.to_owned(),
        _ => message,
    };
    let code = service.err().code().unwrap_or_default();
    // Errors of the service itself may come after it has done what it was asked.
    if service.raw().status().as_u16() >= 500 || code == "TransactionInProgressException" {
        return Trouble::Again { message, in_doubt: true };
    }
    match code {
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "TransactionConflictException" => Trouble::Again { message, in_doubt: false },
        _ => Trouble::Never(TransactError::Invalid { message }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_recorded_and_read_back_as_they_are() {
        let message = || "m".to_owned();
        let errors = [
            (
                TransactError::Refused { writes: vec!["stock".to_owned()] },
                r#"{"refused":{"writes":["stock"]}}"#,
            ),
            (
                TransactError::Unavailable { message: message() },
                r#"{"unavailable":{"message":"m"}}"#,
            ),
            (TransactError::InDoubt { message: message() }, r#"{"in_doubt":{"message":"m"}}"#),
            (TransactError::Invalid { message: message() }, r#"{"invalid":{"message":"m"}}"#),
            (
                TransactError::TooMany { count: 120, most: 99 },
                r#"{"too_many":{"count":120,"most":99}}"#,
            ),
            (
                TransactError::Unrecordable { message: message() },
                r#"{"unrecordable":{"message":"m"}}"#,
            ),
            (TransactError::Unreadable { message: message() }, r#"{"unreadable":{"message":"m"}}"#),
            (TransactError::Twice { part: "fee".to_owned() }, r#"{"twice":{"part":"fee"}}"#),
            (TransactError::OtherLog, r#""other_log""#),
            (TransactError::OutsideStep, r#""outside_step""#),
        ];
        for (error, stored) in errors {
            assert_eq!(serde_json::to_string(&error).unwrap(), stored);
            assert_eq!(serde_json::from_str::<TransactError>(stored).unwrap(), error);
        }
    }
}
