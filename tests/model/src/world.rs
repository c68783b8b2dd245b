//! The world around the hosts: the client, the senders, the queue, the sweeper, time, and faults.

use crate::setup::{Code, LastItem, Setup};
use crate::state::{ITEMS, Kind, LAST_ITEM, Place, Sender, Stand, State, Violation};
use crate::workflow::UNDO;

/// One atomic call of the store or the queue, or one decision between two such calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub what: &'static str,
    pub who: Who,
    /// What it is about: a step, a slot, a delay.
    pub detail: u8,
    /// The world is hostile here; a run without faults must reach the goal.
    pub is_fault: bool,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    World,
    Host(u8),
    Sender(u8),
}

/// What may happen next.
pub(crate) type Next = Vec<(Action, State)>;

pub(crate) fn act(who: Who, what: &'static str, detail: u8) -> Action {
    Action { what, who, detail, is_fault: false }
}

pub(crate) fn fault(who: Who, what: &'static str, detail: u8) -> Action {
    Action { what, who, detail, is_fault: true }
}

impl Setup {
    /// Everything that can happen in `state`.
    pub(crate) fn next(&self, state: &State, out: &mut Next) {
        out.clear();
        if state.violation.is_some() || state.overflow {
            return;
        }
        self.client(state, out);
        for item in self.items() {
            self.sender(state, item, out);
        }
        self.queue(state, out);
        self.late_write(state, out);
        self.zombie(state, out);
        self.sweeper(state, out);
        self.tick(state, out);
        for at in 0..2 {
            if state.hosts[at].is_busy() {
                self.host(state, at, out);
                self.crash(state, at, out);
            }
        }
        for (_, next) in out.iter_mut() {
            self.judge(next);
            next.normalise();
        }
    }

    /// Violations that a state shows by itself.
    fn judge(&self, next: &mut State) {
        if next.violation.is_some() {
            return;
        }
        for item in self.items() {
            if next.log.received[item] > 1 {
                next.violation = Some(Violation::SignalTwice);
            }
            let known = next.inbox[item] > 0
                || next.log.received[item] > 0
                || next.reported & 1 << item != 0
                || next.late.is_some_and(|late| late.log.received[item] > 0);
            if next.senders[item] == Sender::Done && !known {
                next.violation = Some(Violation::SignalLost);
            }
        }
        let story = &next.log.story;
        if next.log.stand == Stand::Closed
            && story.cancelled
            && next.effects & !(story.done >> UNDO) != 0
        {
            next.violation = Some(Violation::NotUndone);
        }
        if self.code == Code::Good && next.record.blocked {
            next.violation = Some(Violation::WronglyBlocked);
        }
        let circling = next
            .messages
            .iter()
            .filter(|message| message.kind == Kind::Sweep && message.place == Place::Delayed);
        if circling.count() > 1 {
            next.violation = Some(Violation::Flood);
        }
        let timer_wakes = next.messages.iter().filter(|message| message.kind == Kind::Timer);
        if self.timer_wakes_max > 0 && timer_wakes.count() > usize::from(self.timer_wakes_max) {
            next.violation = Some(Violation::Flood);
        }
        if self.prompt && self.waits(next) {
            next.violation = Some(Violation::Waits);
        }
    }

    /// Something could go on at once, nobody is at it, and every wake is delayed.
    fn waits(&self, state: &State) -> bool {
        let idle = state.hosts.iter().all(|host| !host.is_busy())
            && state.messages.iter().all(|message| {
                message.place == Place::Free
                    || (message.place == Place::Delayed && message.ticks > 0)
            })
            && state.messages.iter().any(|message| message.place == Place::Delayed)
            && self.items().all(|item| state.senders[item] == Sender::Done);
        let is_new = |item: usize| state.inbox[item] > 0 && state.log.story.seen & 1 << item == 0;
        let runnable = if state.record.blocked {
            matches!(self.last_item, LastItem::Resume | LastItem::Terminate) && is_new(LAST_ITEM)
        } else {
            state.log.stand == Stand::Suspended
                && (state.log.story.earliest() == 0 || (0..ITEMS).any(is_new))
        };
        idle && runnable
    }
}
