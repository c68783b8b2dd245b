//! Looking at executions: one by its id, and pages of many.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Id, Params, malformed};
use super::output::json;
use super::problem::{NoList, NoLook, Problem};
use super::router::Shared;
use crate::limits::HTTP_LIST_MAX;
use crate::store::{Record, Status};

/// What is known of an execution without reading its log.
#[derive(Serialize, ToSchema)]
struct Execution<'a> {
    /// Its id.
    id: &'a str,
    /// Its workflow's name.
    workflow: &'a str,
    /// Where it stands: `running`, `suspended`, `blocked`, `completed`, `failed`, `cancelled` or
    /// `terminated`.
    status: &'a str,
    /// When it was started (RFC 3339).
    started_at: String,
    /// When this was written (RFC 3339).
    updated_at: String,
    /// When a timer of it is due, or somebody looks at it again (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_at: Option<String>,
    /// Of one that has ended: until when it is kept, if not for ever (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_until: Option<String>,
    /// Why it is blocked, or how it ended, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The version of the code that worked on it last.
    code: &'a str,
    /// What it is found by.
    tags: &'a BTreeMap<String, String>,
    /// How many messages were ever accepted for it.
    messages: u64,
}

impl<'a> Execution<'a> {
    fn of(record: &'a Record) -> Self {
        let of = &record.projection;
        Self {
            id: record.id.as_str(),
            workflow: &record.workflow,
            status: of.status.as_str(),
            started_at: record.started_at.to_string(),
            updated_at: of.updated_at.to_string(),
            wake_at: of.wake_at.filter(|_| !of.status.is_closed()).map(|at| at.to_string()),
            kept_until: of.wake_at.filter(|_| of.expires()).map(|at| at.to_string()),
            reason: of.reason.as_deref(),
            code: &of.code,
            tags: &record.tags,
            messages: record.arrivals,
        }
    }
}

/// A page of executions.
#[derive(Serialize, ToSchema)]
struct Page<'a> {
    /// The executions, the newest start first.
    executions: Vec<Execution<'a>>,
    /// Where the page ended: `after` of the next one. Absent if there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

/// Describes an execution.
#[utoipa::path(
    get, path = "/executions/{id}", tag = "look",
    params(("id" = String, Path, description = "The execution's id")),
    responses((status = 200, description = "What is known of it", body = Execution), NoLook)
)]
pub(super) async fn describe(
    State(shared): State<Shared>,
    Id(id): Id,
) -> Result<Response, Problem> {
    let record = shared.client.stored_record(&id).await?;
    json(StatusCode::OK, &Execution::of(&record))
}

/// Lists executions, the newest start first. May be a moment behind.
#[utoipa::path(
    get, path = "/executions", tag = "look",
    params(
        ("workflow" = Option<String>, Query, description = "Only of this workflow"),
        ("status" = Option<String>, Query, description = "Only with this status"),
        ("tag" = Option<Vec<String>>, Query,
            description = "Only with this tag, written `name=value`; several must all be there"),
        ("started_from" = Option<String>, Query,
            description = "Only those started then or later: a time of RFC 3339"),
        ("started_before" = Option<String>, Query, description = "Only those started earlier"),
        ("limit" = Option<u64>, Query, description = "At most so many, from 1 to 100"),
        ("after" = Option<String>, Query, description = "Begin where a page before ended")
    ),
    responses((status = 200, description = "A page of them", body = Page), NoList)
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    mut params: Params,
) -> Result<Response, Problem> {
    let mut list = shared.client.list();
    if let Some(workflow) = params.take("workflow")? {
        list = list.workflow(workflow);
    }
    if let Some(status) = params.take("status")? {
        let known = Status::ALL.map(Status::as_str).join(", ");
        let wrong = || malformed(format!("there is no status {status:?}: there are {known}"));
        list = list.status(Status::parse(&status).ok_or_else(wrong)?);
    }
    for tag in params.take_all("tag") {
        let wrong = || malformed(format!("a tag is written name=value: {tag:?}"));
        let (name, value) = tag.split_once('=').ok_or_else(wrong)?;
        list = list.tag(name, value);
    }
    if let Some(time) = params.take("started_from")? {
        list = list.started_from(time_of("started_from", &time)?);
    }
    if let Some(time) = params.take("started_before")? {
        list = list.started_before(time_of("started_before", &time)?);
    }
    let most = HTTP_LIST_MAX as u64;
    list = list.limit(params.take_number("limit", 1..=most, most)? as usize);
    if let Some(after) = params.take("after")? {
        list = list.after(after);
    }
    params.end()?;
    let page = list.page().await?;
    let executions = page.records.iter().map(Execution::of).collect();
    json(StatusCode::OK, &Page { executions, next: page.next.as_deref() })
}

fn time_of(name: &str, text: &str) -> Result<DateTime<Utc>, Problem> {
    let wrong = |_| {
        let example = "2026-01-31T12:00:00Z";
        malformed(format!("{name} is a time of RFC 3339, such as {example}, and not {text:?}"))
    };
    DateTime::parse_from_rfc3339(text).map(DateTime::into).map_err(wrong)
}
