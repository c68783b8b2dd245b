//! For each rule, a world in which it holds with the rule and breaks without it. A pair whose
//! second half holds would show that the model is blind to the rule.

use super::*;
use crate::check::Verdict::{Breaks, Holds, Livelock, Stuck};
use crate::rules::{OnLiveClaim, OnNothing, SecondLook};
use crate::setup::{Code, Inline, LastItem, Lease};
use crate::state::Violation::*;

/// The pairs, by the number of the rule in `docs/protocol.md`.
pub(super) fn pairs() -> Vec<Configuration> {
    let mut pairs = Pairs(Vec::new());
    starting(&mut pairs);
    sending(&mut pairs);
    deciding(&mut pairs);
    bodies(&mut pairs);
    waking(&mut pairs);
    appending(&mut pairs);
    timers(&mut pairs);
    ending(&mut pairs);
    times(&mut pairs);
    poison(&mut pairs);
    pairs.0
}

struct Pairs(Vec<Configuration>);

impl Pairs {
    /// A setup that holds, and what becomes of it when `remove` takes the rule away.
    fn rule(&mut self, name: &str, setup: Setup, without: Verdict, remove: fn(&mut Setup)) {
        let mut push = |name, setup, expected| self.0.push(Configuration { name, setup, expected });
        push(name.to_owned(), setup, Holds);
        push(format!("{name}, removed"), setup.with(remove), without);
    }
}

fn starting(pairs: &mut Pairs) {
    let client_fails = Setup::ours(STEPS).with(|s| s.faults.clients = 1);
    let swept = client_fails.with(|s| s.sweeper = true);
    pairs.rule("1-start-atomic", swept, Stuck, |s| s.rules.start_is_atomic = false);
    pairs.rule("1-start-atomic-ghost", swept, Livelock, |s| {
        s.rules.start_is_atomic = false;
        s.rules.start_writes_log_first = false;
    });
    pairs.rule("2-retry-wakes", client_fails, Stuck, |s| s.rules.retry_wakes = false);
    let inline = Setup::ours(STEPS).with(|s| {
        s.inline = Inline::AfterWake;
        s.faults.crashes = 1;
    });
    pairs.rule("2-inline-after-wake", inline, Stuck, |s| s.inline = Inline::WithoutWake);
}

fn sending(pairs: &mut Pairs) {
    let sender_fails = Setup::ours(STEP_SIGNAL_STEP).with(|s| s.faults.senders = 1);
    pairs.rule("3-key-is-the-id", sender_fails, Breaks(SignalTwice), |s| {
        s.rules.key_is_sender_id = false;
    });
    pairs.rule("3-known-ids", sender_fails, Breaks(SignalTwice), |s| {
        s.rules.dedupes_by_log = false;
    });
    pairs.rule("3-retry-wakes", sender_fails, Stuck, |s| s.rules.retry_wakes = false);
    let swept = sender_fails.with(|s| s.sweeper = true);
    pairs.rule("4-items-indexed", swept, Stuck, |s| s.rules.items_are_indexed = false);
}

fn deciding(pairs: &mut Pairs) {
    let stale = Setup::ours(SIGNAL_SLEEP_STEP).with(|s| s.faults.stale_reads = 1);
    pairs.rule("5-consistent-read", stale, Stuck, |s| s.rules.reads_are_consistent = false);
    let twice = Setup::ours(STEPS).with(|s| s.faults.duplicates = 1);
    pairs.rule("6-live-claim", twice, Breaks(RanAgain), |s| s.rules.respects_leases = false);
    pairs.rule("6-claim-before-body", twice, Breaks(RanAgain), |s| {
        s.rules.claims_before_body = false;
    });
    let late_in_batch = Setup::ours(STEP).with(|s| {
        s.hosts_are_quick = true;
        s.times.lease = Lease::Deadline;
        s.times.margin = 1;
        s.times.strikes_max = 2;
        s.faults.batches = 2;
    });
    pairs.rule("6-claim-with-time", late_in_batch, Breaks(WronglyBlocked), |s| {
        s.rules.claims_only_with_time = false;
    });
    let dead_known = Setup::ours(STEPS).with(|s| {
        s.rules.dead_hosts_are_known = true;
        s.faults.crashes = 2;
        s.faults.duplicates = 1;
    });
    pairs.rule("6-gone-is-certain", dead_known, Breaks(RanAgain), |s| {
        s.rules.gone_is_certain = false;
    });
}

fn bodies(pairs: &mut Pairs) {
    let slow = Setup::ours(STEPS).with(|s| s.faults.slow = 2);
    pairs.rule("7-own-lease", slow, Breaks(RanAgain), |s| s.rules.checks_own_lease = false);
    let skewed = slow.with(|s| {
        s.times.skew = 1;
        s.times.margin = 1;
        s.times.lease = Lease::Ticks(3);
        s.times.visibility = 4;
        s.faults.duplicates = 1;
    });
    pairs.rule("7-margin", skewed, Breaks(RanAgain), |s| s.times.margin = 0);
    let deadline = Setup::ours(STEPS).with(|s| s.faults.deadlines = 1);
    pairs.rule("7-abort", deadline, Breaks(Zombie), |s| s.rules.aborts_bodies = false);
    let parallel = Setup::ours(PARALLEL);
    pairs.rule("8-barrier", parallel, Breaks(Barrier), |s| s.rules.barrier = false);
    pairs.rule("8-group-commit", parallel, Breaks(Barrier), |s| {
        s.rules.commit_covers_what_it_holds = false;
    });
    let retried = Setup::ours(RETRIED);
    pairs.rule("26-attempts-survive", retried, Livelock, |s| s.rules.attempts_survive = false);
    let once = Setup::ours(AT_MOST_ONCE).with(|s| s.faults.crashes = 1);
    pairs.rule("27-announced", once, Breaks(OnceTwice), |s| s.rules.announces_once = false);
    let cancelled = Setup::ours(CHARGE_SIGNAL_CHARGE).with(|s| s.last_item = LastItem::Cancel);
    pairs.rule("28-undone", cancelled, Breaks(NotUndone), |s| s.rules.undoes = false);
    pairs.rule("28-running-is-let-end", cancelled, Breaks(NotUndone), |s| {
        s.rules.finishes_running = false;
    });
    let dies = cancelled.with(|s| {
        s.program = CHARGE;
        s.faults.crashes = 1;
    });
    pairs.rule("28-unknown-is-let-end", dies, Breaks(NotUndone), |s| {
        s.rules.finishes_unknown = false;
    });
    let yields = cancelled.with(|s| {
        s.program = CHARGE;
        s.faults.deadlines = 1;
    });
    pairs.rule("28-interrupted-is-let-end", yields, Breaks(NotUndone), |s| {
        s.rules.finishes_interrupted = false;
    });
    let let_down = cancelled.with(|s| {
        s.program = CHARGE;
        s.faults.outages = 1;
    });
    pairs.rule("28-given-up-is-let-end", let_down, Breaks(NotUndone), |s| {
        s.rules.finishes_given_up = false;
    });
}

fn waking(pairs: &mut Pairs) {
    let substitute = Setup::ours(STEPS).with(|s| {
        s.faults.crashes = 1;
        s.faults.duplicates = 1;
    });
    pairs.rule("9-substitute", substitute, Stuck, |s| {
        s.rules.on_live_claim = OnLiveClaim::Drop;
    });
    let timer_meets_claim = Setup::ours(SLEEP_BESIDE_SIGNAL).with(|s| {
        s.prompt = true;
        s.hosts_are_quick = true;
        s.times.delay_max = 3;
        s.times.lease = Lease::Ticks(6);
        s.times.visibility = 8;
    });
    pairs.rule("9-substitute-in-time", timer_meets_claim, Breaks(Waits), |s| {
        s.rules.substitute_keeps_due = false;
    });
    let sweeps = Setup::ours(STEPS).with(|s| {
        s.sweeper = true;
        s.faults.losses = 1;
        s.faults.sweeps = 2;
        s.faults.crashes = 1;
    });
    pairs.rule("9-sweep-dropped", sweeps, Breaks(Flood), |s| {
        s.rules.sweep_wakes_are_dropped = false;
    });
    let lost_place = Setup::ours(STEPS).with(|s| {
        s.faults.slow = 2;
        s.faults.crashes = 1;
    });
    pairs.rule("10-lost-place", lost_place, Stuck, |s| s.rules.lost_turn_keeps_message = false);
}

fn appending(pairs: &mut Pairs) {
    let unanswered = Setup::ours(STEPS).with(|s| {
        s.faults.unanswered = 1;
        s.faults.duplicates = 1;
        s.faults.slow = 2;
    });
    pairs.rule("11-id-decides", unanswered, Breaks(RanAgain), |s| s.rules.id_decides = false);
    let parallel = Setup::ours(PARALLEL).with(|s| s.faults.unanswered = 1);
    pairs.rule("11-same-bytes", parallel, Breaks(Barrier), |s| s.rules.bytes_are_frozen = false);
    let gives_up = Setup::ours(SIGNAL).with(|s| {
        s.rules.gives_up = true;
        s.faults.unanswered = 1;
    });
    pairs.rule("11-new-writer", gives_up, Breaks(SignalLost), |s| {
        s.rules.new_writer_after_giving_up = false;
    });
}

fn timers(pairs: &mut Pairs) {
    let crash = Setup::ours(STEP_SLEEP_STEP).with(|s| s.faults.crashes = 1);
    pairs.rule("12-wake-before-commit", crash, Stuck, |s| {
        s.rules.timer_wake_before_commit = false;
    });
    let signals = Setup::ours(SLEEP_BESIDE_SIGNALS).with(|s| {
        s.hosts = 1;
        s.timer_wakes_max = 1;
    });
    pairs.rule("12-armed", signals, Breaks(Flood), |s| s.rules.armed_is_written = false);
    let later = Setup::ours(LATER_AND_EARLIER_TIMER).with(|s| s.prompt = true);
    pairs.rule("12-armed-list", later, Breaks(Waits), |s| s.rules.armed_is_a_list = false);
    let hops = Setup::ours(SLEEP_BESIDE_SIGNAL).with(|s| s.times.delay_max = 2);
    pairs.rule("12-own-wake", hops, Stuck, |s| s.rules.own_wake_is_not_armed = false);
    let hops_and_yields = hops.with(|s| s.faults.deadlines = 1);
    pairs.rule("12-own-wake-at-yield", hops_and_yields, Stuck, |s| {
        s.rules.own_wake_is_not_armed_at_yield = false;
    });
    let blocked = Setup::ours(LONG_SLEEP_BESIDE_SIGNAL).with(|s| {
        s.code = Code::Mismatch;
        s.last_item = LastItem::Resume;
        s.times.delay_max = 2;
    });
    pairs.rule("12-resume-disarms", blocked, Stuck, |s| s.rules.resume_disarms = false);
    let hop = Setup::ours(SLEEP_STEP).with(|s| s.times.delay_max = 2);
    pairs.rule("13-hop", hop, Stuck, |s| s.rules.on_nothing = OnNothing::Drop);
    let behind = Setup::ours(SLEEP_STEP).with(|s| s.faults.slow = 1);
    pairs.rule("13-clock-behind", behind, Stuck, |s| s.rules.on_nothing = OnNothing::Drop);
    let one_host = hops.with(|s| {
        s.program = SLEEP_BESIDE_SIGNALS;
        s.signals = 2;
        s.hosts = 1;
        s.timer_wakes_max = 2;
    });
    pairs.rule("12-sent-is-sent", one_host, Breaks(Flood), |s| s.rules.sent_again_is_sent = false);
    pairs.rule("24-never-early", hop, Breaks(TimerEarly), |s| s.rules.timers_fire_by_clock = false);
}

fn ending(pairs: &mut Pairs) {
    let friendly = Setup::ours(STEP_SIGNAL_STEP);
    let prompt = friendly.with(|s| s.prompt = true);
    let crash = friendly.with(|s| s.faults.crashes = 1);
    pairs.rule("13-repair", crash, Stuck, |s| s.rules.repairs_record = false);
    pairs.rule("14-message-last", crash, Stuck, |s| s.rules.message_last = false);
    pairs.rule("14-second-look", prompt, Breaks(Waits), |s| {
        s.rules.second_look = SecondLook::Never;
    });
    pairs.rule("14-arrivals-first", prompt, Breaks(Waits), |s| {
        s.rules.arrivals_before_inbox = false;
    });
    let due_meanwhile = Setup::ours(SLEEP_BESIDE_STEP).with(|s| s.prompt = true);
    pairs.rule("14-due-timers", due_meanwhile, Breaks(Waits), |s| {
        s.rules.looks_at_due_timers = false;
    });
    let cancel = Setup::ours(HANGS).with(|s| s.last_item = LastItem::Cancel);
    pairs.rule("14-look-mid-turn", cancel, Stuck, |s| s.rules.looks_mid_turn = false);
    pairs.rule("15-newer-record", friendly, Stuck, |s| s.rules.record_is_conditional = false);
    let repaired = Setup::ours(STEP).with(|s| {
        s.rules.live_claim_repairs = true;
        s.code = Code::KillsInBody;
        s.times.strikes_max = 2;
        s.faults.duplicates = 1;
        s.faults.slow = 2;
    });
    pairs.rule("15-block-stays", repaired, Stuck, |s| s.rules.block_is_sticky = false);
    let swept = crash.with(|s| {
        s.program = SIGNAL_STEP;
        s.sweeper = true;
        s.faults.losses = 1;
    });
    pairs.rule("16-items-last", swept, Stuck, |s| s.rules.items_deleted_late = false);
    pairs.rule("16-items-taken", friendly, Breaks(SignalLost), |s| {
        s.rules.only_taken_items_deleted = false;
    });
    let deadline = Setup::ours(STEPS).with(|s| s.faults.deadlines = 1);
    pairs.rule("17-yield-wakes", deadline, Stuck, |s| s.rules.yield_sends_wake = false);
    let cancelled = friendly.with(|s| s.last_item = LastItem::Cancel);
    pairs.rule("18-close-reports", cancelled, Stuck, |s| s.rules.close_reports = false);
    let new_run = Setup::ours(NEW_RUN);
    pairs.rule("19-signals-carried", new_run, Stuck, |s| s.rules.carries_signals = false);
    let new_run = new_run.with(|s| s.faults.senders = 1);
    pairs.rule("19-ids-carried", new_run, Breaks(SignalTwice), |s| s.rules.carries_ids = false);
    let long = Setup::ours(NEW_RUN).with(|s| {
        s.runs_are_long = true;
        s.faults.crashes = 1;
    });
    pairs.rule("19-ids-in-inbox", long, Breaks(SignalTwice), |s| {
        s.rules.carries_ids_in_inbox = false;
    });
    let between = Setup::ours(NEW_RUN_STEPS).with(|s| s.faults.duplicates = 1);
    pairs.rule("19-claim-ends", between, Breaks(RanAgain), |s| {
        s.rules.claim_ends_with_run = false;
    });
}

fn times(pairs: &mut Pairs) {
    let twice = Setup::ours(STEPS).with(|s| {
        s.faults.duplicates = 1;
        s.times.timeout = 2;
        s.times.lease = Lease::Ticks(3);
        s.times.visibility = 4;
    });
    pairs.rule("20-lease-outlasts-turn", twice, Livelock, |s| s.times.lease = Lease::Ticks(1));
    let renewing = twice.with(|s| {
        s.hosts_are_quick = true;
        s.times.timeout = 3;
        s.times.lease = Lease::Ticks(2);
        s.times.renew_at = 1;
    });
    pairs.rule("20-renewal", renewing, Livelock, |s| s.times.renew_at = 0);
    let unanswered = Setup::ours(TWO_STEPS_AT_ONCE).with(|s| {
        s.times.renew_at = 1;
        s.faults.unanswered = 1;
        s.faults.slow = 2;
    });
    pairs.rule("20-renewal-durable", unanswered, Breaks(RanAgain), |s| {
        s.rules.renewal_counts_once_durable = false;
    });
    let friendly = Setup::ours(STEP_SIGNAL_STEP);
    pairs.rule("21-visibility", friendly, Livelock, |s| s.times.visibility = 1);
    let lost = friendly.with(|s| {
        s.sweeper = true;
        s.losses_are_excused = false;
        s.faults.losses = 2;
    });
    pairs.rule("23-sweeper", lost, Stuck, |s| s.sweeper = false);
}

fn poison(pairs: &mut Pairs) {
    let poisoned = Setup::ours(STEP).with(|s| s.times.strikes_max = 2);
    let in_body = poisoned.with(|s| {
        s.code = Code::KillsInBody;
        s.deaths_max = 2;
    });
    let in_replay = poisoned.with(|s| {
        s.code = Code::KillsInReplay;
        s.deaths_max = 3;
    });
    pairs.rule("22-poison", in_body, Livelock, |s| {
        s.times.strikes_max = 0;
        s.deaths_max = 0;
    });
    pairs.rule("22-poison-in-replay", in_replay, Livelock, |s| {
        s.rules.redelivered_claims_first = false;
        s.rules.unfinished_claims_first = false;
        s.deaths_max = 0;
    });
    let substituted = in_replay.with(|s| {
        s.times.visibility = 2;
        s.times.lease = Lease::Ticks(4);
    });
    pairs.rule("22-unfinished-claims-first", substituted, Breaks(Deadly), |s| {
        s.rules.unfinished_claims_first = false;
    });
    let never_ends = poisoned.with(|s| s.code = Code::NeverEnds);
    pairs.rule("22-yield-no-progress", never_ends, Livelock, |s| {
        s.rules.yield_is_no_progress = false;
    });
    let mismatch = Setup::ours(STEP_SIGNAL_STEP).with(|s| {
        s.code = Code::Mismatch;
        s.last_item = LastItem::Resume;
        s.prompt = true;
        s.hosts_are_quick = true;
        s.faults.duplicates = 1;
    });
    pairs.rule("22-block-ends-turn", mismatch, Breaks(Waits), |s| {
        s.rules.block_ends_turn = false;
    });
    // Its message goes to the dead letters, and the record said "blocked" before the resume.
    let resumed = Setup::ours(STEPS).with(|s| {
        s.code = Code::Mismatch;
        s.last_item = LastItem::Resume;
        s.hosts_are_quick = true;
        s.sweeper = true;
        s.times.receives_max = 2;
        s.faults.outages = 2;
    });
    pairs.rule("14-gave-up-is-shown", resumed, Stuck, |s| {
        s.rules.giving_up_is_shown = false;
    });
    let let_down = poisoned.with(|s| s.faults.outages = 3);
    pairs.rule("22-gave-up-is-no-strike", let_down, Breaks(WronglyBlocked), |s| {
        s.rules.giving_up_is_no_strike = false;
    });
    let between_deaths = in_body.with(|s| s.faults.outages = 1);
    pairs.rule("22-gave-up-its-own-strike", between_deaths, Breaks(Deadly), |s| {
        s.rules.own_strike_only = false;
    });
    let receives = poisoned.with(|s| {
        s.code = Code::KillsInReplay;
        s.times.receives_max = 4;
    });
    pairs.rule("22-fewer-than-receives", receives, Stuck, |s| s.times.receives_max = 2);
    let terminated = mismatch.with(|s| {
        s.last_item = LastItem::Terminate;
        s.faults.duplicates = 0;
        s.faults.crashes = 1;
        s.prompt = false;
    });
    pairs.rule("22-terminate-before-blocked", terminated, Stuck, |s| {
        s.rules.terminate_before_blocked = false;
    });
    let terminated_in_replay = in_replay.with(|s| s.last_item = LastItem::Terminate);
    pairs.rule("22-terminate-runs-no-code", terminated_in_replay, Stuck, |s| {
        s.rules.terminate_runs_no_code = false;
    });
    let hangs = Setup::ours(HANGS).with(|s| s.last_item = LastItem::Terminate);
    pairs.rule("22-terminate-ends-turns", hangs, Stuck, |s| {
        s.rules.terminate_ends_turns = false;
    });
    let signalled = in_body.with(|s| {
        s.program = STEP_SIGNALS;
        s.signals = 2;
        s.deaths_max = 3;
    });
    pairs.rule("22-strikes-before-items", signalled, Breaks(Deadly), |s| {
        s.rules.poison_before_items = false;
    });
    pairs.rule("22-items-no-progress", signalled, Breaks(Deadly), |s| {
        s.rules.items_are_no_progress = false;
    });
}
