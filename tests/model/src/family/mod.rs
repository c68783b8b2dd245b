//! A parent and its child: rules 29 to 32, each kept and removed.
//!
//! Two executions, two hosts, one child. Claims are left out: they keep bodies apart, and what is
//! sent between executions must bear two hosts at once anyway, so this is the more hostile world.
//! Appends are fenced by the log's length, as everywhere.

mod turn;
mod world;

pub(crate) use world::Violation;
use world::{Action, Faults, Setup, State};

use super::small::{Case, Model, Verdict};

impl Model for Setup {
    type State = State;

    fn start(&self) -> State {
        State::new(self)
    }

    fn actions(&self, state: State) -> Vec<Action> {
        let mut all = Vec::new();
        state.actions(self, &mut all);
        all
    }

    fn is_goal(&self, state: &State) -> bool {
        state.is_goal()
    }

    fn violation(&self, state: &State) -> Option<Violation> {
        state.violation
    }
}

/// Every case, in the order of the rules.
pub(crate) fn cases() -> Vec<Case> {
    let one_crash = Faults { crashes: 1, ..Faults::default() };
    let late = Faults { crashes: 1, late_creates: 1, ..Faults::default() };
    // The child ends by itself and the parent waits for it.
    let returns = Setup::ours(one_crash);
    // The child never ends by itself, and the parent is cancelled.
    let cancelled = Setup { child_returns: false, cancel: true, ..Setup::ours(one_crash) };
    let mut cases = Vec::new();
    let mut pair = |name: &str, setup: Setup, expected, remove: fn(&mut Setup)| {
        let mut without = setup;
        remove(&mut without);
        cases.extend(Case::pair(name, setup, without, expected));
    };
    let (disowned, heard_twice) =
        (Verdict::Breaks(Violation::Disowned), Verdict::Breaks(Violation::HeardTwice));
    pair("29-asked-first", cancelled, Verdict::Stuck, |s| s.rules.asked_first = false);
    pair("30-own-start-known", returns, disowned, |s| s.rules.own_start_known = false);
    pair("31-told-before-record", returns, Verdict::Stuck, |s| {
        s.rules.told_before_record = false;
    });
    pair("31-told-once", returns, heard_twice, |s| s.rules.item_known = false);
    pair("32-cancelled-before-record", cancelled, Verdict::Stuck, |s| {
        s.rules.cancelled_before_record = false;
    });
    let cancelled_late = Setup { faults: late, ..cancelled };
    pair("32-made-before-cancelled", cancelled_late, Verdict::Stuck, |s| {
        s.rules.made_before_cancelled = false;
    });
    let all = Faults { crashes: 1, lost_wakes: 1, duplicates: 1, late_creates: 1 };
    let left = Setup { leave: true, cancel: true, ..Setup::ours(all) };
    for (name, setup) in [
        ("hostile-child-returns", Setup::ours(all)),
        ("hostile-child-returns-or-cancel", Setup { cancel: true, ..Setup::ours(all) }),
        ("hostile-child-cancelled", Setup { faults: all, ..cancelled }),
        ("hostile-child-left", left),
    ] {
        cases.push(Case::new(name, setup, Verdict::Holds));
    }
    cases
}
