//! Payloads outside the log, as the command shows them.

use std::process::Command;

use everstep::store::Status;
use everstep_cli::exit;

use crate::support::{Place, Ran, objects};

/// A place with an execution whose input is large, and encrypted.
fn place() -> Place {
    let place = Place::ready();
    std::fs::write(place.path().join("key"), [7; 32]).expect("a key file");
    let input = format!("\"{}\"", "Ada ".repeat(500));
    let ran = run(&place, &["start", "greet", "--id", "a", "--input", &input]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    place
}

/// Runs the command with the payload store.
fn run(place: &Place, args: &[&str]) -> Ran {
    let mut command: Command = place.command(args);
    let url = "file:payloads?threshold=100&key=key";
    command.env("EVERSTEP_PAYLOADS", url).output().expect("the command runs").into()
}

#[test]
fn what_can_be_opened_is_shown_and_what_cannot_is_named() {
    let place = place();
    for args in [["show", "a", "--full"], ["history", "a", "--full"]] {
        let ran = run(&place, &args);
        assert!(ran.out.contains("Ada Ada Ada") && ran.err.is_empty(), "{ran:?}");
        let ran = place.run(args);
        assert_eq!(ran.code, Some(0));
        assert!(ran.out.contains("<sealed: 2002 bytes, aes-256-gcm, at "), "{ran:?}");
        assert!(ran.err.contains("set EVERSTEP_PAYLOADS"), "{ran:?}");
    }
    let events = objects(&place.run(["history", "a", "--json"]).out);
    let input = &events[0]["event"]["WorkflowStarted"]["input"]["$everstep"];
    assert_eq!((&input["v"], &input["bytes"]), (&1.into(), &2_002.into()));
    let ran = run(&place, &["export", "a", "--out", "histories"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let exported = std::fs::read_to_string(place.path().join("histories/a.jsonl")).expect("a file");
    assert!(exported.contains("Ada Ada Ada"));
    place.ok(["verify", "a"]);
}

#[test]
fn a_value_that_looks_like_a_sealed_one_is_shown_as_it_is() {
    let place = Place::ready();
    let input = r#"{"$everstep":{"v":1,"bytes":3,"at":"ab"}}"#;
    place.ok(["start", "greet", "--id", "a", "--input", input]);
    for args in [["show", "a", "--full"], ["history", "a", "--full"]] {
        let ran = place.run(args);
        assert!(ran.out.contains(input) && !ran.out.contains("<sealed"), "{ran:?}");
    }
}

#[test]
fn an_execution_is_erased_when_it_has_ended() {
    let place = place();
    let ran = run(&place, &["erase", "a"]);
    assert_eq!(ran.code, Some(exit::CONFLICT.into()), "{ran:?}");
    place.ok(["terminate", "a", "--reason", "its customer has left"]);
    place.work_until("a", Status::Terminated);
    place.fails(exit::UNUSABLE, ["erase", "a"]);
    let ran = run(&place, &["erase", "a", "--json"]);
    let erased = &objects(&ran.out)[0];
    assert_eq!((&erased["key"], &erased["blobs"]), (&true.into(), &1.into()), "{ran:?}");
    assert_eq!(erased["readable"], 0);
    let ran = run(&place, &["history", "a"]);
    assert!(ran.out.contains("<sealed: 2002 bytes"), "{ran:?}");
    assert!(ran.err.contains("the payload was erased"), "{ran:?}");
    place.ok(["verify", "a"]);
}

#[test]
fn a_payload_store_that_is_none_is_a_usage_error() {
    let place = Place::ready();
    for (url, code, says) in [
        ("ftp:x", exit::USAGE, "file:FOLDER"),
        ("file:x?key=missing", exit::UNUSABLE, "cannot be read"),
    ] {
        let mut command = place.command(["list"]);
        let ran: Ran = command.env("EVERSTEP_PAYLOADS", url).output().expect("it runs").into();
        assert_eq!(ran.code, Some(code.into()), "{ran:?}");
        assert!(ran.err.contains(says), "{ran:?}");
    }
}
