//! An execution's record as the commands print it.

use std::collections::BTreeMap;

use everstep::store::Record;
use everstep::time::Timestamp;
use serde::Serialize;

/// The JSON object of one execution. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub(super) struct Execution<'a> {
    id: &'a str,
    workflow: &'a str,
    status: &'static str,
    started_at: String,
    updated_at: String,
    /// When somebody looks at it next, where that is known.
    wake_at: Option<String>,
    /// Of one that has ended: until when it is kept, if not for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_until: Option<String>,
    /// The number of the last commit that the record takes into account.
    commit: u64,
    /// How many messages were ever accepted for it.
    arrivals: u64,
    /// The version of the code that worked on it last.
    code: &'a str,
    /// Why it is blocked or failed.
    reason: Option<&'a str>,
    /// What it is found by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Record> for Execution<'a> {
    fn from(record: &'a Record) -> Self {
        let projection = &record.projection;
        let closed = projection.status.is_closed();
        Self {
            id: record.id.as_str(),
            workflow: &record.workflow,
            status: projection.status.as_str(),
            started_at: record.started_at.to_string(),
            updated_at: projection.updated_at.to_string(),
            wake_at: projection.wake_at.filter(|_| !closed).map(|time| time.to_string()),
            kept_until: projection
                .wake_at
                .filter(|_| projection.expires())
                .map(|time| time.to_string()),
            commit: projection.commit,
            arrivals: record.arrivals,
            code: &projection.code,
            reason: projection.reason.as_deref(),
            tags: &record.tags,
        }
    }
}

/// A tag as it is written on the command line.
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a tag is NAME=VALUE".to_owned()),
    }
}

/// A time for people: `2026-03-14 09:26:53.589`, UTC.
pub(super) fn time(time: Timestamp) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// `text`, or a dash in the place of nothing.
pub(super) fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
