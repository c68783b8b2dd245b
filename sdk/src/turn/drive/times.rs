//! Times: which timers and back-offs are due, which is next, and which have a wake under way.

use std::collections::BTreeSet;

use super::{Armed, Turn};
use crate::event::{Event, TimerFired};
use crate::limits::BACKOFF_IN_PLACE_MAX;
use crate::replay::Request;
use crate::time::Timestamp;
use crate::turn::alarms::far_alarms;
use crate::wake::{Alarm, WakeKind};

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
                    self.telemetry.meter.timer_fires(seq, at.since(due));
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
    pub(super) fn still_armed(&mut self) -> Vec<Armed> {
        self.next_due();
        let now = self.kitchen.clock.now();
        let own = self.own_due();
        let waited_for = |at: Timestamp| {
            let next = |set: &BTreeSet<(Timestamp, u32)>| {
                set.range((at, 0)..).next().is_some_and(|(due, _)| *due == at)
            };
            next(&self.timers) || next(&self.backoffs)
        };
        let counts =
            |armed: &Armed| armed.due > now && Some(armed.due) != own && waited_for(armed.due);
        self.armed.iter().copied().filter(counts).collect()
    }

    /// The alarm for `due`, which this turn's end lists from `at` on if no turn's before did.
    pub(super) fn alarm(&self, due: Timestamp, at: Timestamp) -> Alarm {
        let since = self.armed.iter().find(|armed| armed.due == due).map_or(at, |old| old.since);
        Alarm::new(self.wake.execution.clone(), due, since)
    }

    /// The alarms that nobody counts on once an end that keeps these times is durable.
    pub(super) fn let_go(&self, kept: &[Timestamp]) -> Vec<Alarm> {
        let own = self.own_due();
        let dropped = self.armed.iter().filter(|armed| !kept.contains(&armed.due));
        let dropped = dropped.filter(|armed| Some(armed.due) != own);
        far_alarms(&self.wake.execution, dropped, self.kitchen.clock.now())
    }

    /// The time of the timer whose wake this turn is on.
    fn own_due(&self) -> Option<Timestamp> {
        match self.wake.kind {
            WakeKind::Timer { due } => Some(due),
            WakeKind::News | WakeKind::Sweep => None,
        }
    }

    pub(super) fn backs_off_in_place(&mut self) -> bool {
        let horizon = self.kitchen.clock.now().after(BACKOFF_IN_PLACE_MAX);
        self.next_due();
        self.backoffs.first().is_some_and(|(due, _)| *due <= horizon)
    }
}
