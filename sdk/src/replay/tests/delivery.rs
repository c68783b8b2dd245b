//! What an event does: one outcome, to one call, once.

use super::code::{Code, check};
use super::*;
use crate::replay::engine::LogSize;

#[test]
fn an_outcome_is_there_at_the_first_poll_after_its_event_and_at_no_other() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check(
        &log,
        |c| c.step("a").step("b").poll([0, 1]).deliver().poll([0, 1, 0]).deliver().poll([0, 1, 1]),
        "a#1! b#1! - - +0 1 - - +1 - 2 -",
    );
}

#[test]
fn each_kind_of_event_brings_its_kind_of_outcome() {
    let step = |c: &mut Code| {
        c.step("a").poll([0]).deliver_all().poll([0]);
        c.seen()
    };
    assert_eq!(step(&mut Code::new(&[done(101, 0, "a#1", "[1]")])), "a#1! - +0 [1]");
    assert_eq!(step(&mut Code::new(&[failed(101, 0, "a#1", "\"no\"")])), "a#1! - +0 Err(no)");
    let log = [timer(101, 0, "sleep#1", 300), fired(301, 0, "sleep#1")];
    check(&log, |c| c.sleep(300).poll([0]).deliver_all().poll([0]), "sleep#1 - . +0 fired");
    check(&[came(101, "s", "5")], |c| c.signal("s").poll([0]).deliver().poll([0]), "s#1 - +0 5");
}

#[test]
fn a_call_that_was_not_polled_yet_keeps_its_outcome_until_it_is() {
    let log = [done(101, 0, "a#1", "1")];
    check(&log, |c| c.step("a").deliver().poll([0, 0]), "a#1! + 1 -");
    let log = [timer(101, 0, "sleep#1", 300), fired(301, 0, "sleep#1")];
    check(&log, |c| c.sleep(300).deliver_all().poll([0, 0]), "sleep#1 . + fired -");
}

#[test]
fn the_last_waker_is_woken_and_once() {
    // A call that moved to another combinator is woken there.
    let log = [done(101, 0, "a#1", "1")];
    check(&log, |c| c.step("a").poll_as(0, 7).poll_as(0, 8).deliver(), "a#1! - - +8");
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2")];
    check(
        &log,
        |c| c.step("a").step("b").poll([0, 0, 0, 1]).deliver_all(),
        "a#1! b#1! - - - - +0 +1",
    );
}

#[test]
fn what_the_turn_notes_for_itself_does_not_move_the_workflow() {
    let quiet: &[Event] = &[
        claim(101, 900),
        renewed(102, 950),
        begun(103, 0, "a#1", 1),
        tried(104, 0, "a#1", 1, 105),
        timer(105, 1, "sleep#1", 500),
        cancel(106, "enough"),
        resumed(107),
        over(108, TurnEnd::Suspended, Some(500), &[500]),
    ];
    for event in quiet {
        check(
            std::slice::from_ref(event),
            |c| c.step("a").sleep(500).poll([0, 1]).deliver().poll([0, 1]).now(),
            "a#1 sleep#1 - - . - - 100",
        );
    }
}

#[test]
fn the_turn_is_told_of_calls_in_the_order_of_their_first_polls() {
    check(
        &[],
        |c| c.step("a").sleep(500).signal("s").poll([2, 0]).asked().poll([1, 0, 2]).asked().asked(),
        "a#1 sleep#1 s#1 - - [2, 0] - - - [1] []",
    );
}

#[test]
fn the_turn_is_told_of_a_call_even_where_the_log_has_its_outcome() {
    // Replay asks as the live run did; what needs no more doing is seen by its request.
    let log = [done(101, 0, "a#1", "1")];
    check(
        &log,
        |c| c.step("a").poll([0]).asked().needs(0).deliver().needs(0).poll([0]).needs(0),
        "a#1! - [0] body +0 nothing 1 nothing",
    );
}

#[test]
fn only_what_was_polled_and_has_no_outcome_needs_anything() {
    check(
        &[],
        |c| c.step("a").needs(0).poll([0]).needs(0).happens(&done(101, 0, "a#1", "1")).needs(0),
        "a#1 nothing - body +0 nothing",
    );
    check(&[], |c| c.sleep(500).needs(0).poll([0]).needs(0), "sleep#1 nothing - new-timer@500");
    check(&[], |c| c.signal("s").needs(0).poll([0]).needs(0), "s#1 nothing - signal");
}

#[test]
fn an_event_has_the_same_effect_from_the_log_and_live() {
    let log = [
        came(101, "s", "1"),
        done(102, 0, "a#1", "2"),
        timer(103, 1, "sleep#1", 500),
        came(104, "s", "3"),
        fired(501, 1, "sleep#1"),
    ];
    let calls = |c: &mut Code| {
        c.step("a").sleep(500).signal("s").signal("s").poll([0, 1, 2, 3]);
    };
    let (mut live, mut replayed) = (Code::new(&[]), Code::new(&log));
    calls(&mut live);
    calls(&mut replayed);
    for event in &log {
        live.happens(event).poll([0, 1, 2, 3]).now();
        replayed.deliver().poll([0, 1, 2, 3]).now();
    }
    assert_eq!(live.seen(), replayed.seen().replace('!', ""));
}

#[test]
fn after_a_fault_nothing_is_delivered_and_nothing_is_ready() {
    let log = [done(101, 0, "a#1", "1"), done(102, 1, "b#1", "2"), done(103, 2, "c#1", "3")];
    let mut c = Code::new(&log);
    c.step("a").deliver().step("z").poll([0, 1]).deliver().deliver().poll([0, 1]).now();
    assert_eq!(c.seen(), "a#1! + z#1! - - fault fault - - 101");
}

#[test]
fn a_cancel_request_is_known_and_the_first_reason_stays() {
    let mut c = Code::new(&[cancel(101, "first"), cancel(102, "second")]);
    assert_eq!(c.engine.cancelled(), None);
    c.deliver_all();
    assert_eq!(c.engine.cancelled(), Some("first"));
}

#[test]
fn the_first_outcome_of_a_call_is_its_only_one() {
    let log = [done(101, 0, "a#1", "1"), failed(102, 0, "a#1", "2"), done(103, 0, "a#1", "3")];
    check(&log, |c| c.step("a").deliver_all().poll([0, 0]), "a#1! + + + 1 -");
    check(&log, |c| c.step("a").poll([0]).deliver_all().poll([0, 0]), "a#1! - +0 + + 1 -");
}

#[test]
fn a_log_is_as_long_as_what_was_delivered_of_it() {
    let log = [claim(101, 900), done(102, 0, "a#1", "[1,2,3]"), renewed(500, 1_400)];
    let mut c = Code::new(&log);
    c.step("a").poll([0]);
    let mut expected = LogSize { events: 1, bytes: started().weight() as u64 };
    assert_eq!(c.engine.size(), expected);
    for event in &log {
        expected.events += 1;
        expected.bytes += event.weight() as u64;
        assert_eq!(c.deliver().engine.size(), expected, "behind {}", event.kind());
    }
    // How often that happens is up to the host, and the workflow may ask how long its log is.
    let (at, lease_end) = (Timestamp(600), Timestamp(1_500));
    c.happens(&Event::LeaseRenewed(LeaseRenewed { at, lease_end, ahead: true }));
    assert_eq!(c.engine.size(), expected);
}
