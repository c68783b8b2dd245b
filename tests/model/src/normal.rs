//! One spelling for states that no rule can tell apart: it keeps the search small, and makes runs
//! that go round in a circle meet themselves.

use crate::host::{Host, Phase};
use crate::state::{SLOTS, Stand, State};

impl State {
    /// The same state in the one spelling that all states have which no rule can tell from it:
    /// commits by rank, slots and hosts in order, what an idle host once knew forgotten. Host
    /// names may therefore swap within a trace.
    pub(crate) fn normalise(&mut self) {
        for host in &mut self.hosts {
            match host.phase {
                Phase::Idle => *host = Host { holds: host.holds, ..Host::IDLE },
                Phase::Received | Phase::Delete => *host = host.afresh(host.phase),
                _ => {}
            }
            if self.log.stand != Stand::Open {
                host.holds = false;
            }
        }
        self.rank_commits();
        self.sort_messages();
        if self.hosts[1] < self.hosts[0] {
            self.hosts.swap(0, 1);
        }
    }

    fn rank_commits(&mut self) {
        let mut values = [0; 10];
        values[..2].copy_from_slice(&[self.log.commits, self.record.commits]);
        for (at, host) in self.hosts.iter().enumerate() {
            values[2 + at] = host.commits;
            values[4 + at] = host.ghost_base;
            values[6 + at] = host.landed;
        }
        values[8] = self.late.map_or(0, |late| late.base);
        values[9] = self.before.map_or(0, |log| log.commits);
        values.sort_unstable();
        let rank = |value: u8| {
            let mut rank = 0;
            let mut last = 0;
            for candidate in values {
                if candidate != last {
                    rank += 1;
                    last = candidate;
                }
                if candidate == value {
                    break;
                }
            }
            if value == 0 { 0 } else { rank }
        };
        self.log.commits = rank(self.log.commits);
        self.record.commits = rank(self.record.commits);
        for host in &mut self.hosts {
            host.commits = rank(host.commits);
            host.ghost_base = rank(host.ghost_base);
            host.landed = rank(host.landed);
        }
        if let Some(late) = &mut self.late {
            late.base = rank(late.base);
            late.log.commits = 0;
        }
        if let Some(before) = &mut self.before {
            before.commits = rank(before.commits);
        }
    }

    fn sort_messages(&mut self) {
        let holders = |slot: usize| {
            self.hosts
                .iter()
                .map(
                    |host| if usize::from(host.message) == slot { 1 + host.phase as u8 } else { 0 },
                )
                .max()
                .unwrap_or(0)
        };
        let mut order: [usize; SLOTS] = std::array::from_fn(|slot| slot);
        order.sort_by_key(|&slot| (std::cmp::Reverse(self.messages[slot]), holders(slot)));
        self.messages = order.map(|slot| self.messages[slot]);
        for host in &mut self.hosts {
            if let Some(place) = order.iter().position(|&slot| slot == usize::from(host.message)) {
                host.message = place as u8;
            }
        }
    }
}
