//! Why a transaction has no result.

use serde::{Deserialize, Serialize};
use sqlx::error::DatabaseError;

/// Why a transaction's closure wants it rolled back.
///
/// `?` makes one of sqlx's errors. An error of the step's own is given with
/// [`Because`](Self::Because): it comes out of the transaction as it is.
#[derive(Debug)]
pub enum Rollback<E> {
    /// The step's own reason.
    Because(E),
    /// What the database said. If another try may help (a serialization failure, a deadlock, a lost
    /// connection), the closure runs again; otherwise it is a [`TransactionError::Database`].
    Database(sqlx::Error),
}

impl<E> From<sqlx::Error> for Rollback<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Why a transaction has no result, other than for a reason of the step's own.
///
/// It can be part of an error type that is recorded. Unless a variant says otherwise, the attempt has
/// committed nothing; one before it that was [`InDoubt`](Self::InDoubt) may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransactionError {
    /// The database, or sqlx, refused a statement of the closure, or the commit.
    #[error("the database refused: {message}")]
    Database {
        /// What was said.
        message: String,
        /// The [SQLSTATE](https://www.postgresql.org/docs/current/errcodes-appendix.html), if the
        /// database said it: `23505` is a unique violation.
        code: Option<String>,
        /// The constraint that would have been violated.
        constraint: Option<String>,
    },
    /// The database did not answer, or conflicts with other transactions would not end. Try again.
    #[error("the database is not available: {message}")]
    Unavailable {
        /// What was seen last.
        message: String,
    },
    /// The answer to COMMIT was lost, and the database could not be asked afterwards. The effect may be
    /// there; the next attempt finds out.
    #[error("nobody knows yet whether the transaction was committed: {message}")]
    InDoubt {
        /// What was seen last.
        message: String,
    },
    /// What the closure returned cannot be recorded, or not read back.
    #[error("the transaction's result cannot be recorded: {message}")]
    Unrecordable {
        /// Why, and the way out.
        message: String,
    },
    /// An earlier attempt committed, and what it returned has no place in this type. The effect is there.
    #[error("the recorded result of the transaction is not of its type any more: {message}")]
    Unreadable {
        /// Why.
        message: String,
    },
    /// This attempt has begun this part of its step before.
    #[error(
        "this step has had its transaction{}: give each its own name, \
         `transaction(..).part(\"fee\")`",
        if .part.is_empty() { String::new() } else { format!(" {part:?}") }
    )]
    Twice {
        /// The part; empty if it has no name.
        part: String,
    },
    /// No step's body runs here, so there is nothing to recognise the transaction by.
    #[error(
        "a transaction belongs in the body of a step that a workflow has called: make it there, and \
         not in a task that the body starts"
    )]
    OutsideStep,
    /// The closure ended the transaction itself, or kept it. Part of the effect may be there.
    #[error(
        "the transaction was committed, rolled back or kept by its closure: leave its end to \
         everstep"
    )]
    Interfered,
    /// The table of results is missing.
    #[error(
        "the table everstep_steps is missing: call everstep::postgres::setup, or run its SQL with \
         your migrations"
    )]
    NotSetUp,
}

/// What an error of the database leads to.
pub(super) enum Trouble {
    /// The same may go well on another connection, a moment later.
    Again(String),
    /// It will not.
    Never(TransactionError),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        let message = error.to_string();
        match &error {
            sqlx::Error::Database(said) if is_passing(&**said) => Self::Again(message),
            sqlx::Error::Database(said) => Self::Never(TransactionError::Database {
                message: said.message().to_owned(),
                code: said.code().map(Into::into),
                constraint: said.constraint().map(Into::into),
            }),
            sqlx::Error::Io(_) | sqlx::Error::BeginFailed | sqlx::Error::WorkerCrashed => {
                Self::Again(message)
            }
            // A server that ends in the middle of a message.
            sqlx::Error::Protocol(_) => Self::Again(message),
            _ => Self::Never(TransactionError::Database { message, code: None, constraint: None }),
        }
    }
}

/// Whether the database itself expects another try to help, as
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html> has it.
fn is_passing(said: &dyn DatabaseError) -> bool {
    let Some(code) = said.code() else { return false };
    match &*code {
        // Conflicts: serialization failure, deadlock, an end that nobody saw.
        "40001" | "40P01" | "40003" => true,
        // After a failover the connections of the old writer can only read.
        "25006" => true,
        // A transaction that was idle for too long: its connection is gone.
        "25P03" => true,
        // Too many connections; shut down, crashed, starting up.
        "53300" | "57P01" | "57P02" | "57P03" => true,
        code => code.starts_with("08"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_recorded_and_read_back_as_they_are() {
        let message = || "m".to_owned();
        let database = |code: Option<&str>, constraint: Option<&str>| TransactionError::Database {
            message: message(),
            code: code.map(str::to_owned),
            constraint: constraint.map(str::to_owned),
        };
        let errors = [
            (
                database(Some("23505"), Some("orders_pkey")),
                r#"{"database":{"message":"m","code":"23505","constraint":"orders_pkey"}}"#,
            ),
            (database(None, None), r#"{"database":{"message":"m","code":null,"constraint":null}}"#),
            (
                TransactionError::Unavailable { message: message() },
                r#"{"unavailable":{"message":"m"}}"#,
            ),
            (TransactionError::InDoubt { message: message() }, r#"{"in_doubt":{"message":"m"}}"#),
            (
                TransactionError::Unrecordable { message: message() },
                r#"{"unrecordable":{"message":"m"}}"#,
            ),
            (
                TransactionError::Unreadable { message: message() },
                r#"{"unreadable":{"message":"m"}}"#,
            ),
            (TransactionError::Twice { part: "fee".to_owned() }, r#"{"twice":{"part":"fee"}}"#),
            (TransactionError::OutsideStep, r#""outside_step""#),
            (TransactionError::Interfered, r#""interfered""#),
            (TransactionError::NotSetUp, r#""not_set_up""#),
        ];
        for (error, stored) in errors {
            assert_eq!(serde_json::to_string(&error).unwrap(), stored);
            assert_eq!(serde_json::from_str::<TransactionError>(stored).unwrap(), error);
        }
    }

    #[test]
    fn a_second_transaction_is_told_how_to_have_a_name() {
        let unnamed = TransactionError::Twice { part: String::new() }.to_string();
        assert!(unnamed.starts_with("this step has had its transaction: give each"), "{unnamed}");
        let named = TransactionError::Twice { part: "fee".to_owned() }.to_string();
        assert!(named.starts_with("this step has had its transaction \"fee\": give"), "{named}");
    }
}
