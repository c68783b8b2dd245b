//! Our protocol, whole, in worlds with several faults and with all its parts at work.

use super::*;
use crate::check::Verdict::Holds;
use crate::rules::SecondLook;
use crate::setup::{Code, Inline, LastItem, Lease};

/// The worlds; the protocol holds in each.
pub(super) fn worlds() -> Vec<Configuration> {
    let mut worlds = Vec::new();
    let mut world = |name: &str, program, change: fn(&mut Setup)| {
        let setup = Setup::ours(program).with(change);
        worlds.push(Configuration { name: format!("hostile-{name}"), setup, expected: Holds });
    };
    world("steps", STEPS, |s| {
        s.faults.crashes = 2;
        s.faults.duplicates = 1;
        s.faults.unanswered = 1;
    });
    world("eager-claims", STEP_SIGNAL_STEP, |s| {
        s.rules.claims_are_lazy = false;
        s.faults.crashes = 1;
    });
    world("look-always", STEP_SIGNAL_STEP, |s| {
        s.rules.second_look = SecondLook::Always;
        s.faults.crashes = 1;
    });
    world("signal-slow", STEP_SIGNAL_STEP, |s| {
        s.faults.crashes = 1;
        s.faults.slow = 1;
    });
    world("signal-unanswered", SIGNAL_STEP, |s| {
        s.faults.unanswered = 1;
        s.faults.duplicates = 1;
    });
    world("signal-gives-up", SIGNAL_STEP, |s| {
        s.rules.gives_up = true;
        s.faults.unanswered = 1;
        s.faults.crashes = 1;
    });
    world("signal-swept", STEP_SIGNAL_STEP, |s| {
        s.sweeper = true;
        s.faults.senders = 1;
        s.faults.losses = 1;
    });
    world("dead-letters-swept", STEPS, |s| {
        s.sweeper = true;
        s.times.receives_max = 2;
        s.faults.crashes = 3;
    });
    world("timer", STEP_SLEEP_STEP, |s| {
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
    });
    world("timer-unanswered", SLEEP_STEP, |s| {
        s.faults.crashes = 1;
        s.faults.unanswered = 1;
    });
    world("timer-hops", SLEEP_STEP, |s| {
        s.times.delay_max = 2;
        s.faults.crashes = 1;
        s.faults.slow = 1;
    });
    world("timeout", STEP_TIMEOUT_STEP, |s| s.faults.crashes = 1);
    world("two-timers", TWO_TIMERS, |s| s.faults.crashes = 1);
    world("two-timers-swept", TWO_TIMERS, |s| {
        s.sweeper = true;
        s.faults.losses = 1;
    });
    world("parallel", PARALLEL, |s| {
        s.faults.crashes = 2;
        s.faults.unanswered = 1;
    });
    world("parallel-slow", PARALLEL, |s| {
        s.faults.slow = 2;
        s.faults.duplicates = 1;
    });
    world("parallel-yields", PARALLEL, |s| {
        s.faults.deadlines = 2;
        s.faults.crashes = 1;
    });
    world("parallel-cancelled", TWO_STEPS_AT_ONCE, |s| {
        s.last_item = LastItem::Cancel;
        s.faults.crashes = 1;
    });
    world("parallel-renews", TWO_STEPS_AT_ONCE, |s| {
        s.hosts_are_quick = true;
        s.times.timeout = 4;
        s.times.visibility = 5;
        s.times.renew_at = 1;
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
    });
    world("let-down", STEPS, |s| {
        s.faults.crashes = 1;
        s.faults.outages = 2;
        s.faults.unanswered = 1;
    });
    world("parallel-let-down", TWO_STEPS_AT_ONCE, |s| {
        s.last_item = LastItem::Cancel;
        s.hosts_are_quick = true;
        s.faults.crashes = 1;
        s.faults.outages = 1;
    });
    world("retry", RETRIED, |s| {
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
    });
    world("retry-beside-step", PARALLEL_RETRY, |s| {
        s.faults.crashes = 1;
        s.faults.unanswered = 1;
    });
    world("at-most-once", AT_MOST_ONCE, |s| {
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
        s.faults.unanswered = 1;
    });
    world("undone", CHARGES_SLEEP, |s| {
        s.last_item = LastItem::Cancel;
        s.hosts_are_quick = true;
        s.hosts = 1;
        s.faults.crashes = 1;
        s.faults.deadlines = 1;
    });
    world("undone-in-one-branch", CHARGE_SIGNAL_CHARGE, |s| {
        s.last_item = LastItem::Cancel;
        s.hosts_are_quick = true;
        s.faults.crashes = 1;
    });
    world("terminated", STEP_SIGNAL_STEP, |s| {
        s.last_item = LastItem::Terminate;
        s.hosts_are_quick = true;
        s.faults.crashes = 1;
        s.faults.unanswered = 1;
    });
    world("new-run", NEW_RUN, |s| s.faults.crashes = 1);
    world("new-run-slow-host", NEW_RUN_STEPS, |s| {
        s.faults.slow = 2;
        s.faults.duplicates = 1;
    });
    world("new-run-unanswered", NEW_RUN, |s| s.faults.unanswered = 1);
    world("new-run-old-ids", NEW_RUN, |s| {
        s.runs_are_long = true;
        s.faults.duplicates = 1;
    });
    world("inline", STEPS, |s| {
        s.inline = Inline::AfterWake;
        s.faults.crashes = 2;
        s.faults.duplicates = 1;
    });
    world("visibility-below-lease", STEPS, |s| {
        s.times.visibility = 2;
        s.times.lease = Lease::Ticks(5);
        s.faults.crashes = 2;
        s.faults.duplicates = 1;
    });
    world("dead-hosts-known", STEP_SIGNAL_STEP, |s| {
        s.rules.dead_hosts_are_known = true;
        s.faults.crashes = 2;
    });
    world("poison-resumed", STEP, |s| {
        s.code = Code::KillsInBody;
        s.last_item = LastItem::Resume;
        s.times.strikes_max = 2;
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
    });
    world("replay-poison-resumed", STEP, |s| {
        s.code = Code::KillsInReplay;
        s.last_item = LastItem::Resume;
        s.times.strikes_max = 2;
        s.faults.duplicates = 1;
    });
    world("mismatch-resumed", STEP_SIGNAL_STEP, |s| {
        s.code = Code::Mismatch;
        s.last_item = LastItem::Resume;
        s.faults.crashes = 1;
    });
    worlds
}
