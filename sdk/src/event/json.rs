//! A JSON text as it was written: never parsed and printed again on its way.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::value::{self, UnrecordableValue};

/// A recorded value: valid JSON, immutable.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Records `value`.
    ///
    /// # Errors
    /// The value is one that JSON would silently change (see [`UnrecordableValue`]).
    pub fn record<T: Serialize + ?Sized>(value: &T) -> Result<Self, UnrecordableValue> {
        value::to_raw(value).map(Self)
    }

    /// Reads the value back as a `T`.
    ///
    /// # Errors
    /// The text is not what `T` reads.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Takes `text` if it is valid JSON.
    ///
    /// # Errors
    /// It is not.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// JSON's `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether two texts say the same: byte for byte, or else as values, since a hash map may
    /// print its entries in another order the next time.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let (a, b) = (self.as_str(), other.as_str());
        a == b
            || match (
                serde_json::from_str::<serde_json::Value>(a),
                serde_json::from_str::<serde_json::Value>(b),
            ) {
                (Ok(a), Ok(b)) => a == b,
                _ => false,
            }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
