//! Going on as a new run.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::Serialize;

use super::execution::{Execution, expect_current};
use crate::event::Json;
use crate::replay::Fault;

/// Ends this run of the workflow and begins the next one, with `input` as its input and an empty
/// log: what a workflow does that lives for ever, so that its log does not grow for ever.
///
/// The future never returns: write `return continue_as_new(&next).await;`, or let it be the last
/// expression. `T` is whatever the function returns. The execution keeps its id, its tags, and
/// what was sent to it and not taken yet: signals are neither lost nor doubled. A cancel that was
/// asked for comes first. Steps that still run are stopped, and timers end with the run; children go
/// on by themselves, and what they return does not reach the next run.
///
/// [`execution_info`](super::execution_info) says when it is time for it.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn count(so_far: u64) -> everstep::Result<u64> {
///     let mut total = so_far;
///     while !execution_info().continue_suggested() {
///         match signal::<Option<u64>>("add").await? {
///             Some(number) => total += number,
///             None => return Ok(total),
///         }
///     }
///     continue_as_new(&total).await
/// }
/// ```
///
/// # Errors
/// None reaches the workflow. An `input` that cannot be recorded, or is not what the workflow takes,
/// blocks the execution: nothing is lost, and it goes on after a fix.
///
/// # Panics
/// Outside a workflow. The future itself may only be awaited in its workflow.
#[track_caller]
pub fn continue_as_new<T>(input: &(impl Serialize + ?Sized)) -> ContinueAsNew<T> {
    let execution = expect_current("everstep::continue_as_new()");
    let input = Json::record(input).map_err(|error| {
        let what = "the input of the next run".to_owned();
        Box::new(Fault::Value { what, problem: error.to_string() })
    });
    ContinueAsNew { execution, input: Some(input), output: PhantomData }
}

/// The future of [`continue_as_new`]. Dropped before it is polled, it changes nothing.
///
/// ```
/// use everstep::ContinueAsNew;
/// use everstep::prelude::*;
///
/// /// The next round, with the number of those that were.
/// fn next(rounds: u32) -> ContinueAsNew<everstep::Result<u32>> {
///     continue_as_new(&(rounds + 1))
/// }
///
/// #[workflow]
/// async fn rounds(so_far: u32) -> everstep::Result<u32> {
///     sleep(days(1)).await;
///     if so_far < 3 { next(so_far).await } else { Ok(so_far) }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(rounds));
/// assert_eq!(env.run(rounds, 0).unwrap(), 3);
/// ```
#[must_use = "the run goes on unless the future is awaited: `return continue_as_new(&input).await`"]
pub struct ContinueAsNew<T> {
    execution: Arc<Execution>,
    /// Until it is first polled.
    input: Option<Result<Json, Box<Fault>>>,
    output: PhantomData<fn() -> T>,
}

impl<T> Future for ContinueAsNew<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        if !self.execution.is_current() {
            self.execution.polled_elsewhere("continue_as_new()");
            return Poll::Pending;
        }
        match self.input.take() {
            Some(Ok(input)) => self.execution.engine().continue_with(input),
            Some(Err(fault)) => self.execution.engine().fail(*fault),
            None => {}
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for ContinueAsNew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContinueAsNew")
    }
}
