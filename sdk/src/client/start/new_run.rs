//! A run that is to be started, and what is stored of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::first::{self, First};
use crate::event::{Carried, Event, Json, StoredCommit, WorkflowStarted};
use crate::id::{Born, ExecutionId, WriterId};
use crate::payload::{PayloadError, Payloads};
use crate::replay::History;
use crate::store::{Projection, Record};
use crate::time::Timestamp;

/// A run to be started: the first, or the next after a closed one.
pub(super) struct NewRun<'a> {
    pub(super) id: &'a ExecutionId,
    pub(super) workflow: &'a str,
    pub(super) input: &'a Json,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) first: &'a [First],
    pub(super) after: Option<History>,
    /// What the record of the run before has; the first run gets its own.
    pub(super) born: Option<Born>,
}

impl NewRun<'_> {
    pub(super) fn number(&self) -> u32 {
        self.after.as_ref().map_or(1, |history| history.start().run + 1)
    }

    /// Whether any of it may not be stored as it is.
    pub(super) fn seals(&self, payloads: &Payloads) -> bool {
        payloads.seals(self.input)
            || self.first.iter().any(|first| payloads.seals_message(&first.message))
    }

    pub(super) async fn encode(
        &self,
        now: Timestamp,
        writer: WriterId,
        payloads: &Payloads,
    ) -> Result<(Record, StoredCommit), PayloadError> {
        // Later than the start of the run before, by which one run's cancel is told from another's.
        let at = self.after.as_ref().map_or(now, |history| {
            now.max(history.time).max(history.start().at.after(Duration::from_millis(1)))
        });
        let number = self.after.as_ref().map_or(0, |history| history.last + 1);
        let previous = self.after.as_ref().map(|history| history.last_hash);
        let run = self.number();
        let event = Event::WorkflowStarted(WorkflowStarted {
            at,
            execution: self.id.clone(),
            workflow: self.workflow.to_owned(),
            run,
            input: self.input.clone(),
            parent: None,
            tags: self.tags.clone(),
            first_input: None,
        });
        // Rule 19: what an earlier run took is not taken again.
        let hours = self.after.as_ref().map(|history| history.taken.carried(at, &[]));
        let hours = hours.unwrap_or_default();
        let (messages, taken) = (Vec::new(), Vec::new());
        let carried =
            (!hours.is_empty()).then_some(Event::Carried(Carried { at, messages, taken, hours }));
        let events: Vec<Event> =
            carried.into_iter().chain([event]).chain(first::events(self.first, at)).collect();
        let sealed = payloads.seal_events(self.id, &events).await?;
        let start = StoredCommit::encode(number, writer, previous, &sealed);
        let record = Record {
            id: self.id.clone(),
            workflow: self.workflow.to_owned(),
            started_at: at,
            born: if self.after.is_some() { self.born } else { Some(Born::random()) },
            arrivals: 0,
            tags: self.tags.clone(),
            parent: None,
            projection: Projection::of_start(number, at),
        };
        Ok((record, start))
    }
}
