//! Why an app cannot be a host, and why a host stopped.

use super::retention::InvalidRetention;
use crate::backend::BackendError;
use crate::context::MissingState;
use crate::notify::NotificationsError;
use crate::telemetry::MetricsError;

/// Why an app cannot be a host.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::AppError;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::new().workflow(sell).workflow(sell).backend(Backend::memory());
/// match app.worker().await {
///     Err(AppError::SameName { name }) => assert_eq!(name, "sell"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Two workflows have one name.
    #[error(
        "two workflows are named {name:?}: give one of them another with #[workflow(name = \"...\")]"
    )]
    SameName {
        /// The name.
        name: &'static str,
    },
    /// Two closures take the same source.
    #[error("two closures of App::on take {source_name}: decide in one of them")]
    SameSource {
        /// What both take.
        source_name: &'static str,
    },
    /// There is nothing to run.
    #[error("no workflow is registered: call App::workflow(...)")]
    NoWorkflow,
    /// Closed executions cannot be kept for such a time: correct it in the program, or in
    /// `EVERSTEP_RETENTION`.
    #[error(transparent)]
    Retention(#[from] InvalidRetention),
    /// A workflow takes a state that the app was not given.
    #[error(transparent)]
    MissingState(#[from] MissingState),
    /// The backend cannot be reached.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// `EVERSTEP_METRICS` says something that is no way to write metrics: correct it.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The variable `EVERSTEP_NOTIFY` names nobody who can be notified.
    #[error(transparent)]
    Notifications(#[from] NotificationsError),
}

/// Why a host stopped.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::{AppError, RunError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match App::new().backend(Backend::memory()).run().await {
///     Err(RunError::App(AppError::NoWorkflow)) => {} // there is nothing to run
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It never started.
    #[error(transparent)]
    App(#[from] AppError),
    /// Its queue cannot be used.
    #[error(transparent)]
    Queue(#[from] crate::wake::QueueError),
    /// Its store cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The app's front cannot be served.
    #[cfg(feature = "http")]
    #[error("nothing can be served at {address}")]
    Http {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The app's front asks nobody who they are, and others than this machine would reach it.
    #[cfg(feature = "http")]
    #[error(
        "everybody who reaches {address} could do everything: give the front a bearer token or a condition, or say that it is open"
    )]
    Unguarded {
        /// Where.
        address: String,
    },
    /// This program runs in Lambda and was built without what that takes: build it again with the
    /// feature.
    #[error(
        "this program runs in Lambda, which needs the feature \"aws\" of everstep, and is built without it"
    )]
    LambdaNotBuiltIn,
    /// The Lambda runtime gave up.
    #[cfg(feature = "aws")]
    #[error("the Lambda runtime failed")]
    Lambda(#[source] crate::store::BoxError),
}
