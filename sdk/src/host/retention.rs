//! How long closed executions are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::RETENTION_MIN;
use crate::time::Timestamp;

/// The variable that says how long closed executions are kept, where the program does not.
///
/// ```
/// use everstep::host::RETENTION_VARIABLE;
///
/// let mut host = std::process::Command::new("orders");
/// host.env(RETENTION_VARIABLE, "30d");
/// assert_eq!(RETENTION_VARIABLE, "EVERSTEP_RETENTION");
/// ```
pub const RETENTION_VARIABLE: &str = "EVERSTEP_RETENTION";

/// How long a closed execution is kept. As a text, `30d`, `12h`, `90m` or `forever`.
///
/// ```
/// use everstep::host::Retention;
/// use everstep::prelude::*;
///
/// assert_eq!("30d".parse(), Ok(Retention::For(days(30))));
/// assert_eq!("forever".parse(), Ok(Retention::Forever));
/// assert_eq!(Retention::from(hours(12)).to_string(), "12h");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Until somebody deletes it.
    Forever,
    /// So long after its end, an hour at least; then it is deleted.
    For(Duration),
}

/// Why a retention is not one.
///
/// ```
/// use everstep::host::{InvalidRetention, Retention};
/// use everstep::prelude::*;
///
/// assert_eq!("59m".parse::<Retention>(), Err(InvalidRetention::TooShort(minutes(59))));
/// assert!(matches!("never".parse::<Retention>(), Err(InvalidRetention::Text { .. })));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRetention {
    /// The text is none.
    #[error("{text:?} is no time to keep executions for: write 30d, 12h, 90m or forever")]
    Text {
        /// The text.
        text: String,
    },
    /// It is shorter than [`RETENTION_MIN`]: a host that is slow, or a wake on its way, may still
    /// have to do with the execution.
    #[error("closed executions are kept for an hour at least, and this is {0:?}")]
    TooShort(
        /// How long it is.
        Duration,
    ),
}

impl From<Duration> for Retention {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

impl FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        let invalid = || InvalidRetention::Text { text: text.to_owned() };
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let seconds = match text.chars().last() {
            Some('d') => 24 * 60 * 60,
            Some('h') => 60 * 60,
            Some('m') => 60,
            _ => return Err(invalid()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| invalid())?;
        let retention = Self::For(Duration::from_secs(u64::from(number) * seconds));
        retention.check().map(|()| retention)
    }
}

impl Retention {
    fn check(self) -> Result<(), InvalidRetention> {
        match self {
            Self::For(time) if time < RETENTION_MIN => Err(InvalidRetention::TooShort(time)),
            _ => Ok(()),
        }
    }
}

/// As it is read, in the largest unit that does. What a program says in parts of minutes has no such
/// text, and is shown in seconds.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(time) = self else { return f.write_str("forever") };
        for (unit, letter) in [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')] {
            let count = time.as_secs() / unit;
            if Duration::from_secs(count * unit) == *time {
                return write!(f, "{count}{letter}");
            }
        }
        write!(f, "{time:?}")
    }
}

/// What a program says of all workflows and of some.
#[derive(Debug, Clone, Default)]
pub(super) struct Retentions {
    all: Option<Retention>,
    of: BTreeMap<&'static str, Retention>,
}

impl Retentions {
    pub(super) fn set_all(&mut self, retention: Retention) {
        self.all = Some(retention);
    }

    pub(super) fn set(&mut self, workflow: &'static str, retention: Retention) {
        self.of.insert(workflow, retention);
    }

    /// The same with what `variable` says, where the program says nothing; checked.
    pub(super) fn or(mut self, variable: Option<&str>) -> Result<Self, InvalidRetention> {
        if let (None, Some(text)) = (self.all, variable.filter(|text| !text.is_empty())) {
            self.all = Some(text.parse()?);
        }
        self.all.iter().chain(self.of.values()).try_for_each(|retention| retention.check())?;
        Ok(self)
    }

    /// When an execution of this workflow that ended at `end` may be deleted.
    pub(super) fn delete_at(&self, workflow: &str, end: Timestamp) -> Option<Timestamp> {
        match self.of.get(workflow).copied().or(self.all) {
            Some(Retention::For(time)) => Some(end.after(time)),
            Some(Retention::Forever) | None => None,
        }
    }

    /// Whether anything is ever deleted.
    pub(super) fn deletes(&self) -> bool {
        self.all.iter().chain(self.of.values()).any(|it| *it != Retention::Forever)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u64) -> Retention {
        Retention::For(Duration::from_secs(days * 24 * 60 * 60))
    }

    #[test]
    fn a_retention_is_written_as_a_number_and_a_unit() {
        for (text, retention) in [
            ("30d", days(30)),
            ("24h", days(1)),
            ("1440m", days(1)),
            ("forever", Retention::Forever),
        ] {
            assert_eq!(text.parse(), Ok(retention));
            assert_eq!(retention.to_string().parse(), Ok(retention));
        }
        for text in ["", "30", "d", "-1d", "1.5d", "30 d", "30days", "never", "1ä", "99999999999d"]
        {
            let error = text.parse::<Retention>().expect_err(text);
            assert!(error.to_string().contains("write 30d"), "{error}");
        }
        let short = "59m".parse::<Retention>().expect_err("too short").to_string();
        assert!(short.contains("an hour at least"), "{short}");
    }

    #[test]
    fn what_is_said_of_a_workflow_comes_before_what_is_said_of_all_and_that_before_the_environment()
    {
        let end = Timestamp(0);
        let none = Retentions::default().or(None).expect("nothing");
        assert!(!none.deletes() && none.delete_at("a", end).is_none());
        let by_variable = Retentions::default().or(Some("2d")).expect("two days");
        assert_eq!(by_variable.delete_at("a", end), Some(Timestamp(2 * 86_400_000)));
        let mut said = Retentions::default();
        said.set_all(Retention::Forever);
        said.set("a", days(1));
        let said = said.or(Some("2d")).expect("what the program says");
        assert!(said.deletes());
        assert_eq!(said.delete_at("a", end), Some(Timestamp(86_400_000)));
        assert_eq!(said.delete_at("b", end), None);
        let mut short = Retentions::default();
        short.set("a", Retention::For(Duration::ZERO));
        assert!(short.or(None).is_err());
    }
}
