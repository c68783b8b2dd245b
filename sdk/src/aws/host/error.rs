//! Why an invocation failed, and what Lambda tells of it.

use lambda_runtime::Diagnostic;

use crate::client::StartError;
use crate::error::chain;
use crate::store::BoxError;
use crate::sweep::SweepError;
use crate::trigger::{HttpSource, TriggerError, UnknownEvent};

/// Why an invocation failed. Lambda tells the caller the name and the text.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvocationError {
    #[error(transparent)]
    UnknownEvent(#[from] UnknownEvent),
    #[error("this is a request from {0}, and this function answers no HTTP requests")]
    NoHttpFront(HttpSource),
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    #[error("{failed} of {of} records failed, and all are to be delivered again: the first")]
    Records { failed: usize, of: usize, source: TriggerError },
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[cfg(feature = "http")]
    #[error(transparent)]
    NotHttp(#[from] crate::http::NotHttp),
    #[error("the answer is no JSON")]
    Answer(#[from] serde_json::Error),
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        let error_type = match &error {
            InvocationError::UnknownEvent(_) => "Everstep.UnknownEvent",
            InvocationError::NoHttpFront(_) => "Everstep.NoHttpFront",
            InvocationError::Trigger(error) | InvocationError::Records { source: error, .. } => {
                error_type(error)
            }
            InvocationError::Sweep(_) => "Everstep.NotSwept",
            #[cfg(feature = "http")]
            InvocationError::NotHttp(_) => "Everstep.UnknownEvent",
            InvocationError::Answer(_) => "Everstep.Answer",
        };
        let error: BoxError = error.into();
        Self { error_type: error_type.to_owned(), error_message: chain(&*error) }
    }
}

fn error_type(error: &TriggerError) -> &'static str {
    match error {
        TriggerError::Malformed(_) => "Everstep.Malformed",
        TriggerError::NoHandler { .. } => "Everstep.NoHandler",
        TriggerError::Refused { .. } => "Everstep.Refused",
        TriggerError::Start(StartError::UnknownWorkflow { .. }) => "Everstep.UnknownWorkflow",
        TriggerError::Start(StartError::WrongInput { .. }) => "Everstep.InvalidInput",
        TriggerError::Start(StartError::Exists { .. }) => "Everstep.Exists",
        TriggerError::Start(_) => "Everstep.NotStarted",
        TriggerError::Send(_) => "Everstep.NotSent",
        TriggerError::Promise(_) => "Everstep.NotCompleted",
        TriggerError::InvalidId(_) => "Everstep.InvalidId",
        TriggerError::Payload(_) => "Everstep.InvalidPayload",
    }
}
