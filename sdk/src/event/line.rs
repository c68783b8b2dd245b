//! A history as lines of JSON: what `everstep history --json` and `everstep export` print, what
//! archives hold, and what `testing::replay` reads.

use serde::Serialize;

use super::{Commit, Event, OperationKey};
use crate::id::{CommitNumber, ExecutionId};

/// The version of a line. It grows if a field changes its meaning or goes; new fields may come
/// without.
const FORMAT: u32 = 1;

/// One event of a history, as a line of JSON.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryLine<'a> {
    v: u32,
    execution: &'a str,
    commit: CommitNumber,
    at: String,
    kind: &'static str,
    key: Option<&'a OperationKey>,
    /// In its stored form: see docs/event-log.md.
    event: &'a Event,
}

impl<'a> HistoryLine<'a> {
    /// The line of an event of this commit.
    #[must_use]
    pub fn new(execution: &'a ExecutionId, commit: CommitNumber, event: &'a Event) -> Self {
        Self {
            v: FORMAT,
            execution: execution.as_str(),
            commit,
            at: event.at().to_string(),
            kind: event.kind(),
            key: event.key(),
            event,
        }
    }

    /// The lines of a log, in its order.
    pub fn of(execution: &'a ExecutionId, log: &'a [Commit]) -> impl Iterator<Item = Self> {
        log.iter().flat_map(move |commit| {
            commit.events.iter().map(move |event| Self::new(execution, commit.number, event))
        })
    }

    /// Its text, without a line feed.
    ///
    /// # Errors
    /// An event cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        // A recorded value may be spread over lines. In JSON a line feed is only ever white space.
        Ok(text.replace(['\n', '\r'], " "))
    }
}
