//! Long bodies: what they say while they run, when they must end, and who tells them.

use std::time::Duration;

use super::{Lease, Turn};
use crate::event::{Event, Failure, Json, StepHeartbeat};
use crate::limits::{CLEAN_UP_GRACE, HEARTBEAT_WRITE_EVERY};
use crate::replay::{Fault, Policy, Request};
use crate::time::Timestamp;

impl Turn<'_> {
    /// Takes in what bodies have said, so that it is written with what else there is.
    pub(super) fn note_heartbeats(&mut self) {
        let now = self.kitchen.clock.now();
        if now < self.next_heartbeats {
            return;
        }
        for (seq, attempt, details) in self.watch.unwritten() {
            self.next_heartbeats = now.after(HEARTBEAT_WRITE_EVERY);
            self.note_heartbeat(seq, attempt, details);
        }
    }

    /// An attempt has failed: what it said last is for the next one.
    pub(super) fn note_last_heartbeat(&mut self, seq: u32, attempt: u32) {
        if let Some(details) = self.watch.ended(seq) {
            self.note_heartbeat(seq, attempt, details);
        }
    }

    fn note_heartbeat(&mut self, seq: u32, attempt: u32, details: Json) {
        let at = self.now();
        let (key, site) = self.run.engine().place(seq);
        let event = StepHeartbeat { at, seq, key, site, attempt, details };
        self.happened(Event::StepHeartbeat(event));
    }

    /// How much is left of step `seq`'s total time; `None` if it has none.
    pub(super) fn time_left(&self, asked_at: Timestamp, policy: &Policy) -> Option<Duration> {
        let total = policy.total_timeout?;
        Some(asked_at.after(total).since(self.kitchen.clock.now()))
    }

    /// Ends step `seq` if its total time is up before its next attempt. `None` if it is not.
    pub(super) fn total_time_is_up(
        &mut self,
        seq: u32,
        attempts: u32,
        policy: &Policy,
    ) -> Option<Option<Fault>> {
        let total = policy.total_timeout?;
        let asked_at = self.run.engine().step(seq).asked_at;
        if self.kitchen.clock.now() < asked_at.after(total) {
            return None;
        }
        let after_ms = total.as_millis().try_into().unwrap_or(u64::MAX);
        Some(self.attempt_failed(seq, attempts + 1, 0, Failure::TimedOut { after_ms }, false))
    }

    /// Tells bodies that listen what they wait to hear, before the turn waits for them.
    pub(super) fn tell_bodies(&mut self, stops: bool) {
        if stops {
            self.watch.tell_all();
        } else if self.watch.has_listeners() {
            let engine = self.run.engine();
            self.watch.tell_unwanted(|seq| engine.request(seq) == Some(Request::Step));
        }
    }

    /// When bodies are told that this invocation nears its end.
    pub(super) fn tell_at(&self) -> Option<Timestamp> {
        match self.term.lease {
            Lease::Invocation { hand_over, .. } => Some(hand_over.before(CLEAN_UP_GRACE)),
            Lease::Renewed(_) => None,
        }
    }

    /// The workflow ends, or its run: bodies that listen are told, and get some time, but for those
    /// of the `kept` steps.
    pub(super) async fn let_clean_up(&mut self, kept: &[u32]) {
        if !self.watch.has_listeners() {
            return;
        }
        self.watch.tell_unwanted(|seq| kept.contains(&seq));
        let grace = match self.term.lease {
            Lease::Invocation { hand_over, .. } => {
                hand_over.since(self.kitchen.clock.now()).min(CLEAN_UP_GRACE)
            }
            Lease::Renewed(_) => CLEAN_UP_GRACE,
        };
        self.bodies.let_clean_up(&self.watch, kept, grace).await;
    }
}
