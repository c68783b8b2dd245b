//! Ending executions, and letting blocked ones go on.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Body, Id, Nothing};
use super::output::json;
use super::problem::{NoMessage, Problem};
use super::router::Shared;
use crate::client::Cancelling;

/// Why an execution is to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndRequest {
    /// Why, for people; empty if absent.
    #[serde(default)]
    reason: String,
}

/// What was asked of an execution.
#[derive(Serialize, ToSchema)]
struct Asked {
    /// The execution's id.
    id: String,
    /// Whether it is blocked, so that nothing comes of it before a fix and a resume.
    waits_for_resume: bool,
}

/// Asks for the execution to be cancelled: what it did is undone where its workflow says how.
/// Asking twice is asking once.
#[utoipa::path(
    post, path = "/executions/{id}/cancel", tag = "end", request_body = EndRequest,
    params(("id" = String, Path, description = "The execution's id")),
    responses((status = 202, description = "It is asked to end", body = Asked), NoMessage)
)]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    Id(id): Id,
    Body(EndRequest { reason }): Body<EndRequest>,
) -> Result<Response, Problem> {
    let waits_for_resume = shared.client.cancel(&id, reason).await? == Cancelling::WaitsForResume;
    json(StatusCode::ACCEPTED, &Asked { id: id.to_string(), waits_for_resume })
}

/// Ends the execution without its code: nothing is undone. For executions that cannot go on.
#[utoipa::path(
    post, path = "/executions/{id}/terminate", tag = "end", request_body = EndRequest,
    params(("id" = String, Path, description = "The execution's id")),
    responses((status = 202, description = "It will be ended", body = Asked), NoMessage)
)]
pub(super) async fn terminate(
    State(shared): State<Shared>,
    Id(id): Id,
    Body(EndRequest { reason }): Body<EndRequest>,
) -> Result<Response, Problem> {
    shared.client.terminate(&id, reason).await?;
    json(StatusCode::ACCEPTED, &Asked { id: id.to_string(), waits_for_resume: false })
}

/// Asks a blocked execution to go on, after a fix. Any other takes no notice.
#[utoipa::path(
    post, path = "/executions/{id}/resume", tag = "end", request_body = Nothing,
    params(("id" = String, Path, description = "The execution's id")),
    responses((status = 202, description = "It is asked to go on", body = Asked), NoMessage)
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    Id(id): Id,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, Problem> {
    shared.client.resume(&id).await?;
    json(StatusCode::ACCEPTED, &Asked { id: id.to_string(), waits_for_resume: false })
}
