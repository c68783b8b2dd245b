//! Promises, answered by their tokens.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Body, Nothing, Token};
use super::output::json;
use super::problem::{NoPromise, Problem};
use super::router::Shared;
use crate::client::Resolution;
use crate::event::Json;

/// What a promise is completed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteRequest {
    /// The value; `null` if absent.
    #[serde(default = "Json::null")]
    #[schema(value_type = serde_json::Value, required = false)]
    value: Json,
}

/// Why a promise fails.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FailRequest {
    /// Why, for people.
    reason: String,
}

/// What became of a result.
#[derive(Serialize, ToSchema)]
struct Resolved {
    /// Whether the promise had this very result before.
    repeated: bool,
}

/// What became of a heartbeat.
#[derive(Serialize, ToSchema)]
struct Beaten {}

fn resolved(resolution: Resolution) -> Result<Response, Problem> {
    let repeated = resolution == Resolution::Repeated;
    json(StatusCode::OK, &Resolved { repeated })
}

/// Completes the promise. The first result counts; the same one again is no problem.
#[utoipa::path(
    post, path = "/promises/{token}/complete", tag = "promises", request_body = CompleteRequest,
    params(("token" = String, Path, description = "The promise's token")),
    responses((status = 200, description = "It is the promise's result", body = Resolved), NoPromise)
)]
pub(super) async fn complete(
    State(shared): State<Shared>,
    Token(token): Token,
    Body(CompleteRequest { value }): Body<CompleteRequest>,
) -> Result<Response, Problem> {
    resolved(shared.client.promise(&token).complete(&value).await?)
}

/// Fails the promise. The first result counts; the same one again is no problem.
#[utoipa::path(
    post, path = "/promises/{token}/fail", tag = "promises", request_body = FailRequest,
    params(("token" = String, Path, description = "The promise's token")),
    responses((status = 200, description = "It is the promise's result", body = Resolved), NoPromise)
)]
pub(super) async fn fail(
    State(shared): State<Shared>,
    Token(token): Token,
    Body(FailRequest { reason }): Body<FailRequest>,
) -> Result<Response, Problem> {
    resolved(shared.client.promise(&token).fail(reason).await?)
}

/// Says that somebody still works on the promise.
#[utoipa::path(
    post, path = "/promises/{token}/heartbeat", tag = "promises", request_body = Nothing,
    params(("token" = String, Path, description = "The promise's token")),
    responses((status = 202, description = "The execution will hear of it", body = Beaten), NoPromise)
)]
pub(super) async fn heartbeat(
    State(shared): State<Shared>,
    Token(token): Token,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    shared.client.promise(&token).heartbeat().await?;
    json(StatusCode::ACCEPTED, &Beaten {})
}
