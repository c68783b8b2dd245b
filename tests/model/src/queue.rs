//! The queue and the sweeper.

use crate::host::{Host, Phase};
use crate::setup::Setup;
use crate::state::{Kind, Message, NEVER, Place, State};
use crate::world::{Next, Who, act, fault};

impl Setup {
    pub(crate) fn queue(&self, state: &State, out: &mut Next) {
        for (slot, message) in state.messages.iter().enumerate() {
            let detail = slot as u8;
            if message.place == Place::Visible {
                if message.receives >= self.times.receives_max {
                    let mut next = *state;
                    next.drop_message(slot);
                    next.dead_letter = true;
                    out.push((act(Who::World, "message goes to the dead letters", detail), next));
                    continue;
                }
                if state.faults.losses > 0 {
                    let mut next = *state;
                    next.faults.losses -= 1;
                    next.lost = true;
                    next.drop_message(slot);
                    out.push((fault(Who::World, "message is lost", detail), next));
                }
            }
            let duplicate = message.place == Place::InFlight && state.faults.duplicates > 0;
            if message.place == Place::Visible || duplicate {
                self.receive(state, slot, duplicate, out);
            }
        }
        if state.faults.strays > 0 && state.log.commits > 0 {
            let mut next = *state;
            next.faults.strays -= 1;
            next.put_message(self.wake(Kind::News, 0, 0));
            out.push((fault(Who::World, "a wake comes out of nowhere", 0), next));
        }
    }

    fn receive(&self, state: &State, slot: usize, duplicate: bool, out: &mut Next) {
        let message = state.messages[slot];
        let counts = if self.times.receives_max == NEVER { 2 } else { NEVER };
        if state.hosts.iter().filter(|host| host.is_busy()).count() >= self.hosts {
            return;
        }
        for at in 0..2 {
            if state.hosts[at].is_busy() {
                continue;
            }
            let mut next = *state;
            for other in &mut next.hosts {
                if usize::from(other.message) == slot {
                    other.stale = true;
                }
            }
            next.messages[slot].place = Place::InFlight;
            next.messages[slot].ticks = self.times.visibility;
            next.messages[slot].receives = (message.receives + 1).min(counts);
            next.hosts[at] = Host {
                phase: Phase::Received,
                message: slot as u8,
                kind: message.kind,
                due: message.due,
                again: message.receives > 0,
                holds: state.hosts[at].holds,
                ..Host::IDLE
            };
            let (who, detail) = (Who::Host(at as u8), slot as u8);
            if duplicate {
                next.faults.duplicates -= 1;
                out.push((fault(who, "receives a duplicate of message", detail), next));
            } else {
                out.push((act(who, "receives message", detail), next));
                if state.faults.batches > 0 {
                    next.faults.batches -= 1;
                    next.hosts[at].age = self.times.timeout;
                    out.push((fault(who, "receives, with no time left, message", detail), next));
                }
            }
            if !state.hosts[1 - at].is_busy() && !state.hosts[0].holds && !state.hosts[1].holds {
                break; // Two idle hosts are the same host.
            }
        }
    }

    /// A message that wakes.
    pub(crate) fn wake(&self, kind: Kind, delay: u8, due: u8) -> Message {
        let place = if delay == 0 { Place::Visible } else { Place::Delayed };
        Message { place, ticks: delay.min(self.times.delay_max), receives: 0, kind, due }
    }

    pub(crate) fn sweeper(&self, state: &State, out: &mut Next) {
        if !self.sweeper {
            return;
        }
        let quiet = state.messages.iter().all(|message| message.place == Place::Free)
            && state.hosts.iter().all(|host| !host.is_busy());
        let record = &state.record;
        let overdue = record.exists && !record.closed && !record.blocked && record.wake == 0;
        let item = self.rules.items_are_indexed
            && !record.blocked
            && state.inbox.iter().any(|&count| count > 0);
        if !overdue && !item {
            return;
        }
        if quiet {
            let mut next = *state;
            next.put_message(self.wake(Kind::Sweep, 0, 0));
            out.push((act(Who::World, "sweeper sends a wake", 0), next));
        } else if state.faults.sweeps > 0 {
            let mut next = *state;
            next.faults.sweeps -= 1;
            next.put_message(self.wake(Kind::Sweep, 0, 0));
            out.push((fault(Who::World, "sweeper sends a wake too many", 0), next));
        }
    }
}
