//! SQLite's failures in the words of the two traits.

use rusqlite::ErrorCode;

use crate::store::{BoxError, StoreError};
use crate::wake::QueueError;

/// Why a piece of work on the database did not end well.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Sqlite(error) => match remedy(&error) {
                Some(remedy) => Self::unusable(remedy, error),
                None => Self::unavailable(reason(&error), error),
            },
        }
    }
}

impl From<Fault> for QueueError {
    fn from(fault: Fault) -> Self {
        let (text, source, retryable): (String, Option<BoxError>, bool) =
            match StoreError::from(fault) {
                StoreError::Unavailable { reason, source } => (reason, source, true),
                StoreError::Unusable { remedy, source } => (remedy, source, false),
                other => (other.to_string(), None, false),
            };
        if retryable {
            Self::Unavailable { reason: text, source }
        } else {
            Self::Unusable { remedy: text, source }
        }
    }
}

/// A failure that says why the database gave no answer, without SQLite's own words for it.
pub(super) fn stopped() -> Fault {
    Fault::Store(StoreError::Unavailable {
        reason: "the database of this process is shutting down".into(),
        source: None,
    })
}

/// The same failure once more, for everyone whose work failed with it.
pub(super) fn again(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            rusqlite::Error::SqliteFailure(*code, text.clone())
        }
        other => rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
            Some(other.to_string()),
        ),
    }
}

/// What to do about a failure that trying again does not heal.
fn remedy(error: &rusqlite::Error) -> Option<&'static str> {
    Some(match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is not an SQLite database: name another file",
        Some(ErrorCode::DatabaseCorrupt) => {
            "the database is damaged: put back a copy of it, or save what can be read with the \
             command `.recover` of the program sqlite3"
        }
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => {
            "the database, or the folder it lies in, cannot be written by this user (or the file \
             was moved while it was open): SQLite keeps two files beside it and must be able to \
             make them"
        }
        Some(ErrorCode::CannotOpen) => {
            "the database cannot be opened: check that its folder exists and that this user may \
             write there"
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::OutOfMemory) => {
            return None;
        }
        Some(
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted,
        ) => {
            return None;
        }
        _ => {
            "the database does not hold what this program expects: it was changed by hand or by \
              another program"
        }
    })
}

fn reason(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process keeps the database locked"
        }
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::SystemIoFailure) => "the disk reported an error",
        _ => "SQLite was interrupted",
    }
}
