//! Sending to executions: signals, and updates with their answers.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::{Body, Id};
use super::output::json;
use super::problem::{NoMessage, NoUpdate, Problem};
use super::router::Shared;
use super::start::SignalRequest;
use super::waiting::Whole;
use crate::client::UpdateError;
use crate::event::Json;
use crate::limits::HTTP_WAIT_MAX;

/// A message that is stored.
#[derive(Serialize, ToSchema)]
struct Sent {
    /// Its id: the same request with it sends nothing more.
    id: String,
}

/// Sends a signal, once for each id. It is kept until the workflow takes it.
#[utoipa::path(
    post, path = "/executions/{id}/signals", tag = "send", request_body = SignalRequest,
    params(("id" = String, Path, description = "The execution's id")),
    responses((status = 202, description = "It is stored", body = Sent), NoMessage)
)]
pub(super) async fn signal(
    State(shared): State<Shared>,
    Id(to): Id,
    Body(request): Body<SignalRequest>,
) -> Result<Response, Problem> {
    let SignalRequest { name, id, payload } = request;
    let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
    shared.client.signal(&to, name, &payload).id(&*id).await?;
    json(StatusCode::ACCEPTED, &Sent { id })
}

/// An update.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateRequest {
    /// Its name.
    name: String,
    /// Its id: a second update with the same id is the same update, and gets the same answer.
    /// Without one every request sends another.
    id: Option<String>,
    /// What it asks; `null` if absent.
    #[serde(default = "Json::null")]
    #[schema(value_type = serde_json::Value, required = false)]
    request: Json,
    /// How many seconds to wait for the answer, 20 if absent and at most.
    wait: Option<u64>,
}

/// The workflow's answer.
#[derive(Serialize, ToSchema)]
struct Answered {
    /// The update's id.
    id: String,
    /// The answer.
    #[schema(value_type = serde_json::Value)]
    answer: Json,
}

/// Sends an update, once for each id, and waits for the workflow's answer. A rejection is a problem
/// with the workflow's own `error`.
#[utoipa::path(
    post, path = "/executions/{id}/updates", tag = "send", request_body = UpdateRequest,
    params(("id" = String, Path, description = "The execution's id")),
    responses(
        (status = 200, description = "The answer", body = Answered),
        (status = 202, description = "It is stored and not answered yet: send it again with this id", body = Sent),
        NoUpdate
    )
)]
pub(super) async fn update(
    State(shared): State<Shared>,
    whole: Option<Extension<Whole>>,
    Id(to): Id,
    Body(request): Body<UpdateRequest>,
) -> Result<Response, Problem> {
    let UpdateRequest { name, id, request, wait } = request;
    let wait = wait.map_or(HTTP_WAIT_MAX, Duration::from_secs);
    let wait = Whole::bound(whole.as_deref(), wait);
    let known = id.is_some();
    let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
    let _place = shared.waiting.enter()?;
    let update = shared.client.update::<Json>(&to, name, &request);
    let answer = update.with_id(id.clone(), known).wait(wait);
    let answer = tokio::select! {
        answer = answer => answer,
        // It may not even be stored: a second request, with the same id, makes sure.
        () = shared.waiting.stopped() => {
            return json(StatusCode::ACCEPTED, &Sent { id });
        }
    };
    match answer {
        Ok(answer) => json(StatusCode::OK, &Answered { id, answer }),
        Err(UpdateError::NoAnswer { .. }) => json(StatusCode::ACCEPTED, &Sent { id }),
        Err(error) => Err(error.into()),
    }
}
