//! How a request is refused: RFC 9457 problems, each of a kind that clients can rely on.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{AllOfBuilder, ContentBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::error::chain;
use crate::event::Json;

/// What every type begins with. Types are names, and lead nowhere.
const TYPE: &str = "urn:everstep:problem:";

/// The media type of problems.
const PROBLEM_JSON: &str = "application/problem+json";

/// Longest detail, in bytes: what a caller sent may be in it.
const DETAIL_BYTES_MAX: usize = 2_000;

macro_rules! kinds {
    ($($kind:ident $status:literal $name:literal $title:literal)*) => {
        /// The kinds of problems, each with its status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind),*];

            /// Status, name and title.
            fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $name, $title)),* }
            }
        }
    };
}

kinds! {
    Malformed 400 "malformed-request" "The request cannot be read"
    InvalidId 400 "invalid-id" "There can be no execution with this id"
    InvalidToken 400 "invalid-token" "There can be no promise with this token"
    InvalidCursor 400 "invalid-cursor" "No page ended here"
    Unauthorized 401 "unauthorized" "The request does not say who is asking"
    Forbidden 403 "forbidden" "Who is asking may not"
    NotFound 404 "not-found" "There is nothing here"
    UnknownExecution 404 "unknown-execution" "There is no such execution"
    UnknownPromise 404 "unknown-promise" "There is no such promise"
    MethodNotAllowed 405 "method-not-allowed" "There is something here, but not for this method"
    TimedOut 408 "request-timeout" "The request took too long to come"
    Exists 409 "exists" "Another execution has this id"
    Closed 409 "closed" "The execution has ended"
    Blocked 409 "blocked" "The execution waits for a fix"
    CorruptLog 409 "corrupt-log" "The execution's log cannot be trusted"
    PromiseOver 409 "promise-over" "The promise has another result"
    RunEnded 409 "run-ended" "The promise's run has ended"
    TooLarge 413 "too-large" "There is a limit to what can be stored"
    MediaType 415 "unsupported-media-type" "Only JSON is read"
    UnknownWorkflow 422 "unknown-workflow" "There is no such workflow"
    WrongInput 422 "wrong-input" "The workflow cannot read its input"
    Invalid 422 "invalid-value" "A name, tag or value breaks its rule"
    Rejected 422 "update-rejected" "The workflow rejected the update"
    Refused 422 "update-refused" "The workflow cannot answer the update"
    Internal 500 "internal" "Something is wrong here"
    NoStream 501 "no-stream" "Nothing can be streamed here"
    Unavailable 503 "unavailable" "Not now"
}

impl Kind {
    fn uri(self) -> String {
        format!("{TYPE}{}", self.row().1)
    }
}

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    detail: String,
    error: Option<Json>,
}

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// Which kind of problem it is. Clients decide by it.
    r#type: &'a str,
    /// The kind in words; always the same for one type.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request, and what to do, for people.
    detail: &'a str,
    /// The workflow's own error, if it rejected an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    error: Option<&'a Json>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
            detail.push('…');
        }
        Self { kind, detail, error: None }
    }

    /// The error of the workflow itself.
    pub(super) fn with_error(mut self, error: Json) -> Self {
        self.error = Some(error);
        self
    }

    /// Whoever asks cannot help it, and learns nothing of what is in here; the log does.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "a request cannot be answered");
        Self::new(Kind::Internal, "the cause is in the log of this program")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _, title) = self.kind.row();
        let (uri, detail, error) = (self.kind.uri(), &*self.detail, self.error.as_ref());
        let body = ProblemBody { r#type: &uri, title, status, detail, error };
        // A body of texts, and of a JSON text that was read before, is always written.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = (status, [(CONTENT_TYPE, json)], body).into_response();
        if self.kind == Kind::Unavailable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// What any route may answer.
const ANY: [Kind; 5] =
    [Kind::Unauthorized, Kind::Forbidden, Kind::Internal, Kind::Unavailable, Kind::Malformed];

/// What a route that reads a body may answer.
const BODY: [Kind; 3] = [Kind::TooLarge, Kind::MediaType, Kind::TimedOut];

/// How a route refuses, for the document.
fn responses(kinds: &[Kind]) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in ANY.iter().chain(kinds) {
        by_status.entry(kind.row().0).or_default().push(*kind);
    }
    let response = |(status, kinds): (u16, Vec<Kind>)| {
        let description = kinds.iter().map(|kind| kind.row().2).collect::<Vec<_>>().join("; ");
        let types = ObjectBuilder::new().enum_values(Some(kinds.into_iter().map(Kind::uri)));
        let narrowed = ObjectBuilder::new().property("type", types);
        let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed);
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(description);
        let response = response.content(PROBLEM_JSON, content).build();
        (status.to_string(), RefOr::T(response))
    };
    by_status.into_iter().map(response).collect()
}

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = [$($kind:ident),*] $(+ $more:ident)?;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                let kinds: Vec<Kind> = vec![$(Kind::$kind),*];
                $(let kinds = [&kinds[..], &$more[..]].concat();)?
                responses(&kinds)
            }
        }
    )*};
}

refusals! {
    /// Of a route that needs nothing.
    NoRefusal = [];
    /// Of a start.
    NoStart = [InvalidId, Exists, CorruptLog, Closed, UnknownWorkflow, WrongInput, Invalid] + BODY;
    /// Of a list.
    NoList = [InvalidCursor];
    /// Of a look at one execution.
    NoLook = [InvalidId, UnknownExecution];
    /// Of a stream.
    NoStream = [InvalidId, UnknownExecution, NoStream];
    /// Of a result.
    NoResult = [InvalidId, UnknownExecution, Blocked, CorruptLog];
    /// Of a history.
    NoHistory = [InvalidId, UnknownExecution, CorruptLog];
    /// Of a message to an execution.
    NoMessage = [InvalidId, UnknownExecution, Closed, CorruptLog, Invalid] + BODY;
    /// Of an update.
    NoUpdate = [InvalidId, UnknownExecution, Closed, Blocked, CorruptLog, Invalid, Rejected, Refused] + BODY;
    /// Of a result of a promise.
    NoPromise = [InvalidToken, UnknownExecution, UnknownPromise, PromiseOver, RunEnded, CorruptLog, Invalid] + BODY;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_on_the_page() {
        let page = include_str!("../../../docs/guide/http.md");
        let mut names = std::collections::BTreeSet::new();
        for kind in Kind::ALL {
            let (status, name, _) = kind.row();
            assert!(names.insert(name), "{name} is there twice");
            let row = format!("| `{name}` | {status} |");
            assert!(page.contains(&row), "docs/guide/http.md lacks the row {row}");
        }
    }

    #[test]
    fn a_long_detail_is_cut_between_two_characters() {
        let problem = Problem::new(Kind::Malformed, "ü".repeat(5_000));
        assert!(problem.detail.len() < DETAIL_BYTES_MAX + 5 && problem.detail.ends_with("ü…"));
    }
}
