//! Which version of a change a run is on: what the log says, whether the run came by the place
//! before the code asked, and else the newest.

use super::code::{Code, check, check_fault};
use super::*;

#[test]
fn a_run_that_comes_by_for_the_first_time_is_on_the_newest_version() {
    check(&[], |c| c.version("x", 1..=2).chosen(), "x=2 (x=2)");
    check(&[], |c| c.version("x", 1..=1).chosen(), "x=1 (x=1)");
    check(&[], |c| c.version("x", 3..=5).chosen(), "x=5 (x=5)");
    // What is in the log was called before.
    let log = [done(101, 0, "a#1", "1"), timer(102, 1, "sleep#1", 500)];
    check(&log, |c| c.step("a").sleep(500).version("x", 1..=2), "a#1! sleep#1 x=2");
}

#[test]
fn a_version_takes_no_place_among_the_calls() {
    let log = [done(101, 0, "a#1", "1"), chose(102, "x", 2), done(103, 1, "b#1", "2")];
    check(&log, |c| c.step("a").version("x", 1..=2).step("b"), "a#1! x=2 b#1!");
    check(&log, |c| c.version("x", 1..=2).step("a").step("b"), "x=2 a#1! b#1!");
    check(&log, |c| c.step("a").step("b").version("x", 1..=2), "a#1! b#1! x=2");
    // Nor need it be asked for at all.
    check(&log, |c| c.step("a").step("b").deliver_all(), "a#1! b#1! + . +");
}

#[test]
fn what_the_log_says_is_the_answer_whatever_is_newest() {
    for version in 1..=3 {
        let log = [chose(101, "x", version), done(102, 0, "a#1", "1")];
        check(&log, |c| c.version("x", 1..=3).chosen(), &format!("x={version} ()"));
    }
}

#[test]
fn a_run_that_was_past_the_place_before_the_code_asked_is_on_version_one() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check(&log, |c| c.version("x", 1..=2).chosen().step("a"), "x=1 () a#1!");
    check(&log, |c| c.step("a").version("x", 1..=9).chosen(), "a#1! x=1 ()");
    check(&log, |c| c.step("a").step("b").version("x", 1..=2).chosen(), "a#1! b#1! x=2 (x=2)");
}

#[test]
fn each_trace_of_a_later_call_shows_that_the_run_was_past() {
    for later in [
        begun(102, 1, "b#1", 1),
        tried(102, 1, "b#1", 1, 200),
        failed(102, 1, "b#1", "1"),
        timer(102, 1, "sleep#1", 500),
        done(102, 7, "far#1", "1"),
    ] {
        let log = [done(101, 0, "a#1", "1"), later];
        check(&log, |c| c.step("a").version("x", 1..=2).chosen(), "a#1! x=1 ()");
    }
}

#[test]
fn what_is_no_call_does_not_show_that_the_run_was_past() {
    for event in [
        claim(102, 900),
        renewed(102, 900),
        came(102, "s", "1"),
        cancel(102, "enough"),
        resumed(102),
        chose(102, "y", 1),
        over(102, TurnEnd::Suspended, None, &[]),
        over(102, TurnEnd::Yielded, Some(102), &[]),
    ] {
        let log = [done(101, 0, "a#1", "1"), event];
        check(&log, |c| c.step("a").version("x", 1..=2), "a#1! x=2");
    }
}

#[test]
fn a_run_that_has_ended_was_past_every_place() {
    for end in [completed(102), broke(102), cancelled(102)] {
        let log = [done(101, 0, "a#1", "1"), end];
        check(&log, |c| c.step("a").version("x", 1..=2).chosen(), "a#1! x=1 ()");
    }
}

#[test]
fn the_answer_to_a_name_is_the_same_in_the_whole_run() {
    let log = [done(101, 0, "a#1", "1")];
    // The first place decides, whether the run was past it or not.
    check(
        &log,
        |c| c.version("x", 1..=2).step("a").version("x", 1..=2).chosen(),
        "x=1 a#1! x=1 ()",
    );
    check(
        &log,
        |c| c.step("a").version("x", 1..=2).step("b").version("x", 1..=3).chosen(),
        "a#1! x=2 b#1 x=2 (x=2)",
    );
    // And it does not depend on what was delivered meanwhile.
    check(
        &[came(101, "s", "1"), done(102, 0, "a#1", "1")],
        |c| c.version("x", 1..=2).step("a").deliver_all().version("x", 1..=2).version("y", 1..=2),
        "x=1 a#1! + + x=1 y=2",
    );
}

#[test]
fn names_are_answered_each_for_itself_and_told_in_the_order_of_the_calls() {
    check(
        &[chose(101, "b", 1)],
        |c| c.version("c", 1..=3).version("a", 1..=2).version("b", 1..=2).chosen().chosen(),
        "c=3 a=2 b=1 (c=3 a=2) ()",
    );
}

#[test]
fn its_event_does_not_concern_the_workflow_live_or_on_replay() {
    let mut c = Code::new(&[done(101, 0, "a#1", "1"), chose(300, "x", 2)]);
    c.step("a").deliver().now().deliver().now().happens(&chose(400, "y", 1)).now();
    assert_eq!(c.seen(), "a#1! + 101 . 101 . 101");
}

#[test]
fn the_first_event_of_a_name_counts() {
    check(&[chose(101, "x", 1), chose(102, "x", 2)], |c| c.version("x", 1..=2), "x=1");
}

#[test]
fn a_version_that_the_code_does_not_know_any_more_blocks() {
    check_fault(
        &[chose(101, "packing", 1), done(102, 0, "a#1", "1")],
        |c| c.version("packing", 2..=3),
        "this execution is on version 1 of change \"packing\", and this code knows 2..=3. Put the \
         branch of version 1 back and deploy: the execution then goes on",
    );
    check_fault(
        &[done(102, 0, "a#1", "1")],
        |c| c.version("packing", 2..=2),
        "this execution is on version 1 of change \"packing\", since it came by there before the \
         code asked for a version, and this code knows 2..=2. Put the branch of version 1 back and \
         deploy: the execution then goes on",
    );
}

#[test]
fn a_version_that_the_code_does_not_know_yet_blocks() {
    check_fault(
        &[chose(101, "packing", 3)],
        |c| c.version("packing", 1..=2),
        "this execution is on version 3 of change \"packing\", and this code knows 1..=2. Deploy \
         code that knows version 3 again: the execution then goes on",
    );
}

#[test]
fn after_a_fault_nothing_is_decided() {
    let mut c = Code::new(&[chose(101, "x", 1)]);
    c.version("x", 2..=3).chosen();
    assert_eq!(c.seen(), "x=3 ()", "a version that the code has a branch for");
}

#[test]
fn misuse_blocks_and_says_how_to_use_it() {
    let rule = "a name has 1 to 256 bytes and no control characters";
    check_fault(&[], |c| c.version("", 1..=2), &format!("version(\"\", 1..=2): {rule}"));
    check_fault(&[], |c| c.version("a\n", 1..=2), &format!("version(\"a\n\", 1..=2): {rule}"));
    #[expect(clippy::reversed_empty_ranges, reason = "the mistake that is tested")]
    let empty = 2..=1;
    check_fault(
        &[],
        |c| c.version("x", empty),
        "version(\"x\", 2..=1): the range has no version in it: write the oldest first, as in 1..=2",
    );
    check_fault(
        &[],
        |c| c.version("x", 0..=2),
        "version(\"x\", 0..=2): versions count from 1, which is the code before the change",
    );
}
