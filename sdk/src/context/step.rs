//! Steps: units of effect whose results are recorded.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::Args;
use super::compensate::{Undoing, declare};
use super::execution::{Execution, current};
use super::output::{Over, StepOutput};
use super::within::{Cut, Times};
use crate::error::{Error, StepFailure};
use crate::event::Failure;
use crate::replay::{Attempt, Body, Fault, Outcome, Policy};
use crate::retry::Retry;

/// What a step's result must be able to do: be recorded, read back, and cross threads.
pub trait Recorded: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Recorded for T {}

/// What a step's attributes say.
#[derive(Debug)]
pub struct StepOptions<E> {
    /// How often and how soon it is tried again. By default [`Retry::new`], and
    /// [`Retry::none`] for an `at_most_once` step.
    pub retry: Option<Retry>,
    /// Which errors are worth another attempt; all that are not terminal, if `None`.
    pub retry_if: Option<fn(&E) -> bool>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How long all attempts and the waits between them may take, from the call.
    pub total_timeout: Option<Duration>,
    /// How long an attempt may be silent.
    pub heartbeat_timeout: Option<Duration>,
    /// Whether an attempt that may have run is never repeated unless the retry policy allows it.
    pub at_most_once: bool,
    /// How the error type takes failures that are not its own.
    pub from_failure: Option<fn(StepFailure) -> E>,
}

impl<E> Default for StepOptions<E> {
    fn default() -> Self {
        Self {
            retry: None,
            retry_if: None,
            timeout: None,
            total_timeout: None,
            heartbeat_timeout: None,
            at_most_once: false,
            from_failure: None,
        }
    }
}

/// Calls a step: what `#[step]` expands to.
///
/// `record` and `body` are called at most once, here and now; `body` only if the log has no
/// result. Outside a workflow the future is the plain body.
///
/// `args` makes the arguments for what a test puts in the place of the body, and is called for
/// nothing else.
pub(crate) fn call<A, O, E, F, Fut>(
    name: Cow<'static, str>,
    location: &'static Location<'static>,
    options: StepOptions<E>,
    record: impl FnOnce(&mut Args),
    body: impl FnOnce() -> F,
    args: impl FnOnce() -> A,
    undoing: impl Undoing<O::Value>,
) -> StepFuture<O::Value, E>
where
    A: 'static,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: Recorded,
{
    let Some(execution) = current() else {
        return StepFuture(Inner::Plain(Box::pin(O::plain(body()))));
    };
    let from_failure = options.from_failure.or_else(everstep_error_takes_failures);
    let mut recorded = Args::default();
    record(&mut recorded);
    let (seq, settled) = {
        let mut engine = execution.engine();
        let input = recorded.finish().unwrap_or_else(|problem| {
            let what = format!("step {name:.64} cannot be recorded");
            engine.fail(Fault::Value { what, problem });
            "null".to_owned()
        });
        engine.call_step(name, location, input)
    };
    if !settled {
        // Clones the user's arguments: their code, so outside the engine's lock.
        let options = StepOptions { from_failure, ..options };
        set_body(&execution, seq, options, body, args);
    }
    declare(&execution, seq, undoing);
    StepFuture(Inner::Durable { execution, seq, from_failure, result: PhantomData })
}

fn set_body<A, O, E, F, Fut>(
    execution: &Execution,
    seq: u32,
    options: StepOptions<E>,
    make: impl FnOnce() -> F,
    args: impl FnOnce() -> A,
) where
    A: 'static,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: Recorded,
{
    #[cfg(feature = "testing")]
    if let Some(probe) = super::probe::current() {
        let (key, input) = {
            let mut engine = execution.engine();
            (engine.key(seq).clone(), engine.step(seq).input.clone())
        };
        let what = format!("what stands in for step {key}");
        let body = super::probe::body(probe, key, input, args, options, make);
        let mut engine = execution.engine();
        match body {
            Ok(body) => engine.set_body(seq, body),
            Err(problem) => engine.fail(Fault::Value { what, problem }),
        }
        return;
    }
    let _ = args;
    let body = StepBody { make: make(), options };
    execution.engine().set_body(seq, Box::new(body));
}

/// The future of a step. Dropping it gives the result up: a body that has not started never
/// does; one that runs is let end (if the workflow does not end before), and its result changes
/// nothing.
///
/// ```
/// use everstep::StepFuture;
/// use everstep::prelude::*;
///
/// /// Several steps that look alike need not be written one by one.
/// fn told(who: &'static str) -> StepFuture<String, everstep::Error> {
///     everstep::step(who, async move || Ok(format!("dear {who}"))).into_future()
/// }
///
/// #[workflow]
/// async fn tell(_input: ()) -> everstep::Result<Vec<String>> {
///     join_all([told("Ada"), told("Alan")]).await.into_iter().collect()
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(tell));
/// assert_eq!(env.run(tell, ()).unwrap(), ["dear Ada", "dear Alan"]);
/// ```
#[must_use = "a step does nothing unless it is awaited"]
pub struct StepFuture<T, E>(Inner<T, E>);

enum Inner<T, E> {
    Durable {
        execution: Arc<Execution>,
        seq: u32,
        from_failure: Option<fn(StepFailure) -> E>,
        result: PhantomData<fn() -> T>,
    },
    Plain(BoxFuture<'static, Result<T, E>>),
    /// Its caller has the result, and the engine has dropped it.
    Done,
}

impl<T: Recorded, E: Recorded> Future for StepFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Plain(body) => body.as_mut().poll(cx),
            Inner::Done => Poll::Pending,
            Inner::Durable { execution, seq, from_failure, .. } => {
                let Poll::Ready(outcome) = execution.poll_call(*seq, cx) else {
                    return Poll::Pending;
                };
                match read(outcome, *from_failure) {
                    Ok(result) => {
                        self.0 = Inner::Done;
                        Poll::Ready(result)
                    }
                    Err(problem) => {
                        let mut engine = execution.engine();
                        let what = format!("the recorded result of step {}", engine.key(*seq));
                        engine.fail(Fault::Value { what, problem });
                        Poll::Pending
                    }
                }
            }
        }
    }
}

impl<T, E> Drop for StepFuture<T, E> {
    fn drop(&mut self) {
        if let Inner::Durable { execution, seq, .. } = &self.0 {
            execution.drop_call(*seq);
        }
    }
}

impl<T, E> fmt::Debug for StepFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepFuture")
    }
}

/// An outcome as the step's own result.
fn read<T: Recorded, E: Recorded>(
    outcome: Outcome,
    from_failure: Option<fn(StepFailure) -> E>,
) -> Result<Result<T, E>, String> {
    let failure = match outcome {
        Outcome::Value(output) => {
            return output.read().map(Ok).map_err(|error| {
                format!("it is not a {} any more: {error}", std::any::type_name::<T>())
            });
        }
        Outcome::Failed(failure) => failure,
        _ => unreachable!("the engine matches outcomes with kinds"),
    };
    let error_type = std::any::type_name::<E>();
    match (&failure, StepFailure::from_recorded(&failure), from_failure) {
        (Failure::Error { value }, ..) => value
            .read()
            .map(Err)
            .map_err(|error| format!("its error is not a {error_type} any more: {error}")),
        (_, Some(failure), Some(from_failure)) => Ok(Err(from_failure(failure))),
        _ => Err(format!("{error_type} has no From<StepFailure> any more: {}", failure.message())),
    }
}

pub(super) struct StepBody<F, E> {
    pub(super) make: F,
    pub(super) options: StepOptions<E>,
}

impl<O, E, F, Fut> Body for StepBody<F, E>
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: Recorded,
{
    fn attempt(&self) -> BoxFuture<'static, Attempt> {
        let make = self.make.clone();
        let retry_if = self.options.retry_if;
        let times = Times {
            attempt: self.options.timeout,
            total: self.options.total_timeout,
            silence: self.options.heartbeat_timeout,
        };
        async move {
            match times.within(O::attempt(make, retry_if)).await {
                Ok(Over(attempt)) => attempt,
                Err(Cut { failure, retryable }) => Attempt::Failed { failure, retryable },
            }
        }
        .boxed()
    }

    fn policy(&self) -> Policy {
        Policy {
            retry: self.options.retry.unwrap_or(if self.options.at_most_once {
                Retry::none()
            } else {
                Retry::new()
            }),
            at_most_once: self.options.at_most_once,
            total_timeout: self.options.total_timeout,
            takes_failures: self.options.from_failure.is_some(),
        }
    }
}

/// Refuses a time of zero in `option`, where whoever forgot to set it finds it.
#[track_caller]
pub(super) fn not_zero(option: &str, time: Duration) {
    assert!(!time.is_zero(), "{option}(0) leaves no time at all: leave it out for no limit");
}

/// everstep's own error type takes every failure; no attribute is needed to say so.
fn everstep_error_takes_failures<E: 'static>() -> Option<fn(StepFailure) -> E> {
    let from: fn(StepFailure) -> Error = Error::from;
    (&from as &dyn Any).downcast_ref::<fn(StepFailure) -> E>().copied()
}
