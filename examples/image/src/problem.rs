//! How a request is refused: as the HTTP interface beside it does, with problems (RFC 9457).

use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::objects::ObjectError;
use crate::page::UPLOAD_BYTES_MAX;

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
}

impl Problem {
    /// A name that no file can have.
    pub fn name(detail: &str) -> Self {
        let (name, title) = ("invalid-name", "No picture can have this name");
        Self { status: StatusCode::BAD_REQUEST, name, title, detail: detail.to_owned() }
    }

    /// A request without a file.
    pub fn empty() -> Self {
        let (name, title) = ("empty", "There is nothing to upload");
        let detail = "send the file as the request's body".to_owned();
        Self { status: StatusCode::BAD_REQUEST, name, title, detail }
    }

    /// Something that may be there later.
    pub fn unavailable(detail: &dyn std::fmt::Display) -> Self {
        let (name, title) = ("unavailable", "Not now");
        Self { status: StatusCode::SERVICE_UNAVAILABLE, name, title, detail: detail.to_string() }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let status = rejection.status();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let (name, title) = ("too-large", "The file is too large");
            let detail = format!("a file has at most {UPLOAD_BYTES_MAX} bytes");
            return Self { status, name, title, detail };
        }
        let (name, title) = ("malformed-request", "The request cannot be read");
        Self { status, name, title, detail: rejection.body_text() }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        let (status, name, title) = match error {
            ObjectError::Missing { .. } => {
                (StatusCode::NOT_FOUND, "not-found", "There is nothing here")
            }
            ObjectError::Key { .. } => return Self::name(&error.to_string()),
            ObjectError::TooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The file is too large")
            }
            ObjectError::NoAnswer { .. } => return Self::unavailable(&error),
            ObjectError::Refused { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something is wrong here")
            }
        };
        Self { status, name, title, detail: error.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, name, title, detail } = self;
        let body = json!({
            "type": format!("urn:image:problem:{name}"), "title": title,
            "status": status.as_u16(), "detail": detail,
        });
        (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
