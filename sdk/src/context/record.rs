//! What is recorded of values, and how large they may be.

use serde::Serialize;

use crate::event::{Json, UnrecordableValue};
use crate::limits::VALUE_BYTES_MAX;

/// What a body or a workflow returned, as it is recorded.
pub(super) fn record<T: Serialize + ?Sized>(value: &T) -> Result<Json, String> {
    let json = Json::record(value).map_err(|UnrecordableValue(problem)| problem)?;
    let bytes = json.as_str().len();
    if let Some(bytes_max) = too_large(bytes) {
        return Err(format!(
            "it has {bytes} bytes and at most {bytes_max} can be recorded: store it \
             elsewhere (S3) and return where it is"
        ));
    }
    Ok(json)
}

/// How large a value may be here, if one of so many bytes is too large.
pub(super) fn too_large(bytes: usize) -> Option<usize> {
    if bytes <= VALUE_BYTES_MAX {
        return None;
    }
    let of_workflow =
        || super::execution::current().map(|execution| execution.engine().value_bytes_max());
    let of_body = super::body::with_scope(|scope| scope.bytes_max);
    let bytes_max = of_body.or_else(of_workflow).unwrap_or(VALUE_BYTES_MAX);
    (bytes > bytes_max).then_some(bytes_max)
}
