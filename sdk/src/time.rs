//! Time as the log has it: milliseconds since 1970, and the one clock a host reads.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The latest moment a timer can have: the end of the year 9999.
    ///
    /// ```
    /// # use everstep::time::Timestamp;
    /// # use std::time::Duration;
    /// assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    /// assert_eq!(Timestamp(0).after(Duration::MAX), Timestamp::MAX);
    /// ```
    pub const MAX: Self = Self(253_402_300_799_999);

    /// This moment and `duration`, rounded up to a whole millisecond so that nothing fires early;
    /// [`Timestamp::MAX`] where that would be later.
    ///
    /// ```
    /// # use everstep::time::Timestamp;
    /// # use std::time::Duration;
    /// assert_eq!(Timestamp(5).after(Duration::from_secs(1)), Timestamp(1_005));
    /// ```
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let rest = duration.subsec_nanos() % 1_000_000;
        let millis = duration.as_millis() + u128::from(rest > 0);
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis).min(Self::MAX.0))
    }

    /// This moment less `duration`.
    ///
    /// ```
    /// # use everstep::time::Timestamp;
    /// # use std::time::Duration;
    /// assert_eq!(Timestamp(1_005).before(Duration::from_secs(1)), Timestamp(5));
    /// ```
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// How long from `earlier` to this moment; zero if it is not later.
    ///
    /// ```
    /// # use everstep::time::Timestamp;
    /// # use std::time::Duration;
    /// assert_eq!(Timestamp(1_005).since(Timestamp(5)), Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        let millis = time.0.clamp(Self::MIN_UTC.timestamp_millis(), Timestamp::MAX.0);
        Utc.timestamp_millis_opt(millis).single().unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::from(*self).to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// The clock of a host. Every decision of a turn reads this one, so a test can give each host a
/// clock of its own, ahead of or behind the others'.
///
/// ```
/// # use std::time::Duration;
/// use everstep::time::{Clock, Timestamp};
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() {
///     let clock = Clock::virtual_from(Timestamp(1_000));
///     let ahead = clock.skewed(250); // another host's
///     clock.sleep_until(Timestamp(86_401_000)).await; // a day, at once
///     assert!(clock.now() >= Timestamp(86_401_000));
///     assert_eq!(ahead.now().since(clock.now()), Duration::from_millis(250));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Clock(Source);

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

#[derive(Debug, Clone)]
enum Source {
    System {
        ahead_millis: i64,
    },
    #[cfg(feature = "testing")]
    Tokio {
        base: Timestamp,
        start: tokio::time::Instant,
    },
}

impl Clock {
    /// The machine's clock.
    ///
    /// ```
    /// # use everstep::time::{Clock, Timestamp};
    /// assert!(Clock::system().now() > Timestamp(0));
    /// ```
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { ahead_millis: 0 })
    }

    /// A clock that runs with tokio's, so that it stands still and leaps with `tokio::time::pause`
    /// and `advance`: now is `base`.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn virtual_from(base: Timestamp) -> Self {
        Self(Source::Tokio { base, start: tokio::time::Instant::now() })
    }

    /// The same clock, ahead by `millis` (behind, if negative).
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn skewed(&self, millis: i64) -> Self {
        match self.0 {
            Source::System { ahead_millis } => {
                Self(Source::System { ahead_millis: ahead_millis + millis })
            }
            Source::Tokio { base, start } => {
                Self(Source::Tokio { base: Timestamp(base.0 + millis), start })
            }
        }
    }

    /// What this clock shows now.
    ///
    /// ```
    /// # use everstep::time::{Clock, Timestamp};
    /// assert!(Clock::system().now() > Timestamp(0));
    /// ```
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.0 {
            Source::System { ahead_millis } => {
                let since = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                let now: i64 = since.as_millis().try_into().unwrap_or(i64::MAX);
                Timestamp(now.saturating_add(ahead_millis))
            }
            #[cfg(feature = "testing")]
            Source::Tokio { base, start } => base.after_floor(start.elapsed()),
        }
    }

    /// Waits until this clock shows `time` or later. Dropping the future ends the wait.
    pub async fn sleep_until(&self, time: Timestamp) {
        loop {
            let now = self.now();
            if now >= time {
                return;
            }
            tokio::time::sleep(time.since(now)).await;
        }
    }
}

impl Timestamp {
    #[cfg(feature = "testing")]
    fn after_floor(self, duration: Duration) -> Self {
        Self(self.0 + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }
}
