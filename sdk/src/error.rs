//! The error for people who need no type of their own, and what a step can die of.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Failure;

/// A `Result` with everstep's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, recordable: its text and the texts of its causes.
///
/// `?` turns every `std::error::Error` into it. A step that returns it is tried again, unless the
/// error is [terminal](Self::terminal). It does not implement `std::error::Error` itself, or the
/// conversion could not exist; errors that do not either, such as anyhow's or a boxed one, come in
/// with `map_err(Error::msg)`.
///
/// ```
/// use everstep::Error;
///
/// fn count(text: &str) -> everstep::Result<u32> {
///     Ok(text.parse::<u32>()?)
/// }
///
/// let error: Error = count("seven").unwrap_err().context("the order is no good");
/// assert_eq!(error.to_string(), "the order is no good");
/// assert_eq!(format!("{error:#}"), "the order is no good: invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    terminal: bool,
}

impl Error {
    /// An error with this text.
    ///
    /// ```
    /// # use everstep::Error;
    /// assert_eq!(Error::msg("no money").to_string(), "no money");
    /// ```
    pub fn msg(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), causes: Vec::new(), terminal: false }
    }

    /// The same error, but a step that returns it is not tried again.
    ///
    /// ```
    /// # use everstep::Error;
    /// assert!(Error::msg("no such card").terminal().is_terminal());
    /// ```
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Whether a step that returns it is not tried again.
    ///
    /// ```
    /// # use everstep::Error;
    /// assert!(!Error::msg("the bank is busy").is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The same error under a text that says what failed.
    ///
    /// ```
    /// # use everstep::Error;
    /// let error = Error::msg("no money").context("the sale failed");
    /// assert_eq!(format!("{error:#}"), "the sale failed: no money");
    /// ```
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, what.to_string()));
        self
    }

    /// The texts of the causes, the nearest first.
    ///
    /// ```
    /// # use everstep::Error;
    /// let error = Error::msg("no money").context("the sale failed");
    /// assert_eq!(error.causes().collect::<Vec<_>>(), ["no money"]);
    /// ```
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.causes.iter().map(String::as_str)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { message: error.to_string(), causes, terminal: false }
    }
}

/// The text; with `{:#}` the causes behind it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if f.alternate() {
            for cause in &self.causes {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// An error and its causes, in a line.
pub(crate) fn chain(error: impl std::error::Error) -> String {
    format!("{:#}", Error::from(error))
}

/// Ends retries with one word: `fetch(url).await.terminal()?`.
///
/// ```
/// use everstep::Terminal;
///
/// let parsed = "seven".parse::<u32>().terminal();
/// assert!(parsed.unwrap_err().is_terminal());
/// ```
pub trait Terminal<T> {
    /// An `Err` becomes a terminal [`Error`].
    fn terminal(self) -> Result<T>;
}

impl<T, E: Into<Error>> Terminal<T> for std::result::Result<T, E> {
    fn terminal(self) -> Result<T> {
        self.map_err(|error| error.into().terminal())
    }
}

/// How a step failed when it was not by an error of its own.
///
/// A step's error type takes it by `From<StepFailure>`; [`Error`] does. It can be part of an error
/// type that is recorded.
///
/// ```
/// use everstep::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// enum ChargeError {
///     Declined,
///     Unknown(StepFailure),
/// }
///
/// impl From<StepFailure> for ChargeError {
///     fn from(failure: StepFailure) -> Self {
///         Self::Unknown(failure)
///     }
/// }
///
/// #[step(timeout = "5s", retry = none)]
/// async fn charge(cents: u64) -> Result<u64, ChargeError> {
///     if cents > 100_000 {
///         return Err(ChargeError::Declined);
///     }
///     std::future::pending().await // the bank does not answer
/// }
///
/// #[workflow]
/// async fn sell(cents: u64) -> Result<String, ChargeError> {
///     match charge(cents).await {
///         Err(ChargeError::Unknown(failure)) => Ok(failure.to_string()),
///         other => other.map(|cents| cents.to_string()),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(sell));
/// # assert_eq!(env.run(sell, 5).unwrap(), "the step timed out after 5s");
/// # assert!(env.run(sell, 500_000).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepFailure {
    /// The last attempt panicked.
    #[error("the step panicked: {message}")]
    Panicked {
        /// The panic's text and place.
        message: String,
    },
    /// The last attempt took longer than its `timeout`.
    #[error("the step timed out after {}", humantime::format_duration(*.after))]
    TimedOut {
        /// The time-out.
        after: Duration,
    },
    /// The host stopped or died during the last attempt, and no other is allowed.
    #[error("the step was interrupted: {message}")]
    Interrupted {
        /// How.
        message: String,
    },
    /// The step ended, but its result cannot be recorded.
    #[error("the step's result cannot be recorded: {message}")]
    Unrecordable {
        /// Why, and the way out.
        message: String,
    },
}

impl StepFailure {
    /// The failure as the workflow sees it; `None` if it is an error of the step's own type.
    pub(crate) fn from_recorded(failure: &Failure) -> Option<Self> {
        Some(match failure {
            Failure::Error { .. } => return None,
            Failure::Panicked { message } => Self::Panicked { message: message.clone() },
            Failure::TimedOut { after_ms } => {
                Self::TimedOut { after: Duration::from_millis(*after_ms) }
            }
            Failure::Interrupted { message } => Self::Interrupted { message: message.clone() },
            Failure::Unrecordable { message } => Self::Unrecordable { message: message.clone() },
        })
    }
}
