//! The middle of a turn: take what is new, replay, run bodies, commit.

use crate::host::{Finished, Host, Phase, Write};
use crate::setup::{Code, LastItem, Setup};
use crate::state::{
    BRANCHES, ITEMS, Kind, LAST_ITEM, NEVER, Place, SLOTS, Stand, State, Violation,
};
use crate::workflow::{Need, Op, UNDO, finish, has_undo, replay, stands_at};
use crate::world::{Next, Who, act};

const NO_TIME: &str = "has no time for a body: gives its message back";

impl Setup {
    /// Opens the turn in memory: takes new items and due timers. Nothing is written yet.
    pub(crate) fn begin(&self, state: &State, at: usize, out: &mut Next) {
        let mut next = *state;
        let seen = next.hosts[at];
        let host = &mut next.hosts[at];
        let early = !self.rules.timers_fire_by_clock && host.kind == Kind::Timer;
        if early && let Some(branch) = host.story.timer.iter().position(|&due| due != NEVER) {
            if host.story.timer[branch] > 0 {
                next.violation = Some(Violation::TimerEarly);
            }
            host.story.fire(branch);
        }
        self.take_items(host);
        let unknown = match seen.stand {
            Stand::Open | Stand::Blocked => self.rules.finishes_unknown,
            Stand::GaveUp => self.rules.finishes_given_up,
            _ => false,
        };
        if unknown {
            host.story.doubt |= self.charges_at(host, [true; BRANCHES]);
        }
        host.story.fire_due();
        host.pending |= host.story != seen.story;
        host.claimed = false;
        host.block = false;
        let first = !self.rules.claims_are_lazy
            || (seen.again && self.rules.redelivered_claims_first)
            || (seen.stand == Stand::Open && self.rules.unfinished_claims_first);
        if first && self.has_no_time(host) {
            self.give_back(state, at, NO_TIME, out);
            return;
        }
        host.phase = if first { Phase::Claim } else { Phase::Run };
        out.push((act(Who::Host(at as u8), "takes what is new", 0), next));
    }

    /// Under a claim made now no body could start.
    fn has_no_time(&self, host: &Host) -> bool {
        self.rules.claims_only_with_time && self.new_lease(host) <= self.times.margin
    }

    pub(crate) fn give_back(&self, state: &State, at: usize, what: &'static str, out: &mut Next) {
        let mut next = *state;
        let host = &mut next.hosts[at];
        let (slot, stale) = (usize::from(host.message), host.stale);
        *host = Host { holds: host.holds, ..Host::IDLE };
        if slot < SLOTS && !stale {
            next.messages[slot].place = Place::Visible;
            next.messages[slot].ticks = 0;
        }
        out.push((act(Who::Host(at as u8), what, 0), next));
    }

    fn take_items(&self, host: &mut Host) {
        let items = self.new_items(host);
        for item in 0..ITEMS {
            if items & 1 << item == 0 {
                continue;
            }
            host.received[item] = (host.received[item] + host.inbox[item]).min(2);
            host.story.seen |= 1 << item;
            host.pending = true;
            match (item, self.last_item) {
                (LAST_ITEM, LastItem::Resume) => {
                    host.story.resumed = true;
                    host.progress = true;
                    if self.rules.resume_disarms {
                        host.story.armed = [false; BRANCHES];
                    }
                }
                (LAST_ITEM, LastItem::Terminate) => host.story.terminated = true,
                (LAST_ITEM, _) => host.story.cancelled = true,
                _ => {
                    host.story.buffered |= 1 << item;
                    host.progress |= !self.rules.items_are_no_progress;
                }
            }
        }
    }

    /// Delivers what is finished, and replays as far as it goes.
    pub(crate) fn settle(&self, next: &mut State, at: usize) -> [Need; BRANCHES] {
        let host = &mut next.hosts[at];
        for branch in 0..BRANCHES {
            if host.finished[branch] != Finished::No {
                finish(&self.program, &mut host.story, branch, host.finished[branch]);
                host.finished[branch] = Finished::No;
                host.pending = true;
                host.progress = true;
            }
        }
        let compensates = self.compensate(host);
        let story = &mut host.story;
        let replayed = replay(&self.program, story, host.announced, self.rules.attempts_survive);
        host.pending |= replayed.added;
        host.progress |= replayed.added;
        if host.story.cancelled && !compensates {
            host.running = [false; BRANCHES];
        }
        next.violation = next.violation.or(replayed.violation);
        replayed.needs
    }

    /// A cancelled workflow is replaced by what undoes it, if there is anything to undo.
    fn compensate(&self, host: &mut Host) -> bool {
        let done = (0..UNDO).filter(|&step| has_undo(&self.program, step));
        let done = done.fold(0, |all, step| all | host.story.done & 1 << step);
        if !host.story.cancelled || host.story.compensating || !self.rules.undoes {
            return host.story.compensating;
        }
        let running = self.charges_at(host, host.running);
        let finishing = host.story.doubt | if self.rules.finishes_running { running } else { 0 };
        if done | finishing == 0 {
            return false;
        }
        for branch in 0..BRANCHES {
            let mut this = [false; BRANCHES];
            this[branch] = host.running[branch];
            host.running[branch] = self.charges_at(host, this) & finishing != 0;
        }
        host.story.compensating = true;
        host.story.finishing = finishing;
        host.pending = true;
        host.progress = true;
        true
    }

    /// The steps with an undo that these branches stand at.
    fn charges_at(&self, host: &Host, branches: [bool; BRANCHES]) -> u8 {
        (0..BRANCHES).filter(|&branch| branches[branch]).fold(0, |all, branch| {
            match stands_at(&self.program, &host.story, branch) {
                Some(Op::Charge(step)) if host.story.done & 1 << step == 0 => all | 1 << step,
                _ => all,
            }
        })
    }

    /// What a turn may do between its claim and its last commit.
    pub(crate) fn run(&self, state: &State, at: usize, out: &mut Next) {
        let who = Who::Host(at as u8);
        if state.hosts[at].story.terminated && self.rules.terminate_ends_turns {
            let mut next = *state;
            next.hosts[at].running = [false; BRANCHES];
            self.append(&next, at, Write::Close, out);
            return;
        }
        if self.is_bad(&state.hosts[at], Code::KillsInReplay) {
            self.poison(state, at, out);
            return;
        }
        if self.is_bad(&state.hosts[at], Code::Mismatch) {
            if state.hosts[at].claimed && self.rules.block_ends_turn {
                self.append(state, at, Write::Block, out);
            } else {
                self.block(state, at, "finds that code and log disagree: blocked", out);
            }
            return;
        }
        self.bodies_end(state, at, out);
        if state.hosts[at].writing {
            if !state.hosts[at].pending {
                self.bodies_beside_a_renewal(state, at, out);
            }
            let mut next = *state;
            next.hosts[at].writing = false;
            self.append(&next, at, state.hosts[at].write, out);
            return;
        }
        let mut next = *state;
        let needs = self.settle(&mut next, at);
        if next.violation.is_some() {
            out.push((act(who, "goes on", 0), next));
            return;
        }
        let host = next.hosts[at];
        self.look_mid_turn(&next, at, out);
        self.yields(&next, at, &needs, out);
        self.gives_up(state, at, out);
        if needs.contains(&Need::ContinueAsNew) {
            self.append(&next, at, Write::ContinueAsNew, out);
            return;
        }
        let mut waits = true;
        for (branch, need) in needs.iter().enumerate() {
            let Need::Body(op) = *need else { continue };
            if !host.running[branch] {
                waits = false;
                self.body(&next, at, branch, op, out);
            }
        }
        if host.running.contains(&true) {
            if waits && host.pending && host.claimed {
                self.write(&next, at, Write::Results, out);
            }
            if host.claimed && host.lease <= self.times.renew_at {
                self.write(&next, at, Write::Renewal, out);
            }
        } else if needs == [Need::End; BRANCHES] {
            self.append(&next, at, Write::Close, out);
        } else if waits {
            self.suspend(&next, at, out);
        }
    }

    /// A commit that only renews the lease keeps no body from starting.
    fn bodies_beside_a_renewal(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let mut story = host.story;
        let needs =
            replay(&self.program, &mut story, host.announced, self.rules.attempts_survive).needs;
        for (branch, need) in needs.iter().enumerate() {
            let idle = !host.running[branch] && host.finished[branch] == Finished::No;
            if let (Need::Body(op @ Op::Step(_)), true) = (*need, idle) {
                self.body(state, at, branch, op, out);
            }
        }
    }

    fn poison(&self, state: &State, at: usize, out: &mut Next) {
        let mut next = *state;
        self.kill(&mut next, at);
        if self.deaths_max > 0 {
            next.deaths += 1;
            if next.deaths > self.deaths_max {
                next.violation = Some(Violation::Deadly);
            }
        }
        out.push((act(Who::Host(at as u8), "is killed by the workflow's code", 0), next));
    }

    /// Each body that runs may end now.
    pub(crate) fn bodies_end(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        for branch in (0..BRANCHES).filter(|&branch| host.running[branch]) {
            let op = stands_at(&self.program, &host.story, branch);
            if op == Some(Op::Hangs) || self.is_bad(&host, Code::NeverEnds) {
                continue;
            }
            let fails = matches!(op, Some(Op::FailsOnce(..))) && host.story.failed[branch] == 0;
            let mut next = *state;
            next.hosts[at].running[branch] = false;
            next.hosts[at].finished[branch] = if fails { Finished::Failed } else { Finished::Ok };
            let what = if fails { "body fails, branch" } else { "body ends, branch" };
            out.push((act(Who::Host(at as u8), what, branch as u8), next));
        }
    }

    fn look_mid_turn(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        if !self.rules.looks_mid_turn || !host.grew || !host.running.contains(&true) {
            return;
        }
        let mut next = *state;
        let to = &mut next.hosts[at];
        to.inbox = state.inbox;
        to.grew = false;
        self.take_items(to);
        out.push((act(Who::Host(at as u8), "looks at the inbox while bodies run", 0), next));
    }

    /// The deadline is near: what is finished is committed, what runs is aborted.
    fn yields(&self, state: &State, at: usize, needs: &[Need], out: &mut Next) {
        let host = state.hosts[at];
        let wants = needs.iter().any(|need| matches!(need, Need::Body(_)));
        let never_ends = self.is_bad(&host, Code::NeverEnds) && host.running.contains(&true);
        if !(state.faults.deadlines > 0 && wants && host.claimed || never_ends) {
            return;
        }
        let mut next = *state;
        next.faults.deadlines = state.faults.deadlines.saturating_sub(1);
        if !self.rules.aborts_bodies
            && let Some(branch) = host.running.iter().position(|&runs| runs)
            && let Some(Op::Step(step)) =
                self.program[branch].get(usize::from(host.story.at[branch]))
        {
            next.zombie |= 1 << step;
        }
        if self.rules.finishes_interrupted {
            next.hosts[at].story.doubt |= self.charges_at(&host, host.running);
        }
        next.hosts[at].running = [false; BRANCHES];
        let first = out.len();
        self.append(&next, at, Write::Yield, out);
        for (action, _) in &mut out[first..] {
            action.is_fault = !never_ends;
        }
    }

    /// What is finished cannot be stored: the turn ends with what is durable.
    fn gives_up(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        if state.faults.outages == 0 || !host.claimed {
            return;
        }
        let mut next = *state;
        next.faults.outages -= 1;
        let first = out.len();
        if self.rules.giving_up_is_no_strike {
            let to = &mut next.hosts[at];
            to.running = [false; BRANCHES];
            to.finished = [Finished::No; BRANCHES];
            to.progress = false;
            (to.story, to.received, to.strikes) =
                (state.log.story, state.log.received, state.log.strikes);
            self.append(&next, at, Write::GiveUp, out);
        } else {
            self.give_back(&next, at, "ends by an error: gives its message back", out);
        }
        for (action, _) in &mut out[first..] {
            action.is_fault = true;
        }
    }

    /// Everything before a body, and its start.
    fn body(&self, state: &State, at: usize, branch: usize, op: Op, out: &mut Next) {
        let who = Who::Host(at as u8);
        let mut next = *state;
        let host = &mut next.hosts[at];
        if self.rules.announces_once && matches!(op, Op::Once(_)) && !host.story.announced[branch] {
            host.story.announced[branch] = true;
            host.announced[branch] = true;
            host.pending = true;
            host.progress = true;
        }
        if !host.claimed && self.rules.claims_before_body && self.has_no_time(host) {
            self.give_back(state, at, NO_TIME, out);
            return;
        }
        let unclaimed = !host.claimed && self.rules.claims_before_body;
        if unclaimed || (host.pending && self.rules.barrier) {
            self.write(&next, at, Write::Results, out);
            return;
        }
        if self.rules.checks_own_lease && host.claimed && host.lease <= self.times.margin {
            *host = host.afresh(Phase::Received);
            out.push((act(who, "sees its lease end: stops before the body", 0), next));
            return;
        }
        host.running[branch] = true;
        let attempt = 1 << host.story.failed[branch];
        let step = match op {
            Op::Step(step) | Op::FailsOnce(step, _) | Op::Once(step) | Op::Charge(step) => step,
            Op::Undo(step) => step + UNDO,
            _ => 7,
        };
        let done = host.story.done;
        if host.pending || done & !state.log.story.done != 0 {
            next.violation = Some(Violation::Barrier);
        }
        if state.log.story.done & 1 << step != 0 {
            next.violation = Some(Violation::RanAgain);
        }
        if let Op::Charge(step) = op {
            next.effects |= 1 << step;
        }
        if matches!(op, Op::Once(_)) {
            if next.once & attempt != 0 {
                next.violation = Some(Violation::OnceTwice);
            }
            next.once |= attempt;
        }
        if self.is_bad(&next.hosts[at], Code::KillsInBody) {
            self.poison(&next, at, out);
            return;
        }
        out.push((act(who, "starts the body of step", step), next));
    }

    fn suspend(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let story = &host.story;
        let earliest = story.earliest();
        if self.rules.timer_wake_before_commit && earliest != NEVER && !host.sent {
            let mut left = *story;
            self.forget_own_wake(&host, &mut left);
            let is_armed = self.rules.armed_is_written
                && (0..BRANCHES).any(|branch| {
                    left.armed[branch]
                        && (left.timer[branch] == earliest || !self.rules.armed_is_a_list)
                });
            if !is_armed {
                let mut next = *state;
                next.put_message(self.wake(Kind::Timer, earliest, earliest));
                next.hosts[at].sent = true;
                let what = "sends a timer's wake, delayed by";
                out.push((act(Who::Host(at as u8), what, earliest), next));
                return;
            }
        }
        self.append(state, at, Write::Suspend, out);
    }

    /// Starts a commit. While bodies run it is on its way for a while.
    fn write(&self, state: &State, at: usize, write: Write, out: &mut Next) {
        let mut next = *state;
        let host = &mut next.hosts[at];
        if !host.running.contains(&true) {
            self.append(&next, at, write, out);
            return;
        }
        host.writing = true;
        host.write = write;
        host.written = host.story;
        if write == Write::Renewal && !self.rules.renewal_counts_once_durable {
            host.lease = self.new_lease(host);
        }
        out.push((act(Who::Host(at as u8), "sends a commit while bodies run", 0), next));
    }
}
