//! What an execution is found by is compared with the log, and said once.

use super::code::{Code, check, check_fault};
use super::mismatch::text;
use super::*;
use crate::event::StoredCommit;
use crate::id::WriterId;
use crate::limits::TAGS_MAX;
use crate::replay::History;

#[test]
fn a_tag_is_recorded_once() {
    check(
        &[],
        |c| c.tag("stage", "new").needs(0).asked().record(0).record(0).step("a"),
        "tag#1 to-be-recorded [0] TagSet nothing a#1",
    );
    let log = [tagged(101, 0, "tag#1", "stage", "new"), done(102, 1, "a#1", "1")];
    check(
        &log,
        |c| c.tag("stage", "new").needs(0).deliver().step("a").deliver(),
        "tag#1! nothing . a#1! +",
    );
}

#[test]
fn what_is_set_already_is_not_set_again_and_a_new_name_needs_room() {
    let mut c = Code::new(&[]);
    assert!(!c.engine.is_tagged("stage", "new"));
    c.tag("stage", "new");
    assert!(c.engine.is_tagged("stage", "new") && !c.engine.is_tagged("stage", "old"));
    c.tag("stage", "old");
    assert!(c.engine.is_tagged("stage", "old") && !c.engine.is_tagged("stage", "new"));
    assert_eq!(c.engine.tags().len(), 1);
    for number in 1..TAGS_MAX {
        assert!(c.engine.has_room_for_tag("one more"));
        c.tag(&number.to_string(), "");
    }
    assert!(!c.engine.has_room_for_tag("one more") && c.engine.has_room_for_tag("stage"));
}

#[test]
fn another_tag_than_the_recorded_one_is_found() {
    let log = [tagged(101, 0, "tag#1", "stage", "new")];
    let differs = |now| text(1, "set_tag tag#1", "set_tag tag#1", now);
    check_fault(
        &log,
        |c| c.tag("stage", "old"),
        &differs("; it set stage=new and now sets stage=old"),
    );
    check_fault(
        &log,
        |c| c.tag("step", "new"),
        &differs("; it set stage=new and now sets step=new"),
    );
    check_fault(&log, |c| c.step("a"), &text(1, "set_tag tag#1", "step a#1", ""));
    check_fault(
        &[done(101, 0, "a#1", "1")],
        |c| c.tag("stage", "new"),
        &text(1, "step a#1", "set_tag tag#1", ""),
    );
    check_fault(
        &[showed(101, 0, "view#1", "1")],
        |c| c.tag("stage", "new"),
        &text(1, "publish view#1", "set_tag tag#1", ""),
    );
    check_fault(&log, |c| c.deliver(), &text(1, "set_tag tag#1", "nothing", ""));
}

#[test]
fn a_history_knows_the_tags_of_its_run() {
    let tags = |log: &[Event]| {
        let commit = StoredCommit::encode(0, WriterId::random(), None, log);
        let tags = History::read(&[commit], 0).expect("a sound log").tags;
        tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let Event::WorkflowStarted(mut start) = started() else { unreachable!() };
    start.tags = [("customer".to_owned(), "ada".to_owned())].into();
    let start = Event::WorkflowStarted(start);
    assert_eq!(tags(std::slice::from_ref(&start)), "customer=ada");
    let set = [
        start,
        tagged(101, 0, "tag#1", "stage", "new"),
        tagged(102, 1, "tag#2", "stage", "old"),
        tagged(103, 2, "tag#3", "customer", "bob"),
    ];
    assert_eq!(tags(&set), "customer=bob stage=old");
    let again = [&set[..], &[completed(104), started_as("order-1", 2)]].concat();
    assert_eq!(tags(&again), "", "a run that is started again has its own");
}
