//! What the next attempt of a step goes on from.

use super::code::Code;
use super::*;

/// Where a step stands after a log: attempts that failed, when the next may start, the attempt
/// that began and has no end.
#[track_caller]
fn check(log: &[Event], attempts: u32, retry_at: Option<i64>, begun: Option<u32>) {
    let mut c = Code::new(log);
    c.step("a").step("b").poll([0, 1]).deliver_all();
    assert_eq!(c.engine.fault(), None);
    let step = c.engine.step(0);
    assert_eq!(step.attempts, attempts, "attempts that failed");
    assert_eq!(step.retry_at, retry_at.map(Timestamp), "the next attempt");
    assert_eq!(step.begun, begun, "begun");
    let other = c.engine.step(1);
    assert_eq!((other.attempts, other.retry_at, other.begun), (0, None, None), "another step");
}

#[test]
fn attempts_survive_a_crash() {
    let (one, two) = (tried(101, 0, "a#1", 1, 150), tried(151, 0, "a#1", 2, 250));
    check(&[], 0, None, None);
    check(std::slice::from_ref(&one), 1, Some(150), None);
    check(&[one, claim(150, 900), two], 2, Some(250), None);
}

#[test]
fn an_at_most_once_attempt_that_began_is_known_until_its_end_is() {
    check(&[begun(101, 0, "a#1", 1)], 0, None, Some(1));
    check(&[begun(101, 0, "a#1", 1), tried(102, 0, "a#1", 1, 200)], 1, Some(200), None);
    let again = [begun(101, 0, "a#1", 1), tried(102, 0, "a#1", 1, 200), begun(200, 0, "a#1", 2)];
    check(&again, 1, Some(200), Some(2));
}

#[test]
fn an_attempt_that_was_postponed_does_not_count() {
    check(&[postponed(101, 0, "a#1", 1, 150)], 0, Some(150), None);
    check(
        &[postponed(101, 0, "a#1", 1, 150), postponed(150, 0, "a#1", 1, 900)],
        0,
        Some(900),
        None,
    );
    let log = [tried(101, 0, "a#1", 1, 150), postponed(150, 0, "a#1", 2, 400)];
    check(&log, 1, Some(400), None);
    // It has said itself how it ended, so that at most once is no reason not to run it again.
    check(&[begun(101, 0, "a#1", 1), postponed(102, 0, "a#1", 1, 200)], 0, Some(200), None);
    check(&[postponed(101, 0, "a#1", 1, 900), resumed(102)], 0, None, None);
}

#[test]
fn a_resume_counts_attempts_anew_and_starts_the_next_at_once() {
    check(&[tried(101, 0, "a#1", 6, 900), resumed(102)], 0, None, None);
    let log = [tried(101, 0, "a#1", 6, 900), resumed(102), tried(103, 0, "a#1", 1, 150)];
    check(&log, 1, Some(150), None);
    // What began has still begun: at most once is not a matter of counting.
    check(&[begun(101, 0, "a#1", 1), resumed(102)], 0, None, Some(1));
}

#[test]
fn a_resume_is_about_what_was_called_before_it() {
    let mut c = Code::new(&[resumed(101), tried(102, 0, "a#1", 1, 150)]);
    c.deliver().step("a").poll([0]).deliver();
    assert_eq!((c.seen().as_str(), c.engine.step(0).attempts), (". a#1 - .", 1));
}

#[test]
fn the_idempotency_key_is_the_same_for_every_attempt() {
    let key = |log: &[Event]| {
        let mut c = Code::new(log);
        c.step("a").poll([0]).deliver_all();
        c.engine.idempotency_key(0).uuid()
    };
    assert_eq!(key(&[]), key(&[tried(101, 0, "a#1", 1, 150), begun(150, 0, "a#1", 2)]));
}
