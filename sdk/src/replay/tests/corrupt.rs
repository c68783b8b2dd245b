//! Logs that cannot be trusted: refused, with the commit and the reason.

use super::history::{stored, writer};
use super::*;
use crate::event::StoredCommit;
use crate::replay::History;

#[track_caller]
fn check(log: &[StoredCommit], expected: &str) {
    match History::read(log, 0) {
        Ok(_) => panic!("it was read, and should not: {expected}"),
        Err(corrupt) => assert_eq!(corrupt.to_string(), expected),
    }
}

#[track_caller]
fn check_says(log: &[StoredCommit], part: &str) {
    let text = History::read(log, 0).err().map(|corrupt| corrupt.to_string()).unwrap_or_default();
    assert!(text.contains(part), "{text:?} lacks {part:?}");
}

fn sound() -> Vec<StoredCommit> {
    let turn = [claim(101, 900), done(102, 0, "a#1", "1")];
    stored(&[&[started()], &turn, &[came(103, "s", "2")], &[completed(104)]])
}

#[test]
fn a_sound_log_is_read() {
    assert!(History::read(&sound(), 0).is_ok());
    for end in 1..4 {
        assert!(History::read(&sound()[..end], 0).is_ok(), "every prefix of a log is a log");
    }
}

#[test]
fn a_commit_is_missing() {
    check(&[], "commit 0 of the log cannot be trusted: it is missing");
    for missing in 0..3 {
        let mut log = sound();
        log.remove(missing);
        check(&log, &format!("commit {missing} of the log cannot be trusted: it is missing"));
    }
}

#[test]
fn commits_are_in_the_wrong_order_or_there_twice() {
    let mut log = sound();
    log.swap(1, 2);
    check(&log, "commit 1 of the log cannot be trusted: it is missing");
    let mut log = sound();
    log.insert(1, log[1].clone());
    check(&log, "commit 2 of the log cannot be trusted: it is missing");
}

#[test]
fn a_byte_was_changed() {
    for number in 0..4 {
        let mut log = sound();
        log[number].body = log[number].body.replacen(":10", ":20", 1).into();
        check(
            &log,
            &format!(
                "commit {number} of the log cannot be trusted: its text does not match its hash: \
                 it was cut or edited"
            ),
        );
    }
}

#[test]
fn a_commit_was_replaced_by_another_sound_one() {
    // Its own hash is right; the next one's chain is not.
    let mut log = sound();
    log[1] = StoredCommit::encode(1, writer(1), Some(log[0].hash), &[claim(101, 901)]);
    check(&log, "commit 2 of the log cannot be trusted: it does not follow the commit before it");
    // Of a log whose start is another's.
    let mut log = sound();
    log[0] = stored(&[&[started_as("order-2", 1)]]).remove(0);
    check(&log, "commit 1 of the log cannot be trusted: it does not follow the commit before it");
}

#[test]
fn a_commit_says_it_is_another() {
    let mut log = sound();
    log[2].writer = writer(9);
    check_says(&log, "commit 2 of the log cannot be trusted: its text says it is commit 2 by ");
    let mut log = sound();
    log[2] = StoredCommit { number: 2, ..log[3].clone() };
    check_says(&log, "commit 2 of the log cannot be trusted: its text says it is commit 3 by ");
}

#[test]
fn a_log_does_not_begin_with_its_start() {
    check(
        &stored(&[&[claim(101, 900)]]),
        "commit 0 of the log cannot be trusted: a log begins with WorkflowStarted",
    );
}

#[test]
fn a_log_starts_again_before_its_end() {
    let again = "it starts the execution again before its end";
    check(
        &stored(&[&[started()], &[started_as("order-1", 2)]]),
        &format!("commit 1 of the log cannot be trusted: {again}"),
    );
    check(
        &stored(&[&[started(), claim(101, 900), started_as("order-1", 2)]]),
        &format!("commit 0 of the log cannot be trusted: {again}"),
    );
}

#[test]
fn a_log_goes_on_after_its_end() {
    for end in [completed(102), broke(102), cancelled(102)] {
        check(
            &stored(&[&[started()], &[end], &[claim(103, 900)]]),
            "commit 2 of the log cannot be trusted: it goes on after the execution's end",
        );
    }
    check(
        &stored(&[&[started()], &[completed(102), came(103, "s", "1")]]),
        "commit 1 of the log cannot be trusted: it goes on after the execution's end",
    );
}

#[test]
fn a_commit_is_of_a_format_or_has_an_event_that_this_program_does_not_know() {
    let rewrite = |from: &str, to: &str| {
        use sha2::{Digest, Sha256};
        let mut log = sound();
        let body = log[3].body.replacen(from, to, 1);
        assert_ne!(*body, *log[3].body, "{from} is not there");
        log[3].hash = Sha256::digest(body.as_bytes()).into();
        log[3].body = body.into();
        log
    };
    check_says(&rewrite("\"v\":1", "\"v\":2"), "it has format version 2 and this program reads");
    check_says(&rewrite("WorkflowCompleted", "WorkflowAscended"), "does not understand it");
    check_says(&rewrite("\"events\":[", "\"events\":{"), "does not understand it");
    check_says(&rewrite("\"at\":104", "\"at\":\"104\""), "does not understand it");
}
