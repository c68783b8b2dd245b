//! Schedules are created, looked at and steered.

use everstep_cli::exit;
use serde_json::json;

use crate::support::Place;

const CREATE: [&str; 10] = [
    "schedule",
    "create",
    "s",
    "greet",
    "--input",
    "\"Ada\"",
    "--cron",
    "0 7 * * MON-FRI",
    "--zone",
    "Europe/Berlin",
];

#[test]
fn a_schedule_is_created_listed_and_shown_without_a_worker() {
    let place = Place::new();
    assert_eq!(place.json(CREATE), [json!({"v": 1, "schedule": "s", "done": "created"})]);
    // To repeat it is to have done it once; other content is a conflict.
    assert!(place.run(CREATE).err.contains("schedule s is created"));
    let other = ["schedule", "create", "s", "greet", "--every", "5m"];
    let conflict = place.fails(exit::CONFLICT, other);
    assert!(conflict.contains("there is another schedule \"s\""), "{conflict}");

    let shown = &place.json(["schedule", "show", "s"])[0];
    assert_eq!(shown["schedule"]["workflow"], "greet");
    assert_eq!(shown["schedule"]["input"], "Ada");
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    assert_eq!(shown["counts"]["started"], 0);
    assert_eq!(place.json(["schedule", "list"])[0], *shown);
    let text = place.ok(["schedule", "show", "s"]);
    assert!(text.contains("0 7 * * MON-FRI (Europe/Berlin)"), "{text}");
    let text = place.ok(["schedule", "list"]);
    assert!(text.contains("ID") && text.contains("active"), "{text}");
}

#[test]
fn a_schedule_is_steered_where_a_worker_answers() {
    let place = Place::ready();
    place.ok(CREATE);
    place.work_beside(|place| {
        place.ok(["schedule", "pause", "s", "--reason", "holidays"]);
        let text = place.ok(["schedule", "show", "s"]);
        assert!(text.contains("paused") && text.contains("holidays"), "{text}");
        let trigger = ["schedule", "trigger", "s", "--name", "now"];
        assert_eq!(place.ok(trigger), "s/now\n");
        let skipped = json!({"v": 1, "schedule": "s", "execution": null, "waits": false});
        assert_eq!(place.json(["schedule", "trigger", "s"]), [skipped]);
        place.ok(["schedule", "resume", "s"]);
        place.ok(["schedule", "update", "s", "greet", "--every", "1h", "--offset", "15m"]);
        let text = place.ok(["schedule", "list"]);
        assert!(text.contains("every 1h, 15m later"), "{text}");
        place.ok(["schedule", "delete", "s"]);
        place.fails(exit::NOT_FOUND, ["schedule", "pause", "s"]);
    });
    assert!(place.run(["schedule", "list"]).err.contains("there is no schedule"));
    let ended = &place.json(["schedule", "list", "--ended"])[0];
    assert_eq!((&ended["status"], &ended["counts"]["started"]), (&json!("completed"), &json!(1)));
    assert_eq!(place.json(["list", "--tag", "everstep.schedule=s"])[0]["id"], "s/now");
}

#[test]
fn what_is_wrong_is_a_mistake_of_usage() {
    let place = Place::ready();
    let refused = |args: &[&str], says: &str| {
        let all = ["schedule", "create", "s", "greet"].iter().chain(args);
        let error = place.fails(exit::USAGE, all);
        assert!(error.contains(says), "{error}");
    };
    refused(&[], "required");
    refused(&["--cron", "* * * * *", "--every", "1h"], "cannot be used with");
    refused(&["--cron", "nightly"], "is no cron expression");
    refused(&["--cron", "@daily", "--zone", "Atlantis"], "there is no time zone");
    refused(&["--every", "1ms"], "between 1 second and 10 years");
    refused(&["--every", "1h", "--catch-up", "1s"], "at least 10 seconds");
    let unknown = place.fails(exit::NOT_FOUND, ["schedule", "show", "s"]);
    assert!(unknown.contains("everstep schedule list"), "{unknown}");
}
