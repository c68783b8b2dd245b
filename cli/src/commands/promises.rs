//! The promises of an execution that somebody can still complete.

use std::collections::BTreeMap;
use std::time::Duration;

use everstep::event::{Commit, Event};
use everstep::id::PromiseToken;
use everstep::store::Record;
use everstep::time::Timestamp;
use serde::Serialize;

use super::record::time;

/// A promise that has no result.
#[derive(Serialize)]
pub(super) struct OpenPromise {
    token: PromiseToken,
    /// Until when, if there is a limit; of its heartbeats, what the log knows of them.
    due: Option<String>,
    #[serde(skip)]
    until: Option<Timestamp>,
    site: String,
}

impl OpenPromise {
    pub(super) fn line(&self) -> String {
        match self.until {
            Some(due) => format!("{}  until {} UTC", self.token, time(due)),
            None => self.token.to_string(),
        }
    }
}

/// Those of the last run in `commits`, in the order in which they were made.
pub(super) fn open_promises(record: &Record, commits: &[Commit]) -> Vec<OpenPromise> {
    let (mut run, mut open, mut heartbeats) = (1, BTreeMap::new(), BTreeMap::new());
    for event in commits.iter().flat_map(|commit| &commit.events) {
        match event {
            Event::WorkflowStarted(start) => {
                run = start.run;
                open.clear();
                heartbeats.clear();
            }
            Event::PromiseCreated(promise) => _ = open.insert(&promise.key, promise),
            Event::PromiseHeartbeat(heartbeat) if heartbeat.run == run => {
                heartbeats.insert(&heartbeat.key, heartbeat.at);
            }
            Event::PromiseResolved(resolved) if resolved.run == run => {
                open.remove(&resolved.key);
            }
            // What is undone waits for no answer any more.
            Event::CompensationStarted(_) => open.clear(),
            event if event.is_end() => open.clear(),
            _ => {}
        }
    }
    let mut open: Vec<_> = open.into_values().collect();
    open.sort_unstable_by_key(|promise| promise.seq);
    let shown = open.into_iter().map(|promise| {
        let heartbeat = heartbeats.get(&promise.key).copied().unwrap_or(promise.at);
        let missed = promise.heartbeat_ms.map(|ms| heartbeat.after(Duration::from_millis(ms)));
        let until = promise.due.into_iter().chain(missed).min();
        OpenPromise {
            token: PromiseToken::new(record.id.clone(), run, promise.key.clone()),
            due: until.map(|until| until.to_string()),
            until,
            site: promise.site.to_string(),
        }
    });
    shown.collect()
}
