//! Which of the executions that have had an id, one after the other.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::time::Timestamp;

/// A number that an execution is given at random when it is first started: it tells it from those
/// that had its id before and were deleted. 48 bits, as text 12 lower-case hexadecimal digits.
///
/// ```
/// use everstep::id::Born;
/// let born = Born::random();
/// assert_eq!(Born::parse(&born.to_string()), Some(born));
/// assert_eq!(Born::parse("tomorrow"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Born(u64);

/// How many digits it has.
const DIGITS: usize = 12;

impl Born {
    /// A number that no other execution of the same id has.
    #[must_use]
    pub fn random() -> Self {
        // The last 62 bits of such a UUID are random.
        Self(Uuid::new_v4().as_u64_pair().1 & ((1 << (4 * DIGITS)) - 1))
    }

    /// The number that is written so; `None` if none is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Born {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl Serialize for Born {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Born {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not {DIGITS} hexadecimal digits"))
        })
    }
}

/// One of the executions that have had an id, one after the other. A host may be late by so much that
/// its execution was deleted and its id belongs to another one: whatever it writes is for the life
/// that it has read.
///
/// ```
/// use everstep::id::{Born, Life};
/// let (first, second) = (Life::Born(Born::random()), Life::Born(Born::random()));
/// assert_ne!(first, second); // though both are called "sale-7"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// The one with this number.
    Born(Born),
    /// One that has no number, since it was started by a program of before there were any: that whose
    /// last start by a client, or as a child, was at this time.
    Since(Timestamp),
}

impl Life {
    /// Its number, if it has one.
    pub(crate) fn born(self) -> Option<Born> {
        match self {
            Self::Born(born) => Some(born),
            Self::Since(_) => None,
        }
    }
}
