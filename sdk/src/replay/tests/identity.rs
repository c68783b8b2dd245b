//! Which operation is which: its place in the order of calls, and its name and count.

use super::code::{Code, check};
use super::{done, done_with, fired, timer};

#[test]
fn a_name_is_counted_from_one_and_for_itself() {
    check(&[], |c| c.step("a").step("b").step("a").step("a"), "a#1 b#1 a#2 a#3");
    check(&[], |c| c.step("a").signal("a").step("a").signal("a"), "a#1 a#1 a#2 a#2");
    check(&[], |c| c.step("sleep").sleep(500).sleep(600), "sleep#1 sleep#1 sleep#2");
    check(&[], |c| c.step("a#1").step("a"), "a#1#1 a#1");
}

#[test]
fn identity_is_taken_at_the_call_and_not_at_the_first_poll() {
    let log = [done(101, 0, "a#1", "10"), done(102, 1, "a#2", "20")];
    let polled_in_turn = |c: &mut Code| {
        c.step("a").step("a").poll([0, 1]).deliver_all().poll([0, 1]);
        c.seen()
    };
    let polled_in_reverse = |c: &mut Code| {
        c.step("a").step("a").poll([1, 0]).deliver_all().poll([1, 0]);
        c.seen()
    };
    assert_eq!(polled_in_turn(&mut Code::new(&log)), "a#1! a#2! - - +0 +1 10 20");
    assert_eq!(polled_in_reverse(&mut Code::new(&log)), "a#1! a#2! - - +0 +1 20 10");
}

#[test]
fn a_count_goes_on_over_calls_that_were_dropped_or_never_polled() {
    check(&[], |c| c.step("a").drop(0).step("a").step("a"), "a#1 x a#2 a#3");
    let log = [done(101, 2, "a#3", "30")];
    let code = |c: &mut Code| {
        c.step("a").drop(0).step("a").step("a").poll([2]).deliver().poll([2]);
        c.seen()
    };
    assert_eq!(code(&mut Code::new(&log)), "a#1 x a#2 a#3! - +2 30");
}

#[test]
fn the_log_is_known_to_have_an_outcome_before_that_is_delivered() {
    check(&[done(101, 0, "a#1", "1")], |c| c.step("a"), "a#1!");
    check(&[done(101, 1, "b#1", "1")], |c| c.step("a").step("b"), "a#1 b#1!");
    check(&[super::failed(101, 0, "a#1", "1")], |c| c.step("a"), "a#1!");
    check(&[super::begun(101, 0, "a#1", 1)], |c| c.step("a"), "a#1");
    check(&[super::tried(101, 0, "a#1", 1, 200)], |c| c.step("a"), "a#1");
    let log = [super::tried(101, 0, "a#1", 1, 200), done(102, 0, "a#1", "1")];
    check(&log, |c| c.step("a"), "a#1!");
}

#[test]
fn a_timer_that_the_log_has_is_not_started_again() {
    check(&[], |c| c.sleep(500).poll([0]).needs(0), "sleep#1 - new-timer@500");
    let log = [timer(101, 0, "sleep#1", 500)];
    check(&log, |c| c.sleep(500).poll([0]).needs(0), "sleep#1 - timer@500");
    let log = [timer(101, 0, "sleep#1", 500), fired(500, 0, "sleep#1")];
    check(
        &log,
        |c| c.sleep(500).poll([0]).deliver_all().poll([0]).needs(0),
        "sleep#1 - . +0 fired nothing",
    );
}

#[test]
fn arguments_that_say_the_same_are_the_same() {
    // A hash map prints its entries in another order the next time.
    let log = [done_with(101, 0, "a#1", r#"{"m":{"x":1,"y":2}}"#, "1")];
    check(&log, |c| c.step_with("a", r#"{"m":{"y":2,"x":1}}"#), "a#1!");
    check(&log, |c| c.step_with("a", r#"{ "m": {"x": 1, "y": 2} }"#), "a#1!");
}
