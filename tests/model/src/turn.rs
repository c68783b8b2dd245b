//! A host's turn, from the message it received to the message it deletes.

use crate::host::{Host, Phase, Write};
use crate::rules::{OnLiveClaim, OnNothing, SecondLook};
use crate::setup::{Code, LastItem, Setup};
use crate::state::{ITEMS, Kind, LAST_ITEM, Log, NEVER, Record, SLOTS, Stand, State};
use crate::world::{Next, Who, act, fault};

impl Setup {
    /// What the host `at` may do next.
    pub(crate) fn host(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        match host.phase {
            Phase::Idle => {}
            Phase::Received => {
                self.read_log(state, at, &state.log, out);
                if let (Some(before), true) = (&state.before, state.faults.stale_reads > 0) {
                    let first = out.len();
                    self.read_log(state, at, before, out);
                    for (action, next) in &mut out[first..] {
                        action.is_fault = true;
                        action.what = "reads a log that misses the last commit";
                        next.faults.stale_reads -= 1;
                    }
                }
            }
            Phase::ReadLog => {
                let mut next = *state;
                next.hosts[at].inbox = state.inbox;
                next.hosts[at].phase = if self.rules.arrivals_before_inbox {
                    Phase::Decide
                } else {
                    Phase::ReadArrivals
                };
                out.push((act(who, "reads the inbox", 0), next));
            }
            Phase::ReadArrivals => {
                let mut next = *state;
                next.hosts[at].grew = false;
                next.hosts[at].phase = Phase::Decide;
                out.push((act(who, "reads the count of arrivals", 0), next));
            }
            Phase::Decide => self.decide(state, at, out),
            Phase::Claim => self.append(state, at, Write::Claim, out),
            Phase::Resend | Phase::ResendAndRepair => {
                let mut next = *state;
                let (delay, due) = (host.delay, host.due);
                next.put_message(self.wake(host.kind, delay, due));
                let repairs = host.phase == Phase::ResendAndRepair && self.rules.repairs_record;
                next.hosts[at].phase = if repairs { Phase::Repair } else { Phase::Delete };
                out.push((act(who, "sends its wake again, delayed by", delay), next));
            }
            Phase::Run => self.run(state, at, out),
            Phase::Unanswered => self.retry(state, at, out),
            Phase::Project => {
                let mut next = *state;
                self.project(&mut next, at);
                if host.stand == Stand::GaveUp {
                    // Its message comes back, whatever has arrived.
                    next.hosts[at].phase = Phase::GiveBack;
                }
                out.push((act(who, "writes the record", 0), next));
            }
            Phase::Repair => {
                let mut next = *state;
                self.project(&mut next, at);
                next.hosts[at].phase = Phase::Clean;
                out.push((act(who, "repairs the record if it is behind", 0), next));
            }
            Phase::Look => self.look(state, at, out),
            Phase::Clean if host.owes_hand_over() && self.rules.yield_sends_wake => {
                let mut next = *state;
                next.put_message(self.wake(Kind::News, 0, 0));
                next.hosts[at].sent = true;
                out.push((act(who, "sends the wake that hands over", 0), next));
            }
            Phase::Clean => {
                let mut next = *state;
                self.clean(&mut next, at);
                next.hosts[at].phase = Phase::Delete;
                if next.inbox == state.inbox {
                    self.delete(&next, at, Host::IDLE, out);
                } else {
                    out.push((act(who, "deletes taken inbox items", 0), next));
                }
            }
            Phase::DeleteFirst => {
                self.delete(state, at, Host { phase: Phase::Project, message: NEVER, ..host }, out);
            }
            Phase::Delete => self.delete(state, at, Host::IDLE, out),
            Phase::GiveBack => self.give_back(state, at, "gives its message back", out),
        }
    }

    fn read_log(&self, state: &State, at: usize, log: &Log, out: &mut Next) {
        let mut next = *state;
        let host = &mut next.hosts[at];
        host.commits = log.commits;
        host.story = log.story;
        host.received = log.received;
        host.stand = log.stand;
        host.lease = log.lease;
        host.gone = log.gone;
        host.strikes = log.strikes;
        host.grew = false;
        host.block = state.record.blocked && state.record.commits == log.commits;
        host.phase = Phase::ReadLog;
        out.push((act(Who::Host(at as u8), "reads record and log", 0), next));
    }

    /// The order of these questions is part of the protocol.
    fn decide(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        if host.commits == 0 {
            let mut next = *state;
            next.hosts[at].phase = Phase::Delete;
            out.push((act(who, "finds no such execution", 0), next));
            return;
        }
        if host.stand == Stand::Closed {
            let mut next = *state;
            next.hosts[at].phase =
                if self.rules.repairs_record { Phase::Repair } else { Phase::Delete };
            out.push((act(who, "finds it closed", 0), next));
            return;
        }
        if host.stand == Stand::Open && self.rules.respects_leases && !host.gone {
            if host.lease > 0 {
                self.meet_live_claim(state, at, out);
            }
            if host.lease > self.times.skew {
                return;
            }
        }
        let items = self.new_items(&host);
        let terminates = self.last_item == LastItem::Terminate && items & 1 << LAST_ITEM != 0;
        if terminates && self.rules.terminate_before_blocked && self.rules.terminate_runs_no_code {
            self.terminate(state, at, out);
            return;
        }
        let resumes = self.last_item == LastItem::Resume && items & 1 << LAST_ITEM != 0;
        if host.block && !resumes {
            let mut next = *state;
            next.hosts[at].phase = Phase::Delete;
            out.push((act(who, "finds it blocked", 0), next));
            return;
        }
        let poisoned = self.times.strikes_max > 0 && host.strikes >= self.times.strikes_max;
        if poisoned && !resumes && (self.rules.poison_before_items || items == 0) {
            self.block(state, at, "finds too many strikes: blocked", out);
            return;
        }
        let due = host.stand == Stand::Suspended && host.story.earliest() == 0;
        let runnable = host.stand != Stand::Suspended || items != 0 || due;
        let behind = due
            && items == 0
            && self.rules.timers_fire_by_clock
            && state.faults.slow > 0
            && host.kind == Kind::Timer;
        if runnable
            || (!self.rules.timers_fire_by_clock
                && host.kind == Kind::Timer
                && host.story.earliest() != NEVER)
        {
            self.begin(state, at, out);
        }
        if !runnable || behind {
            self.nothing_to_do(state, at, behind, out);
        }
    }

    /// Ends the execution without a look at its code: one commit, which nobody claims for.
    fn terminate(&self, state: &State, at: usize, out: &mut Next) {
        let mut next = *state;
        let host = &mut next.hosts[at];
        host.story.seen |= 1 << LAST_ITEM;
        host.story.terminated = true;
        host.received[LAST_ITEM] = (host.received[LAST_ITEM] + host.inbox[LAST_ITEM]).min(2);
        self.append(&next, at, Write::Close, out);
    }

    /// A wake meets a claim whose lease may still hold.
    fn meet_live_claim(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        let mut next = *state;
        let dropped = self.rules.on_live_claim == OnLiveClaim::Drop
            || (host.kind == Kind::Sweep && self.rules.sweep_wakes_are_dropped);
        if dropped {
            next.hosts[at].phase = Phase::Delete;
            out.push((act(who, "meets a live claim and drops its wake", 0), next));
            return;
        }
        let to = &mut next.hosts[at];
        let pending = host.kind == Kind::Timer && host.due > 0;
        to.delay = if pending && self.rules.substitute_keeps_due {
            host.lease.min(host.due)
        } else {
            host.lease
        };
        to.phase =
            if self.rules.live_claim_repairs { Phase::ResendAndRepair } else { Phase::Resend };
        out.push((act(who, "meets a live claim", 0), next));
    }

    fn nothing_to_do(&self, state: &State, at: usize, behind: bool, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        let mut next = *state;
        let to = &mut next.hosts[at];
        if self.rules.on_nothing == OnNothing::RearmTimer
            && host.kind == Kind::Timer
            && host.story.is_armed(host.due)
        {
            to.delay = host.due.max(1);
            to.phase = Phase::ResendAndRepair;
        } else {
            to.phase = match (behind, self.rules.repairs_record) {
                (true, _) => Phase::Clean,
                (false, true) => Phase::Repair,
                (false, false) => Phase::Delete,
            };
        }
        if behind {
            next.faults.slow -= 1;
            out.push((fault(who, "has a clock that is behind: nothing to do", 0), next));
        } else {
            out.push((act(who, "finds nothing to do", 0), next));
        }
    }

    /// Writes "blocked" into the record, and nothing into the log.
    pub(crate) fn block(&self, state: &State, at: usize, what: &'static str, out: &mut Next) {
        let mut next = *state;
        let host = &mut next.hosts[at];
        host.block = true;
        host.phase = Phase::Project;
        out.push((act(Who::Host(at as u8), what, 0), next));
    }

    /// Inbox ids that were read and are not in the log.
    pub(crate) fn new_items(&self, host: &Host) -> u8 {
        let known = |item: usize| self.rules.dedupes_by_log && host.story.seen & 1 << item != 0;
        (0..ITEMS)
            .filter(|&item| host.inbox[item] > 0 && !known(item))
            .fold(0, |items, item| items | 1 << item)
    }

    /// Updates the record, and learns in the same step whether something arrived.
    pub(crate) fn project(&self, next: &mut State, at: usize) {
        let host = next.hosts[at];
        let stored = next.record;
        let wake = match host.stand {
            _ if host.block => NEVER,
            Stand::Suspended => host.story.earliest(),
            Stand::Closed => NEVER,
            Stand::Open => host.lease,
            Stand::Fresh | Stand::Yielded | Stand::Blocked | Stand::GaveUp => 0,
        };
        let news = host.commits > stored.commits
            || (host.commits == stored.commits
                && if self.rules.block_is_sticky {
                    host.block && !stored.blocked
                } else {
                    host.block != stored.blocked
                });
        if news || !stored.exists || !self.rules.record_is_conditional {
            next.record = Record {
                exists: true,
                commits: host.commits,
                wake,
                closed: host.stand == Stand::Closed,
                blocked: host.block,
            };
        }
        let looks = match self.rules.second_look {
            SecondLook::IfGrew => host.grew,
            SecondLook::Always => true,
            SecondLook::Never => false,
        };
        let due = host.stand == Stand::Suspended
            && !host.block
            && self.rules.looks_at_due_timers
            && host.story.earliest() == 0;
        let begins = host.stand == Stand::Fresh && !host.block;
        next.hosts[at].phase = if looks || due || begins { Phase::Look } else { Phase::Clean };
    }

    /// The second look at the inbox and at the timers.
    fn look(&self, state: &State, at: usize, out: &mut Next) {
        let who = Who::Host(at as u8);
        let mut next = *state;
        let host = &mut next.hosts[at];
        if host.stand == Stand::Closed {
            host.inbox = state.inbox;
            host.phase = Phase::Clean;
            out.push((act(who, "looks at the inbox of a closed execution", 0), next));
            return;
        }
        let looked = Host { inbox: state.inbox, ..*host };
        let due = self.rules.looks_at_due_timers
            && host.stand == Stand::Suspended
            && host.story.earliest() == 0;
        let begins = host.stand == Stand::Fresh && !host.block;
        let more = begins
            || host.stand == Stand::Suspended && (self.new_items(&looked) != 0 || due)
            || host.block && self.new_items(&looked) & 1 << LAST_ITEM != 0;
        if more {
            *host = host.afresh(Phase::Received);
            if self.rules.sent_again_is_sent {
                (host.kind, host.due) = (Kind::News, 0);
            }
            out.push((act(who, "looks again: there is more to do", 0), next));
        } else {
            *host = looked;
            host.phase = Phase::Clean;
            out.push((act(who, "looks again: nothing", 0), next));
        }
    }

    /// Deletes inbox items the durable log has; those of a closed execution are reported first.
    fn clean(&self, next: &mut State, at: usize) {
        if !self.rules.only_taken_items_deleted {
            next.inbox = [0; ITEMS];
        }
        let host = next.hosts[at];
        if host.block {
            return; // What it took in memory is in no log.
        }
        for item in 0..ITEMS {
            let taken = host.story.seen & 1 << item != 0;
            let closed = host.stand == Stand::Closed && self.rules.close_reports;
            if host.inbox[item] == 0 || !(taken || closed) {
                continue;
            }
            if closed && host.received[item] == 0 {
                next.reported |= 1 << item;
            }
            next.inbox[item] = next.inbox[item].saturating_sub(host.inbox[item]);
            next.hosts[at].inbox[item] = 0;
        }
    }

    fn delete(&self, state: &State, at: usize, then: Host, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        let slot = usize::from(host.message);
        let then = Host { holds: host.holds, ..then };
        let mut next = *state;
        if slot >= SLOTS {
            next.hosts[at] = then;
            out.push((act(who, "ends without a message to delete", 0), next));
            return;
        }
        next.drop_message(slot);
        next.hosts[at] = then;
        let what = if host.stale { "deletes by an old receipt message" } else { "deletes message" };
        out.push((act(who, what, host.message), next));
        if host.stale {
            let mut next = *state;
            next.hosts[at] = then;
            let what = "deletes by an old receipt, to no effect, message";
            out.push((act(who, what, host.message), next));
        }
    }

    /// Whether the workflow's code is as bad as `code` in this story.
    pub(crate) fn is_bad(&self, host: &Host, code: Code) -> bool {
        self.code == code
            && !host.story.resumed
            && (self.signals == 0 || host.story.seen & 1 != 0 || code != Code::Mismatch)
    }
}
