//! Each failure has its exit code, says what is wrong once, and what to do.

use std::collections::HashSet;

use everstep::store::Status;
use everstep_cli::exit;

use crate::support::Place;

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let place = Place::ready();
    let wrong: [&[&str]; 16] = [
        &[],
        &["launch"],
        &["show"],
        &["list", "--status", "asleep"],
        &["list", "--limit", "0"],
        &["list", "--limit", "1", "--all"],
        &["list", "--color", "sometimes"],
        &["start", "greet", "--id", ""],
        &["show", " padded "],
        &["show", "a\nb"],
        &["resume"],
        &["resume", "--all"],
        &["resume", "a", "--all", "--workflow", "w"],
        &["sweep", "--grace", "soon"],
        &["completions", "tcsh"],
        &["start", "greet", "--on-conflict", "ignore"],
    ];
    for args in wrong {
        let ran = place.run(args);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{args:?}: {ran:?}");
        assert!(ran.err.contains("Usage") || ran.err.starts_with("error: "), "{ran:?}");
    }
    let long = "x".repeat(513);
    assert!(place.fails(exit::USAGE, ["show", &long]).contains("at most 512 bytes"));
    assert!(place.fails(exit::USAGE, ["list", "--status", "x"]).contains("running, suspended"));
}

#[test]
fn what_is_not_json_is_refused_before_anything_is_made() {
    let place = Place::new();
    for input in ["hello", "{\"a\":}", "", "{} {}", "'a'"] {
        let err = place.fails(exit::USAGE, ["start", "greet", "--input", input]);
        assert!(err.contains("the input from the command line is not JSON"), "{err}");
        assert!(err.contains("to do: a text has quotes"), "{err}");
    }
    let err = place.fails(exit::USAGE, ["start", "greet", "--input", "@none.json"]);
    assert!(err.contains("none.json cannot be read"), "{err}");
    let err = place.fails(exit::USAGE, ["signal", "a", "loud", "yes"]);
    assert!(err.contains("the payload from the command line is not JSON"), "{err}");
    assert!(!place.database().exists());
}

#[test]
fn what_cannot_be_recorded_is_a_usage_error() {
    let place = Place::new();
    let big = format!("\"{}\"", "x".repeat(200_000));
    std::fs::write(place.path().join("big.json"), big).unwrap();
    let err = place.fails(exit::USAGE, ["start", "greet", "--input", "@big.json"]);
    assert!(err.contains("at most 190000 can be recorded"), "{err}");
    place.ok(["start", "greet", "--id", "a"]);
    let err = place.fails(exit::USAGE, ["signal", "a", "loud", "@big.json"]);
    assert!(err.contains("at most 190000 can be recorded"), "{err}");
    let err = place.fails(exit::USAGE, ["signal", "a", ""]);
    assert!(err.contains("a signal's name has 1 to 256 bytes"), "{err}");
    let err = place.fails(exit::USAGE, ["start", ""]);
    assert!(err.contains("a workflow's name has 1 to 256 bytes"), "{err}");
}

#[test]
fn an_unknown_execution_is_not_found() {
    let place = Place::ready();
    let commands: [&[&str]; 6] = [
        &["show", "none"],
        &["history", "none"],
        &["verify", "none"],
        &["signal", "none", "loud"],
        &["cancel", "none"],
        &["resume", "none"],
    ];
    for args in commands {
        let err = place.fails(exit::NOT_FOUND, args);
        assert!(err.starts_with("error: there is no execution none\n  to do: "), "{err}");
    }
}

#[test]
fn an_ended_execution_takes_no_messages() {
    let place = Place::new();
    place.ok(["start", "refuse", "--id", "a"]);
    place.work_until("a", Status::Failed);
    let commands: [&[&str]; 3] = [&["signal", "a", "loud"], &["cancel", "a"], &["resume", "a"]];
    for args in commands {
        let err = place.fails(exit::CLOSED, args);
        assert!(err.starts_with("error: execution a has ended (failed)\n"), "{err}");
    }
}

#[test]
fn a_missing_file_is_said_to_be_missing_and_not_made() {
    let place = Place::new();
    let commands: [&[&str]; 8] = [
        &["list"],
        &["show", "a"],
        &["history", "a"],
        &["verify", "a"],
        &["signal", "a", "loud"],
        &["cancel", "a"],
        &["resume", "a"],
        &["sweep"],
    ];
    for args in commands {
        let err = place.fails(exit::UNUSABLE, args);
        assert!(err.contains("there is no database at everstep.db"), "{err}");
        assert!(!place.database().exists(), "{args:?}");
    }
}

#[test]
fn what_is_no_database_of_ours_is_unusable() {
    let place = Place::new();
    std::fs::write(place.database(), "not a database, and long enough to be sure of it").unwrap();
    let err = place.fails(exit::UNUSABLE, ["list"]);
    assert!(err.contains("not an SQLite database"), "{err}");
    std::fs::write(place.path().join("empty.db"), "").unwrap();
    let err = place.fails(exit::UNUSABLE, ["list", "--url", "sqlite:empty.db"]);
    assert!(err.contains("everstep setup"), "{err}");
    let err = place.fails(exit::UNUSABLE, ["setup", "--url", "sqlite:none/e.db"]);
    assert!(err.contains("the folder none does not exist"), "{err}");
}

#[test]
fn a_wrong_url_is_a_usage_error_and_memory_is_no_place_for_a_command() {
    let place = Place::new();
    let err = place.fails(exit::USAGE, ["list", "--url", "postgres://host"]);
    assert!(err.contains("is no backend URL"), "{err}");
    let err = place.fails(exit::USAGE, ["start", "greet", "--url", "memory:"]);
    assert!(err.contains("ends with this command"), "{err}");
}

#[cfg(feature = "aws")]
#[test]
fn aws_without_a_region_is_unusable_and_a_silent_endpoint_unavailable() {
    let place = Place::new();
    let url = "dynamodb://orders?queue=orders";
    let mut command = place.command(["list", "--url", url]);
    // No file of this machine and no address of a cloud may give it one.
    command.env("AWS_CONFIG_FILE", "none").env("AWS_SHARED_CREDENTIALS_FILE", "none");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_DEFAULT_REGION");
    let ran = crate::support::Ran::from(command.output().expect("it runs"));
    assert_eq!(ran.code, Some(exit::UNUSABLE.into()), "{ran:?}");
    assert!(ran.err.contains("set AWS_REGION"), "{ran:?}");

    // A port that was just free: nobody answers there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    command.env("AWS_REGION", "eu-west-1").env("AWS_ENDPOINT_URL", &endpoint);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let ran = crate::support::Ran::from(command.output().expect("it runs"));
    assert_eq!(ran.code, Some(exit::UNAVAILABLE.into()), "{ran:?}");
    assert!(ran.err.contains("cannot be reached"), "{ran:?}");
}

#[test]
fn help_and_documentation_list_every_exit_code() {
    let place = Place::new();
    let help = place.ok(["--help"]);
    let docs = include_str!("../../../docs/cli.md");
    for (code, meaning) in exit::ALL {
        assert!(help.contains(&format!("{code}  {meaning}")), "{help}");
        assert!(docs.contains(&format!("| {code} | {meaning} |")), "docs/cli.md lacks {code}");
    }
    let codes: HashSet<u8> = exit::ALL.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes.len(), exit::ALL.len());
}
