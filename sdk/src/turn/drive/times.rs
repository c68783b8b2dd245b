//! Times: which timers and back-offs are due, which is next, and which have a wake under way.

use std::collections::BTreeSet;

use super::Turn;
use crate::event::{Event, TimerFired};
use crate::limits::BACKOFF_IN_PLACE_MAX;
use crate::replay::Request;
use crate::time::Timestamp;
use crate::wake::WakeKind;

impl Turn<'_> {
    /// Fires due timers and readies due attempts. Whether there were any.
    pub(super) fn fire_due(&mut self) -> bool {
        let now = self.kitchen.clock.now();
        let mut any = false;
        while let Some(&(due, seq)) = self.timers.first().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, seq));
            let request = self.run.engine().request(seq).filter(|request| request.is_due_at(due));
            match request {
                Some(Request::Promise { .. }) => self.promise_lapses(seq),
                Some(_) => {
                    let (at, key) = (self.now(), self.run.engine().key(seq).clone());
                    self.happened(Event::TimerFired(TimerFired { at, seq, key }));
                }
                None => continue,
            }
            any = true;
        }
        while let Some(&(due, seq)) = self.backoffs.first().filter(|(due, _)| *due <= now) {
            self.backoffs.remove(&(due, seq));
            if self.run.engine().request(seq).is_some() {
                self.backed_off(seq);
                any = true;
            }
        }
        any
    }

    /// The earliest time something that is still wanted becomes due.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        let engine = self.run.engine();
        let waits = |due, seq| engine.request(seq).is_some_and(|request| request.is_due_at(due));
        self.timers.retain(|(due, seq)| waits(*due, *seq));
        self.backoffs.retain(|(_, seq)| engine.request(*seq).is_some());
        let timer = self.timers.first().map(|(due, _)| *due);
        let backoff = self.backoffs.first().map(|(due, _)| *due);
        timer.into_iter().chain(backoff).min()
    }

    /// The times that have a wake under way which somebody still waits for. This turn's own wake
    /// is about to be deleted and does not count; nor do times of timers that were dropped, or
    /// a loop of time-outs would carry them all along.
    pub(super) fn still_armed(&mut self) -> Vec<Timestamp> {
        self.next_due();
        let now = self.kitchen.clock.now();
        let own = match self.wake.kind {
            WakeKind::Timer { due } => Some(due),
            WakeKind::News | WakeKind::Sweep => None,
        };
        let waited_for = |at: Timestamp| {
            let next = |set: &BTreeSet<(Timestamp, u32)>| {
                set.range((at, 0)..).next().is_some_and(|(due, _)| *due == at)
            };
            next(&self.timers) || next(&self.backoffs)
        };
        let counts = |at: &Timestamp| *at > now && Some(*at) != own && waited_for(*at);
        self.armed.iter().copied().filter(counts).collect()
    }

    pub(super) fn backs_off_in_place(&mut self) -> bool {
        let horizon = self.kitchen.clock.now().after(BACKOFF_IN_PLACE_MAX);
        self.next_due();
        self.backoffs.first().is_some_and(|(due, _)| *due <= horizon)
    }
}
