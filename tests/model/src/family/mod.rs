//! A parent and its child: rules 29 to 32, each kept and removed.
//!
//! Two executions, two hosts, one child. Claims are left out: they keep bodies apart, and what is
//! sent between executions must bear two hosts at once anyway, so this is the more hostile world.
//! Appends are fenced by the log's length, as everywhere.

mod search;
mod turn;
mod world;

use search::{Found, search};
use world::{Faults, Setup, Violation};

/// What must come of a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing is wrong in any reachable state.
    Holds,
    /// A promise is broken.
    Breaks(Violation),
    /// From some state the end of both cannot be reached without a further fault.
    Stuck,
}

/// A world and what must come of it.
pub(crate) struct Case {
    pub(crate) name: String,
    setup: Setup,
    pub(crate) expected: Verdict,
}

/// What came of it.
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) states: usize,
    pub(crate) trace: Vec<&'static str>,
}

impl Case {
    pub(crate) fn check(&self) -> Finding {
        let Found { verdict, states, trace } = search(&self.setup);
        Finding { verdict, states, trace }
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
        cases.push(Case { name: name.to_owned(), setup, expected: Verdict::Holds });
        let mut without = setup;
        remove(&mut without);
        cases.push(Case { name: format!("{name}, removed"), setup: without, expected });
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
        cases.push(Case { name: name.to_owned(), setup, expected: Verdict::Holds });
    }
    cases
}
