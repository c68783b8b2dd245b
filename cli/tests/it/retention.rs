//! Deleting executions with the command.

use everstep::store::Status;
use everstep_cli::exit;

use crate::support::{Place, Ran, objects};

/// Runs the command with an archive.
fn run(place: &Place, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env("EVERSTEP_ARCHIVE", "file:archive").output().expect("the command runs").into()
}

fn ended(place: &Place, id: &str) {
    place.ok(["start", "greet", "--id", id, "--input", "\"Ada\""]);
    place.ok(["terminate", id, "--reason", "its customer has left"]);
    place.work_until(id, Status::Terminated);
}

#[test]
fn what_has_ended_is_archived_as_it_is_exported_and_then_not_found() {
    let place = Place::ready();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    let ran = run(&place, &["delete", "a"]);
    assert_eq!(ran.code, Some(exit::CONFLICT.into()), "{ran:?}");
    assert!(ran.err.contains("cancel or terminate it"), "{ran:?}");
    place.ok(["terminate", "a", "--reason", "its customer has left"]);
    place.work_until("a", Status::Terminated);
    place.ok(["export", "a", "--out", "histories"]);
    let exported = std::fs::read(place.path().join("histories/a.jsonl")).expect("a file");
    let history = place.ok(["history", "a", "--json"]);
    let ran = run(&place, &["delete", "a"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let object = place.path().join("archive").join(ran.out.trim());
    let archived = std::fs::read(object).expect("the name that was printed");
    assert_eq!(archived, exported);
    assert_eq!(archived, history.as_bytes());
    place.fails(exit::NOT_FOUND, ["show", "a"]);
    place.fails(exit::NOT_FOUND, ["delete", "a"]);
    assert_eq!(place.ok(["start", "greet", "--id", "a", "--input", "\"Eve\""]).trim(), "a");
}

#[test]
fn several_are_deleted_and_the_one_that_cannot_be_is_named() {
    let place = Place::ready();
    ended(&place, "a");
    place.ok(["start", "greet", "--id", "open", "--input", "\"Ada\""]);
    ended(&place, "b");
    let ran = place.run(["delete", "a", "open", "b", "--json"]);
    assert_eq!(ran.code, Some(exit::CONFLICT.into()), "{ran:?}");
    let deleted = objects(&ran.out);
    assert_eq!((&deleted[0]["execution"], &deleted[1]["execution"]), (&"a".into(), &"b".into()));
    assert_eq!((&deleted[0]["archived_as"], &deleted[0]["free"]), (&().into(), &true.into()));
    assert!(ran.err.contains("execution open is open"), "{ran:?}");
    place.ok(["show", "open"]);
}

#[test]
fn a_pass_with_nothing_to_delete_says_so() {
    let place = Place::ready();
    ended(&place, "a");
    for args in [&["retention"][..], &["retention", "--dry-run"]] {
        let ran = place.run(args);
        assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
        assert!(ran.err.contains("kept: 0"), "{ran:?}");
    }
    let sum = objects(&place.ok(["retention", "--json"])).remove(0);
    assert_eq!(
        (&sum["deleted"], &sum["kept"], &sum["more"]),
        (&0.into(), &0.into(), &false.into())
    );
    place.ok(["show", "a"]);
    let mut command = place.command(["retention"]);
    let ran: Ran = command.env("EVERSTEP_ARCHIVE", "ftp:x").output().expect("it runs").into();
    assert_eq!(ran.code, Some(exit::USAGE.into()), "{ran:?}");
    assert!(ran.err.contains("file:FOLDER"), "{ran:?}");
}
