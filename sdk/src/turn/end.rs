//! Ending a turn, in this order: record, inbox once more, taken items, and only then the wake.

use super::alarms::far_alarms;
use super::children::Family;
use super::notices::end_of;
use super::outbox::{Outbox, owing};
use super::shown::Shown;
use super::{Kitchen, Lease, TurnError};
use crate::event::TurnEnd;
use crate::id::{CommitNumber, ExecutionId};
use crate::limits::{REASON_BYTES_MAX, RETENTION_MIN};
use crate::replay::{Fault, History, TakenIds};
use crate::store::{Loaded, Projection, Status, StoreError};
use crate::time::Timestamp;
use crate::wake::Alarm;

/// What a turn left behind.
pub(super) struct Ended {
    pub(super) last: CommitNumber,
    /// Where the current run begins.
    pub(super) first: CommitNumber,
    pub(super) status: Status,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) reason: Option<String>,
    /// What the record does not show yet.
    pub(super) shown: Shown,
    /// How many arrivals the inbox that was read had.
    pub(super) arrivals: u64,
    /// Whom to tell of the end, if the execution has ended.
    pub(super) family: Option<Family>,
    /// The ids of the items that were in the inbox: the log has taken them all.
    pub(super) seen: Vec<String>,
    /// The alarms that nobody counts on any more.
    pub(super) disarm: Vec<Alarm>,
    /// What is to be told, if anything is.
    pub(super) outbox: Option<Outbox>,
}

impl Kitchen {
    /// Rules 14 and 16. `false` if something arrived or became due meanwhile: look again, on the
    /// same wake.
    pub(super) async fn finish(
        &self,
        id: &ExecutionId,
        mut ended: Ended,
        lease: Lease,
    ) -> Result<bool, TurnError> {
        if let Some(family) = &ended.family {
            self.say_end(family).await?;
        }
        self.tell(ended.outbox.as_mut(), lease).await;
        let outbox = ended.outbox.take();
        let Ended { last, first, status, wake_at, reason, shown, .. } = ended;
        let projection = self.projection_of([last, first], status, wake_at, reason, shown);
        let projection = owing(projection, outbox.as_ref());
        let record = self.store.project(id, &projection).await?;
        let due = status == Status::Suspended && wake_at.is_some_and(|due| self.clock.now() >= due);
        self.disarm(&ended.disarm).await;
        if record.arrivals > ended.arrivals || due {
            return Ok(false);
        }
        if !ended.seen.is_empty() {
            self.store.remove_items(id, &ended.seen).await?;
        }
        Ok(true)
    }

    /// Rule 18: the execution has ended. Its record says so, and nobody who wrote to it is left
    /// without an answer: what came too late is reported, then removed.
    pub(super) async fn close(
        &self,
        loaded: &Loaded,
        history: &History,
        lease: Lease,
    ) -> Result<(), TurnError> {
        if loaded.record.projection.commit < history.last {
            // Whoever ended it died before its record said so, and perhaps before this.
            let mut family = Family::of(history.start(), &history.events);
            self.open_end(&loaded.record.id, &mut family).await?;
            self.say_end(&family).await?;
            let now = self.clock.now();
            self.disarm(&far_alarms(&loaded.record.id, history.armed.iter(), now)).await;
        }
        self.repair(loaded, history, lease).await?;
        let ids = loaded.report_late(|item_id| history.taken.contains(item_id));
        if !ids.is_empty() {
            self.store.remove_items(&loaded.record.id, &ids).await?;
        }
        Ok(())
    }

    /// Rule 13: whoever finds the record behind the log, something untold, or taken items in the inbox,
    /// heals that.
    pub(super) async fn repair(
        &self,
        loaded: &Loaded,
        history: &History,
        lease: Lease,
    ) -> Result<(), StoreError> {
        let stored = &loaded.record.projection;
        if stored.commit < history.last || stored.untold.is_some() {
            let mut outbox = self.outbox(loaded, history).await?;
            self.tell(outbox.as_mut(), lease).await;
            let shown = Shown::missing_in(&loaded.record, history);
            let projection = owing(self.projection(history, shown), outbox.as_ref());
            self.store.project(&loaded.record.id, &projection).await?;
        }
        self.remove_taken(loaded, &history.taken).await
    }

    /// Blocks the execution with its log as it stands at commit `last`; its run begins at `first`,
    /// `shown` is what the record may not show yet, `outbox` what is to be told beside the block.
    /// Returns the record's arrivals.
    pub(super) async fn block(
        &self,
        id: &ExecutionId,
        [last, first]: [CommitNumber; 2],
        shown: Shown,
        fault: &Fault,
        mut outbox: Option<Outbox>,
        lease: Lease,
    ) -> Result<u64, StoreError> {
        let hides = self.payloads.hides();
        let fault = if hides { fault.without_values() } else { fault.to_string() };
        let (status, reason) = (Status::Blocked, Some(fault.clone()));
        let at = self.clock.now();
        if let Some(outbox) = &mut outbox {
            outbox.blocked(last, at, reason.clone());
        }
        self.tell(outbox.as_mut(), lease).await;
        // Whoever tells it again finds its time here.
        let projection = Projection {
            updated_at: at,
            ..self.projection_of([last, first], status, None, reason, shown)
        };
        let projection = owing(projection, outbox.as_ref());
        let record = self.store.project(id, &projection).await?;
        if record.projection.status == Status::Blocked {
            tracing::error!(everstep.execution.id = %id, reason = %fault, "execution blocked");
        }
        Ok(record.arrivals)
    }

    async fn remove_taken(&self, loaded: &Loaded, taken: &TakenIds) -> Result<(), StoreError> {
        let ids: Vec<String> = loaded
            .inbox
            .iter()
            .filter(|item| taken.contains(&item.id))
            .map(|item| item.id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.store.remove_items(&loaded.record.id, &ids).await
    }

    /// The record as it follows from the log alone, with what it is to be given.
    fn projection(&self, history: &History, shown: Shown) -> Projection {
        let (mut status, mut wake_at, mut reason) = match (&history.open_turn, history.turn_end) {
            (Some(open), _) => (Status::Running, Some(open.claim.lease_end), None),
            (None, Some(TurnEnd::Suspended)) => (Status::Suspended, history.wake_at, None),
            (None, Some(TurnEnd::Yielded) | None) => (Status::Running, Some(history.time), None),
            (None, Some(TurnEnd::Blocked)) => (Status::Blocked, None, None),
        };
        if let Some((ended_as, why)) = history.events.last().and_then(end_of) {
            (status, wake_at, reason) = (ended_as, None, why);
        }
        if status.is_closed() {
            // Whoever else has found it so may be slower, and must not find another execution in its
            // place when the record is written.
            let soonest = self.clock.now().after(RETENTION_MIN);
            let delete_at = self.registry.delete_at(&history.start().workflow, history.time);
            wake_at = delete_at.map(|at| at.max(soonest));
        }
        self.projection_of([history.last, history.first], status, wake_at, reason, shown)
    }

    pub(super) fn projection_of(
        &self,
        [commit, first]: [CommitNumber; 2],
        status: Status,
        wake_at: Option<Timestamp>,
        reason: Option<String>,
        Shown { view, tags }: Shown,
    ) -> Projection {
        Projection {
            commit,
            first,
            status,
            wake_at,
            untold: None,
            updated_at: self.clock.now(),
            code: self.registry.code().to_owned(),
            reason: reason.map(brief),
            view,
            tags,
        }
    }
}

/// `text`, cut to [`REASON_BYTES_MAX`].
pub(super) fn brief(mut text: String) -> String {
    if text.len() > REASON_BYTES_MAX {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        text.push('…');
    }
    text
}
