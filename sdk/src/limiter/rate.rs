//! So many in a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::acquire::{AcquireError, Options, later, named};
use super::{Limiter, Taken};
use crate::context::expect_step;

/// How many permits there are in which time.
///
/// Exactly (the generic cell rate algorithm, a leaky bucket kept as one number): with `interval` =
/// `per / count`, rounded up to a microsecond, a permit is due at the earliest time at which, of it
/// and all before, **any span of `k` intervals, its end not included, has at most `k + burst - 1`**.
/// So with the default burst of 1 two permits are an interval apart or more, and no span of `per`
/// has more than `count`. With a burst of `b`, `b` at once are due after a pause of `b` intervals,
/// and no span of `per` has more than `count + b - 1`.
///
/// ```
/// use std::time::Duration;
///
/// use everstep::limiter::Rate;
///
/// const STRIPE: Rate = Rate::new(60, Duration::from_secs(60)).burst(10);
/// assert_eq!((STRIPE.interval(), STRIPE.burst_size()), (Duration::from_secs(1), 10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_us: u64,
    burst: u32,
}

impl Rate {
    /// `count` permits in each span of `per`.
    ///
    /// # Panics
    /// `count` or `per` is zero; they are more than a million a second, or fewer than one in a year.
    /// In a constant that is an error of the compiler.
    #[track_caller]
    #[must_use]
    pub const fn new(count: u32, per: Duration) -> Self {
        assert!(count > 0, "Rate::new(0, ..) would never let anything through");
        let interval = per.as_micros().div_ceil(count as u128);
        let year = Duration::from_secs(366 * 24 * 60 * 60).as_micros();
        assert!(
            interval > 0 && per.as_micros() >= count as u128 && interval <= year,
            "Rate::new(): from one a year to a million a second"
        );
        Self { interval_us: interval as u64, burst: 1 }
    }

    /// `count` permits in each second.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[track_caller]
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// How many may come at once after a pause; 1 without it.
    ///
    /// # Panics
    /// It is zero.
    #[track_caller]
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        assert!(burst > 0, "Rate::burst(0) would never let anything through: 1 is no burst at all");
        self.burst = burst;
        self
    }

    /// The time from one permit to the next.
    #[must_use]
    pub const fn interval(self) -> Duration {
        Duration::from_micros(self.interval_us)
    }

    /// How many may come at once.
    #[must_use]
    pub const fn burst_size(self) -> u32 {
        self.burst
    }
}

/// A limit of so many permits in a time, for each key of its own.
///
/// A clone is the same limiter. Its name keeps its keys apart from those of others that are counted
/// in the same place.
///
/// ```
/// use everstep::limiter::{InProcessLimiter, Rate, RateLimiter};
/// use everstep::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stripe = RateLimiter::new(InProcessLimiter::new(), "stripe", Rate::per_second(1))
///     .wait_at_most(seconds(5))
///     .fail_open();
/// stripe.acquire("acct-1").await?; // at once
/// stripe.acquire("acct-1").await?; // a second later
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    limiter: Arc<dyn Limiter>,
    name: Arc<str>,
    rate: Rate,
    options: Options,
}

impl RateLimiter {
    /// A limit of `rate`, counted by `limiter` under `name`.
    ///
    /// # Panics
    /// `name` has a `/`: what is behind it would be taken for a key.
    #[track_caller]
    pub fn new(limiter: impl Limiter + 'static, name: impl Into<Arc<str>>, rate: Rate) -> Self {
        let options = Options::DEFAULT;
        Self { limiter: Arc::new(limiter), name: named(name), rate, options }
    }

    /// How long [`acquire`](Self::acquire) waits where it is; 2 seconds without it. What is due
    /// later is waited for by a suspended execution, which costs two writes and nothing else.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// Where the limiter does not answer, `acquire` succeeds: the limit matters less than the work.
    /// Without it the attempt fails with [`AcquireError::Unavailable`], to be tried again.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.options.fail_open = true;
        self
    }

    /// Takes a permit for `key`, and returns when it is due.
    ///
    /// To be called in a step's body, before it does anything. If no permit is due soon
    /// ([`wait_at_most`](Self::wait_at_most)) the attempt ends here as [`postpone`]d: the execution
    /// is suspended until there may be one, the body runs again from its start, and
    /// `retry(max_attempts)` does not count it. The step's `total_timeout` ends that.
    ///
    /// Dropped while it waits, it has used its permit up.
    ///
    /// # Errors
    /// The limiter does not answer; or there is no permit soon, and no attempt that could wait.
    ///
    /// # Panics
    /// In a workflow's own code.
    ///
    /// [`postpone`]: crate::postpone
    pub async fn acquire(&self, key: &str) -> Result<(), AcquireError> {
        expect_step("RateLimiter::acquire()");
        let what = format!("{}/{key}", self.name);
        let taken = self.limiter.take(&what, self.rate, self.options.wait).await;
        match self.options.answer(&what, taken)? {
            Some(Taken::Granted { wait }) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                Ok(())
            }
            Some(Taken::Refused { retry_after }) => Err(later(what, retry_after).await),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.name)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_never_shorter_than_the_rate_allows() {
        assert_eq!(Rate::per_second(3).interval(), Duration::from_micros(333_334));
        assert_eq!(Rate::per_second(1_000_000).interval(), Duration::from_micros(1));
        assert_eq!(Rate::new(1, Duration::from_secs(60)).interval(), Duration::from_secs(60));
    }

    #[test]
    fn a_rate_that_makes_no_sense_is_refused_where_it_is_made() {
        for make in [
            || Rate::per_second(0),
            || Rate::per_second(1_000_001),
            || Rate::new(1, Duration::ZERO),
            || Rate::new(1, Duration::from_secs(1_000_000_000)),
            || Rate::per_second(1).burst(0),
        ] {
            assert!(std::panic::catch_unwind(make).is_err());
        }
    }
}
