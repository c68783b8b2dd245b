//! Code that disagrees with the log: found at the first difference, told with both sides.

use super::code::{Code, check, check_fault};
use super::*;

const CAUSES: &str = ". Common causes: the workflow was changed while this execution was open, or \
                      it depends on something that differs between runs (a clock, randomness, the \
                      order of a hash map, a global). Put the old order of calls back and deploy: \
                      the execution then goes on";

/// The whole text: at which call, what the log has, what the code asks for there.
pub(super) fn text(call: u32, log: &str, code: &str, detail: &str) -> String {
    let code = match code {
        "nothing" => "nothing there".to_owned(),
        code => format!("{code} (@{call})"),
    };
    format!(
        "code and log disagree at call {call}: the log has {log} ({THEN}), the code asks for \
         {code}{detail}{CAUSES}"
    )
}

#[test]
fn another_kind() {
    let step = [done(101, 0, "a#1", "1")];
    check_fault(&step, |c| c.sleep(5), &text(1, "step a#1", "timer sleep#1", ""));
    check_fault(&step, |c| c.signal("a"), &text(1, "step a#1", "signal wait a#1", ""));
    let timer = [timer(101, 0, "sleep#1", 500)];
    check_fault(&timer, |c| c.step("sleep"), &text(1, "timer sleep#1", "step sleep#1", ""));
    check_fault(&timer, |c| c.signal("s"), &text(1, "timer sleep#1", "signal wait s#1", ""));
}

#[test]
fn another_name() {
    check_fault(&[done(101, 0, "a#1", "1")], |c| c.step("b"), &text(1, "step a#1", "step b#1", ""));
}

#[test]
fn another_count() {
    // The middle one was another step's, which the log does not have yet.
    let log = [done(101, 0, "a#1", "1"), done(102, 2, "a#2", "2")];
    let text = text(3, "step a#2", "step a#3", "");
    check_fault(&log, |c| c.step("a").step("a").step("a"), &text);
}

#[test]
fn another_order() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check_fault(&log, |c| c.step("b").step("a"), &text(1, "step a#1", "step b#1", ""));
}

#[test]
fn other_arguments() {
    let log = [done_with(101, 0, "a#1", r#"{"n":1}"#, "1")];
    let detail = r#"; its arguments were {"n":1} and are now {"n":2}"#;
    check_fault(&log, |c| c.step_with("a", r#"{"n":2}"#), &text(1, "step a#1", "step a#1", detail));
    for other in [r#"{"n":"1"}"#, r#"{"m":1}"#, "{}", r#"{"n":1,"m":2}"#, r#"{"n":[1]}"#, "null"] {
        let mut c = Code::new(&log);
        assert!(c.step_with("a", other).engine.fault().is_some(), "{other} passed for the same");
    }
}

#[test]
fn other_arguments_of_whatever_the_log_has_of_a_step() {
    for event in [
        done(101, 0, "a#1", "1"),
        failed(101, 0, "a#1", "1"),
        tried(101, 0, "a#1", 1, 200),
        begun(101, 0, "a#1", 1),
    ] {
        let detail = "; its arguments were {} and are now [7]";
        check_fault(
            &[event],
            |c| c.step_with("a", "[7]"),
            &text(1, "step a#1", "step a#1", detail),
        );
    }
}

#[test]
fn another_due_time() {
    let log = [timer(101, 0, "sleep#1", 500)];
    let detail =
        "; it was due at 1970-01-01T00:00:00.500Z and is now due at 1970-01-01T00:00:00.501Z";
    check_fault(&log, |c| c.sleep(501), &text(1, "timer sleep#1", "timer sleep#1", detail));
}

#[test]
fn a_call_that_was_added_before_recorded_ones() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check_fault(
        &log,
        |c| c.step("a").poll([0]).deliver().poll([0]).step("new").step("b"),
        &text(2, "step b#1", "step new#1", ""),
    );
}

#[test]
fn a_call_that_is_added_behind_the_log_is_new_work() {
    let log = [done(101, 0, "a#1", "1")];
    check(&log, |c| c.step("a").poll([0]).deliver().poll([0]).step("new"), "a#1! - +0 1 new#1");
}

#[test]
fn a_call_that_vanished() {
    // Whatever the log has of it.
    for (event, kind) in [
        (done(101, 0, "a#1", "1"), "step a#1"),
        (failed(101, 0, "a#1", "1"), "step a#1"),
        (tried(101, 0, "a#1", 1, 200), "step a#1"),
        (begun(101, 0, "a#1", 1), "step a#1"),
        (timer(101, 0, "sleep#1", 500), "timer sleep#1"),
    ] {
        check_fault(&[event], |c| c.deliver(), &text(1, kind, "nothing", ""));
    }
}

#[test]
fn a_last_call_that_vanished() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check_fault(&log, |c| c.step("a").poll([0]).deliver_all(), &text(2, "step b#1", "nothing", ""));
}

#[test]
fn a_call_that_comes_later_than_its_result() {
    // It is to wait for something now that it did not wait for.
    let log = [came(101, "s", "1"), done(102, 1, "b#1", "2"), came(103, "t", "3")];
    check_fault(
        &log,
        |c| c.signal("t").poll([0]).deliver().deliver().step("b"),
        &text(2, "step b#1", "nothing", ""),
    );
}

#[test]
fn a_firing_of_a_timer_that_the_code_does_not_have() {
    let mut c = Code::new(&[fired(500, 0, "sleep#1")]);
    c.step("a").deliver();
    let text = c.engine.fault().map(ToString::to_string).unwrap_or_default();
    assert!(
        text.contains("the log has timer sleep#1 (fired), the code asks for step a#1"),
        "{text}"
    );
}

#[test]
fn the_first_difference_is_the_one_that_is_told() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check_fault(
        &log,
        |c| c.step("x").step("y").deliver_all(),
        &text(1, "step a#1", "step x#1", ""),
    );
}

#[test]
fn a_wait_for_a_signal_leaves_no_trace_of_itself() {
    // Signals are matched by name when they come: a wait may be added or taken away where nothing
    // recorded comes after it.
    let log = [came(101, "s", "1"), done(102, 1, "b#1", "2")];
    check(
        &log,
        |c| c.signal("s").poll([0]).deliver().poll([0]).step("b").poll([1]).deliver().poll([1]),
        "s#1 - +0 1 b#1! - +1 2",
    );
    check(
        &log,
        |c| c.signal("u").step("b").poll([0, 1]).deliver_all().poll([0, 1]),
        "u#1 b#1! - - + +1 - 2",
    );
}

/// No program writes such a log. What follows from one half of a name must not be taken for the
/// other's.
#[test]
fn a_log_that_names_one_call_in_two_ways_is_not_believed() {
    for (first, second, recorded) in [
        (begun(101, 0, "a#1", 1), done(102, 0, "b#1", "1"), "step b#1"),
        (begun(101, 0, "a#1", 1), done(102, 0, "a#2", "1"), "step a#2"),
        (begun(101, 0, "a#1", 1), timer(102, 0, "a#1", 500), "timer a#1"),
        (begun(101, 0, "a#1", 1), postponed(102, 0, "b#1", 1, 500), "step b#1"),
    ] {
        check_fault(
            &[first, second],
            |c| c.step("a").poll([0]).deliver_all(),
            &text(1, recorded, "step a#1", ""),
        );
    }
}
