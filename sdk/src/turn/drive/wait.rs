//! Waiting while bodies run: for their ends, for what arrives, and for the lease's renewal.

use super::{Halt, Lease, Turn, TurnError};
use crate::event::{Event, LeaseRenewed};
use crate::limits::{GROUP_COMMIT_LINGER, INBOX_LOOK_AGAIN_AFTER, INBOX_LOOK_EVERY};
use crate::store::{InboxItem, Message, SeenItem, StoreError};
use crate::time::Timestamp;
use crate::turn::outbox::Outbox;

impl Turn<'_> {
    /// Waits for whatever comes next. `true` if the turn is to be handed over.
    pub(super) async fn wait(&mut self) -> Result<bool, Halt> {
        let clock = self.kitchen.clock.clone();
        let stop_at = *self.term.stop.borrow_and_update();
        let hand_over = match self.term.lease {
            Lease::Invocation { hand_over, .. } => {
                stop_at.map_or(hand_over, |at| at.min(hand_over))
            }
            Lease::Renewed(_) => stop_at.unwrap_or(Timestamp::MAX),
        };
        if clock.now() >= hand_over || (stop_at.is_some() && self.bodies.is_empty()) {
            return Ok(true);
        }
        self.note_heartbeats();
        let tell_at = self.tell_at();
        self.tell_bodies(stop_at.is_some() || tell_at.is_some_and(|at| clock.now() >= at));
        let mut until = hand_over.min(self.next_inbox_look);
        if let Some(tell_at) = tell_at.filter(|at| clock.now() < *at) {
            until = until.min(tell_at);
        }
        if let Some(due) = self.next_due() {
            until = until.min(due);
        }
        if let Some(since) = &mut self.unwritten_since {
            // An event's time may be ahead of the clock, and must not keep it from being written.
            *since = clock.now().min(*since);
            until = until.min(since.after(GROUP_COMMIT_LINGER));
        }
        if let Some(renew_at) = self.renew_at() {
            until = until.min(renew_at);
        }
        if let Some(due) = self.visible.due() {
            until = until.min(due);
        }
        if let Some(due) = self.outbox.as_ref().and_then(Outbox::due) {
            until = until.min(due);
        }
        tokio::select! {
            biased;
            () = self.bodies.wait() => return Ok(false),
            changed = self.term.stop.changed() => {
                if changed.is_err() {
                    // The host is gone; so is this turn, soon.
                    return Ok(true);
                }
            }
            () = self.run.execution().foreign_wake() => return Ok(false),
            () = self.active.told.notified() => {
                let soon = self.looked_at.after(INBOX_LOOK_AGAIN_AFTER);
                self.next_inbox_look = self.next_inbox_look.min(soon);
            }
            () = clock.sleep_until(until) => {}
        }
        let now = clock.now();
        if self.unwritten_since.is_some_and(|since| now >= since.after(GROUP_COMMIT_LINGER)) {
            self.write().await?;
        }
        if self.renew_at().is_some_and(|at| now >= at) {
            self.renew_if_old(now);
            self.write().await?;
        }
        if now >= self.next_inbox_look {
            self.look_at_inbox().await?;
        }
        self.show().await?;
        Ok(false)
    }

    /// Asks whether anything arrived while bodies run, so that a cancel need not wait for them.
    pub(super) async fn look_at_inbox(&mut self) -> Result<(), Halt> {
        self.looked_at = self.kitchen.clock.now();
        self.next_inbox_look = self.looked_at.after(INBOX_LOOK_EVERY);
        let id = &self.wake.execution;
        let store = &self.kitchen.store;
        let Some(record) = if_answered(store.record(id).await)? else { return Ok(()) };
        if record.arrivals == self.arrivals {
            return Ok(());
        }
        if let Some(mut loaded) = if_answered(store.load(id).await)? {
            // Items stay in the inbox until the turn's end: each look finds those of all before it.
            let there: Vec<SeenItem> = loaded.inbox.iter().map(InboxItem::seen).collect();
            loaded.inbox.retain(|item| !self.taken.contains(&item.id));
            match self.open_arrived(&mut loaded.inbox).await {
                Ok(None) => {}
                // Whoever looks again at the end of this turn finds them, and says what is wrong. A
                // terminate waits for no payload.
                Ok(Some(_)) => {
                    loaded.inbox.retain(|item| matches!(item.message, Message::Terminate { .. }));
                    loaded.inbox.into_iter().for_each(|item| self.take(item));
                    return Ok(());
                }
                // Of a payload only. After a renewal without an answer the turn is over (rule 11).
                Err(Halt::Error(TurnError::Store(StoreError::Payload(error))))
                    if error.is_retryable() =>
                {
                    return Ok(());
                }
                Err(halt) => return Err(halt),
            }
            self.arrivals = loaded.record.arrivals;
            loaded.inbox.into_iter().for_each(|item| self.take(item));
            self.seen.extend(there);
            self.seen.sort_unstable();
            self.seen.dedup();
        }
        Ok(())
    }

    fn renew_at(&self) -> Option<Timestamp> {
        match self.term.lease {
            Lease::Renewed(lease) if self.claimed => Some(self.lease_end.before(lease / 2)),
            _ => None,
        }
    }

    /// A lease that is half over is renewed with the next commit. It counts once that is durable.
    ///
    /// `now` is the clock's: the log may be ahead of it, and what others have to wait for must not be.
    pub(super) fn renew_if_old(&mut self, now: Timestamp) {
        let Lease::Renewed(lease) = self.term.lease else { return };
        if self.renew_at().is_some_and(|at| now >= at) {
            let at = self.now();
            let lease_end = now.after(lease);
            self.happened(Event::LeaseRenewed(LeaseRenewed { at, lease_end, ahead: false }));
        }
    }
}

/// A store that does not answer now is asked again at the next look: no body is stopped for it.
fn if_answered<T>(answer: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Err(error) if error.is_retryable() => Ok(None),
        answer => answer,
    }
}
