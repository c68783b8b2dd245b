//! Keys of maps: their text, and whether two of them have the same.

use std::fmt::Display;

use serde::ser::{self, Error as _, Impossible, Serialize, Serializer};

use super::path::Trail;

/// The texts of one map's keys, back to back.
#[derive(Default)]
pub(super) struct Keys {
    texts: String,
    ends: Vec<usize>,
}

impl Keys {
    /// Adds a key and returns its text.
    pub(super) fn push<T: Serialize + ?Sized, E: ser::Error>(
        &mut self,
        key: &T,
        trail: &Trail,
    ) -> Result<&str, E> {
        let start = self.texts.len();
        key.serialize(KeyText { texts: &mut self.texts, trail })
            .map_err(|KeyError(problem)| E::custom(problem))?;
        self.ends.push(self.texts.len());
        Ok(&self.texts[start..])
    }

    /// The key pushed last.
    pub(super) fn last(&self) -> &str {
        let start = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before]);
        &self.texts[start..]
    }

    /// A text that two of the keys have.
    pub(super) fn repeated(&self) -> Option<&str> {
        if self.ends.len() < 2 {
            return None;
        }
        let mut start = 0;
        let mut keys: Vec<&str> = self
            .ends
            .iter()
            .map(|end| &self.texts[std::mem::replace(&mut start, *end)..*end])
            .collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// Why a key has no text; the trail knows it too.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct KeyError(String);

impl ser::Error for KeyError {
    fn custom<T: Display>(problem: T) -> Self {
        Self(problem.to_string())
    }
}

/// Writes a key as serde_json does, and refuses what serde_json does not read back as a key.
struct KeyText<'a> {
    texts: &'a mut String,
    trail: &'a Trail,
}

impl KeyText<'_> {
    fn text(self, text: &str) -> Result<(), KeyError> {
        self.texts.push_str(text);
        Ok(())
    }

    fn number(self, number: impl Display) -> Result<(), KeyError> {
        use std::fmt::Write;
        write!(self.texts, "{number}").map_err(KeyError::custom)
    }

    fn float(self, finite: bool, number: impl Serialize) -> Result<(), KeyError> {
        if !finite {
            return self.refuse("a number that is not finite");
        }
        let text = serde_json::to_string(&number).map_err(KeyError::custom)?;
        self.text(&text)
    }

    fn refuse<T>(self, what: &str) -> Result<T, KeyError> {
        let problem = format!(
            "a key of this map is {what}, and in JSON a key is text, a number, a boolean or the \
             name of a variant: record the map as a list of pairs"
        );
        self.trail.refuse(problem.as_str());
        Err(KeyError(problem))
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<(), KeyError> {
            self.number(value)
        })*
    };
}

impl Serializer for KeyText<'_> {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = Impossible<(), KeyError>;
    type SerializeTuple = Impossible<(), KeyError>;
    type SerializeTupleStruct = Impossible<(), KeyError>;
    type SerializeTupleVariant = Impossible<(), KeyError>;
    type SerializeMap = Impossible<(), KeyError>;
    type SerializeStruct = Impossible<(), KeyError>;
    type SerializeStructVariant = Impossible<(), KeyError>;

    numbers! {
        serialize_bool bool, serialize_char char,
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128,
    }

    fn serialize_f32(self, value: f32) -> Result<(), KeyError> {
        self.float(value.is_finite(), value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), KeyError> {
        self.float(value.is_finite(), value)
    }

    fn serialize_str(self, text: &str) -> Result<(), KeyError> {
        self.text(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        self.number(value)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.text(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), KeyError> {
        self.refuse("bytes")
    }

    fn serialize_none(self) -> Result<(), KeyError> {
        self.refuse("`None`")
    }

    fn serialize_unit(self) -> Result<(), KeyError> {
        self.refuse("`()`")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), KeyError> {
        self.refuse(&format!("the unit struct `{name}`"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), KeyError> {
        self.refuse(&format!("the variant `{variant}` with data"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, KeyError> {
        self.refuse("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, KeyError> {
        self.refuse("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, KeyError> {
        self.refuse(&format!("the struct `{name}`"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, KeyError> {
        self.refuse(&format!("the variant `{variant}` with data"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, KeyError> {
        self.refuse("a map")
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, KeyError> {
        self.refuse(&format!("the struct `{name}`"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, KeyError> {
        self.refuse(&format!("the variant `{variant}` with data"))
    }
}
