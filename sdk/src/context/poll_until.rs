//! Asking again and again until something is so.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::execution::{Execution, expect_current};
use super::timer::{Sleep, seconds};
use crate::time::Timestamp;

/// How soon a check is repeated, unless [`every`](PollUntil::every) says otherwise.
const EVERY: Duration = seconds(10);

/// Calls `check` until `is_done` of its result, with a durable wait between two checks, and
/// returns that result. `check` is a step, or several: each of its results is recorded, and nothing
/// runs during the waits.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn status(job: &str) -> everstep::Result<String> { let _ = job; Ok("done".into()) }
/// #[workflow]
/// async fn wait_for(job: String) -> everstep::Result<String> {
///     let done = poll_until(|| status(&job), |status| status != "running")
///         .every(seconds(5))
///         .growing_to(minutes(10))
///         .for_at_most(hours(2))
///         .await?;
///     Ok(done)
/// }
/// ```
///
/// The first check is at once. By default the wait is 10 seconds each time, for ever; each check
/// adds about three events to the log, so let it grow and give it a limit. A wait counts from the
/// end of the check before it.
///
/// Dropping the future ends it.
///
/// # Errors
/// A check failed, retries included; or the time was up.
///
/// # Panics
/// It is awaited outside a workflow.
pub fn poll_until<F, Fut, T, E, D>(check: F, is_done: D) -> PollUntil<F, D>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    D: FnMut(&T) -> bool,
{
    PollUntil { check, is_done, every: EVERY, growing_to: Duration::ZERO, limit: None }
}

/// A [`poll_until`] that has not begun; `.await` begins it.
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn progress(job: u32) -> everstep::Result<u32> { let _ = job; Ok(100) }
/// #[workflow]
/// async fn wait_for(job: u32) -> everstep::Result<u32> {
///     let done = poll_until(|| progress(job), |percent| *percent == 100)
///         .every(seconds(5)) // then 10, 20 …
///         .growing_to(minutes(10))
///         .for_at_most(hours(2));
///     Ok(done.await?)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(wait_for));
/// let looks = std::sync::atomic::AtomicU32::new(0);
/// env.mock(progress, move |_job| Ok(50 * looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
/// assert_eq!(env.run(wait_for, 7).unwrap(), 100);
/// assert_eq!(env.runs("progress"), 3); // 0, 50, 100
/// ```
#[must_use = "nothing is checked unless it is awaited"]
pub struct PollUntil<F, D> {
    check: F,
    is_done: D,
    every: Duration,
    growing_to: Duration,
    limit: Option<Duration>,
}

impl<F, D> PollUntil<F, D> {
    /// How long to wait between two checks.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[step] async fn is_there(parcel: &str) -> everstep::Result<bool> { Ok(parcel == "p-1") }
    /// #[workflow]
    /// async fn arrives(parcel: String) -> everstep::Result<bool> {
    ///     let there = poll_until(|| is_there(&parcel), |there| *there).every(minutes(1)).for_at_most(hours(1));
    ///     Ok(there.await.is_ok())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(arrives));
    /// # assert!(env.run(arrives, "p-1".to_owned()).unwrap());
    /// # assert!(!env.run(arrives, "p-2".to_owned()).unwrap());
    /// ```
    ///
    /// # Panics
    /// It is zero: that would check without a pause.
    #[track_caller]
    pub fn every(self, interval: Duration) -> Self {
        assert!(!interval.is_zero(), "poll_until(...).every(0) would never pause");
        Self { every: interval, ..self }
    }

    /// Doubles the wait after each check, up to this. A wait that is longer from the start stays
    /// as it is.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[step] async fn is_there(parcel: &str) -> everstep::Result<bool> { Ok(parcel == "p-1") }
    /// #[workflow]
    /// async fn arrives(parcel: String) -> everstep::Result<bool> {
    ///     let there = poll_until(|| is_there(&parcel), |there| *there).every(minutes(1)).growing_to(hours(1)).for_at_most(days(1));
    ///     Ok(there.await.is_ok())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(arrives));
    /// # assert!(env.run(arrives, "p-1".to_owned()).unwrap());
    /// # assert!(!env.run(arrives, "p-2".to_owned()).unwrap());
    /// ```
    ///
    /// # Panics
    /// It is zero.
    #[track_caller]
    pub fn growing_to(self, interval: Duration) -> Self {
        assert!(!interval.is_zero(), "poll_until(...).growing_to(0) grows to no pause at all");
        Self { growing_to: interval, ..self }
    }

    /// Gives up after so long. The last wait is cut short, and a last check begins when the time
    /// is up; how long a check takes is for the step to limit.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[step] async fn is_there(parcel: &str) -> everstep::Result<bool> { Ok(parcel == "p-1") }
    /// #[workflow]
    /// async fn arrives(parcel: String) -> everstep::Result<bool> {
    ///     let there = poll_until(|| is_there(&parcel), |there| *there).for_at_most(minutes(10));
    ///     Ok(there.await.is_ok())
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(arrives));
    /// # assert!(env.run(arrives, "p-1".to_owned()).unwrap());
    /// # assert!(!env.run(arrives, "p-2".to_owned()).unwrap());
    /// ```
    pub fn for_at_most(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

impl<F, Fut, T, E, D> IntoFuture for PollUntil<F, D>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    D: FnMut(&T) -> bool,
{
    type Output = Result<T, PollError<E>>;
    type IntoFuture = Polling<F, Fut, D, T, E>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let execution = expect_current("everstep::poll_until()");
        let now = execution.engine().now();
        Polling {
            deadline: self.limit.map(|limit| (now.after(limit), limit)),
            pause: self.every,
            pause_max: self.growing_to.max(self.every),
            checks: 0,
            state: State::Due,
            location: Location::caller(),
            execution,
            check: self.check,
            is_done: self.is_done,
            result: PhantomData,
        }
    }
}

/// The future of [`poll_until`].
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn is_done(job: u32) -> everstep::Result<bool> { Ok(job > 0) }
/// #[workflow]
/// async fn wait_for(job: u32) -> everstep::Result<Option<bool>> {
///     let done = poll_until(|| is_done(job), |done| *done).into_future(); // for ever …
///     match race(done, signal::<()>("enough")).await {
///         Either::Left(done) => Ok(Some(done?)),
///         Either::Right(_) => Ok(None), // … unless somebody has had enough
///     }
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(wait_for));
/// assert_eq!(env.run(wait_for, 1).unwrap(), Some(true));
/// let job = env.start(wait_for, 0);
/// job.signal_after(hours(1), "enough", &());
/// assert_eq!(job.result().unwrap(), None);
/// ```
#[must_use = "nothing is checked unless it is awaited"]
pub struct Polling<F, Fut, D, T, E> {
    execution: std::sync::Arc<Execution>,
    location: &'static Location<'static>,
    check: F,
    is_done: D,
    pause: Duration,
    pause_max: Duration,
    deadline: Option<(Timestamp, Duration)>,
    checks: u32,
    state: State<Fut>,
    result: PhantomData<fn() -> (T, E)>,
}

enum State<Fut> {
    /// A check is due.
    Due,
    Checking(Pin<Box<Fut>>),
    Waiting(Sleep),
}

/// Why a [`poll_until`] has no result. It can be part of an error type that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// # #[step] async fn is_there(parcel: &str) -> everstep::Result<bool> { Ok(parcel == "p-1") }
/// use everstep::PollError;
///
/// #[workflow]
/// async fn arrives(parcel: String) -> everstep::Result<bool> {
///     match poll_until(|| is_there(&parcel), |there| *there).for_at_most(minutes(10)).await {
///         Err(PollError::TimedOut { .. }) => Ok(false),
///         there => Ok(there?),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(arrives));
/// # assert!(env.run(arrives, "p-1".to_owned()).unwrap());
/// # assert!(!env.run(arrives, "p-2".to_owned()).unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PollError<E> {
    /// A check failed.
    #[error("the check failed: {0:?}")]
    Check(E),
    /// The time was up, and the last check was not what is waited for.
    #[error("it was not so within {} in {checks} checks", humantime::format_duration(*.after))]
    TimedOut {
        /// The time it had.
        after: Duration,
        /// How often it was checked.
        checks: u32,
    },
}

impl<F, Fut, D, T, E> Future for Polling<F, Fut, D, T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    D: FnMut(&T) -> bool,
{
    type Output = Result<T, PollError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Due => {
                    this.checks += 1;
                    this.state = State::Checking(Box::pin((this.check)()));
                }
                State::Waiting(sleep) => {
                    std::task::ready!(Pin::new(sleep).poll(cx));
                    this.state = State::Due;
                }
                State::Checking(check) => {
                    match std::task::ready!(check.as_mut().poll(cx)) {
                        Err(error) => return Poll::Ready(Err(PollError::Check(error))),
                        Ok(output) if (this.is_done)(&output) => return Poll::Ready(Ok(output)),
                        Ok(_) => {}
                    }
                    let now = this.execution.engine().now();
                    let mut due = now.after(this.pause);
                    if let Some((deadline, after)) = this.deadline {
                        if now >= deadline {
                            let checks = this.checks;
                            return Poll::Ready(Err(PollError::TimedOut { after, checks }));
                        }
                        due = due.min(deadline);
                    }
                    this.pause = this.pause.saturating_mul(2).min(this.pause_max);
                    let execution = std::sync::Arc::clone(&this.execution);
                    let sleep = Sleep::new(execution, "poll_until", due, this.location);
                    this.state = State::Waiting(sleep);
                }
            }
        }
    }
}

/// Nothing in it is pinned in place: a check is in a box of its own.
impl<F, Fut, D, T, E> Unpin for Polling<F, Fut, D, T, E> {}

impl<F, D> fmt::Debug for PollUntil<F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollUntil")
            .field("every", &self.every)
            .field("growing_to", &self.growing_to)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<F, Fut, D, T, E> fmt::Debug for Polling<F, Fut, D, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling").field("checks", &self.checks).finish_non_exhaustive()
    }
}
