//! A JSON text as it was written: never parsed and printed again on its way.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::text::Text;
use super::value::{self, UnrecordableValue};

/// A recorded value: valid JSON, immutable. A clone is another handle to the same text.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::event::Json;
///
/// let order = Json::record(&("cup", 3))?;
/// assert_eq!(order.as_str(), r#"["cup",3]"#);
/// assert_eq!(order.read::<(String, u32)>()?, ("cup".to_owned(), 3));
///
/// // A text stays as it was written; whether two say the same is another question.
/// let (one, other) = (Json::parse(r#"{"a":1,"b":2}"#.to_owned())?, Json::parse(r#"{"b":2, "a":1}"#.to_owned())?);
/// assert!(one != other && one.same(&other));
/// assert_eq!(Json::null().read::<Option<u32>>()?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Json(Text);

impl Json {
    /// Records `value`.
    ///
    /// # Errors
    /// The value is one that JSON would silently change (see [`UnrecordableValue`]).
    pub fn record<T: Serialize + ?Sized>(value: &T) -> Result<Self, UnrecordableValue> {
        value::to_text(value).map(|text| Self(text.into()))
    }

    /// Writes `value` at the end of `out`, as [`record`](Self::record) would; after an error, part
    /// of it may be there.
    pub(crate) fn append<T: Serialize + ?Sized>(
        out: &mut Vec<u8>,
        value: &T,
    ) -> Result<(), UnrecordableValue> {
        value::append(out, value)
    }

    /// Reads the value back as a `T`.
    ///
    /// # Errors
    /// The text is not what `T` reads.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    fn from_raw(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// Takes `text`, which a JSON parser has read.
    pub(super) fn from_read(text: Text) -> Self {
        Self(text)
    }

    /// Takes `text`, which a JSON serializer wrote.
    pub(crate) fn from_written(text: String) -> Self {
        debug_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "no JSON: {text}");
        Self(text.into())
    }

    /// Takes `text` if it is valid JSON.
    ///
    /// # Errors
    /// It is not.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str::<&RawValue>(&text)?;
        // Without spaces around it, it is the text: not copied.
        Ok(if value.get().len() == text.len() { Self(text.into()) } else { Self::from_raw(value) })
    }

    /// JSON's `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from_raw(RawValue::NULL)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two texts say the same: byte for byte, or else as values, since a hash map may
    /// print its entries in another order the next time.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let (a, b) = (self.as_str(), other.as_str());
        std::ptr::eq(a, b)
            || a == b
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
        // Only serde_json's own type can be written as it is, and it looks at the text again.
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self::from_raw(&raw))
    }
}
