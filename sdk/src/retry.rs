//! How often and how soon a failed step is tried again.

use std::time::Duration;

/// A step's retry policy.
///
/// The delay after attempt `n` is `initial * factor^(n-1)`, at most `max`; with jitter, a random
/// duration between zero and that ("full jitter":
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
///
/// The default is 6 attempts, 500 ms doubling to 60 s, with jitter.
///
/// ```
/// use everstep::prelude::*;
///
/// const PATIENT: Retry = Retry::new().max_attempts(20).initial(seconds(1)).max(minutes(10));
/// assert_eq!(Retry::default(), Retry::new());
/// assert_ne!(PATIENT, Retry::new());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    max_attempts: u32,
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: bool,
}

impl Retry {
    /// The default policy.
    ///
    /// ```
    /// # use everstep::Retry;
    /// assert_eq!(Retry::new(), Retry::default());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_attempts: 6,
            initial: Duration::from_millis(500),
            max: Duration::from_secs(60),
            factor: 2.0,
            jitter: true,
        }
    }

    /// A single attempt.
    ///
    /// ```
    /// # use everstep::Retry;
    /// assert_eq!(Retry::none(), Retry::new().max_attempts(1));
    /// ```
    #[must_use]
    pub const fn none() -> Self {
        Self::new().max_attempts(1)
    }

    /// At most so many attempts, the first included.
    ///
    /// ```
    /// # use everstep::Retry;
    /// const STUBBORN: Retry = Retry::new().max_attempts(u32::MAX);
    /// # let _ = STUBBORN;
    /// ```
    ///
    /// # Panics
    /// It is 0: the step would never run. In a constant that is an error of the compiler.
    #[track_caller]
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(attempts > 0, "Retry::max_attempts(0) would never try: give it at least 1");
        self.max_attempts = attempts;
        self
    }

    /// The delay after the first attempt.
    ///
    /// ```
    /// # use everstep::Retry;
    /// # use std::time::Duration;
    /// let quick = Retry::new().initial(Duration::from_millis(50));
    /// # assert_ne!(quick, Retry::new());
    /// ```
    #[must_use]
    pub const fn initial(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// The longest delay.
    ///
    /// ```
    /// # use everstep::Retry;
    /// # use std::time::Duration;
    /// let patient = Retry::new().max(Duration::from_secs(600));
    /// # assert_ne!(patient, Retry::new());
    /// ```
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// What each delay is multiplied by to get the next; 1 keeps it fixed.
    ///
    /// ```
    /// # use everstep::Retry;
    /// let steady = Retry::new().factor(1.0);
    /// # assert_ne!(steady, Retry::new());
    /// ```
    ///
    /// # Panics
    /// It is less than 1, infinite or no number: delays would shrink, or be none at all. In a
    /// constant that is an error of the compiler.
    #[track_caller]
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        // Also false for what is no number.
        assert!(
            factor >= 1.0 && factor <= f64::MAX,
            "Retry::factor() is what each delay is multiplied by: give it a number from 1 on"
        );
        self.factor = factor;
        self
    }

    /// Whether delays are random between zero and their full length.
    ///
    /// ```
    /// # use everstep::Retry;
    /// let exact = Retry::new().jitter(false);
    /// # assert_ne!(exact, Retry::new());
    /// ```
    #[must_use]
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// Whether another attempt may follow attempt `attempt`, counted from 1.
    pub(crate) fn allows_after(&self, attempt: u32) -> bool {
        attempt < self.max_attempts
    }

    /// The delay after attempt `attempt`, counted from 1. `random` is in `[0, 1)`.
    pub(crate) fn delay_after(&self, attempt: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.factor.powi(exponent);
        let capped = if grown.is_finite() {
            grown.min(self.max.as_secs_f64())
        } else {
            self.max.as_secs_f64()
        };
        let delay = if self.jitter { capped * random } else { capped };
        Duration::try_from_secs_f64(delay.max(0.0)).unwrap_or(self.max)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_jitter_stays_below_them() {
        let retry = Retry::new().jitter(false);
        let delays: Vec<u64> = (1..=9)
            .map(|n| u64::try_from(retry.delay_after(n, 0.0).as_millis()).unwrap())
            .collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
        let retry = Retry::new();
        assert_eq!(retry.delay_after(3, 0.0), Duration::ZERO);
        assert_eq!(retry.delay_after(3, 0.5), Duration::from_secs(1));
        assert!(retry.delay_after(u32::MAX, 0.999) < Duration::from_secs(60));
    }

    #[test]
    fn a_factor_of_one_keeps_the_delay() {
        let retry = Retry::new().factor(1.0).jitter(false);
        assert_eq!(retry.delay_after(1, 0.0), retry.delay_after(7, 0.0));
    }

    #[test]
    fn attempts_are_counted_from_one() {
        assert!(Retry::new().max_attempts(3).allows_after(2));
        assert!(!Retry::new().max_attempts(3).allows_after(3));
        assert!(!Retry::none().allows_after(1));
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused_where_it_is_made() {
        let refused = |make: fn() -> Retry| {
            let problem = std::panic::catch_unwind(make).expect_err("it is refused");
            problem.downcast_ref::<&str>().copied().map_or_else(String::new, str::to_owned)
        };
        assert_eq!(
            refused(|| Retry::new().max_attempts(0)),
            "Retry::max_attempts(0) would never try: give it at least 1"
        );
        for make in [
            || Retry::new().factor(0.99),
            || Retry::new().factor(-2.0),
            || Retry::new().factor(f64::NAN),
            || Retry::new().factor(f64::INFINITY),
        ] {
            assert!(refused(make).starts_with("Retry::factor()"));
        }
    }
}
