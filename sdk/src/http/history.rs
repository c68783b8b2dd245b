//! The log, a page at a time.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, HeaderMap, HeaderValue, LINK};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::input::{Id, Params};
use super::output::{json, text};
use super::problem::{NoHistory, Problem};
use super::router::Shared;
use crate::client::{Client, HistoryError};
use crate::event::Event;
use crate::id::{CommitNumber, ExecutionId};
use crate::limits::{HTTP_LIST_MAX, HTTP_PAGE_BYTES_MAX};

/// The payloads of how many commits are opened together, and the more at the most than a page needs.
const OPENED_AT_ONCE: usize = 8;

/// JSON lines.
const LINES: &str = "application/x-ndjson";

/// The events of one write.
#[derive(Serialize, ToSchema)]
#[schema(as = Commit)]
struct CommitBody<'a> {
    /// Its place in the log, from 0.
    number: u64,
    /// Who wrote it.
    #[schema(value_type = String)]
    writer: String,
    /// SHA-256 of its stored bytes, in hexadecimal digits.
    hash: String,
    /// What happened, in order: `docs/event-log.md` describes the events.
    #[schema(value_type = Vec<serde_json::Value>)]
    events: &'a [Event],
}

/// A page of a log.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryPage)]
struct Page {
    /// The commits, in their order.
    #[schema(value_type = Vec<CommitBody>)]
    commits: Vec<Box<RawValue>>,
    /// From where the next page begins: its `from`. Absent if there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// The log of all runs, a page at a time, each commit verified, and against the one before it on the
/// page; with `Accept: application/x-ndjson` one commit a line. The header `Link` has the next page.
#[utoipa::path(
    get, path = "/executions/{id}/history", tag = "look",
    params(
        ("id" = String, Path, description = "The execution's id"),
        ("from" = Option<u64>, Query, description = "The first commit, 0 if absent"),
        ("limit" = Option<u64>, Query, description = "At most so many commits, from 1 to 100")
    ),
    responses(
        (status = 200, description = "A page of the log", content(
            (Page = "application/json"),
            (String = "application/x-ndjson")
        ), headers(("link" = Option<String>, description = "`<…>; rel=\"next\"` if there is more"))),
        NoHistory
    )
)]
pub(super) async fn history(
    State(shared): State<Shared>,
    Id(id): Id,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let from = params.take_number("from", 0..=u64::MAX, 0)?;
    let most = HTTP_LIST_MAX as u64;
    let limit = params.take_number("limit", 1..=most, most)?;
    params.end()?;
    let page = page(&shared.client, &id, from, limit as usize).await?;
    let next = page.next;
    let mut response = if wants_lines(&headers) {
        let lines = page.commits.iter().map(|commit| format!("{}\n", commit.get())).collect();
        text(StatusCode::OK, LINES, lines)
    } else {
        json(StatusCode::OK, &page)?
    };
    if let Some(next) = next {
        // Relative to the page, wherever the router is nested.
        let link = format!("<?from={next}&limit={limit}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut media = accept.flat_map(|value| value.split(',')).filter_map(|it| it.split(';').next());
    media.any(|media| media.trim().eq_ignore_ascii_case(LINES))
}

/// The commits from `from` on: `limit` at most, and no more than fit a page, but one at least. Nothing
/// before them is read, and the payloads of those that do not fit stay where they are.
async fn page(
    client: &Client,
    id: &ExecutionId,
    from: CommitNumber,
    limit: usize,
) -> Result<Page, Problem> {
    let log = client.log_page(id, from, limit).await?;
    let (mut rest, corrupt) = log.read(None);
    if let Some(source) = corrupt {
        return Err(HistoryError::Corrupt { id: id.clone(), readable: rest, source }.into());
    }
    let mut commits: Vec<Box<RawValue>> = Vec::new();
    let mut bytes = 0;
    for some in rest.chunks_mut(OPENED_AT_ONCE) {
        client.open_commits(id, some).await?;
        for commit in some.iter() {
            let body = CommitBody {
                number: commit.number,
                writer: commit.writer.to_string(),
                hash: commit.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
                events: &commit.events,
            };
            let body = serde_json::value::to_raw_value(&body);
            let body = body.map_err(|error| Problem::internal(&error))?;
            bytes += body.get().len();
            if !commits.is_empty() && bytes > HTTP_PAGE_BYTES_MAX {
                return Ok(Page { commits, next: Some(commit.number) });
            }
            commits.push(body);
        }
    }
    Ok(Page { commits, next: log.next })
}
