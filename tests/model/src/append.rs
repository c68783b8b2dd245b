//! Commits: what they hold, the conditional put, and what its answer may be.

use crate::host::{Finished, Host, Phase, Write};
use crate::setup::{Lease, Setup};
use crate::state::{BRANCHES, ITEMS, Kind, Late, Log, NEVER, Stand, State};
use crate::story::Story;
use crate::workflow::finish;
use crate::world::{Next, Who, act, fault};

impl Setup {
    pub(crate) fn new_lease(&self, host: &Host) -> u8 {
        match self.times.lease {
            Lease::Ticks(ticks) => ticks,
            Lease::Deadline => (self.times.timeout + self.times.margin).saturating_sub(host.age),
        }
    }

    /// The log as it would be after this host's commit.
    fn commit(&self, host: &Host, write: Write) -> Log {
        let mut story = host.story;
        let claims = !host.claimed;
        let (mut stand, mut lease) = (Stand::Open, host.lease);
        if host.phase != Phase::Unanswered && (claims || write == Write::Renewal) {
            lease = self.new_lease(host);
        }
        match write {
            Write::Claim | Write::Results | Write::Renewal => {}
            Write::ContinueAsNew => {
                story.at[0] += 1;
                story.timer = [NEVER; BRANCHES];
                story.armed = [false; BRANCHES];
                story.fired = [false; BRANCHES];
                if !self.rules.carries_ids {
                    story.seen = 0;
                } else if self.runs_are_long {
                    story.seen &= self.in_inbox(host);
                }
                if !self.rules.carries_signals {
                    story.buffered = 0;
                }
                // Whoever reads the log of the new run finds no claim there.
                (stand, lease) = (Stand::Fresh, 0);
            }
            Write::Suspend => {
                self.write_armed(host, &mut story);
                (stand, lease) = (Stand::Suspended, 0);
            }
            Write::Yield => {
                if self.rules.own_wake_is_not_armed_at_yield {
                    self.forget_own_wake(host, &mut story);
                }
                (stand, lease) = (Stand::Yielded, 0);
            }
            Write::Block => (stand, lease) = (Stand::Blocked, 0),
            Write::GiveUp => {
                self.forget_own_wake(host, &mut story);
                (stand, lease) = (Stand::GaveUp, 0);
            }
            Write::Close => (stand, lease) = (Stand::Closed, 0),
        }
        let counts = self.times.strikes_max > 0;
        let progress = host.progress
            || write == Write::Suspend
            || write == Write::Yield && !self.rules.yield_is_no_progress;
        let strikes = match (progress, claims) {
            _ if !counts => 0,
            _ if write == Write::GiveUp && !self.rules.own_strike_only => 0,
            _ if write == Write::GiveUp => host.strikes.saturating_sub(1),
            (true, _) => 0,
            (false, true) => (host.strikes + 1).min(self.times.strikes_max),
            (false, false) => host.strikes,
        };
        Log {
            commits: host.commits + 1,
            story,
            stand,
            lease,
            gone: false,
            strikes,
            received: host.received,
        }
    }

    /// The ids that are carried since their items would be taken again.
    fn in_inbox(&self, host: &Host) -> u8 {
        let kept = |item: &usize| self.rules.carries_ids_in_inbox && host.inbox[*item] > 0;
        (0..ITEMS).filter(kept).fold(0, |ids, item| ids | 1 << item)
    }

    /// The times for which a wake is under way when this turn's message is deleted.
    fn write_armed(&self, host: &Host, story: &mut Story) {
        self.forget_own_wake(host, story);
        let earliest = story.earliest();
        if earliest == NEVER || !self.rules.timer_wake_before_commit {
            return;
        }
        for branch in 0..BRANCHES {
            story.armed[branch] |= story.timer[branch] == earliest;
        }
    }

    pub(crate) fn forget_own_wake(&self, host: &Host, story: &mut Story) {
        for branch in 0..BRANCHES {
            if self.rules.own_wake_is_not_armed
                && host.kind == Kind::Timer
                && story.timer[branch] == host.due
            {
                story.armed[branch] = false;
            }
        }
    }

    /// One conditional put, with its possible outcomes.
    pub(crate) fn append(&self, state: &State, at: usize, write: Write, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        let as_sent =
            if host.written == Story::START { host } else { Host { story: host.written, ..host } };
        let log = self.commit(&as_sent, write);
        let what = match write {
            Write::Claim => "writes its claim",
            Write::Results => "commits results",
            Write::Renewal => "commits a renewed lease",
            Write::ContinueAsNew => "commits a new run",
            Write::Suspend => "commits its end: suspended",
            Write::Yield => "commits its end: yielded",
            Write::Block => "commits its end: blocked",
            Write::GiveUp => "commits its end: it gave up",
            Write::Close => "commits the execution's end",
        };
        if state.log.commits != host.commits {
            let mut next = *state;
            let mine = host.ghost == 2 && host.ghost_base == host.commits;
            if !self.rules.id_decides || mine {
                self.committed(&mut next, at, &log, write);
                out.push((
                    act(who, "is told the number is taken, by itself as it believes", 0),
                    next,
                ));
            } else {
                self.lose(&mut next, at);
                out.push((act(who, "is refused: another turn was first", 0), next));
            }
            return;
        }
        let mut next = *state;
        self.claim_moves(&mut next, at);
        self.land(&mut next, log);
        self.committed(&mut next, at, &log, write);
        out.push((act(who, what, 0), next));
        if state.faults.unanswered > 0 && state.late.is_none() {
            let mut next = *state;
            next.faults.unanswered -= 1;
            let to = &mut next.hosts[at];
            to.phase = Phase::Unanswered;
            to.lease = log.lease;
            to.write = write;
            to.written = as_sent.story;
            let mut landed = next;
            self.claim_moves(&mut landed, at);
            self.land(&mut landed, log);
            landed.hosts[at].landed = landed.log.commits;
            out.push((fault(who, "appends, it is written, and the answer is lost", 0), landed));
            next.late = Some(Late { log, base: host.commits });
            out.push((fault(who, "appends, and the write is still under way", 0), next));
        }
    }

    /// Notes whose claim is the open one, where anybody asks.
    fn claim_moves(&self, next: &mut State, at: usize) {
        if (self.rules.dead_hosts_are_known || !self.rules.gone_is_certain)
            && !next.hosts[at].claimed
        {
            for host in &mut next.hosts {
                host.holds = false;
            }
            next.hosts[at].holds = true;
        }
    }

    /// The host learns that its commit is in the log.
    fn committed(&self, next: &mut State, at: usize, log: &Log, write: Write) {
        let host = &mut next.hosts[at];
        host.commits = if host.landed > 0 { host.landed } else { log.commits };
        host.story = log.story;
        host.stand = log.stand;
        host.strikes = log.strikes;
        let goes_on = write == Write::ContinueAsNew && !self.rules.claim_ends_with_run;
        if !goes_on {
            host.lease = log.lease;
        }
        if !self.rules.commit_covers_what_it_holds {
            for branch in 0..BRANCHES {
                finish(&self.program, &mut host.story, branch, host.finished[branch]);
                host.finished[branch] = Finished::No;
            }
        }
        host.pending = false;
        host.progress = false;
        host.claimed = true;
        host.landed = 0;
        host.ghost = 0;
        host.ghost_base = 0;
        host.sent = false;
        host.writing = false;
        host.written = Story::START;
        host.write = Write::Claim;
        host.phase = match write {
            Write::Claim | Write::Results | Write::Renewal => Phase::Run,
            Write::ContinueAsNew if goes_on => Phase::Run,
            Write::GiveUp if !self.rules.giving_up_is_shown => Phase::GiveBack,
            _ if !self.rules.message_last => Phase::DeleteFirst,
            _ => Phase::Project,
        };
        let ended = !matches!(write, Write::Claim | Write::Results | Write::Renewal) && !goes_on;
        host.block = write == Write::Block;
        if ended {
            host.running = [false; BRANCHES];
            host.finished = [Finished::No; BRANCHES];
            host.announced = [false; BRANCHES];
        }
        let earliest = log.story.earliest();
        if write == Write::Suspend && !self.rules.timer_wake_before_commit && earliest != NEVER {
            let host = &mut next.hosts[at];
            (host.kind, host.due, host.delay) = (Kind::Timer, earliest, earliest);
            host.phase = Phase::ResendAndRepair;
        }
        if !self.rules.items_deleted_late {
            for item in 0..ITEMS {
                if next.hosts[at].story.seen & 1 << item != 0 {
                    next.inbox[item] = 0;
                }
            }
        }
    }

    /// The host lost its place: it drops the turn and decides afresh, as for a fresh wake.
    fn lose(&self, next: &mut State, at: usize) {
        let then = if self.rules.lost_turn_keeps_message { Phase::Received } else { Phase::Delete };
        next.hosts[at] = next.hosts[at].afresh(then);
    }

    /// An append was not answered: the same bytes again.
    pub(crate) fn retry(&self, state: &State, at: usize, out: &mut Next) {
        let host = state.hosts[at];
        let who = Who::Host(at as u8);
        self.bodies_end(state, at, out);
        let mut again = *state;
        if !self.rules.bytes_are_frozen {
            self.settle(&mut again, at);
            again.hosts[at].written = again.hosts[at].story;
        }
        let resent = again.hosts[at];
        let log = self.commit(&Host { story: resent.written, ..resent }, host.write);
        if host.landed > 0 {
            let mut next = again;
            self.committed(&mut next, at, &log, host.write);
            out.push((act(who, "appends again: it is there, by itself", 0), next));
        } else if state.log.commits == host.commits {
            let mut next = again;
            self.claim_moves(&mut next, at);
            self.land(&mut next, log);
            self.committed(&mut next, at, &log, host.write);
            out.push((act(who, "appends again: written", 0), next));
        } else {
            let mut next = *state;
            self.lose(&mut next, at);
            out.push((act(who, "appends again: another turn was first", 0), next));
        }
        if self.rules.gives_up {
            let mut next = *state;
            let mut then = host.afresh(Phase::Received);
            if !self.rules.new_writer_after_giving_up {
                then.ghost = if host.landed > 0 { 2 } else { 1 };
                then.ghost_base = host.commits;
                then.landed = host.landed;
            }
            next.hosts[at] = then;
            out.push((act(who, "gives the append up and decides afresh", 0), next));
        }
    }
}
