//! What an execution shows: asked for again and again, or as a stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::input::Id;
use super::output::text;
use super::problem::{Kind, NoLook, NoStream, Problem};
use super::router::Shared;
use super::waiting::Whole;
use crate::client::HistoryError;
use crate::event::Json;
use crate::id::ExecutionId;
use crate::store::StoreError;

/// How soon a stream asks the store again after something new; up to the next, when nothing is.
const ASK_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// The view's name among all views: the same text has the same.
fn tag(view: &Json) -> String {
    let hash = Sha256::digest(view.as_str().as_bytes());
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the execution has published last. With the `ETag` of an earlier answer as `If-None-Match`
/// a view that has not changed is not sent again.
#[utoipa::path(
    get, path = "/executions/{id}/view", tag = "look",
    params(
        ("id" = String, Path, description = "The execution's id"),
        ("if-none-match" = Option<String>, Header, description = "The `ETag` of the view that is known")
    ),
    responses(
        (status = 200, description = "The view", body = serde_json::Value,
            headers(("etag" = String, description = "The same for the same view"))),
        (status = 204, description = "It has published nothing"),
        (status = 304, description = "It shows what is known"),
        NoLook
    )
)]
pub(super) async fn view(
    State(shared): State<Shared>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(view) = shared.client.opened_view(&id).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let etag = format!("\"{}\"", tag(&view));
    let mut response = if knows(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        text(StatusCode::OK, "application/json", view.as_str().to_owned())
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

/// Whether the caller has what `etag` names.
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What the execution publishes, as server-sent events: `view` with each view that is seen, `end`
/// with the status when the execution has ended. Views that follow each other quickly may be left
/// out; the last one never is. The id of an event, sent as `Last-Event-ID`, continues a stream;
/// whoever was told `end` need not come again.
#[utoipa::path(
    get, path = "/executions/{id}/view/stream", tag = "look",
    params(
        ("id" = String, Path, description = "The execution's id"),
        ("last-event-id" = Option<String>, Header, description = "The id of the last event that is known")
    ),
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        NoStream
    )
)]
pub(super) async fn stream(
    State(shared): State<Shared>,
    whole: Option<Extension<Whole>>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if whole.is_some() {
        let detail = "a function gives its answers as a whole: ask for the view again and again";
        return Err(Problem::new(Kind::NoStream, detail));
    }
    let place = shared.waiting.enter()?;
    shared.client.stored_record(&id).await?;
    let last = headers.get(HeaderName::from_static("last-event-id"));
    let seen = last.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let watching = Watching {
        shared,
        id,
        seen,
        looked_at: None,
        pause: Duration::ZERO,
        ended: false,
        _place: place,
    };
    Ok(Sse::new(events(watching)).keep_alive(KeepAlive::default()).into_response())
}

/// A stream that is watched.
struct Watching {
    shared: Shared,
    id: ExecutionId,
    /// The last view that was sent.
    seen: Option<String>,
    /// The last view that was opened, as it is stored.
    looked_at: Option<Json>,
    pause: Duration,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

fn events(watching: Watching) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    })
}

impl Watching {
    /// The next event; `None` after the last, and when the server stops.
    async fn next(&mut self) -> Option<Event> {
        let waiting = self.shared.waiting.clone();
        tokio::select! {
            biased;
            () = waiting.stopped() => None,
            event = self.look() => event,
        }
    }

    async fn look(&mut self) -> Option<Event> {
        while !self.ended {
            tokio::time::sleep(self.pause).await;
            let [soon, late] = ASK_AFTER;
            self.pause = (self.pause * 5 / 4).clamp(soon, late);
            // A client whose stream ends comes again by itself, and gets the problem then.
            let client = &self.shared.client;
            let of = client.stored_record(&self.id).await.ok()?.projection;
            let new = of.view.filter(|view| self.looked_at.as_ref() != Some(view));
            if let Some(mut view) = new {
                let stored = view.clone();
                let opened = client.open_payload(&self.id, &mut view).await;
                let can_be_opened = match opened {
                    Ok(()) => true,
                    // It is not shown; who asks for it alone is told why.
                    Err(HistoryError::Store(StoreError::Payload(e))) if e.is_of_payload() => false,
                    Err(_) => return None,
                };
                self.looked_at = Some(stored);
                let tag = tag(&view);
                if can_be_opened && self.seen.as_ref() != Some(&tag) {
                    self.pause = if of.status.is_closed() { Duration::ZERO } else { soon };
                    // Outside of its texts, which escape it, JSON has it only as white space.
                    let view = view.as_str().replace('\r', " ");
                    let event = Event::default().event("view").id(&tag).data(view);
                    self.seen = Some(tag);
                    return Some(event);
                }
            }
            if of.status.is_closed() {
                self.ended = true;
                let status = format!("{{\"status\":\"{}\"}}", of.status);
                return Some(Event::default().event("end").data(status));
            }
        }
        None
    }
}
