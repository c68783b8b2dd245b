//! Why a function was not called, or not in vain.

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError as Service;
use serde::{Deserialize, Serialize};

use crate::error::{Error, StepFailure, chain};

/// Why there is no reply of a function. It can be a step's error, or part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InvokeError {
    /// The function returned an error, or raised one.
    #[error("function {function} failed: {kind}: {message}")]
    Failed {
        /// The function.
        function: String,
        /// What kind of error, in the function's words: the name of a type or a class.
        kind: String,
        /// Its text.
        message: String,
    },
    /// The function's process ended, or did not come up.
    #[error("function {function} crashed: {message}")]
    Crashed {
        /// The function.
        function: String,
        /// What Lambda says of it.
        message: String,
    },
    /// The function took longer than its time-out.
    #[error("function {function} timed out: {message}")]
    TimedOut {
        /// The function.
        function: String,
        /// What Lambda says of it.
        message: String,
    },
    /// Too many calls of it run. It was not called.
    #[error("function {function} is throttled: {message}")]
    Throttled {
        /// The function.
        function: String,
        /// What Lambda says of it.
        message: String,
    },
    /// There is no such function, version or alias. Nothing was called.
    #[error("there is no function {function}: {message}")]
    NotFound {
        /// The function.
        function: String,
        /// What Lambda says of it.
        message: String,
    },
    /// The role may not call it: it needs `lambda:InvokeFunction`. Nothing was called.
    #[error("function {function} may not be invoked by this role: {message}")]
    Denied {
        /// The function.
        function: String,
        /// What Lambda says of it.
        message: String,
    },
    /// The request is larger than Lambda takes. Nothing was called.
    #[error(
        "the request to {function} has {bytes} bytes and at most {bytes_max} can be sent: store it elsewhere (S3) and send where it is"
    )]
    TooLarge {
        /// The function.
        function: String,
        /// The size of the request's JSON.
        bytes: usize,
        /// The most there may be.
        bytes_max: usize,
    },
    /// The function replied, and it is not the type that was asked for.
    #[error("the reply of {function} cannot be read: {problem}")]
    Unreadable {
        /// The function.
        function: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Lambda refuses the request as it is. Nothing was called.
    #[error("the request to {function} was refused: {message}")]
    Refused {
        /// The function.
        function: String,
        /// Why.
        message: String,
    },
    /// There was no answer of Lambda. The function may have been called.
    #[error("no answer of function {function}: {message}")]
    Unavailable {
        /// The function.
        function: String,
        /// Why.
        message: String,
    },
    /// The step failed otherwise.
    #[error(transparent)]
    Step(#[from] StepFailure),
}

impl InvokeError {
    /// Whether another attempt may end differently, for `retry_if`: the function crashed, timed out
    /// or was throttled, or Lambda did not answer. What the function itself returned as an error is
    /// its answer; to try that again, say so in a `retry_if` of your own.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Crashed { .. }
                | Self::TimedOut { .. }
                | Self::Throttled { .. }
                | Self::Unavailable { .. }
        )
    }

    /// As everstep's own error, terminal unless it is [retryable](Self::is_retryable).
    ///
    /// ```
    /// use everstep::invoke::InvokeError;
    ///
    /// let (function, message) = ("resize".to_owned(), "no such version".to_owned());
    /// let gone = InvokeError::NotFound { function, message };
    /// assert!(!gone.is_retryable());
    /// assert!(gone.into_error().is_terminal()); // the step is not tried again
    /// ```
    #[must_use]
    pub fn into_error(self) -> Error {
        let retryable = self.is_retryable();
        let error = Error::from(self);
        if retryable { error } else { error.terminal() }
    }

    /// The function ended, and this is what it said.
    pub(super) fn function_failed(function: &str, payload: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Said {
            #[serde(default, rename = "errorType")]
            kind: String,
            #[serde(default, rename = "errorMessage")]
            message: String,
        }
        let function = function.to_owned();
        let said = serde_json::from_slice::<Said>(payload).unwrap_or_else(|_| {
            let message = String::from_utf8_lossy(payload).chars().take(500).collect();
            Said { message, ..Said::default() }
        });
        let Said { kind, message } = said;
        if kind == "Sandbox.Timedout" || message.contains("Task timed out after") {
            return Self::TimedOut { function, message };
        }
        // Lambda's own names for what happened to the process.
        let crashed = ["Runtime.", "Sandbox.", "Extension."];
        if crashed.iter().any(|prefix| kind.starts_with(prefix)) {
            return Self::Crashed { function, message: format!("{kind}: {message}") };
        }
        Self::Failed { function, kind, message }
    }

    /// The call itself failed.
    pub(super) fn not_invoked<R: std::fmt::Debug + Send + Sync + 'static>(
        function: &str,
        error: SdkError<Service, R>,
    ) -> Self {
        let (function, text) = (function.to_owned(), chain(&error));
        let refused = match &error {
            SdkError::ServiceError(refused) => refused,
            // It was never sent: there is no such request, for a function without a name.
            SdkError::ConstructionFailure(_) => return Self::Refused { function, message: text },
            _ => return Self::Unavailable { function, message: text },
        };
        let service = refused.err();
        let message = service.message().unwrap_or(&text).to_owned();
        match service.code().unwrap_or_default() {
            "TooManyRequestsException" | "ThrottlingException" | "EC2ThrottledException" => {
                Self::Throttled { function, message }
            }
            "ResourceNotFoundException" => Self::NotFound { function, message },
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException" => Self::Denied { function, message },
            "RequestTooLargeException"
            | "InvalidParameterValueException"
            | "InvalidRequestContentException"
            | "UnsupportedMediaTypeException"
            | "ValidationException" => Self::Refused { function, message },
            // States that pass (a function that is being updated), and errors of the service.
            code => Self::Unavailable { function, message: format!("{code}: {message}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_says_at_its_end_is_told_apart() {
        let kind = |said: &str| match InvokeError::function_failed("f", said.as_bytes()) {
            InvokeError::Failed { kind, message, .. } => format!("failed {kind} {message}"),
            InvokeError::Crashed { message, .. } => format!("crashed {message}"),
            InvokeError::TimedOut { message, .. } => format!("timed out {message}"),
            other => format!("{other:?}"),
        };
        for (said, expected) in [
            (r#"{"errorType":"NoSuchPicture","errorMessage":"p 7"}"#, "failed NoSuchPicture p 7"),
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 3.00 seconds"}"#,
                "timed out RequestId: 1 Error: Task timed out after 3.00 seconds",
            ),
            (
                r#"{"errorMessage":"2026-01-01T00:00:00.000Z 1 Task timed out after 3.00 seconds"}"#,
                "timed out 2026-01-01T00:00:00.000Z 1 Task timed out after 3.00 seconds",
            ),
            (
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: killed"}"#,
                "crashed Runtime.ExitError: RequestId: 1 Error: Runtime exited with error: signal: killed",
            ),
            ("no json", "failed  no json"),
            ("", "failed  "),
        ] {
            assert_eq!(kind(said), expected);
        }
    }

    #[test]
    fn a_request_that_cannot_be_made_is_not_tried_again() {
        let unmade = SdkError::<Service, ()>::construction_failure("a function has a name");
        let error = InvokeError::not_invoked("", unmade);
        assert!(matches!(error, InvokeError::Refused { .. }), "{error:?}");
        assert!(!error.is_retryable());
        let unheard = SdkError::<Service, ()>::timeout_error("it took too long");
        assert!(InvokeError::not_invoked("f", unheard).is_retryable());
        let unread = SdkError::<Service, _>::response_error("it is no JSON", "the card 4242");
        let error = InvokeError::not_invoked("f", unread);
        let said = format!("{error} {error:?}");
        assert!(said.contains("no JSON") && !said.contains("4242"), "{said}");
    }

    #[test]
    fn its_stored_form_stays() {
        let (function, message) = ("f".to_owned(), "no".to_owned());
        for (error, stored) in [
            (
                InvokeError::Failed {
                    function: "f".into(),
                    kind: "K".into(),
                    message: "no".into(),
                },
                r#"{"failed":{"function":"f","kind":"K","message":"no"}}"#,
            ),
            (
                InvokeError::TimedOut { function, message },
                r#"{"timed_out":{"function":"f","message":"no"}}"#,
            ),
            (
                InvokeError::TooLarge { function: "f".into(), bytes: 7, bytes_max: 6 },
                r#"{"too_large":{"function":"f","bytes":7,"bytes_max":6}}"#,
            ),
            (
                InvokeError::Step(StepFailure::Interrupted { message: "gone".into() }),
                r#"{"step":{"interrupted":{"message":"gone"}}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&error).unwrap(), stored);
            assert_eq!(serde_json::from_str::<InvokeError>(stored).unwrap(), error);
        }
    }
}
