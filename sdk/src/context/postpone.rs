//! Ending an attempt that cannot do its work yet, without its having failed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::body::with_scope;
use super::execution::expect_step;

/// Ends this attempt of the step here, and lets the next one begin after `delay`.
///
/// For a body that finds that it cannot do its work *yet*: a service that says `Retry-After`, a
/// permit that is not free, a machine that is switched on at eight. It is no failure: the next
/// attempt has the same number, `retry(max_attempts)` does not count this one, and neither
/// `retry_if` nor the pauses of `retry` have a say. A delay of less than a second is one. One of more
/// than two suspends the execution, as a back-off does; nothing runs or is paid meanwhile. Each time
/// is in the log, with `reason`, which is not encrypted where payloads are.
///
/// **A body that postpones says that it has done nothing**: an `at_most_once` step runs again, and
/// there is nothing to undo. What the body did before runs again.
///
/// Nothing but the step's `total_timeout` ends it: a step whose next attempt could only begin after
/// that has failed as timed out. Give one to steps that wait for somebody who may never be ready.
///
/// ```
/// use everstep::{postpone, prelude::*};
///
/// # struct Answer { status: u16, retry_after: u64 }
/// # async fn post(_: &str) -> Answer {
/// #     static ASKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
/// #     let again = ASKED.swap(true, std::sync::atomic::Ordering::Relaxed);
/// #     Answer { status: if again { 200 } else { 429 }, retry_after: 600 }
/// # }
/// #[step(total_timeout = "1d")]
/// async fn publish_post(text: &str) -> everstep::Result<()> {
///     let answer = post(text).await;
///     if answer.status == 429 {
///         let wait = seconds(answer.retry_after);
///         return Err(postpone(wait, "the service is busy").await.into());
///     }
///     Ok(())
/// }
/// # #[workflow] async fn blog(text: String) -> everstep::Result<()> { publish_post(&text).await }
/// # let env = everstep::testing::Env::new(App::new().workflow(blog));
/// # let post = env.start(blog, "hello".to_owned());
/// # assert!(post.result().is_ok());
/// # let postponed = post.events().into_iter().filter(|event| event.kind() == "StepPostponed");
/// # assert_eq!(postponed.count(), 1);
/// ```
///
/// The await does not come back: the body is dropped there, as by a time-out. Where there is no
/// attempt to end (in a step called outside a workflow, or in a task that the body started) it
/// returns the [`Postponed`], to be returned as an error.
///
/// # Panics
/// In a workflow's own code, which has [`sleep`](super::sleep()).
#[track_caller]
pub fn postpone(delay: Duration, reason: impl fmt::Display) -> Postpone {
    expect_step("everstep::postpone()");
    Postpone(Some(Postponed { delay, reason: reason.to_string() }))
}

/// The future of [`postpone`]. Until it is polled nothing happens.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{Postpone, postpone};
///
/// /// What the steps of this program do when the service has enough.
/// fn busy(retry_after: u64) -> Postpone {
///     postpone(seconds(retry_after), "the service is busy")
/// }
///
/// #[step(total_timeout = "1d")]
/// async fn send(text: String) -> everstep::Result<usize> {
///     # static ASKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
///     # let service_has_enough = !ASKED.swap(true, std::sync::atomic::Ordering::Relaxed);
///     if service_has_enough {
///         return Err(busy(600).await.into());
///     }
///     Ok(text.len())
/// }
/// # #[workflow] async fn post(text: String) -> everstep::Result<usize> { send(text).await }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(post));
/// assert_eq!(env.run(post, "hello".to_owned()).unwrap(), 5); // ten minutes later
/// ```
#[derive(Debug)]
#[must_use = "the attempt goes on unless it is awaited"]
pub struct Postpone(Option<Postponed>);

/// What an attempt that cannot do its work yet asks for.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::postpone;
///
/// /// A body that is called outside a workflow has no attempt that could end: it gets the error.
/// #[step]
/// async fn print(page: u32) -> everstep::Result<u32> {
///     if page == 13 {
///         return Err(postpone(minutes(5), "the printer has no paper").await.into());
///     }
///     Ok(page)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(print(12).await.unwrap(), 12);
/// let error = print(13).await.unwrap_err();
/// assert_eq!(error.to_string(), "not yet, try again in 5m: the printer has no paper");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not yet, try again in {}: {reason}", humantime::format_duration(*.delay))]
#[non_exhaustive]
pub struct Postponed {
    /// After how long another attempt may begin.
    pub delay: Duration,
    /// Why not now.
    pub reason: String,
}

impl Future for Postpone {
    type Output = Postponed;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Postponed> {
        let Some(postponed) = self.0.take() else { return Poll::Pending };
        let mut postponed = Some(postponed);
        // Whoever polls the body sees it when this poll is over, and does not poll again.
        with_scope(|scope| *scope.postponed.borrow_mut() = postponed.take());
        postponed.map_or(Poll::Pending, Poll::Ready)
    }
}
