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

use path::Trail;
use serializer::Checked;

/// A value that JSON cannot hold as it is, so that replay would see another one.
///
/// Refused are numbers that are not finite (JSON has no word for them), `Some` of what is written
/// as `null` (it reads back as `None`), maps with two keys of the same text, keys that are not
/// text, a number, a boolean or a unit variant, and nesting deeper than is read back.
///
/// ```
/// use everstep::event::{Json, UnrecordableValue};
///
/// let refused: UnrecordableValue = Json::record(&[1.5, f64::NAN]).unwrap_err();
/// assert!(refused.to_string().contains("[1]"), "{refused}"); // it says where
/// assert!(Json::record(&Some(None::<u32>)).is_err()); // it would read back as `None`
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnrecordableValue(pub(crate) String);

/// Writes `value` as JSON.
pub(super) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, UnrecordableValue> {
    checked(value, |value| serde_json::to_string(&value))
}

/// Writes `value` as JSON at the end of `out`; after an error, part of it may be there.
pub(super) fn append<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), UnrecordableValue> {
    checked(value, |value| value.serialize(&mut serde_json::Serializer::new(out)))
}

fn checked<T: Serialize + ?Sized, R>(
    value: &T,
    write: impl FnOnce(Checked<'_, T>) -> serde_json::Result<R>,
) -> Result<R, UnrecordableValue> {
    let trail = Trail::default();
    match (write(Checked::root(value, &trail)), trail.refusal()) {
        (Ok(written), None) => Ok(written),
        // A type's own code may have swallowed the error; what it wrote instead is not trusted.
        (_, Some(refusal)) => Err(UnrecordableValue(refusal)),
        (Err(error), None) => Err(UnrecordableValue(trail.describe(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests;
