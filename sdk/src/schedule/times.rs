//! When a schedule starts something: by the calendar of a place, or at intervals.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use crate::time::Timestamp;

/// The shortest interval.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// The longest interval: ten years of 365 days. A longer one is a mistake of units.
const EVERY_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Longest cron expression, and longest name of a time zone, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// When a [`Schedule`](super::Schedule) starts something: [`cron`](Self::cron) or
/// [`every`](Self::every).
///
/// ```
/// use everstep::prelude::*;
/// use everstep::schedule::Times;
///
/// let nightly = Times::cron("30 2 * * *").zone("Europe/Berlin");
/// let often = Times::every(minutes(5));
/// let after = "2024-03-30T12:00:00Z".parse()?;
/// // The clocks of Berlin have no 02:30 that night.
/// assert_eq!(nightly.after(after)?.next().unwrap().to_rfc3339(), "2024-03-31T01:00:00+00:00");
/// assert_eq!(often.after(after)?.next().unwrap().to_rfc3339(), "2024-03-30T12:05:00+00:00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times(When);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Cron {
        expression: String,
        zone: String,
    },
    Every {
        millis: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        offset_millis: u64,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why there are no such times.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::schedule::{InvalidTimes, Times};
///
/// let now = "2024-03-30T12:00:00Z".parse()?;
/// let nowhere = Times::cron("0 7 * * *").zone("Europe/Atlantis");
/// assert!(matches!(nowhere.after(now), Err(InvalidTimes::Zone { .. })));
/// assert!(matches!(Times::every(days(0)).after(now), Err(InvalidTimes::Interval { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTimes {
    /// The cron expression cannot be read.
    #[error("{expression:?} is no cron expression: {problem}")]
    Expression {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone {zone:?}: name one of the IANA database, as Europe/Berlin")]
    Zone {
        /// The name.
        zone: String,
    },
    /// The interval is too short or too long.
    #[error("an interval is between 1 second and 10 years, and this is {}", humantime::format_duration(*.every))]
    Interval {
        /// The interval.
        every: Duration,
    },
    /// The calendar has no such time.
    #[error("{expression:?} never comes")]
    Never {
        /// The expression.
        expression: String,
    },
}

impl Times {
    /// By a cron expression: minute, hour, day of the month, month, day of the week, with a field
    /// for seconds before them if there are six. Fields have numbers, names (`MON`, `JAN`), lists,
    /// ranges, steps, `L` (the last), `#` (the n-th weekday) and `W` (the nearest working day);
    /// `@hourly`, `@daily` and the like stand for whole expressions. If both days are given, either
    /// is enough.
    ///
    /// The times are those of UTC, unless [`zone`](Self::zone) says otherwise.
    pub fn cron(expression: impl Into<String>) -> Self {
        Self(When::Cron { expression: expression.into(), zone: "UTC".to_owned() })
    }

    /// At this interval: from a second to ten years, counted from 1970-01-01T00:00:00Z, whenever
    /// the schedule was made. So `every(hours(1))` is on the hour.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Self(When::Every { millis, offset_millis: 0 })
    }

    /// The time zone of a cron expression, by its name in the IANA database; intervals have none.
    ///
    /// Where the clocks of that place are put forward, a time of the day that does not exist is the
    /// first moment after the gap; where they are put back, a time of the day that comes twice is
    /// its first one. That holds for expressions that name their hours and minutes. One with a `*`
    /// or a step (`/`) among hours, minutes or seconds means an interval: it starts nothing in the
    /// gap, and in the hour that comes twice it goes on as in any other.
    ///
    /// What the rules of a place are is known as of the program's build (the crate `chrono-tz`).
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        if let When::Cron { zone, .. } = &mut self.0 {
            *zone = name.into();
        }
        self
    }

    /// So much after each interval's begin: `every(hours(1)).offset(minutes(15))` is at a quarter
    /// past. Cron expressions have none.
    ///
    /// ```
    /// use everstep::prelude::*;
    /// use everstep::schedule::Times;
    ///
    /// let times = Times::every(hours(1)).offset(minutes(15));
    /// let after = "2024-03-30T12:00:00Z".parse()?;
    /// assert_eq!(times.after(after)?.next().unwrap().to_rfc3339(), "2024-03-30T12:15:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn offset(mut self, offset: Duration) -> Self {
        if let When::Every { offset_millis, .. } = &mut self.0 {
            *offset_millis = u64::try_from(offset.as_millis()).unwrap_or(u64::MAX);
        }
        self
    }

    /// The times after this moment, which may go on for ever.
    ///
    /// # Errors
    /// There are no such times.
    pub fn after(
        &self,
        moment: DateTime<Utc>,
    ) -> Result<impl Iterator<Item = DateTime<Utc>> + use<>, InvalidTimes> {
        let clockwork = self.clockwork()?;
        let mut last = Timestamp::from(moment);
        Ok(std::iter::from_fn(move || {
            last = clockwork.next(last)?;
            Some(last.into())
        }))
    }

    /// Whether there are such times.
    pub(super) fn check(&self) -> Result<(), InvalidTimes> {
        let clockwork = self.clockwork()?;
        // Any moment does: what comes at all comes within the search's years.
        match (&self.0, clockwork.next(Timestamp(0))) {
            (When::Cron { expression, .. }, None) => {
                Err(InvalidTimes::Never { expression: expression.clone() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn clockwork(&self) -> Result<Clockwork, InvalidTimes> {
        match &self.0 {
            When::Cron { expression, zone } => {
                let refused = |problem: String| InvalidTimes::Expression {
                    expression: expression.chars().take(TEXT_BYTES_MAX).collect(),
                    problem,
                };
                if expression.len() > TEXT_BYTES_MAX {
                    return Err(refused(format!("it has more than {TEXT_BYTES_MAX} bytes")));
                }
                let parser = CronParser::builder().seconds(Seconds::Optional).build();
                let cron = parser.parse(expression).map_err(|error| refused(error.to_string()))?;
                let zone = Tz::from_str(zone).map_err(|_| InvalidTimes::Zone {
                    zone: zone.chars().take(TEXT_BYTES_MAX).collect(),
                })?;
                Ok(Clockwork::Calendar(Box::new(Calendar::new(cron, zone))))
            }
            When::Every { millis, offset_millis } => {
                let every = Duration::from_millis(*millis);
                if !(EVERY_MIN..=EVERY_MAX).contains(&every) {
                    return Err(InvalidTimes::Interval { every });
                }
                // Both are below ten years of milliseconds.
                let millis = i64::try_from(*millis).unwrap_or(i64::MAX);
                let offset = i64::try_from(offset_millis % u64::try_from(millis).unwrap_or(1));
                Ok(Clockwork::Every { millis, offset: offset.unwrap_or(0) })
            }
        }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let duration = |millis| humantime::format_duration(Duration::from_millis(millis));
        match &self.0 {
            When::Cron { expression, zone } => write!(f, "{expression} ({zone})"),
            When::Every { millis, offset_millis: 0 } => write!(f, "every {}", duration(*millis)),
            When::Every { millis, offset_millis } => {
                write!(f, "every {}, {} later", duration(*millis), duration(*offset_millis))
            }
        }
    }
}

/// Times that have been read and found possible.
#[derive(Debug)]
pub(super) enum Clockwork {
    Calendar(Box<Calendar>),
    Every { millis: i64, offset: i64 },
}

impl Clockwork {
    /// The first time after `last`, which is none of them itself.
    pub(super) fn next(&self, last: Timestamp) -> Option<Timestamp> {
        let next = match self {
            Self::Every { millis, offset } => {
                let begun = (last.0 - offset).div_euclid(*millis);
                Timestamp((begun + 1).checked_mul(*millis)?.checked_add(*offset)?)
            }
            Self::Calendar(calendar) => Timestamp::from(calendar.next(last.into())?),
        };
        (next > last && next <= Timestamp::MAX).then_some(next)
    }
}

#[cfg(test)]
mod tests;
