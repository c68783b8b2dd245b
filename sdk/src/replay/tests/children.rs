//! Children: their ids, when their calls are ready, and what a change of the code may not change.

use super::code::{Code, check, check_fault};
use super::*;
use crate::event::{
    ChildCompleted, ChildOutcome, ChildRequested, ChildStarted, ClosePolicy, child_item_id,
};
use crate::limits::EXECUTION_ID_BYTES_MAX;
use crate::replay::{History, child_writer};

fn id(id: &str) -> ExecutionId {
    ExecutionId::new(id).expect("an id")
}

fn requested_as(seq: u32, key: &str, child: &str, input: &str, waits: bool) -> Event {
    let (at, key, site) = (Timestamp(101), name_count(key), THEN.into());
    let (child, input, on_close) = (id(child), json(input), ClosePolicy::Cancel);
    Event::ChildRequested(ChildRequested { at, seq, key, site, child, input, waits, on_close })
}

fn requested(seq: u32, key: &str) -> Event {
    requested_as(seq, key, &format!("order-1/{key}"), "7", true)
}

fn is_started(at: i64, seq: u32, key: &str) -> Event {
    let (at, child) = (Timestamp(at), id(&format!("order-1/{key}")));
    Event::ChildStarted(ChildStarted { at, seq, key: name_count(key), child })
}

fn ended(at: i64, seq: u32, key: &str, output: &str) -> Event {
    let (at, child) = (Timestamp(at), id(&format!("order-1/{key}")));
    let outcome = ChildOutcome::Completed { output: json(output) };
    Event::ChildCompleted(ChildCompleted { at, seq, key: name_count(key), child, outcome })
}

#[test]
fn a_child_is_asked_for_once_started_once_and_heard_once() {
    check(
        &[],
        |c| {
            c.child("pack", "7").poll([0]).asked().needs(0);
            c.happens(&requested(0, "pack#1")).needs(0);
            c.happens(&is_started(102, 0, "pack#1")).needs(0).poll([0]);
            c.happens(&ended(103, 0, "pack#1", "8")).poll([0]).needs(0)
        },
        "pack#1 - [0] new-child . child-to-start . child - +0 8 nothing",
    );
    let log = [requested(0, "pack#1"), is_started(102, 0, "pack#1"), ended(103, 0, "pack#1", "8")];
    check(
        &log,
        |c| c.child("pack", "7").poll([0]).deliver_all().poll([0]).now(),
        "pack#1 - . . +0 8 103",
    );
}

#[test]
fn a_child_that_a_dead_host_asked_for_is_still_to_be_started() {
    check(
        &[requested(0, "pack#1")],
        |c| c.child("pack", "7").poll([0]).deliver_all().asked().needs(0),
        "pack#1 - . [0] child-to-start",
    );
}

#[test]
fn a_child_that_is_only_started_is_ready_when_it_exists() {
    let log =
        [requested_as(0, "pack#1", "order-1/pack#1", "7", false), is_started(102, 0, "pack#1")];
    check(
        &log,
        |c| {
            c.child("pack", "7").ask(0, |asked| asked.waits = false).poll([0]).deliver_all();
            c.poll([0]).now()
        },
        "pack#1 - . +0 started(order-1/pack#1) 102",
    );
}

#[test]
fn results_come_in_the_order_of_the_log_whoever_was_asked_first() {
    let log = [
        requested(0, "pack#1"),
        requested(1, "pack#2"),
        is_started(102, 0, "pack#1"),
        is_started(102, 1, "pack#2"),
        ended(103, 1, "pack#2", "2"),
        ended(103, 0, "pack#1", "1"),
    ];
    check(
        &log,
        |c| c.child("pack", "7").child("pack", "7").poll([0, 1]).deliver_all().poll([0, 1]),
        "pack#1 pack#2 - - . . . . +1 +0 1 2",
    );
}

#[test]
fn the_result_of_a_dropped_child_changes_nothing() {
    let log = [requested(0, "pack#1"), is_started(102, 0, "pack#1"), ended(103, 0, "pack#1", "8")];
    check(
        &log,
        |c| c.child("pack", "7").poll([0]).deliver().drop(0).needs(0).deliver_all(),
        "pack#1 - . x nothing . +",
    );
}

#[test]
fn an_end_may_come_before_the_start_is_known() {
    let log = [requested(0, "pack#1"), ended(102, 0, "pack#1", "8"), is_started(103, 0, "pack#1")];
    check(&log, |c| c.child("pack", "7").poll([0]).deliver_all().poll([0]), "pack#1 - . +0 . 8");
}

fn text(log: &str, code: &str, detail: &str) -> String {
    format!(
        "code and log disagree at call 1: the log has {log} ({THEN}), the code asks for {code} \
         (@1){detail}. Common causes: the workflow was changed while this execution was open, or it \
         depends on something that differs between runs (a clock, randomness, the order of a hash \
         map, a global). Put the old order of calls back and deploy: the execution then goes on"
    )
}

#[test]
fn another_kind_or_workflow() {
    let log = [requested(0, "pack#1")];
    check_fault(&log, |c| c.step("pack"), &text("child pack#1", "step pack#1", ""));
    check_fault(&log, |c| c.child("send", "7"), &text("child pack#1", "child send#1", ""));
    let step = [done(101, 0, "pack#1", "1")];
    check_fault(&step, |c| c.child("pack", "7"), &text("step pack#1", "child pack#1", ""));
}

#[test]
fn another_input() {
    let detail = "; its input was 7 and is now 8";
    let expected = text("child pack#1", "child pack#1", detail);
    check_fault(&[requested(0, "pack#1")], |c| c.child("pack", "8"), &expected);
}

#[test]
fn another_id() {
    let detail = "; the child was parcel-7 and is now order-1/pack#1";
    let log = [requested_as(0, "pack#1", "parcel-7", "7", true)];
    let expected = text("child pack#1", "child pack#1", detail);
    check_fault(&log, |c| c.child("pack", "7").poll([0]), &expected);
    check(
        &log,
        |c| c.child("pack", "7").ask(0, |asked| asked.child = id("parcel-7")).poll([0]),
        "pack#1 -",
    );
}

#[test]
fn awaited_or_only_started() {
    let detail = "; it was awaited and is now started and not awaited";
    let expected = text("child pack#1", "child pack#1", detail);
    let log = [requested(0, "pack#1")];
    check_fault(
        &log,
        |c| c.child("pack", "7").ask(0, |asked| asked.waits = false).poll([0]),
        &expected,
    );
}

#[test]
fn another_close_policy_is_no_difference() {
    let log = [requested(0, "pack#1")];
    let leave = Some(ClosePolicy::Leave);
    check(
        &log,
        |c| c.child("pack", "7").ask(0, |asked| asked.on_close = leave).poll([0]).deliver(),
        "pack#1 - .",
    );
}

#[test]
fn what_the_code_never_called_cannot_have_started_or_ended() {
    for event in [is_started(102, 0, "pack#1"), ended(103, 0, "pack#1", "8")] {
        let mut code = Code::new(&[]);
        assert_eq!(code.happens(&event).seen(), "fault");
    }
}

#[test]
fn ids_follow_from_parent_call_and_run() {
    let child = |execution: &str, run: u32, workflow: &'static str| {
        let mut code = Code::new(&[started_as(execution, run)]);
        code.child(workflow, "7").child(workflow, "7");
        code.engine.asked_child(1).child.to_string()
    };
    assert_eq!(child("order-1", 1, "pack"), "order-1/pack#2");
    assert_eq!(child("order-1", 2, "pack"), "order-1/pack#2@2");
    let long = "x".repeat(500);
    let id = child(&long, 1, "a_workflow");
    assert_eq!((id.len(), &id[36..]), (49, "/a_workflow#2"), "{id}");
    let longest = "x".repeat(EXECUTION_ID_BYTES_MAX - "/pack#2".len());
    assert_eq!(child(&longest, 1, "pack"), format!("{longest}/pack#2"));
    assert_ne!(id, child(&long, 2, "a_workflow"));
    assert_ne!(id, child(&"y".repeat(500), 1, "a_workflow"));
}

#[test]
fn who_writes_a_childs_start_is_this_calls_and_no_other() {
    let writer =
        |execution: &str, run, key: &str| child_writer(&id(execution), run, &name_count(key));
    assert_eq!(writer("order-1", 1, "pack#1"), writer("order-1", 1, "pack#1"));
    for other in [
        writer("order-2", 1, "pack#1"),
        writer("order-1", 2, "pack#1"),
        writer("order-1", 1, "pack#2"),
        writer("order-1", 1, "send#1"),
    ] {
        assert_ne!(other, writer("order-1", 1, "pack#1"));
    }
}

/// A child that an older version has started is known for this call's own.
#[test]
fn who_writes_a_childs_start_is_the_same_in_every_version() {
    let writer = child_writer(&id("order-1"), 1, &name_count("a#1"));
    assert_eq!(writer.0.to_string(), "c60baec6-e229-8b1d-9984-81e2ad8972b1");
}

#[test]
fn a_childs_end_is_taken_once() {
    let log = [started(), requested(0, "pack#1"), ended(103, 0, "pack#1", "8")];
    let commit =
        crate::event::StoredCommit::encode(0, crate::id::WriterId(uuid::Uuid::nil()), None, &log);
    let history = History::read(&[commit], 0).expect("a sound log");
    assert!(history.taken.contains(&child_item_id(1, 0)));
}
