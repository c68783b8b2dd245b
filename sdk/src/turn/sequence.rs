//! What has happened in this turn, in the one order that live and replay share.

use crate::event::Event;

/// Events in order, with two marks in them: up to where the workflow has seen them, and up to
/// where they are durable. Neither mark ever moves back, and what an event needs before a body
/// starts is `written >= delivered`.
#[derive(Default)]
pub(super) struct Sequence {
    events: Vec<Event>,
    delivered: usize,
    written: usize,
}

impl Sequence {
    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The next event that the workflow has not seen.
    pub(super) fn next_undelivered(&self) -> Option<&Event> {
        self.events.get(self.delivered)
    }

    pub(super) fn mark_delivered(&mut self) {
        self.delivered += 1;
        debug_assert!(self.delivered <= self.events.len(), "delivered what never happened");
        self.forget();
    }

    /// Takes back the last event, which nobody has seen and which is not durable.
    pub(super) fn take_back(&mut self) {
        debug_assert!(self.events.len() > self.delivered.max(self.written), "it happened");
        self.events.pop();
        self.forget();
    }

    /// What is not durable yet.
    pub(super) fn unwritten(&self) -> &[Event] {
        &self.events[self.written..]
    }

    pub(super) fn mark_written(&mut self) {
        self.written = self.events.len();
        self.forget();
    }

    /// Whether every event the workflow has seen is durable.
    pub(super) fn is_durable(&self) -> bool {
        self.written >= self.delivered
    }

    fn forget(&mut self) {
        if self.delivered == self.events.len() && self.written == self.events.len() {
            self.events.clear();
            self.delivered = 0;
            self.written = 0;
        }
    }
}
