//! Every command does what it says, for people and for programs.

use everstep::event::{Event, StoredCommit};
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::prelude::*;
use everstep::store::{Appended, EventStore, Status};
use everstep::testing::{Recorded, replay};
use everstep_cli::exit;
use serde_json::{Value, json};

use crate::support::{Place, greet};

/// The names of an object's fields.
fn fields(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn setup_makes_the_file_and_can_be_repeated() {
    let place = Place::new();
    let ran = place.run(["setup"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    assert!(ran.err.contains("sqlite:everstep.db is ready"), "{ran:?}");
    assert!(place.database().is_file());
    assert_eq!(place.json(["setup"]), [json!({"v": 1, "url": "sqlite:everstep.db"})]);
}

#[test]
fn start_prints_the_id_alone() {
    let place = Place::new();
    assert_eq!(place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]), "a\n");
    let random = place.ok(["start", "greet", "--input", "\"Ada\""]);
    assert_eq!(random.trim().len(), 36, "{random}");
    let expected = json!({"v": 1, "id": "b", "workflow": "greet", "new": true});
    assert_eq!(place.json(["start", "greet", "--id", "b"]), [expected]);
}

#[test]
fn a_repeated_start_is_one_start() {
    let place = Place::new();
    let start = ["start", "greet", "--id", "a", "--input", "\"Ada\""];
    assert_eq!(place.json(start)[0]["new"], true);
    assert_eq!(place.json(start)[0]["new"], false);
    let ran = place.run(start);
    assert_eq!((ran.code, &*ran.out), (Some(0), "a\n"), "{ran:?}");
    assert!(ran.err.contains("it was there already"), "{ran:?}");
    assert_eq!(place.json(["list"]).len(), 1);
}

#[test]
fn a_start_brings_signals_with_it() {
    let place = Place::new();
    let start = ["start", "greet", "--id", "a", "--signal", "x=\"=\"", "--signal-id", "1"];
    place.ok(start);
    place.ok(start);
    place.ok(["start", "greet", "--id", "a", "--signal", "y"]);
    let shown = &place.json(["show", "a"])[0];
    let inbox: Vec<_> = shown["inbox"].as_array().unwrap().iter().map(|i| &i["message"]).collect();
    let repeated = json!({"signal": {"name": "x", "payload": "="}});
    assert_eq!(inbox, [&repeated, &json!({"signal": {"name": "y", "payload": null}})]);
    assert_eq!(place.json(["history", "a"])[1]["event"]["SignalReceived"]["payload"], "=");
    place.fails(exit::USAGE, ["start", "greet", "--signal", "x={"]);
    place.fails(exit::USAGE, ["start", "greet", "--signal-id", "1"]);
}

#[test]
fn a_conflict_is_what_the_policy_says() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    let again = |policy| ["start", "greet", "--id", "a", "--input", "1", "--on-conflict", policy];
    assert!(place.fails(5, again("attach")).contains("with another input"));
    assert!(place.fails(5, again("reject")).contains("--on-conflict"));
    assert!(place.fails(5, again("restart")).contains("only a closed one starts again"));
    assert_eq!(place.ok(again("attach-to-any")), "a\n");
}

#[test]
fn input_comes_from_the_command_line_a_file_or_standard_input() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "line", "--input", "-5"]);
    std::fs::write(place.path().join("in.json"), "{\n  \"n\": 1e400,\n  \"a\": [ ]\n}\n").unwrap();
    place.ok(["start", "greet", "--id", "file", "--input", "@in.json"]);
    let ran = place.with_input(" \"Ada\"\n", ["start", "greet", "--id", "stdin", "--input", "-"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    place.ok(["start", "greet", "--id", "none"]);
    for (id, input) in [("line", "-5"), ("stdin", "\"Ada\""), ("none", "null")] {
        assert_eq!(place.json(["show", id])[0]["input"].to_string(), input);
    }
    // As it was written: a number that no float holds, and on one line.
    let shown = place.ok(["show", "file", "--json"]);
    assert!(shown.contains(r#""input":{"n":1e400,"a":[]}"#), "{shown}");
}

#[test]
fn an_execution_is_started_signalled_watched_and_verified() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    place.work_until("a", Status::Suspended);
    let sent = place.json(["signal", "a", "loud", "true", "--signal-id", "s1"]);
    assert_eq!(sent, [json!({"v": 1, "execution": "a", "signal": "loud", "signal_id": "s1"})]);
    let ran = place.run(["signal", "a", "loud", "true", "--signal-id", "s1"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    let inbox = &place.json(["show", "a"])[0]["inbox"];
    assert_eq!(inbox.as_array().expect("a list").len(), 1, "sent twice is sent once: {inbox}");
    assert!(place.ok(["show", "a"]).contains("signal loud: true"));
    place.work_until("a", Status::Completed);

    let shown = &place.json(["show", "a"])[0];
    assert_eq!(shown["output"], "HELLO, ADA!");
    assert_eq!((&shown["status"], &shown["inbox"]), (&json!("completed"), &json!([])));
    let text = place.ok(["show", "a"]);
    assert!(text.contains("status    completed") && text.contains("\"HELLO, ADA!\""), "{text}");

    let history = place.json(["history", "a"]);
    for line in &history {
        assert_eq!(fields(line), ["at", "commit", "event", "execution", "key", "kind", "v"]);
        assert_eq!(line["execution"], "a");
        assert!(line["event"][line["kind"].as_str().unwrap()]["at"].is_number(), "{line}");
    }
    let step = history.iter().find(|line| line["kind"] == "StepCompleted").expect("a step");
    assert_eq!(step["key"], "compose#1");
    assert_eq!(step["event"]["StepCompleted"]["output"], "Hello, Ada!");
    let table = place.ok(["history", "a"]);
    assert_eq!(table.lines().count(), history.len() + 1, "{table}");
    let heads = ["TIME (UTC)", "EVENT", "KEY", "ATTEMPT", "DURATION", "RESULT"];
    let head = table.lines().next().expect("a head");
    assert!(heads.iter().all(|name| head.contains(name)), "{head}");

    let recorded = Recorded::parse(&place.ok(["history", "a", "--json"])).expect("a history");
    replay(&App::new().workflow(greet), &recorded).expect("the code that wrote it");

    let verified = &place.json(["verify", "a"])[0];
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["events"], history.len());
    let head = verified["head"].as_str().expect("a hash");
    assert!(place.ok(["verify", "a"]).contains(head));
}

#[test]
fn an_update_prints_its_answer_whoever_asks_again() {
    let place = Place::new();
    place.ok(["start", "tally", "--id", "a"]);
    let ask = |request, id| ["update", "a", "add", request, "--update-id", id, "--wait", "0"];
    let error = place.fails(exit::UNAVAILABLE, ask("5", "five"));
    assert!(error.contains("--update-id five"), "{error}");
    assert!(place.ok(["show", "a"]).contains("update add: 5"), "it is kept");
    place.fails(exit::UNAVAILABLE, ask("-5", "minus"));
    place.work_until("a", Status::Suspended);
    assert_eq!(place.ok(ask("5", "five")), "5\n");
    let answered =
        json!({"v": 1, "execution": "a", "update": "add", "update_id": "five", "reply": 5});
    assert_eq!(place.json(ask("5", "five")), [answered]);
    assert!(place.fails(exit::REJECTED, ask("-5", "minus")).contains("it only goes up"));
    let shown = &place.json(["show", "a"])[0];
    assert_eq!(shown["waits_for"], json!({"updates": ["add"]}));
    assert!(place.ok(["show", "a"]).contains("waits for  update \"add\""));
    let history = place.ok(["history", "a"]);
    assert!(history.contains("rejected: it only goes up"), "{history}");
    place.fails(exit::UNAVAILABLE, ask("5", "rest"));
    place.work_until("a", Status::Completed);
    assert_eq!(place.ok(ask("5", "rest")), "10\n");
    place.fails(exit::CLOSED, ask("1", "late"));
    place.fails(exit::NOT_FOUND, ["update", "nobody", "add"]);
}

#[test]
fn show_and_list_have_these_fields() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a"]);
    let record = [
        "arrivals",
        "code",
        "commit",
        "id",
        "reason",
        "started_at",
        "status",
        "updated_at",
        "v",
        "wake_at",
        "workflow",
    ];
    assert_eq!(fields(&place.json(["list"])[0]), record);
    let mut shown = record.to_vec();
    shown.extend(["children", "commits", "error", "events", "inbox", "input", "output"]);
    shown.extend(["not_undone", "parent", "promises", "run", "view", "waits_for"]);
    shown.sort_unstable();
    assert_eq!(fields(&place.json(["show", "a"])[0]), shown);
    let started = place.json(["list"])[0]["started_at"].as_str().unwrap().to_owned();
    assert!(started.contains('T') && started.ends_with('Z'), "{started}");
}

/// Of an open one: what has ended has no next turn.
#[test]
fn show_names_the_version_that_an_open_execution_is_pinned_to() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    let id = ExecutionId::new("a").unwrap();
    let store = SqliteBackend::open(place.database(), &SqliteOptions::new()).unwrap().store();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let append = async |event: Value| {
        let loaded = store.load(&id).await.unwrap().unwrap();
        let last = loaded.commits.last().unwrap();
        let event: Event = serde_json::from_value(event).unwrap();
        let (number, before) = (last.number + 1, Some(last.hash));
        let commit = StoredCommit::encode(number, last.writer, before, &[event]);
        let commit = StoredCommit { life: last.life, ..commit };
        assert_eq!(store.append(&id, &commit).await.unwrap(), Appended::Done);
    };
    for (version, shown) in [(Some(7), true), (None, false), (Some(8), true)] {
        let mut claim = json!({ "at": 0, "host": "function", "code": "0", "lease_end": 0 });
        if let Some(version) = version {
            claim["function_version"] = json!(version);
        }
        runtime.block_on(append(json!({ "TurnStarted": claim })));
        assert_eq!(
            place.json(["show", "a"])[0].get("pinned_to"),
            version.map(Value::from).as_ref()
        );
        assert_eq!(place.ok(["show", "a"]).contains("of the function"), shown);
    }
    assert!(place.ok(["show", "a"]).contains("pinned to  version 8 of the function"));
    place.ok(["terminate", "a", "--reason", "test"]);
    place.work_until("a", Status::Terminated);
    assert_eq!(place.json(["show", "a"])[0].get("pinned_to"), None);
}

#[test]
fn list_filters_and_stops_at_its_limit() {
    let place = Place::ready();
    let ran = place.run(["list"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""), "{ran:?}");
    for id in ["a", "b", "c"] {
        place.ok(["start", "greet", "--id", id]);
    }
    place.ok(["start", "other", "--id", "d"]);
    assert_eq!(place.json(["list", "--workflow", "greet"]).len(), 3);
    assert_eq!(place.json(["list", "--status", "running"]).len(), 4);
    assert_eq!(place.json(["list", "--status", "failed"]), Vec::<Value>::new());
    assert_eq!(place.json(["list", "--all"]).len(), 4);
    let ran = place.run(["list", "--limit", "2"]);
    assert_eq!(ran.out.lines().count(), 3, "a head and two rows: {ran:?}");
    assert!(ran.err.contains("--all"), "{ran:?}");
    assert!(place.run(["list", "--limit", "9"]).err.is_empty());
}

#[test]
fn executions_are_found_by_their_tags() {
    let place = Place::new();
    let tags = ["--tag", "customer=42", "--tag", "tier=gold"];
    place.ok([&["start", "greet", "--id", "a"][..], &tags].concat());
    place.ok(["start", "greet", "--id", "b", "--tag", "customer=43"]);
    let ids = |args: &[&str]| -> Vec<String> {
        let found = place.json([&["list"], args].concat());
        found.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--tag", "customer=42"]), ["a"]);
    assert_eq!(ids(&tags), ["a"]);
    assert!(ids(&["--tag", "customer=43", "--tag", "tier=gold"]).is_empty());
    assert_eq!(ids(&[]).len(), 2);
    let shown = &place.json(["show", "a"])[0]["tags"];
    assert_eq!(*shown, json!({"customer": "42", "tier": "gold"}));
    assert!(place.ok(["show", "a"]).contains("customer=42"));
    assert!(place.fails(exit::USAGE, ["start", "greet", "--tag", "x"]).contains("NAME=VALUE"));
    let long = format!("x={}", "y".repeat(256));
    let refused = place.fails(exit::USAGE, ["start", "greet", "--tag", &long]);
    assert!(refused.contains("256 bytes together at most"), "{refused}");
}

#[test]
fn a_history_is_of_all_runs_or_of_one() {
    let place = Place::new();
    let policy = ["--on-conflict", "restart"];
    let start = [&["start", "greet", "--id", "a", "--input", "\"Ada\""][..], &policy].concat();
    for _ in 0..2 {
        place.ok(&start);
        place.work_until("a", Status::Suspended);
        place.ok(["terminate", "a", "--reason", "enough"]);
        place.work_until("a", Status::Terminated);
    }
    let runs = |args: &[&str]| -> Vec<u64> {
        let lines = place.json([&["history", "a"], args].concat());
        let starts = lines.iter().filter_map(|it| it["event"]["WorkflowStarted"]["run"].as_u64());
        starts.collect()
    };
    assert_eq!(runs(&[]), [1, 2]);
    assert_eq!(runs(&["--run", "1"]), [1]);
    assert_eq!(runs(&["--run", "2"]), [2]);
    assert!(place.json(["history", "a", "--run", "3"]).is_empty());
    let shown = place.json(["show", "a"]).remove(0);
    let verified = place.json(["verify", "a"]).remove(0);
    assert_eq!((&shown["run"], &verified["ok"]), (&json!(2), &json!(true)));
    assert!(shown["commits"].as_u64() < verified["commits"].as_u64(), "{shown} {verified}");
}

#[test]
fn a_cancel_ends_the_execution_with_its_reason() {
    let place = Place::new();
    place.ok(["start", "greet", "--id", "a", "--input", "\"Ada\""]);
    place.work_until("a", Status::Suspended);
    let asked = place.json(["cancel", "a", "--reason", "changed my mind"]);
    assert_eq!(asked, [json!({"v": 1, "execution": "a", "reason": "changed my mind"})]);
    place.ok(["cancel", "a"]);
    place.work_until("a", Status::Cancelled);
    assert!(place.ok(["history", "a"]).contains("changed my mind"));
}

#[test]
fn a_blocked_execution_shows_its_reason_and_is_resumed() {
    let place = Place::new();
    place.ok(["start", "missing", "--id", "a"]);
    place.ok(["start", "missing", "--id", "b"]);
    place.work_until("a", Status::Blocked);
    place.work_until("b", Status::Blocked);
    let shown = &place.json(["show", "a"])[0];
    assert!(shown["reason"].as_str().expect("a reason").contains("missing"), "{shown}");
    assert!(place.ok(["show", "a"]).contains("reason"));
    let cancelled = place.run(["cancel", "a"]);
    assert!(cancelled.err.contains("is blocked") && cancelled.code == Some(0), "{cancelled:?}");
    assert_eq!(place.ok(["resume", "a"]), "asked to go on: 1\n");
    assert_eq!(place.json(["show", "a"])[0]["inbox"][1]["message"], "resume");
    assert_eq!(
        place.json(["resume", "--all", "--workflow", "missing"]),
        [json!({"v": 1, "resumed": 2})]
    );

    place.ok(["start", "greet", "--id", "c"]);
    let ran = place.run(["resume", "c"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), "asked to go on: 0\n"), "{ran:?}");
    assert!(ran.err.contains("not blocked"), "{ran:?}");
}

#[test]
fn a_blocked_execution_is_terminated() {
    let place = Place::new();
    place.ok(["start", "missing", "--id", "a"]);
    place.work_until("a", Status::Blocked);
    let cancelled = place.run(["cancel", "a"]);
    assert!(cancelled.err.contains("everstep terminate"), "{cancelled:?}");
    assert_eq!(place.run(["terminate", "a"]).code, Some(2), "a reason is asked for");
    let asked = place.json(["terminate", "a", "--reason", "nobody needs it"]);
    assert_eq!(asked, [json!({"v": 1, "execution": "a", "reason": "nobody needs it"})]);
    assert!(place.ok(["show", "a"]).contains("terminate: nobody needs it"));
    place.work_until("a", Status::Terminated);
    let shown = &place.json(["show", "a"])[0];
    assert_eq!(shown["reason"], "nobody needs it");
    assert_eq!(place.json(["list", "--status", "terminated"]).len(), 1);
    assert!(place.ok(["history", "a"]).contains("nobody needs it"));
    let late = place.run(["terminate", "a", "--reason", "again"]);
    assert_eq!(late.code, Some(exit::CLOSED.into()), "{late:?}");
}

#[test]
fn a_start_that_waits_says_what_became_of_it() {
    let place = Place::new();
    let nobody = place.run(["start", "missing", "--id", "a", "--wait=0"]);
    assert_eq!((nobody.code, &*nobody.out), (Some(0), "a\n"), "{nobody:?}");
    assert!(nobody.err.contains("no worker has taken it up"), "{nobody:?}");
    place.work_until("a", Status::Blocked);
    let blocked = place.run(["start", "missing", "--id", "a", "--wait"]);
    assert_eq!(blocked.code, Some(exit::BLOCKED.into()), "{blocked:?}");
    assert_eq!(blocked.out, "a\n");
    assert!(blocked.err.contains("execution a is blocked: "), "{blocked:?}");
    assert!(blocked.err.contains("no workflow"), "{blocked:?}");

    place.ok(["start", "greet", "--id", "b", "--input", "7"]);
    place.work_until("b", Status::Blocked);
    let wrong = place.run(["start", "greet", "--id", "b", "--input", "7", "--wait", "--json"]);
    assert_eq!(wrong.code, Some(exit::BLOCKED.into()), "{wrong:?}");
    assert!(wrong.err.contains("invalid type: integer `7`, expected a string"), "{wrong:?}");
    assert!(wrong.out.contains(r#""status":"blocked""#), "{wrong:?}");

    place.ok(["start", "greet", "--id", "c", "--input", "\"Ada\""]);
    place.work_until("c", Status::Suspended);
    let fine = ["start", "greet", "--id", "c", "--input", "\"Ada\"", "--wait"];
    assert_eq!(place.json(fine)[0]["status"], "suspended");
}

#[test]
fn sweep_wakes_what_is_overdue() {
    let place = Place::ready();
    assert_eq!(place.ok(["sweep"]), "woken: 0\n");
    place.ok(["start", "greet", "--id", "a"]);
    assert_eq!(place.ok(["sweep"]), "woken: 0\n", "not overdue for a minute");
    assert_eq!(place.json(["sweep", "--grace", "0s"]), [json!({"v": 1, "woken": 1})]);
}

#[test]
fn completions_name_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = place.ok(["completions", shell]);
        assert!(text.contains("history") && text.contains("on-conflict"), "{shell}");
    }
    assert!(!place.database().exists(), "no backend is needed");
}

#[test]
fn the_url_comes_from_the_environment_too() {
    let place = Place::new();
    let mut command = place.command(["setup"]);
    command.env("EVERSTEP_URL", "sqlite:other.db");
    assert!(command.status().expect("it runs").success());
    assert!(place.path().join("other.db").is_file() && !place.database().exists());
    place.ok(["list", "--url", "sqlite:other.db"]);
}

#[test]
fn odd_ids_are_ids() {
    let place = Place::new();
    let long = "x".repeat(512);
    for id in ["a b", "ü/#?%", "🦀", "'; DROP TABLE executions", "null", long.as_str(), "--json"]
    {
        assert_eq!(place.ok(["start", "greet", &format!("--id={id}")]), format!("{id}\n"));
        let shown = place.ok(["--json", "show", "--", id]);
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["id"], id);
        assert!(place.ok(["list"]).contains(id), "{id}");
        place.ok(["history", "--", id]);
    }
}
