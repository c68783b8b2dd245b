//! Logs that were cut or edited: what can be read is printed, then the bad commit is named.

use everstep::store::Status;
use everstep_cli::exit;

use crate::support::{Place, objects};

/// An execution with several commits.
fn place() -> Place {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    place.work_until("a", Status::Suspended);
    place
}

fn damage(place: &Place, sql: &str) {
    let database = rusqlite::Connection::open(place.database()).expect("the file");
    assert_eq!(database.execute(sql, []).expect(sql), 1, "{sql}");
}

#[track_caller]
fn check(place: &Place, readable: u64, problem: &str) {
    let names = format!("commit {readable} of the log cannot be trusted");
    for command in ["history", "show", "verify"] {
        let err = place.fails(exit::CORRUPT, [command, "a"]);
        assert!(err.contains(&names) && err.contains(problem), "{command}: {err}");
        assert!(err.contains("to do: restore it"), "{command}: {err}");
    }
    let ran = place.run(["history", "a", "--json"]);
    let lines = objects(&ran.out);
    let last = lines.last().map(|line| line["commit"].as_u64().expect("a number") + 1);
    assert_eq!(last.unwrap_or(0), readable, "what can be read is printed: {ran:?}");
    let export = ["export", "a", "--out", "histories"];
    let exported = place.path().join("histories/a.jsonl");
    std::fs::create_dir_all(exported.parent().expect("a folder")).expect("a folder");
    std::fs::write(&exported, "of before").expect("a file");
    let ran = place.run(export);
    assert_eq!(ran.code, Some(exit::CORRUPT.into()), "{ran:?}");
    assert!(ran.err.contains("a is left out"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&exported).expect("it stays"), "of before");
    let files = std::fs::read_dir(exported.parent().expect("a folder")).expect("a folder");
    assert_eq!(files.count(), 1, "nothing else is left there");
    let verified = &objects(&place.run(["verify", "a", "--json"]).out)[0];
    assert_eq!((&verified["ok"], &verified["bad_commit"]), (&false.into(), &readable.into()));
    let shown = &objects(&place.run(["show", "a", "--json"]).out)[0];
    assert_eq!(shown["status"], "suspended", "the record is still there");
}

#[test]
fn an_edited_commit_is_found() {
    let place = place();
    damage(
        &place,
        "UPDATE commits SET body = replace(body, 'Hello, Ada', 'Hello, Eve') \
         WHERE instr(body, 'Hello, Ada')",
    );
    let lines = objects(&place.run(["history", "a", "--json"]).out);
    check(&place, lines.last().unwrap()["commit"].as_u64().unwrap() + 1, "does not match its hash");
}

#[test]
fn a_commit_cut_out_of_the_middle_is_missed() {
    let place = place();
    damage(&place, "DELETE FROM commits WHERE number = 1");
    check(&place, 1, "it is missing");
}

#[test]
fn a_log_that_lost_its_end_is_noticed() {
    let place = place();
    let last = objects(&place.ok(["history", "a", "--json"])).last().unwrap()["commit"].clone();
    damage(&place, &format!("DELETE FROM commits WHERE number = {last}"));
    check(&place, last.as_u64().unwrap(), "it is missing");
}

#[test]
fn a_log_without_a_first_commit_still_shows_the_record() {
    let place = place();
    damage(&place, "UPDATE commits SET body = '{}' WHERE number = 0");
    check(&place, 0, "does not match its hash");
}

#[test]
fn a_log_without_its_record_is_no_unknown_execution() {
    let place = place();
    damage(&place, "DELETE FROM executions");
    for command in ["history", "show", "verify"] {
        let err = place.fails(exit::CORRUPT, [command, "a"]);
        assert!(err.contains("it has a log and no record"), "{command}: {err}");
    }
}

#[test]
fn a_damaged_log_does_not_start_again_unseen() {
    let place = place();
    damage(&place, "UPDATE commits SET body = '{}' WHERE number = 0");
    let err = place.fails(exit::CORRUPT, ["start", "greet", "--id", "a"]);
    assert!(err.contains("execution a exists and its log cannot be read"), "{err}");
    assert!(err.contains("because: commit 0"), "{err}");
}
