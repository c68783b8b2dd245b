//! The key of an operation: `charge#2` is the second call of `charge`.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An operation's name and the count of its calls, from 1. Written `name#count`.
///
/// ```
/// use everstep::event::OperationKey;
///
/// let second = OperationKey { name: "charge".into(), count: 2 };
/// assert_eq!(second.to_string(), "charge#2");
/// assert_eq!(serde_json::from_str::<OperationKey>("\"charge#2\"").unwrap(), second);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationKey {
    /// The operation's name; it may hold a `#` of its own.
    pub name: Cow<'static, str>,
    /// Which call of that name, from 1.
    pub count: u32,
}

impl OperationKey {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, count) = text.rsplit_once('#')?;
        let name = Cow::Owned(name.to_owned());
        Some(Self { name, count: count.parse().ok()? })
    }
}

impl fmt::Display for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.count)
    }
}

impl Serialize for OperationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = OperationKey;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation key such as \"charge#1\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                OperationKey::parse(text)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
