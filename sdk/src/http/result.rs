//! Waiting for the end of an execution.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Id, Params};
use super::output::json;
use super::problem::{Kind, NoResult, Problem};
use super::router::Shared;
use super::waiting::Whole;
use crate::client::{Handle, ResultError};
use crate::event::Json;
use crate::limits::HTTP_WAIT_MAX;
use crate::store::Status;

/// How an execution ended, or that it has not.
#[derive(Serialize, ToSchema)]
struct Outcome {
    /// Where it stands.
    status: &'static str,
    /// What the workflow returned, if it is `completed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    output: Option<Json>,
    /// The workflow's error, if it is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    error: Option<Json>,
    /// Why it is `cancelled` or `terminated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a failed or cancelled one, the undo steps that failed for good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_undone: Vec<String>,
}

impl Outcome {
    fn of(status: Status) -> Self {
        let (output, error, reason) = (None, None, None);
        Self { status: status.as_str(), output, error, reason, not_undone: Vec::new() }
    }

    fn read(result: Result<Json, ResultError<Json>>) -> Result<Self, Problem> {
        Ok(match result {
            Ok(output) => Self { output: Some(output), ..Self::of(Status::Completed) },
            Err(ResultError::Failed(error)) => {
                Self { error: Some(error), ..Self::of(Status::Failed) }
            }
            Err(ResultError::Cancelled { reason }) => {
                Self { reason: Some(reason), ..Self::of(Status::Cancelled) }
            }
            Err(ResultError::Terminated { reason }) => {
                Self { reason: Some(reason), ..Self::of(Status::Terminated) }
            }
            Err(ResultError::NotUndone { ended, undo_steps }) => {
                let not_undone = undo_steps.iter().map(ToString::to_string).collect();
                Self { not_undone, ..Self::read(Err(*ended))? }
            }
            Err(ResultError::Blocked { reason }) => {
                return Err(Problem::new(Kind::Blocked, reason));
            }
            Err(ResultError::History(error)) => return Err(error.into()),
            Err(error @ ResultError::Unreadable { .. }) => return Err(Problem::internal(&error)),
        })
    }
}

/// How the execution ended. Waits for its end for as long as asked for, and says 202 if it has not
/// come by then.
#[utoipa::path(
    get, path = "/executions/{id}/result", tag = "look",
    params(
        ("id" = String, Path, description = "The execution's id"),
        ("wait" = Option<u64>, Query, description = "How many seconds to wait, from 0 (the default) to 20")
    ),
    responses(
        (status = 200, description = "How it ended", body = Outcome),
        (status = 202, description = "It has not ended: ask again", body = Outcome),
        NoResult
    )
)]
pub(super) async fn result(
    State(shared): State<Shared>,
    whole: Option<Extension<Whole>>,
    Id(id): Id,
    mut params: Params,
) -> Result<Response, Problem> {
    let wait = params.take_number("wait", 0..=HTTP_WAIT_MAX.as_secs(), 0)?;
    params.end()?;
    let wait = Whole::bound(whole.as_deref(), Duration::from_secs(wait));
    let status = shared.client.stored_record(&id).await?.projection.status;
    let handle: Handle<Json, Json> = shared.client.handle_as(id);
    if status.is_closed() || status == Status::Blocked {
        // One look, however it ends: a new run, or a resume in between, is nothing to wait for here.
        return match handle.outcome().await.transpose() {
            Some(result) => json(StatusCode::OK, &Outcome::read(result)?),
            None => json(StatusCode::ACCEPTED, &Outcome::of(Status::Running)),
        };
    }
    if wait.is_zero() {
        return json(StatusCode::ACCEPTED, &Outcome::of(status));
    }
    let _place = shared.waiting.enter()?;
    tokio::select! {
        result = handle.result() => json(StatusCode::OK, &Outcome::read(result)?),
        () = shared.waiting.stopped() => json(StatusCode::ACCEPTED, &Outcome::of(status)),
        () = tokio::time::sleep(wait) => json(StatusCode::ACCEPTED, &Outcome::of(status)),
    }
}
