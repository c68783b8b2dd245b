//! Answers: JSON that is written as it is recorded.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::problem::Problem;

/// What an id may hold in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `body` as JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
    Ok(text(status, "application/json", body))
}

/// `body`, which is of the type `media`.
pub(super) fn text(status: StatusCode, media: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static(media))], body).into_response()
}

/// `part` as one part of a path. It is ASCII, and no part of it means anything in a header.
pub(super) fn path_part(part: &str) -> String {
    // A client would take a part of dots alone for a way upwards.
    if part.bytes().all(|byte| byte == b'.') {
        return part.replace('.', "%2E");
    }
    utf8_percent_encode(part, PATH).to_string()
}
