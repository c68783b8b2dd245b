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
    let ran = run(&place, &["delete", "a"]);
    assert_eq!(ran.code, Some(exit::NOT_FOUND.into()), "{ran:?}");
    assert_eq!(place.ok(["start", "greet", "--id", "a", "--input", "\"Eve\""]).trim(), "a");
}

/// Only the program knows whether it has an archive: a command that is told nothing deletes nothing.
#[test]
fn nothing_is_deleted_before_it_is_said_where_histories_go() {
    let place = Place::ready();
    ended(&place, "a");
    for args in [&["delete", "a"][..], &["retention"]] {
        for archive in [None, Some("")] {
            let mut command = place.command(args);
            command.envs(archive.map(|archive| ("EVERSTEP_ARCHIVE", archive)));
            let ran: Ran = command.output().expect("the command runs").into();
            assert_eq!(ran.code, Some(exit::USAGE.into()), "{ran:?}");
            for said in ["nothing says where", "--archive URL", "EVERSTEP_ARCHIVE", "--no-archive"]
            {
                assert!(ran.err.contains(said), "{said}: {ran:?}");
            }
        }
    }
    let ran = place.run(["delete", "a", "--archive", "file:here", "--no-archive"]);
    assert_eq!(ran.code, Some(exit::USAGE.into()), "{ran:?}");
    let ran = place.run(["delete", "a", "--archive", "here"]);
    assert_eq!(ran.code, Some(exit::USAGE.into()), "{ran:?}");
    assert!(ran.err.contains("file:FOLDER"), "{ran:?}");
    place.ok(["show", "a"]);
}

#[test]
fn what_the_command_line_says_of_the_archive_goes_before_the_environment() {
    let place = Place::ready();
    ended(&place, "a");
    ended(&place, "b");
    let ran = run(&place, &["delete", "a", "--archive", "file:here"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(place.path().join("here").join(ran.out.trim()).exists(), "{ran:?}");
    let ran = run(&place, &["delete", "b", "--no-archive"]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "b"), "{ran:?}");
    assert!(!place.path().join("archive").exists(), "nothing was put where the variable says");
    place.fails(exit::NOT_FOUND, ["show", "b"]);
}

#[test]
fn several_are_deleted_and_the_one_that_cannot_be_is_named() {
    let place = Place::ready();
    ended(&place, "a");
    place.ok(["start", "greet", "--id", "open", "--input", "\"Ada\""]);
    ended(&place, "b");
    let ran = place.run(["delete", "a", "open", "b", "--no-archive", "--json"]);
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
    for args in [&["retention", "--no-archive"][..], &["retention", "--dry-run"]] {
        let ran = place.run(args);
        assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
        assert!(ran.err.contains("kept: 0"), "{ran:?}");
    }
    let sum = objects(&place.ok(["retention", "--no-archive", "--json"])).remove(0);
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
