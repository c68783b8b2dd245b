//! The promises of an execution that somebody can still complete.

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
    let (mut run, mut open) = (1, Vec::new());
    for event in commits.iter().flat_map(|commit| &commit.events) {
        match event {
            Event::WorkflowStarted(start) => {
                run = start.run;
                open.clear();
            }
            Event::PromiseCreated(promise) => open.push(promise),
            Event::PromiseResolved(resolved) if resolved.run == run => {
                open.retain(|promise| promise.key != resolved.key);
            }
            // What is undone waits for no answer any more.
            Event::CompensationStarted(_) => open.clear(),
            event if event.is_end() => open.clear(),
            _ => {}
        }
    }
    let shown = open.into_iter().map(|promise| {
        let mut heartbeats = commits.iter().flat_map(|commit| &commit.events).filter_map(|event| {
            let Event::PromiseHeartbeat(heartbeat) = event else { return None };
            (heartbeat.run == run && heartbeat.key == promise.key).then_some(heartbeat.at)
        });
        let heartbeat = heartbeats.next_back().unwrap_or(promise.at);
        let missed =
            promise.heartbeat_ms.map(|ms| heartbeat.after(std::time::Duration::from_millis(ms)));
        let until = promise.due.into_iter().chain(missed).min();
        OpenPromise {
            token: PromiseToken::new(record.id.clone(), run, promise.key.clone()),
            due: until.map(|until| until.to_string()),
            until,
            site: promise.site.clone(),
        }
    });
    shown.collect()
}
