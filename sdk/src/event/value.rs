//! From Rust to recorded JSON and no other way round: what would come back changed is refused.
//!
//! The checks ride along in the one pass that writes the text; a path is put together only on the
//! way out of an error. What a type's own serde code leaves out or blurs (`skip`, an `untagged`
//! enum whose variants look alike) is its own choice and cannot be seen here.

mod compound;
mod key;
mod path;
mod serializer;

use serde::Serialize;
use serde_json::value::RawValue;

use path::Trail;
use serializer::Checked;

/// A value that JSON cannot hold as it is, so that replay would see another one.
///
/// Refused are numbers that are not finite (JSON has no word for them), `Some` of what is written
/// as `null` (it reads back as `None`), maps with two keys of the same text, keys that are not
/// text, a number, a boolean or a unit variant, and nesting deeper than is read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnrecordableValue(pub(crate) String);

/// Writes `value` as JSON.
pub(super) fn to_raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, UnrecordableValue> {
    let trail = Trail::default();
    let written = serde_json::value::to_raw_value(&Checked::root(value, &trail));
    match (written, trail.refusal()) {
        (Ok(raw), None) => Ok(raw),
        // A type's own code may have swallowed the error; what it wrote instead is not trusted.
        (_, Some(refusal)) => Err(UnrecordableValue(refusal)),
        (Err(error), None) => Err(UnrecordableValue(trail.describe(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests;
