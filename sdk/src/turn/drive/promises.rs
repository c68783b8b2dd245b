//! What a turn does for promises: it makes them known, takes what comes for them, and ends those
//! whose time is up.

use super::Turn;
use crate::event::{Event, OperationKey, PromiseHeartbeat, PromiseResolved, PromiseResult};
use crate::time::Timestamp;

impl Turn<'_> {
    /// A promise was made, has had a heartbeat, or was brought back by replay.
    ///
    /// What makes it known is durable before anybody outside can have its token: a token leaves the
    /// workflow through a step's body only, and that waits at the barrier behind this event.
    pub(super) fn promise_is_open(&mut self, seq: u32, due: Option<Timestamp>, announced: bool) {
        if !announced {
            let at = self.now();
            let created = self.run.engine().announce(seq, at);
            if let Some(created) = created {
                self.happened(Event::PromiseCreated(created));
            }
        }
        if let Some(due) = due {
            self.timers.insert((due, seq));
        }
    }

    /// A promise was dropped: who completes it now learns that nobody waits. At the end of the
    /// workflow the end says so, and before it what begins to be undone.
    pub(super) fn promise_is_dropped(&mut self, seq: u32) {
        if self.end.is_some() || self.run.engine().compensates() {
            return;
        }
        let at = self.now();
        let resolved = self.run.engine().give_up(seq, at);
        if let Some(resolved) = resolved {
            self.happened(Event::PromiseResolved(resolved));
        }
    }

    /// A promise's time is up, or that of its heartbeat.
    pub(super) fn promise_lapses(&mut self, seq: u32) {
        let at = self.now();
        let resolved = self.run.engine().lapse(seq, at);
        if let Some(resolved) = resolved {
            self.happened(Event::PromiseResolved(resolved));
        }
    }

    /// The event of a promise's result that somebody sent.
    pub(super) fn promise_result(
        &mut self,
        id: String,
        run: u32,
        key: OperationKey,
        result: PromiseResult,
    ) -> Event {
        let at = self.now();
        Event::PromiseResolved(PromiseResolved { at, id: Some(id), run, key, result })
    }

    /// The event of a heartbeat that somebody sent.
    pub(super) fn promise_heartbeat(&mut self, id: String, run: u32, key: OperationKey) -> Event {
        let at = self.now();
        Event::PromiseHeartbeat(PromiseHeartbeat { at, id, run, key })
    }
}
