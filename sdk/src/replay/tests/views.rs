//! What a workflow shows is compared with the log, and said once.

use super::code::{Code, check, check_fault};
use super::mismatch::text;
use super::*;
use crate::event::StoredCommit;
use crate::id::WriterId;
use crate::replay::History;

#[test]
fn a_view_is_recorded_once() {
    check(
        &[],
        |c| c.publish("1").needs(0).asked().record(0).record(0).step("a"),
        "view#1 to-be-recorded [0] ViewPublished nothing a#1",
    );
    let log = [showed(101, 0, "view#1", "{\"a\":1,\"b\":2}"), done(102, 1, "a#1", "1")];
    check(
        &log,
        |c| c.publish("{\"b\":2,\"a\":1}").needs(0).deliver().step("a").deliver(),
        "view#1! nothing . a#1! +",
    );
}

#[test]
fn what_is_shown_already_is_not_said_again() {
    let mut c = Code::new(&[showed(101, 0, "view#1", "{\"a\":1,\"b\":2}")]);
    assert!(!c.engine.shows(&json("1")), "nothing is shown");
    c.publish("{\"a\":1,\"b\":2}");
    assert!(c.engine.shows(&json("{\"b\":2,\"a\":1}")));
    assert!(!c.engine.shows(&json("2")));
    c.publish("2").publish("3");
    assert!(c.engine.shows(&json("3")) && !c.engine.shows(&json("2")));
}

#[test]
fn another_view_than_the_recorded_one_is_found() {
    check_fault(
        &[showed(101, 0, "view#1", "1")],
        |c| c.publish("2"),
        &text(1, "publish view#1", "publish view#1", "; it showed 1 and now shows 2"),
    );
    check_fault(
        &[showed(101, 0, "view#1", "1")],
        |c| c.step("a"),
        &text(1, "publish view#1", "step a#1", ""),
    );
    check_fault(
        &[done(101, 0, "a#1", "1")],
        |c| c.publish("1"),
        &text(1, "step a#1", "publish view#1", ""),
    );
    let gone = text(1, "publish view#1", "nothing", "");
    check_fault(&[showed(101, 0, "view#1", "1")], |c| c.deliver(), &gone);
}

#[test]
fn a_history_knows_the_last_view_of_its_run() {
    let view = |log: &[Event]| {
        let commit = StoredCommit::encode(0, WriterId::random(), None, log);
        History::read(&[commit], 0).expect("a sound log").view
    };
    assert_eq!(view(&[started()]), None);
    let shown = [started(), showed(101, 0, "view#1", "1"), showed(102, 1, "view#2", "2")];
    assert_eq!(view(&shown), Some(json("2")));
    let again = [&shown[..], &[completed(103), started_as("order-1", 2)]].concat();
    assert_eq!(view(&again), None);
}
