//! Time passes, hosts die, writes land late, frozen bodies thaw.

use crate::host::{Host, Phase};
use crate::setup::Setup;
use crate::state::{Log, NEVER, Place, State, Violation};
use crate::world::{Next, Who, act, fault};

impl Setup {
    pub(crate) fn tick(&self, state: &State, out: &mut Next) {
        let mut next = *state;
        let mut slow = false;
        if self.hosts_are_quick && state.hosts.iter().any(|host| self.is_about_to_act(host)) {
            return;
        }
        for host in next.hosts.iter_mut().filter(|host| host.is_busy()) {
            if host.age < self.times.timeout {
                host.age += 1;
            } else if state.faults.slow > 0 {
                slow = true;
            } else {
                return;
            }
        }
        pass(&mut next.log);
        if let Some(before) = &mut next.before {
            pass(before);
        }
        if let Some(late) = &mut next.late {
            pass(&mut late.log);
        }
        less(&mut next.record.wake);
        for host in &mut next.hosts {
            less(&mut host.lease);
            less(&mut host.delay);
            less(&mut host.due);
            for story in [&mut host.story, &mut host.written] {
                story.timer.iter_mut().for_each(less);
            }
        }
        for message in &mut next.messages {
            less(&mut message.due);
            if matches!(message.place, Place::Delayed | Place::InFlight) {
                less(&mut message.ticks);
                if message.ticks == 0 {
                    message.place = Place::Visible;
                }
            }
        }
        if next == *state {
            return;
        }
        if slow {
            next.faults.slow -= 1;
            out.push((fault(Who::World, "tick: a host is slower than allowed", 0), next));
        } else {
            out.push((act(Who::World, "tick", 0), next));
        }
    }

    /// A quick host lets time pass only while its bodies run, and renews its lease in time.
    fn is_about_to_act(&self, host: &Host) -> bool {
        let renews = self.times.renew_at > 0 && host.claimed && host.lease <= self.times.renew_at;
        host.is_busy() && (!host.running.contains(&true) || host.writing || renews)
    }

    pub(crate) fn crash(&self, state: &State, at: usize, out: &mut Next) {
        if state.faults.crashes > 0 {
            let mut next = *state;
            next.faults.crashes -= 1;
            self.kill(&mut next, at);
            out.push((fault(Who::Host(at as u8), "dies", 0), next));
        }
        if !self.rules.gone_is_certain && state.hosts[at].holds && !state.log.gone {
            let mut next = *state;
            next.log.gone = true;
            out.push((fault(Who::Host(at as u8), "is taken for dead and lives", 0), next));
        }
    }

    /// The host's process dies.
    pub(crate) fn kill(&self, next: &mut State, at: usize) {
        let host = next.hosts[at];
        if self.rules.dead_hosts_are_known {
            if host.holds {
                next.log.gone = true;
            }
            let slot = usize::from(host.message);
            if slot < next.messages.len() && !host.stale {
                next.messages[slot].place = Place::Visible;
                next.messages[slot].ticks = 0;
            }
        }
        next.hosts[at] = Host::IDLE;
    }

    pub(crate) fn late_write(&self, state: &State, out: &mut Next) {
        let Some(late) = state.late else { return };
        let mut next = *state;
        next.late = None;
        if state.log.commits == late.base {
            self.land(&mut next, Log { commits: state.log.commits + 1, ..late.log });
            let landed = next.log.commits;
            for host in &mut next.hosts {
                if host.phase == Phase::Unanswered && host.commits == late.base {
                    host.landed = landed;
                }
                if host.ghost == 1 {
                    host.ghost = 2;
                    host.landed = landed;
                }
            }
            out.push((act(Who::World, "the unanswered append lands", 0), next));
        } else {
            for host in &mut next.hosts {
                host.ghost = 0;
            }
            out.push((act(Who::World, "the unanswered append is refused", 0), next));
        }
    }

    /// A host that was frozen in the middle of a body thaws.
    pub(crate) fn zombie(&self, state: &State, out: &mut Next) {
        if state.zombie != 0 {
            let mut next = *state;
            next.zombie = 0;
            if state.log.story.done & state.zombie != 0 {
                next.violation = Some(Violation::Zombie);
            }
            out.push((act(Who::World, "a body of an ended turn goes on", state.zombie), next));
        }
    }

    /// Makes `log` the log.
    pub(crate) fn land(&self, next: &mut State, log: Log) {
        if !self.rules.reads_are_consistent {
            next.before = Some(next.log);
        }
        next.log = log;
    }
}

fn pass(log: &mut Log) {
    less(&mut log.lease);
    log.story.timer.iter_mut().for_each(less);
}

fn less(ticks: &mut u8) {
    if *ticks != NEVER {
        *ticks = ticks.saturating_sub(1);
    }
}
