//! The story a log tells of its workflow.

use crate::state::{BRANCHES, NEVER};

/// What the events of a log say about the workflow, folded.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct Story {
    /// Each branch's place in its program.
    pub at: [u8; BRANCHES],
    /// Failed attempts of the step each branch stands at.
    pub failed: [u8; BRANCHES],
    /// An `at_most_once` attempt is announced and has no result.
    pub announced: [bool; BRANCHES],
    /// Ticks until each branch's timer is due, [`NEVER`] without a timer.
    pub timer: [u8; BRANCHES],
    /// The branch's timer has fired and the workflow has not moved on.
    pub fired: [bool; BRANCHES],
    /// A wake for the branch's timer is under way.
    pub armed: [bool; BRANCHES],
    /// Steps that have a result, a bit each.
    pub done: u8,
    /// Inbox ids that are in the log.
    pub seen: u8,
    /// Signals received and not consumed.
    pub buffered: u8,
    /// Signals consumed.
    pub consumed: u8,
    pub cancelled: bool,
    pub resumed: bool,
    pub terminated: bool,
    /// What was done is being undone.
    pub compensating: bool,
    /// Steps that are let end first, since they may have run.
    pub finishing: u8,
    /// Steps of which some turn may have run a body whose end nobody knows.
    pub doubt: u8,
}

impl Story {
    pub(crate) const START: Self = Self {
        at: [0; 2],
        failed: [0; 2],
        announced: [false; 2],
        timer: [NEVER; 2],
        fired: [false; 2],
        armed: [false; 2],
        done: 0,
        seen: 0,
        buffered: 0,
        consumed: 0,
        cancelled: false,
        resumed: false,
        terminated: false,
        compensating: false,
        finishing: 0,
        doubt: 0,
    };

    /// Ticks until the earliest timer is due.
    pub(crate) fn earliest(&self) -> u8 {
        self.timer[0].min(self.timer[1])
    }

    /// Whether a wake for a pending timer that is due at this time is under way.
    pub(crate) fn is_armed(&self, due: u8) -> bool {
        (0..BRANCHES).any(|branch| self.armed[branch] && self.timer[branch] == due)
    }

    /// Takes note of every timer that is due.
    pub(crate) fn fire_due(&mut self) {
        for branch in 0..BRANCHES {
            if self.timer[branch] == 0 {
                self.fire(branch);
            }
        }
    }

    pub(crate) fn fire(&mut self, branch: usize) {
        self.fired[branch] = true;
        self.forget_timer(branch);
    }

    pub(crate) fn forget_timer(&mut self, branch: usize) {
        self.timer[branch] = NEVER;
        self.armed[branch] = false;
    }
}
