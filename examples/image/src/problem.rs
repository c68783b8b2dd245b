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

    /// Something that may be there later. Visitors learn nothing of what is in here; the log does.
    pub fn unavailable(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%error, "a request cannot be answered now");
        let (name, title) = ("unavailable", "Not now");
        let detail = "something does not answer: try again".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, name, title, detail }
    }

    /// Something that whoever runs this program has to mend.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request cannot be answered");
        let (name, title) = ("internal", "Something is wrong here");
        let detail = "the cause is in the log of this program".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, name, title, detail }
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
            ObjectError::Refused { .. } => return Self::internal(&error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_here_is_not_told_to_visitors() {
        let inside = || "no access to bucket acme-123456789012".to_owned();
        for error in [
            ObjectError::Refused { problem: inside() },
            ObjectError::NoAnswer { problem: inside() },
        ] {
            let problem = Problem::from(error);
            assert!(problem.status.is_server_error());
            assert!(!problem.detail.contains("acme"), "{problem:?}");
        }
    }
}
