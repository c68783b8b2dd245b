//! Waiting for a signal.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::execution::{Execution, expect_current};
use crate::payload::read_arrived;
use crate::replay::Outcome;

/// Waits for the next signal called `name` and takes it. A name has 1 to 256 bytes and no control
/// characters; another one blocks the execution.
///
/// Signals are kept from the moment they are sent, in the order they arrived, whether or not
/// anybody waits; each goes to one wait. Waits of one name are served in the order they were
/// first polled. Dropping the future gives up its place; a signal it had been given but had not
/// returned goes to the next wait.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn greet(_input: ()) -> everstep::Result<String> {
///     let name = signal::<String>("name").await?;
///     Ok(format!("hello {name}"))
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(greet));
/// # let greeting = env.start(greet, ());
/// # greeting.signal("name", "Ada");
/// # assert_eq!(greeting.result().unwrap(), "hello Ada");
/// ```
///
/// # Errors
/// The payload is not a `T`. The signal is gone then, and the execution goes on.
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn signal<T: DeserializeOwned>(name: impl Into<Cow<'static, str>>) -> Signal<T> {
    Signal::call(expect_current("everstep::signal()"), name.into(), Location::caller())
}

/// The future of [`signal`].
///
/// ```
/// use everstep::Signal;
/// use everstep::prelude::*;
///
/// /// The name and the type of the signal, in one place.
/// fn payment() -> Signal<u64> {
///     signal("payment")
/// }
///
/// #[workflow]
/// async fn invoice(_number: u32) -> everstep::Result<u64> {
///     Ok(payment().await? + payment().await?) // in two rates
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(invoice));
/// let invoice = env.start(invoice, 7);
/// invoice.signal("payment", &30);
/// invoice.signal("payment", &40);
/// assert_eq!(invoice.result().unwrap(), 70);
/// ```
#[derive(Debug)]
#[must_use = "a signal is waited for only if the future is awaited"]
pub struct Signal<T> {
    execution: Arc<Execution>,
    seq: u32,
    payload: PhantomData<fn() -> T>,
}

impl<T> Signal<T> {
    pub(super) fn call(
        execution: Arc<Execution>,
        name: Cow<'static, str>,
        location: &'static Location<'static>,
    ) -> Self {
        execution.check_name("the wait for signal", &name);
        let seq = execution.engine().call_signal(name, location);
        Self { execution, seq, payload: PhantomData }
    }
}

/// A signal came whose payload is not what the workflow waits for. It can be part of an error type
/// that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// #[workflow]
/// async fn count(_input: ()) -> everstep::Result<u32> {
///     loop {
///         match signal::<u32>("count").await {
///             Ok(count) => return Ok(count),
///             Err(error) => publish(&error.to_string()), // somebody sent something else
///         }
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(count));
/// # let counts = env.start(count, ());
/// # counts.signal("count", "seven");
/// # counts.signal("count", &7);
/// # assert_eq!(counts.result().unwrap(), 7);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the payload of signal {name:?} is not a {expected}: {problem}")]
#[non_exhaustive]
pub struct SignalError {
    /// The signal's name.
    pub name: String,
    /// The type it should have been.
    pub expected: String,
    /// What does not fit.
    pub problem: String,
}

impl<T: DeserializeOwned> Future for Signal<T> {
    type Output = Result<T, SignalError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.execution.poll_call(self.seq, cx).map(|outcome| {
            let Outcome::Signal(kept) = outcome else {
                unreachable!("the engine matches outcomes with kinds")
            };
            read_arrived(&kept.message.payload).map_err(|error| SignalError {
                name: self.execution.engine().key(self.seq).name.to_string(),
                expected: std::any::type_name::<T>().to_owned(),
                problem: error.to_string(),
            })
        })
    }
}

impl<T> Drop for Signal<T> {
    fn drop(&mut self) {
        self.execution.drop_call(self.seq);
    }
}
