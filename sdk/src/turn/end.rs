//! Ending a turn, in this order: record, inbox once more, taken items, and only then the wake.

use futures::FutureExt;

use super::alarms::far_alarms;
use super::children::Family;
use super::notices::end_of;
use super::outbox::{Outbox, owing};
use super::shown::Shown;
use super::{Kitchen, Lease, Term, TurnError};
use crate::event::TurnEnd;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::limits::{REASON_BYTES_MAX, RETENTION_MIN};
use crate::replay::{Fault, History, TakenIds};
use crate::store::{InboxItem, Loaded, Projection, Record, SeenItem, Status, StoreError};
use crate::time::Timestamp;
use crate::wake::Alarm;

/// Where a log stands, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) last: CommitNumber,
    /// Where the current run begins.
    pub(super) first: CommitNumber,
    /// See [`Projection::life`].
    pub(super) life: Life,
}

/// What a turn left behind.
pub(super) struct Ended {
    pub(super) stand: Stand,
    pub(super) status: Status,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) reason: Option<String>,
    /// What the record does not show yet.
    pub(super) shown: Shown,
    /// How many arrivals the inbox that was read had.
    pub(super) arrivals: u64,
    /// Whom to tell of the end, if the execution has ended.
    pub(super) family: Option<Family>,
    /// The items that were in the inbox: the log has taken them all.
    pub(super) seen: Vec<SeenItem>,
    /// The alarms that nobody counts on any more.
    pub(super) disarm: Vec<Alarm>,
    /// What is to be told, if anything is.
    pub(super) outbox: Option<Outbox>,
}

impl Stand {
    pub(super) fn of(loaded: &Loaded, history: &History) -> Self {
        Self { last: history.last, first: history.first, life: loaded.record.life() }
    }
}

impl Kitchen {
    /// Writes the record, and returns it; `None` if its execution is gone and another one has its id,
    /// of which a host that is so late must touch nothing.
    pub(super) async fn write_record(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Option<Record>, StoreError> {
        let record = self.store.project(id, projection).await?;
        Ok(Some(record).filter(|record| projection.life.is_none_or(|it| it == record.life())))
    }

    /// Rules 14 and 16. `false` if something arrived or became due meanwhile: look again, on the
    /// same wake.
    pub(super) async fn finish(
        &self,
        id: &ExecutionId,
        mut ended: Ended,
        term: &Term,
    ) -> Result<bool, TurnError> {
        if let Some(family) = &ended.family {
            self.in_term(term, self.say_end(family)).boxed().await?;
        }
        self.tell(ended.outbox.as_mut(), term.lease).await;
        let outbox = ended.outbox.take();
        let Ended { stand, status, wake_at, reason, shown, .. } = ended;
        let projection = self.projection_of(stand, status, wake_at, reason, shown);
        let projection = owing(projection, outbox.as_ref());
        let Some(record) = self.write_record(id, &projection).await? else { return Ok(true) };
        let due = status == Status::Suspended && wake_at.is_some_and(|due| self.clock.now() >= due);
        self.disarm(&ended.disarm).await;
        if record.arrivals > ended.arrivals || due {
            return Ok(false);
        }
        if !ended.seen.is_empty() {
            self.store.remove_items(id, stand.life, &ended.seen).await?;
        }
        Ok(true)
    }

    /// Rule 18: the execution has ended. Its record says so, and nobody who wrote to it is left
    /// without an answer: what came too late is reported, then removed.
    pub(super) async fn close(
        &self,
        loaded: &Loaded,
        history: &History,
        term: &Term,
    ) -> Result<(), TurnError> {
        if loaded.record.projection.commit < history.last {
            // Whoever ended it died before its record said so, and perhaps before this.
            let mut family = Family::of(history.start(), &history.events);
            let saying = async {
                self.open_end(&loaded.record.id, &mut family).await?;
                self.say_end(&family).await
            };
            self.in_term(term, saying).boxed().await?;
            let now = self.clock.now();
            self.disarm(&far_alarms(&loaded.record.id, history.armed.iter(), now)).await;
        }
        if !self.repair(loaded, history, term.lease).await? {
            return Ok(());
        }
        let late = loaded.report_late(|item_id| history.taken.contains(item_id));
        if !late.is_empty() {
            self.store.remove_items(&loaded.record.id, loaded.record.life(), &late).await?;
        }
        Ok(())
    }

    /// Rule 13: whoever finds the record behind the log, something untold, or taken items in the inbox,
    /// heals that. `false` if another execution has its id by now.
    pub(super) async fn repair(
        &self,
        loaded: &Loaded,
        history: &History,
        lease: Lease,
    ) -> Result<bool, StoreError> {
        let stored = &loaded.record.projection;
        if stored.commit < history.last || stored.untold.is_some() {
            let mut outbox = self.outbox(loaded, history).await?;
            self.tell(outbox.as_mut(), lease).await;
            let shown = Shown::missing_in(&loaded.record, history);
            let projection = self.projection(loaded, history, shown);
            let projection = owing(projection, outbox.as_ref());
            if self.write_record(&loaded.record.id, &projection).await?.is_none() {
                return Ok(false);
            }
        }
        self.remove_taken(loaded, &history.taken).await?;
        Ok(true)
    }

    /// Blocks the execution with its log as it stands; `shown` is what the record may not show yet,
    /// `outbox` what is to be told beside the block. Returns the record's arrivals. One that is found
    /// blocked there already stays so, with its reason and its time: it is the same block.
    pub(super) async fn block(
        &self,
        stored: &Record,
        stand: Stand,
        shown: Shown,
        fault: &Fault,
        mut outbox: Option<Outbox>,
        lease: Lease,
    ) -> Result<u64, StoreError> {
        let id = &stored.id;
        let fault = self.reason_of(fault);
        let (at, reason) = match &stored.projection {
            block if block.blocks(stand.last) => (block.updated_at, block.reason.clone()),
            _ => {
                let (at, reason) = (self.clock.now(), Some(fault.clone()));
                if let Some(outbox) = &mut outbox {
                    outbox.blocked(stand.last, at, reason.clone());
                }
                (at, reason)
            }
        };
        self.tell(outbox.as_mut(), lease).await;
        // Whoever tells it again finds its time here.
        let projection = self.projection_of(stand, Status::Blocked, None, reason, shown);
        let projection = Projection { updated_at: at, ..owing(projection, outbox.as_ref()) };
        let Some(record) = self.write_record(id, &projection).await? else { return Ok(0) };
        if record.projection.status == Status::Blocked {
            tracing::error!(everstep.execution.id = %id, reason = %fault, "execution blocked");
        }
        Ok(record.arrivals)
    }

    /// What may be read of a fault.
    pub(super) fn reason_of(&self, fault: &Fault) -> String {
        if self.payloads.hides() { fault.without_values() } else { fault.to_string() }
    }

    async fn remove_taken(&self, loaded: &Loaded, taken: &TakenIds) -> Result<(), StoreError> {
        let there = loaded.inbox.iter().filter(|item| taken.contains(&item.id));
        let there: Vec<SeenItem> = there.map(InboxItem::seen).collect();
        if there.is_empty() {
            return Ok(());
        }
        self.store.remove_items(&loaded.record.id, loaded.record.life(), &there).await
    }

    /// The record as it follows from the log alone, with what it is to be given.
    fn projection(&self, loaded: &Loaded, history: &History, shown: Shown) -> Projection {
        let (mut status, mut wake_at, mut reason) = match (&history.open_turn, history.turn_end) {
            (Some(open), _) => (Status::Running, Some(open.claim.lease_end), None),
            (None, Some(TurnEnd::Suspended)) => (Status::Suspended, history.wake_at, None),
            (None, Some(TurnEnd::Yielded) | None) => (Status::Running, Some(history.time), None),
            (None, Some(TurnEnd::GaveUp)) => (Status::Running, history.wake_at, None),
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
        self.projection_of(Stand::of(loaded, history), status, wake_at, reason, shown)
    }

    pub(super) fn projection_of(
        &self,
        Stand { last, first, life }: Stand,
        status: Status,
        wake_at: Option<Timestamp>,
        reason: Option<String>,
        Shown { view, tags }: Shown,
    ) -> Projection {
        Projection {
            commit: last,
            first,
            status,
            wake_at,
            untold: None,
            telling: None,
            updated_at: self.clock.now(),
            code: self.registry.code().to_owned(),
            reason: reason.map(brief),
            view,
            tags,
            life: Some(life),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_is_too_long_is_cut_and_says_so() {
        let longest = "x".repeat(REASON_BYTES_MAX);
        assert_eq!(brief(longest.clone()), longest);
        assert_eq!(brief(format!("{longest}x")), format!("{longest}…"));
        assert_eq!(brief(format!("{}é", &longest[1..])), format!("{}…", &longest[1..]));
    }
}
