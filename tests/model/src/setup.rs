//! A setup: the protocol with its times, a workflow, and a more or less hostile world.

use crate::rules::Rules;
use crate::state::{Client, Faults, LAST_ITEM, NEVER, Stand, State};
use crate::workflow::{Op, Program};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub program: Program,
    pub rules: Rules,
    pub times: Times,
    /// What is wrong with the workflow's code, until it is resumed with a better one.
    pub code: Code,
    /// How many signals are sent.
    pub signals: u8,
    pub last_item: LastItem,
    pub inline: Inline,
    pub faults: Faults,
    pub sweeper: bool,
    /// One or two.
    pub hosts: usize,
    /// Time passes only while bodies run and nobody has anything else to do.
    pub hosts_are_quick: bool,
    /// Without a sweeper a lost message or a dead sender is nobody's fault.
    pub losses_are_excused: bool,

    // What is looked for beside the promises; 0 and `false` do not look.
    /// Hosts a poisoned execution may kill.
    pub deaths_max: u8,
    /// Timer wakes that may be in the queue at once.
    pub timer_wakes_max: u8,
    /// Whether it is wrong that work waits for a delayed wake.
    pub prompt: bool,
    /// When a run ends, nobody sends again what it received.
    pub runs_are_long: bool,
}

/// The protocol's times and limits, in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// T: how long a turn may take. It is not slower without a fault.
    pub timeout: u8,
    /// L.
    pub lease: Lease,
    /// A lease is renewed at so many ticks left; 0 never.
    pub renew_at: u8,
    /// V.
    pub visibility: u8,
    /// S: what a body's start leaves of its lease.
    pub margin: u8,
    /// How early another host may see a lease end.
    pub skew: u8,
    /// The queue's longest delay.
    pub delay_max: u8,
    /// The queue's `maxReceiveCount`; [`NEVER`] without one.
    pub receives_max: u8,
    /// P, claims in a row without progress; 0 counts none.
    pub strikes_max: u8,
}

/// How a lease is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lease {
    /// So many ticks from the claim.
    Ticks(u8),
    /// The invocation's deadline and the margin.
    Deadline,
}

/// A start that takes the first turn itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inline {
    Off,
    AfterWake,
    WithoutWake,
}

/// What a workflow's code does to its hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Good,
    KillsInReplay,
    KillsInBody,
    /// Its body takes longer than any turn has.
    NeverEnds,
    /// It disagrees with the log, from the first signal on if there is one.
    Mismatch,
}

/// What the inbox's last id is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LastItem {
    Nothing,
    Cancel,
    Resume,
    Terminate,
}

impl Setup {
    /// Our protocol, in a friendly world.
    pub(crate) fn ours(program: Program) -> Self {
        let ops = program.iter().flat_map(|branch| branch.iter());
        let signals = ops.filter(|op| matches!(op, Op::Signal | Op::SignalWithin(_))).count();
        Self {
            program,
            rules: Rules::KEPT,
            times: Times {
                timeout: 1,
                lease: Lease::Ticks(2),
                renew_at: 0,
                visibility: 3,
                margin: 0,
                skew: 0,
                delay_max: 9,
                receives_max: NEVER,
                strikes_max: 0,
            },
            code: Code::Good,
            signals: signals as u8,
            last_item: LastItem::Nothing,
            inline: Inline::Off,
            faults: Faults::default(),
            sweeper: false,
            hosts: 2,
            hosts_are_quick: false,
            losses_are_excused: true,
            deaths_max: 0,
            timer_wakes_max: 0,
            prompt: false,
            runs_are_long: false,
        }
    }

    /// The same, but for what `change` changes.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The inbox ids that are sent in this world.
    pub(crate) fn items(&self) -> impl Iterator<Item = usize> + use<> {
        let last = (self.last_item != LastItem::Nothing).then_some(LAST_ITEM);
        (0..usize::from(self.signals)).chain(last)
    }

    /// Everything that was accepted has come to its end.
    pub(crate) fn is_goal(&self, state: &State) -> bool {
        if state.log.commits == 0 && state.client == Client::Done {
            // The client died before its first write: there is nothing to finish.
            return !state.record.exists || !self.sweeper;
        }
        let waits_for_a_fix = matches!(self.last_item, LastItem::Nothing | LastItem::Cancel);
        if self.code != Code::Good && waits_for_a_fix {
            return state.record.blocked;
        }
        let is_told = |item: usize| {
            state.inbox[item] == 0
                || state.log.received[item] > 0
                || state.reported & 1 << item != 0
        };
        state.log.stand == Stand::Closed
            && state.record.exists
            && state.record.closed
            && self.items().all(is_told)
    }

    /// A state that no rule of ours has to get out of.
    pub(crate) fn is_excused(&self, state: &State) -> bool {
        state.lost && self.losses_are_excused && !self.sweeper
    }
}
