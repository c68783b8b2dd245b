//! How an attempt of a step failed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Json;

/// How an attempt of a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// The body returned this error.
    Error {
        /// The error, as its type is recorded.
        value: Json,
    },
    /// The body panicked.
    Panicked {
        /// The panic's text and place.
        message: String,
    },
    /// The attempt's time was up.
    TimedOut {
        /// The time-out, in milliseconds.
        after_ms: u64,
    },
    /// The host stopped or died before the body ended.
    Interrupted {
        /// How.
        message: String,
    },
    /// The body ended, but its result cannot be recorded.
    Unrecordable {
        /// Why, and the way out.
        message: String,
    },
}

impl Failure {
    /// Whether the body may have done all it does: it did not say how it ended.
    pub(crate) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Panicked { .. } | Self::TimedOut { .. } | Self::Interrupted { .. })
    }

    /// What went wrong, in one line.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Error { value } => error_text(value),
            Self::Panicked { message } => format!("panicked: {message}"),
            Self::TimedOut { after_ms } => {
                format!(
                    "timed out after {}",
                    humantime::format_duration(Duration::from_millis(*after_ms))
                )
            }
            Self::Interrupted { message } => format!("interrupted: {message}"),
            Self::Unrecordable { message } => message.clone(),
        }
    }
}

/// The text of a recorded error: its own where it has one, else the JSON.
pub(crate) fn error_text(error: &Json) -> String {
    #[derive(Deserialize)]
    struct WithMessage {
        message: String,
        #[serde(default)]
        causes: Vec<String>,
    }
    if let Ok(text) = error.read::<String>() {
        return text;
    }
    match error.read::<WithMessage>() {
        Ok(WithMessage { message, causes }) => {
            causes.iter().fold(message, |text, cause| text + ": " + cause)
        }
        Err(_) => error.to_string(),
    }
}
