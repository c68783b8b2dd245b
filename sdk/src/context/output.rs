//! What a step's body returns, and what its attempt comes to.

use std::any::Any;
use std::future::Future;

use super::record::record;
use super::step::Recorded;
use crate::error::Error;
use crate::event::Failure;
use crate::replay::Attempt;

/// What may stand in the `Ok` of a step's body: a value that is recorded, or one that comes with
/// writes.
pub trait StepOutput<E>: Sized + 'static {
    /// What the step returns.
    type Value: Recorded;

    /// Runs a body as an attempt.
    fn attempt<F, Fut>(
        body: F,
        retry_if: Option<fn(&E) -> bool>,
    ) -> impl Future<Output = Over> + Send
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Self, E>> + Send;

    /// Runs it as the plain function, outside a workflow.
    fn plain<F, Fut>(body: F) -> impl Future<Output = Result<Self::Value, E>> + Send
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Self, E>> + Send;
}

/// How an attempt has ended.
#[derive(Debug)]
pub struct Over(pub(crate) Attempt);

impl<T: Recorded, E: Recorded> StepOutput<E> for T {
    type Value = T;

    async fn attempt<F, Fut>(body: F, retry_if: Option<fn(&E) -> bool>) -> Over
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        Over(match body().await {
            Ok(output) => completed(&output),
            Err(error) => failed(&error, retry_if),
        })
    }

    async fn plain<F, Fut>(body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        body().await
    }
}

pub(crate) fn completed<T: Recorded>(output: &T) -> Attempt {
    match record(output) {
        Ok(output) => Attempt::Completed(output),
        Err(message) => unrecordable(message),
    }
}

pub(crate) fn failed<E: Recorded>(error: &E, retry_if: Option<fn(&E) -> bool>) -> Attempt {
    let ours = (error as &dyn Any).downcast_ref::<Error>();
    let retryable =
        retry_if.is_none_or(|worth_it| worth_it(error)) && !ours.is_some_and(Error::is_terminal);
    match record(error) {
        Ok(value) => Attempt::Failed { failure: Failure::Error { value }, retryable },
        Err(message) => unrecordable(message),
    }
}

fn unrecordable(message: String) -> Attempt {
    Attempt::Failed { failure: Failure::Unrecordable { message }, retryable: false }
}
