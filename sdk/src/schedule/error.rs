//! Why a schedule was not created, or does not do what it is asked.

use super::InvalidTimes;
use super::limits::{CATCH_UP_MIN, INPUT_BYTES_MAX, SCHEDULE_ID_BYTES_MAX};
use crate::client::{HistoryError, StartError, UpdateError};
use crate::event::UnrecordableValue;

/// A text that is no schedule's id.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::InvalidScheduleId;
///
/// let client = Client::new(&Backend::memory());
/// let refused: InvalidScheduleId = client.schedule("two\nlines").unwrap_err();
/// assert_eq!(refused.id, "two\nlines");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a schedule's id has 1 to {SCHEDULE_ID_BYTES_MAX} bytes and no control characters: {id:?}")]
#[non_exhaustive]
pub struct InvalidScheduleId {
    /// The text.
    pub id: String,
}

/// Why a schedule was not created, or does not do what it is asked.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::ScheduleError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(&Backend::memory());
/// match client.schedule("report-north")?.describe().await {
///     Err(ScheduleError::Unknown { id }) => assert_eq!(id, "report-north"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Its times are none.
    #[error(transparent)]
    Times(#[from] InvalidTimes),
    /// The input of the workflow cannot be recorded.
    #[error("the input cannot be recorded: {0}")]
    Input(#[from] UnrecordableValue),
    /// The input of the workflow is too large.
    #[error(
        "the input has {bytes} bytes and a schedule keeps {INPUT_BYTES_MAX} at most: store it elsewhere and pass where it is"
    )]
    InputTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The catch-up window is too short.
    #[error("a catch-up window has at least {} seconds", CATCH_UP_MIN.as_secs())]
    CatchUp,
    /// The client is that of an app which does not serve schedules.
    #[error("this app serves no schedules: add App::schedules()")]
    NotServed,
    /// There is a schedule with this id, and it does something else: update or delete it.
    #[error("there is another schedule {id:?}: update it, or delete it first")]
    Exists {
        /// The id.
        id: String,
    },
    /// There is no schedule with this id: it was never created, was deleted, or has come to its
    /// last time.
    #[error("there is no schedule {id:?}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// What it would start cannot be started, or the schedule itself cannot.
    #[error(transparent)]
    Start(StartError),
    /// It has not answered.
    #[error("schedule {id:?} has not answered")]
    Ask {
        /// The id.
        id: String,
        /// Why not.
        source: UpdateError,
    },
    /// What it started cannot be started, and this is why.
    #[error("schedule {id:?} cannot start it: {problem}")]
    Refused {
        /// The id.
        id: String,
        /// Why.
        problem: String,
    },
    /// What is stored of it cannot be had or read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What is stored of it was written by a newer program, or is none of a schedule's.
    #[error("what is stored of schedule {id:?} cannot be read")]
    Unreadable {
        /// The id.
        id: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}
