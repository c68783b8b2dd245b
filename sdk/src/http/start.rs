//! Starting executions.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::Body;
use super::output::{json, path_part};
use super::problem::{NoStart, Problem};
use super::router::Shared;
use crate::client::Policy;
use crate::event::Json;

/// What is to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    /// The workflow's name.
    workflow: String,
    /// The execution's id, and the idempotency key of the start: the same request sent again starts
    /// nothing. Without one the execution gets a random id, and a second request starts another.
    id: Option<String>,
    /// The workflow's input; `null` if absent.
    #[serde(default = "Json::null")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Json,
    /// What to do if there is an execution with this id; `attach` if absent.
    #[serde(default)]
    #[schema(required = false)]
    on_conflict: Policy,
    /// Names and values to find the execution by.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Signals that are there before the workflow runs; an execution that exists gets them, too.
    #[serde(default)]
    signals: Vec<SignalRequest>,
}

/// A signal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalRequest {
    /// Its name.
    pub(super) name: String,
    /// Its id: a second signal with the same id is the same signal. Without one every request sends
    /// another.
    pub(super) id: Option<String>,
    /// What it says; `null` if absent.
    #[serde(default = "Json::null")]
    #[schema(value_type = serde_json::Value, required = false)]
    pub(super) payload: Json,
}

/// What was started.
#[derive(Serialize, ToSchema)]
struct Started<'a> {
    /// The execution's id.
    id: &'a str,
    /// Whether this request started it.
    new: bool,
}

/// Starts an execution, once for each id.
#[utoipa::path(
    post, path = "/executions", tag = "start", request_body = StartRequest,
    responses(
        (status = 201, description = "It is started", body = Started,
            headers(("location" = String, description = "Where it can be looked at"))),
        (status = 200, description = "It was started before", body = Started,
            headers(("location" = String, description = "Where it can be looked at"))),
        NoStart
    )
)]
pub(super) async fn start(
    State(shared): State<Shared>,
    Body(request): Body<StartRequest>,
) -> Result<Response, Problem> {
    let StartRequest { workflow, id, input, on_conflict, tags, signals } = request;
    let mut start = shared.client.start_named(workflow, input).on_conflict(on_conflict.into());
    if let Some(id) = id {
        start = start.id(id);
    }
    for (name, value) in tags {
        start = start.tag(name, value);
    }
    for SignalRequest { name, id, payload } in signals {
        start = start.signal(name, &payload);
        if let Some(id) = id {
            start = start.signal_id(id);
        }
    }
    let handle = start.await?;
    let (id, new) = (handle.id().as_str(), handle.is_new());
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &Started { id, new })?;
    if let Ok(location) = HeaderValue::try_from(format!("executions/{}", path_part(id))) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}
