//! From Rust to recorded JSON and no other way round: what would come back changed is refused.

use serde::Serialize;
use serde_json::value::RawValue;

/// A value that JSON cannot hold as it is, so that replay would see another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnrecordableValue(pub(crate) String);

/// Writes `value` as JSON.
pub(super) fn to_raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, UnrecordableValue> {
    serde_json::value::to_raw_value(value).map_err(|error| UnrecordableValue(error.to_string()))
}
