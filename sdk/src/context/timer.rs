//! Durable timers: sleep, sleep until, time out.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::execution::{Execution, expect_current};
use crate::time::Timestamp;

/// Waits for `duration` from [`now`](super::now()). Nothing runs and nothing is paid meanwhile;
/// the wait survives everything, and never ends early. Whole milliseconds, rounded up; at most
/// until the end of the year 9999.
///
/// The time counts from the call, not from the first poll. Dropping the future ends the wait.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn remind(of_what: String) -> everstep::Result<String> {
///     sleep(days(3)).await; // no process needs to live so long
///     Ok(of_what)
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(remind));
/// # let began = env.now();
/// # assert_eq!(env.run(remind, "milk".to_owned()).unwrap(), "milk");
/// # assert!((env.now() - began).num_days() >= 3);
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let execution = expect_current("everstep::sleep()");
    let due = execution.engine().now().after(duration);
    Sleep::new(execution, "sleep", due, Location::caller())
}

/// Waits until `time`; a time that has passed is over at once. As [`sleep`] in everything else.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn a_day_later(_input: ()) -> everstep::Result<bool> {
///     let due = now() + days(1);
///     sleep_until(due).await;
///     Ok(now() >= due)
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(a_day_later));
/// # assert!(env.run(a_day_later, ()).unwrap());
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn sleep_until(time: DateTime<Utc>) -> Sleep {
    let execution = expect_current("everstep::sleep_until()");
    let due = Timestamp::from(time).min(Timestamp::MAX);
    Sleep::new(execution, "sleep", due, Location::caller())
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// ```
/// use everstep::Sleep;
/// use everstep::prelude::*;
///
/// /// The time counts from here, wherever it is awaited.
/// fn term() -> Sleep {
///     sleep(days(14))
/// }
///
/// #[workflow]
/// async fn invoice(_number: u32) -> everstep::Result<i64> {
///     let (began, term) = (now(), term());
///     sleep(days(3)).await; // somebody is on holiday
///     term.await;
///     Ok((now() - began).num_days())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(invoice));
/// assert_eq!(env.run(invoice, 7).unwrap(), 14);
/// ```
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    execution: Arc<Execution>,
    seq: u32,
}

impl Sleep {
    pub(super) fn new(
        execution: Arc<Execution>,
        name: &'static str,
        due: Timestamp,
        location: &'static Location<'static>,
    ) -> Self {
        let seq = execution.engine().call_timer(name.into(), location, due);
        Self { execution, seq }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.execution.poll_call(self.seq, cx).map(|_| ())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.execution.drop_call(self.seq);
    }
}

/// Gives `future` so long: its output, or [`Elapsed`] if the time was up first. Around anything:
/// a step, a signal, several operations in an async block.
///
/// The time counts from the call. If both are ready at once, the future wins. What is dropped
/// when the time is up is dropped at its current await; a step that is running then still ends,
/// and its result changes nothing.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn is_approved(_order: u64) -> everstep::Result<bool> {
///     match timeout(days(2), signal::<bool>("approval")).await {
///         Ok(approval) => Ok(approval?),
///         Err(_elapsed) => Ok(false), // nobody said anything
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(is_approved));
/// # assert!(!env.run(is_approved, 7).unwrap());
/// # let order = env.start(is_approved, 8);
/// # order.signal_after(days(1), "approval", &true);
/// # assert!(order.result().unwrap());
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future: Box::pin(future), after: duration, timer: sleep(duration) }
}

/// The future of [`timeout`].
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{Signal, Timeout};
///
/// fn approval() -> Timeout<Signal<bool>> {
///     timeout(days(2), signal("approval"))
/// }
///
/// #[workflow]
/// async fn is_approved(_order: u32) -> everstep::Result<bool> {
///     Ok(approval().await.unwrap_or(Ok(false))?) // silence is a no
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(is_approved));
/// assert!(!env.run(is_approved, 7).unwrap());
/// ```
#[must_use = "a time-out does nothing unless it is awaited"]
pub struct Timeout<F> {
    future: Pin<Box<F>>,
    after: Duration,
    timer: Sleep,
}

/// The time of a [`timeout`] was up. It can be part of an error type that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// #[workflow]
/// async fn patience(_input: ()) -> everstep::Result<String> {
///     match timeout(hours(1), signal::<bool>("go")).await {
///         Ok(_) => Ok("it goes".to_owned()),
///         Err(elapsed) => Ok(elapsed.to_string()),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(patience));
/// # assert_eq!(env.run(patience, ()).unwrap(), "timed out after 1h");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("timed out after {}", humantime::format_duration(*.after))]
#[non_exhaustive]
pub struct Elapsed {
    /// The time it had.
    pub after: Duration,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let after = self.after;
        Pin::new(&mut self.timer).poll(cx).map(|()| Err(Elapsed { after }))
    }
}

impl<F> std::fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeout").field("after", &self.after).finish_non_exhaustive()
    }
}

/// So many days of 24 hours.
///
/// ```
/// # use everstep::prelude::*;
/// assert_eq!(days(2), hours(48));
/// ```
#[must_use]
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

/// So many hours.
///
/// ```
/// # use everstep::prelude::*;
/// assert_eq!(hours(2), minutes(120));
/// ```
#[must_use]
pub const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours.saturating_mul(3_600))
}

/// So many minutes.
///
/// ```
/// # use everstep::prelude::*;
/// assert_eq!(minutes(2), seconds(120));
/// ```
#[must_use]
pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes.saturating_mul(60))
}

/// So many seconds.
///
/// ```
/// # use everstep::prelude::*;
/// assert_eq!(seconds(2).as_millis(), 2_000);
/// ```
#[must_use]
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
