//! What a request brings, checked: ids and tokens of its path, parameters, its body.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use futures::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::problem::{Kind, Problem};
use crate::id::{ExecutionId, PromiseToken};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_WAIT};

/// The id in the path.
pub(super) struct Id(pub(super) ExecutionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = segment(parts, state, Kind::InvalidId).await?;
        let id = ExecutionId::new(id);
        id.map(Self).map_err(|error| Problem::new(Kind::InvalidId, error.to_string()))
    }
}

/// The token in the path.
pub(super) struct Token(pub(super) PromiseToken);

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = segment(parts, state, Kind::InvalidToken).await?;
        let token = token.parse::<PromiseToken>();
        token.map(Self).map_err(|error| Problem::new(Kind::InvalidToken, error.to_string()))
    }
}

/// The one part of our path that names something, decoded. Where the router is nested, the path
/// before it may have such parts, too.
async fn segment<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    kind: Kind,
) -> Result<String, Problem> {
    let all: Result<Path<Vec<(String, String)>>, PathRejection> =
        Path::from_request_parts(parts, state).await;
    let last = all.ok().and_then(|Path(mut all)| all.pop());
    let not_utf8 = || Problem::new(kind, "what stands in the path is no percent-encoded UTF-8");
    last.map(|(_, segment)| segment).ok_or_else(not_utf8)
}

/// The parameters behind the question mark.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = Query::try_from_uri(&parts.uri);
        let unreadable = |_| malformed("the parameters behind the question mark cannot be read");
        pairs.map(|Query(pairs)| Self(pairs)).map_err(unreadable)
    }
}

impl Params {
    /// The parameter, which may be there once.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut all = self.take_all(name);
        let value = all.pop();
        if all.is_empty() { Ok(value) } else { Err(malformed(format!("{name} is there twice"))) }
    }

    /// The parameter, as often as it is there.
    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        let is_it = |(key, _): &mut (String, String)| key == name;
        self.0.extract_if(.., is_it).map(|(_, value)| value).collect()
    }

    /// The parameter as a number of `range`, which is `default` if absent.
    pub(super) fn take_number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, Problem> {
        let Some(text) = self.take(name)? else { return Ok(default) };
        let (least, most) = (range.start(), range.end());
        let wrong = || malformed(format!("{name} is a number from {least} to {most}: {text:?}"));
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
    }

    /// Refuses what nobody has taken: it is misspelt, or of another route.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(malformed(format!("there is no parameter {name:?} here"))),
        }
    }
}

/// The request cannot be read.
pub(super) fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Malformed, detail)
}

/// The body, read as a `T`.
pub(super) struct Body<T>(pub(super) T);

/// A body that says nothing: `{}`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // It also keeps out what a page of somebody else's can make a browser send without asking.
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let essence = content_type.and_then(|it| it.split(';').next()).unwrap_or_default();
        if !essence.trim().eq_ignore_ascii_case("application/json") {
            let detail = "send JSON, with the header Content-Type: application/json";
            return Err(Problem::new(Kind::MediaType, detail));
        }
        let said = request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let said = said.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        if said > HTTP_BODY_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let body = tokio::time::timeout(HTTP_BODY_WAIT, read(request.into_body())).await;
        let late = |_| Problem::new(Kind::TimedOut, "the body did not come in time: send it again");
        let body = body.map_err(late)??;
        let body = if body.is_empty() { &b"{}"[..] } else { &body[..] };
        let unreadable = |error: serde_json::Error| malformed(format!("the body: {error}"));
        serde_json::from_slice(body).map(Self).map_err(unreadable)
    }
}

fn too_large() -> Problem {
    let detail = format!(
        "a body has at most {HTTP_BODY_BYTES_MAX} bytes: store what is large elsewhere and send where it is"
    );
    Problem::new(Kind::TooLarge, detail)
}

/// Reads no more than the limit, whatever the headers said.
async fn read(body: axum::body::Body) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| malformed("the body was cut"))?;
        if bytes.len() + chunk.len() > HTTP_BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
