//! Promises: the first result counts, whenever it comes; limits are those of the log.

use super::code::{Code, check, check_fault};
use super::mismatch::text;
use super::*;

#[test]
fn a_promise_has_its_result_before_or_after_it_is_awaited() {
    let log = [promised(100, 0, "p#1", None, None), kept(101, "p#1", "7")];
    check(&log, |c| c.promise("p", None, None).poll([0]).deliver_all().poll([0]), "p#1 - . +0 7");
    check(&log, |c| c.promise("p", None, None).deliver_all().poll([0]), "p#1 . + 7");
    check(&log, |c| c.promise("p", None, None).deliver_all().now().poll([0, 0]), "p#1 . + 101 7 -");
}

#[test]
fn the_first_result_counts_and_a_later_one_is_not_even_seen() {
    let failed = PromiseResult::Failed { reason: "no".to_owned() };
    let log = [kept(101, "p#1", "7"), resolved(102, "p#1", failed.clone()), kept(103, "p#1", "8")];
    check(
        &log,
        |c| c.promise("p", None, None).poll([0]).deliver_all().now().poll([0, 0]),
        "p#1 - +0 . . 101 7 -",
    );
    let log = [resolved(101, "p#1", failed), kept(102, "p#1", "7")];
    check(&log, |c| c.promise("p", None, None).deliver_all().poll([0]), "p#1 + . (failed: no)");
}

#[test]
fn each_promise_has_its_own_result_in_whatever_order_they_come() {
    let log = [kept(101, "q#1", "1"), kept(102, "p#2", "2"), kept(103, "p#1", "3")];
    check(
        &log,
        |c| {
            c.promise("p", None, None).promise("q", None, None).promise("p", None, None);
            c.poll([0, 1, 2]).deliver_all().poll([0, 1, 2])
        },
        "p#1 q#1 p#2 - - - +1 +2 +0 3 1 2",
    );
}

#[test]
fn a_result_of_another_run_is_none_of_this_one() {
    let Event::PromiseResolved(mut of_before) = kept(101, "p#1", "7") else { unreachable!() };
    of_before.run = 2;
    let log = [Event::PromiseResolved(of_before), kept(102, "p#1", "8")];
    check(&log, |c| c.promise("p", None, None).deliver_all().poll([0]), "p#1 . + 8");
}

#[test]
fn a_result_that_came_before_its_call_is_kept() {
    let log = [kept(101, "p#1", "7")];
    check(&log, |c| c.deliver().promise("p", None, None).poll([0]), ". p#1 7");
}

#[test]
fn the_turn_hears_of_a_promise_when_it_is_called_and_only_once_when_it_is_polled() {
    check(
        &[],
        |c| c.promise("p", None, None).asked().needs(0).poll([0]).asked().needs(0),
        "p#1 [0] new-promise - [] new-promise",
    );
    let log = [promised(100, 0, "p#1", Some(600), None)];
    check(
        &log,
        |c| c.promise("p", Some(500), None).deliver().asked().needs(0),
        "p#1 . [0] promise@600",
    );
}

#[test]
fn the_earlier_limit_is_the_one_and_a_heartbeat_pushes_its_own() {
    let log = [
        promised(100, 0, "p#1", Some(600), Some(200)),
        beat(250, "p#1"),
        beat(440, "p#1"),
        beat(500, "q#1"),
    ];
    check(
        &log,
        |c| {
            c.promise("p", Some(500), Some(200)).deliver().needs(0).asked();
            c.deliver().needs(0).asked().deliver().needs(0).asked().deliver().asked().now()
        },
        "p#1 . promise@300 [0] . promise@450 [0] . promise@600 [0] . [] 100",
    );
}

#[test]
fn a_promise_ends_by_the_limit_that_it_has_passed() {
    let mut c = Code::new(&[]);
    c.promise("p", Some(500), Some(200)).promise("q", Some(100), Some(200));
    let ends = |c: &mut Code, seq| {
        let at = Timestamp(1_000);
        c.engine.lapse(seq, at).map(|e| (e.key.to_string(), e.id, e.run, e.result.summary()))
    };
    let missed = ("p#1".to_owned(), None, 1, "no heartbeat for 200ms".to_owned());
    assert_eq!(ends(&mut c, 0), Some(missed));
    let timed_out = ("q#1".to_owned(), None, 1, "timed out after 100ms".to_owned());
    assert_eq!(ends(&mut c, 1), Some(timed_out));
}

#[test]
fn a_dropped_promise_is_given_up_once_unless_it_is_over_or_nobody_knew_it() {
    let known = [promised(100, 0, "p#1", None, None)];
    check(
        &known,
        |c| c.promise("p", None, None).deliver().drop(0).asked().needs(0),
        "p#1 . x [0, 0] end",
    );
    let given_up = resolved(101, "p#1", PromiseResult::GivenUp);
    check(
        &[known[0].clone(), given_up],
        |c| c.promise("p", None, None).drop(0).deliver_all().needs(0).now(),
        "p#1 x . . nothing 100",
    );
    check(
        &[known[0].clone(), kept(101, "p#1", "7")],
        |c| c.promise("p", None, None).deliver_all().drop(0).needs(0),
        "p#1 . + x nothing",
    );
    check(&[], |c| c.promise("p", None, None).drop(0).needs(0), "p#1 x nothing");
    let mut c = Code::new(&[]);
    c.promise("p", None, None).announce(0);
    c.drop(0).needs(0);
    assert!(c.engine.give_up(0, Timestamp(101)).is_some());
    assert_eq!(c.needs(0).seen(), "p#1 x end nothing");
}

#[test]
fn limits_come_too_late_when_the_log_has_the_promise() {
    let mut c = Code::new(&[promised(100, 0, "p#1", None, None)]);
    c.promise("p", None, None).deliver();
    assert!(!c.engine.limit_promise(0, |promise| promise.timeout = None));
    let mut c = Code::new(&[]);
    c.promise("p", None, None).announce(0);
    assert!(!c.engine.limit_promise(0, |promise| promise.heartbeat = None));
}

#[test]
fn whether_anybody_waits_for_a_promise_is_known() {
    let mut c = Code::new(&[kept(101, "p#1", "7")]);
    c.promise("p", None, None);
    assert!(!c.engine.waits_for_messages(), "called and not polled");
    c.poll([0]);
    assert!(c.engine.waits_for_messages());
    c.deliver();
    assert!(!c.engine.waits_for_messages(), "it has its result");
}

#[test]
fn another_kind_of_call_or_none() {
    let log = [promised(101, 0, "p#1", None, None)];
    check_fault(&log, |c| c.step("p"), &text(1, "promise p#1", "step p#1", ""));
    check_fault(&log, |c| c.promise("q", None, None), &text(1, "promise p#1", "promise q#1", ""));
    check_fault(&log, |c| c.deliver(), &text(1, "promise p#1", "nothing", ""));
    let step = [done(101, 0, "p#1", "1")];
    check_fault(&step, |c| c.promise("p", None, None), &text(1, "step p#1", "promise p#1", ""));
}

#[test]
fn other_limits() {
    let log = [promised(101, 0, "p#1", Some(600), None)];
    let told = "; its time was up at 1970-01-01T00:00:00.600Z, and now it had no time-out";
    let told = text(1, "promise p#1", "promise p#1", told);
    check_fault(&log, |c| c.promise("p", None, None).deliver(), &told);
    let told = "; its time was up at 1970-01-01T00:00:00.600Z, and now its time was up at \
                1970-01-01T00:00:00.601Z";
    let told = text(1, "promise p#1", "promise p#1", told);
    check_fault(&log, |c| c.promise("p", Some(501), None).deliver(), &told);
    let log = [promised(101, 0, "p#1", None, Some(200))];
    let told = "; a heartbeat was due every 200 ms, and now no heartbeats were due";
    let told = text(1, "promise p#1", "promise p#1", told);
    check_fault(&log, |c| c.promise("p", None, None).deliver(), &told);
}
