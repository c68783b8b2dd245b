//! Signals: kept in the order they came, given in the order of waiting, never lost.

use super::code::{Code, check};
use super::*;

#[test]
fn a_signal_is_kept_until_somebody_waits() {
    let log = [came(101, "s", "1"), came(102, "s", "2")];
    check(&log, |c| c.deliver_all().signal("s").signal("s").poll([0, 1]), "+ + s#1 s#2 1 2");
    check(
        &log,
        |c| c.deliver().signal("s").signal("s").poll([0, 1]).deliver().poll([1]),
        "+ s#1 s#2 1 - +1 2",
    );
}

#[test]
fn waits_are_served_in_the_order_of_their_first_polls() {
    let log = [came(101, "s", "1"), came(102, "s", "2"), came(103, "s", "3")];
    check(
        &log,
        |c| {
            c.signal("s").signal("s").signal("s").poll([2, 0, 1, 2]).deliver_all();
            c.poll([0, 1, 2])
        },
        "s#1 s#2 s#3 - - - - +2 +0 +1 2 3 1",
    );
}

#[test]
fn a_wait_that_was_only_called_is_not_in_line() {
    let log = [came(101, "s", "1")];
    check(&log, |c| c.signal("s").signal("s").poll([1]).deliver().poll([1, 0]), "s#1 s#2 - +1 1 -");
    check(&log, |c| c.signal("s").deliver().poll([0]), "s#1 + 1");
}

#[test]
fn each_name_is_a_line_of_its_own() {
    let log = [came(101, "b", "1"), came(102, "a", "2"), came(103, "a", "3")];
    check(
        &log,
        |c| c.signal("a").signal("b").poll([0, 1]).deliver_all().poll([0, 1]).signal("a").poll([2]),
        "a#1 b#1 - - +1 +0 + 2 1 a#2 3",
    );
}

#[test]
fn a_signal_goes_to_one_wait_only() {
    let log = [came(101, "s", "1")];
    check(
        &log,
        |c| c.signal("s").signal("s").poll([0, 1]).deliver().poll([0, 0, 1]),
        "s#1 s#2 - - +0 1 - -",
    );
}

#[test]
fn a_dropped_wait_leaves_the_line() {
    let log = [came(101, "s", "1")];
    check(
        &log,
        |c| c.signal("s").signal("s").poll([0, 1]).drop(0).deliver().poll([1]),
        "s#1 s#2 - - x +1 1",
    );
    check(&log, |c| c.signal("s").drop(0).signal("s").poll([1]).deliver(), "s#1 x s#2 - +1");
}

#[test]
fn a_signal_in_the_hand_of_a_dropped_wait_goes_to_the_next_in_line() {
    let log = [came(101, "s", "1")];
    check(
        &log,
        |c| c.signal("s").signal("s").poll([0, 1]).deliver().drop(0).poll([1]),
        "s#1 s#2 - - +0 x1 1",
    );
}

#[test]
fn a_signal_in_the_hand_of_a_dropped_wait_is_the_oldest_again() {
    let log = [came(101, "s", "1"), came(102, "s", "2")];
    check(
        &log,
        |c| c.signal("s").poll([0]).deliver_all().drop(0).signal("s").signal("s").poll([1, 2]),
        "s#1 - +0 + x s#2 s#3 1 2",
    );
}

#[test]
fn a_signal_that_a_wait_has_returned_is_not_given_back() {
    let log = [came(101, "s", "1")];
    check(
        &log,
        |c| c.signal("s").poll([0]).deliver().poll([0]).drop(0).signal("s").poll([1]),
        "s#1 - +0 1 x s#2 -",
    );
}

#[test]
fn a_kept_signal_is_given_back_by_a_wait_that_never_waited() {
    let log = [came(101, "s", "1")];
    check(&log, |c| c.deliver().signal("s").drop(0).signal("s").poll([1]), "+ s#1 x s#2 1");
}

#[test]
fn a_kept_signal_asks_nothing_of_the_turn() {
    let log = [came(101, "s", "1")];
    check(&log, |c| c.deliver().signal("s").poll([0]).asked().needs(0), "+ s#1 1 [] nothing");
}

#[test]
fn which_signals_are_waited_for_is_known() {
    let mut c = Code::new(&[came(101, "s", "1")]);
    c.signal("s");
    assert!(c.engine.waits_for().signals.is_empty(), "called and not polled");
    c.signal("t").poll([1, 0]);
    assert_eq!(c.engine.waits_for().signals, ["s", "t"]);
    c.drop(1);
    assert_eq!(c.engine.waits_for().signals, ["s"]);
    c.deliver();
    assert!(c.engine.waits_for().signals.is_empty(), "it has its signal");
}
