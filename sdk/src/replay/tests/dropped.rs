//! Futures that are dropped: what they had is given up, what comes later changes nothing.

use super::code::{Code, Never, check};
use super::*;

#[test]
fn a_dropped_call_needs_nothing_more() {
    check(&[], |c| c.step("a").poll([0]).drop(0).needs(0), "a#1 - x nothing");
    check(&[], |c| c.sleep(500).poll([0]).drop(0).needs(0), "sleep#1 - x nothing");
    check(&[], |c| c.signal("s").poll([0]).drop(0).needs(0), "s#1 - x nothing");
    // Polled and dropped before the turn asks.
    check(&[], |c| c.step("a").poll([0]).drop(0).asked().needs(0), "a#1 - x [0] nothing");
}

#[test]
fn a_late_result_of_a_dropped_call_changes_nothing_but_the_time() {
    let late = [done(101, 0, "a#1", "1"), failed(101, 0, "a#1", "1")];
    for event in late {
        check(
            &[event],
            |c| c.step("a").poll([0]).drop(0).deliver().needs(0).now().poll([0]),
            "a#1! - x + nothing 101 -",
        );
    }
    check(
        &[timer(101, 0, "sleep#1", 500), fired(501, 0, "sleep#1")],
        |c| c.sleep(500).poll([0]).drop(0).deliver_all().needs(0).now().poll([0]),
        "sleep#1 - x . + nothing 501 -",
    );
}

#[test]
fn a_result_of_a_dropped_call_goes_to_no_other_call() {
    check(
        &[done(101, 0, "a#1", "1")],
        |c| c.step("a").step("a").poll([0, 1]).drop(0).deliver().poll([1]),
        "a#1! a#2 - - x + -",
    );
}

#[test]
fn a_call_is_dropped_with_its_outcome_in_hand() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "a#2", "2")];
    check(
        &log,
        |c| c.step("a").step("a").poll([0, 1]).deliver().drop(0).deliver().poll([1]),
        "a#1! a#2! - - +0 x +1 2",
    );
}

#[test]
fn a_call_that_is_done_is_dropped_without_a_trace() {
    let log = [done(101, 0, "a#1", "1"), came(102, "s", "2")];
    check(
        &log,
        |c| c.step("a").signal("s").poll([0, 1]).deliver_all().poll([0, 1]).drop(0).drop(1),
        "a#1! s#1 - - +0 +1 1 2 x x",
    );
}

#[test]
fn a_dropped_step_gives_its_body_up_and_does_not_get_it_back() {
    let mut c = Code::new(&[]);
    c.step("a").poll([0]);
    assert!(c.engine.step(0).body.is_some());
    c.drop(0);
    assert!(c.engine.step(0).body.is_none(), "nobody waits for it");
    // Its attempt was being started meanwhile.
    c.engine.put_body_back(0, Box::new(Never));
    assert!(c.engine.step(0).body.is_none(), "it would be run for nobody");
}

#[test]
fn a_step_that_is_waited_for_gets_its_body_back_for_the_next_attempt() {
    let mut c = Code::new(&[]);
    c.step("a").poll([0]);
    let body = c.engine.step(0).body.take().expect("a body");
    c.engine.put_body_back(0, body);
    assert!(c.engine.step(0).body.is_some());
}

#[test]
fn what_a_dropped_call_still_notes_is_taken_in() {
    let log = [begun(101, 0, "a#1", 1), tried(102, 0, "a#1", 1, 103)];
    check(&log, |c| c.step("a").poll([0]).drop(0).deliver_all().needs(0), "a#1 - x . . nothing");
    let log = [timer(101, 0, "sleep#1", 500)];
    check(&log, |c| c.sleep(500).drop(0).deliver(), "sleep#1 x .");
}
