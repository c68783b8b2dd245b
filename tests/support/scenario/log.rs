//! What must hold of every log, and of two logs of one program.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use everstep::event::{Commit, Event, PromiseResult};
use everstep::time::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Logs;

/// Checks one log. A commit's hashes were verified when it was read.
#[track_caller]
pub(super) fn verify(commits: &[Commit]) {
    let mut last = Timestamp(i64::MIN);
    let mut settled = HashSet::new();
    let mut attempts: HashMap<u32, u32> = HashMap::new();
    let mut not_before: HashMap<u32, Timestamp> = HashMap::new();
    let mut due = HashMap::new();
    let mut items = HashSet::new();
    let (mut children, mut started) = (HashSet::new(), HashSet::new());
    let mut promises = HashMap::new();
    let mut answered = HashSet::new();
    let mut ended = false;
    for event in commits.iter().flat_map(|commit| &commit.events) {
        assert!(event.at() >= last, "time runs backwards at {event:?}");
        last = event.at();
        let starts = matches!(event, Event::WorkflowStarted(_) | Event::Carried(_));
        assert!(!ended || starts, "after the end: {event:?}");
        ended = event.is_end() || ended && matches!(event, Event::Carried(_));
        let mut attempt = |seq: u32, attempt: u32| {
            let retry_at = not_before.remove(&seq).unwrap_or(last);
            assert!(last >= retry_at, "an attempt before its time: {event:?}");
            let before = attempts.insert(seq, attempt).unwrap_or(0);
            assert_eq!(attempt, before + 1, "an attempt is missing or doubled: {event:?}");
        };
        match event {
            Event::WorkflowStarted(_) => {
                settled.clear();
                due.clear();
                promises.clear();
                attempts.clear();
                not_before.clear();
                children.clear();
                started.clear();
            }
            Event::StepCompleted(e) => {
                assert!(settled.insert(e.seq), "settled twice: {event:?}");
                attempt(e.seq, e.attempt);
            }
            Event::StepFailed(e) => {
                assert!(settled.insert(e.seq), "settled twice: {event:?}");
                attempt(e.seq, e.attempt);
            }
            Event::StepHeartbeat(e) => {
                let before = attempts.get(&e.seq).unwrap_or(&0);
                assert_eq!(e.attempt, before + 1, "it has ended: {event:?}");
            }
            Event::StepAttemptFailed(e) => {
                attempt(e.seq, e.attempt);
                not_before.insert(e.seq, e.retry_at);
            }
            Event::StepPostponed(e) => {
                let before = *attempts.get(&e.seq).unwrap_or(&0);
                assert_eq!(e.attempt, before + 1, "it does not count: {event:?}");
                let retry_at = not_before.insert(e.seq, e.retry_at).unwrap_or(last);
                assert!(last >= retry_at, "an attempt before its time: {event:?}");
            }
            Event::Resumed(_) => {
                attempts.clear();
                not_before.clear();
            }
            Event::TimerStarted(e) => {
                assert!(due.insert(e.seq, e.due).is_none(), "started twice: {event:?}");
            }
            Event::TimerFired(e) => {
                assert!(settled.insert(e.seq), "fired twice: {event:?}");
                assert!(e.at >= due[&e.seq], "too early: {event:?}");
            }
            Event::ChildRequested(e) => {
                assert!(children.insert(e.seq), "asked for twice: {event:?}");
            }
            Event::ChildStarted(e) => {
                assert!(children.contains(&e.seq), "nobody asked for it: {event:?}");
                assert!(started.insert(e.seq), "started twice: {event:?}");
            }
            Event::ChildCompleted(e) => {
                assert!(children.contains(&e.seq), "nobody asked for it: {event:?}");
                assert!(settled.insert(e.seq), "ended twice: {event:?}");
            }
            Event::PromiseCreated(e) => {
                assert!(settled.insert(e.seq), "made twice: {event:?}");
                promises.insert(&e.key, (e.due, e.heartbeat_ms.map(|ms| (ms, e.at))));
            }
            Event::PromiseHeartbeat(e) => {
                assert!(items.insert(e.id.clone()), "received twice: {event:?}");
                if let Some((_, Some((_, heartbeat)))) = promises.get_mut(&e.key) {
                    *heartbeat = e.at;
                }
            }
            Event::PromiseResolved(e) => match (&e.id, &e.result) {
                (Some(id), _) => assert!(items.insert(id.clone()), "received twice: {event:?}"),
                (None, PromiseResult::TimedOut { .. }) => {
                    assert!(promises[&e.key].0.is_some_and(|due| e.at >= due), "early: {event:?}");
                }
                (None, PromiseResult::HeartbeatMissed { .. }) => {
                    let (ms, heartbeat) = promises[&e.key].1.expect("a limit");
                    let due = heartbeat.after(Duration::from_millis(ms));
                    assert!(e.at >= due, "early: {event:?}");
                }
                _ => {}
            },
            Event::UpdateReplied(e) => {
                assert!(items.contains(&e.update), "answered before it came: {event:?}");
                assert!(answered.insert(e.update.clone()), "answered twice: {event:?}");
            }
            event => {
                let new = event.item().is_none_or(|item| items.insert(item.to_owned()));
                assert!(new, "received twice: {event:?}");
            }
        }
    }
}

/// The commits of a log as JSON, without what two runs of one program cannot share: hosts, how
/// long bodies took, and the random parts of ids that senders were given. Where a step was retried,
/// without times as well: its back-off may be random.
pub(super) fn comparable(commits: &[Commit]) -> Vec<Value> {
    let retried = |event: &Event| matches!(event, Event::StepAttemptFailed(_));
    let timeless = commits.iter().flat_map(|commit| &commit.events).any(retried);
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut comparable = |event: &Event| {
        if let Some(item) = event.item() {
            let next = names.len();
            names.entry(item.to_owned()).or_insert(next);
        }
        let value = serde_json::to_value(event).expect("events are JSON");
        let mut value = without(value, if timeless { &ALL_DIFFER } else { &ALL_DIFFER[..2] });
        name_items(&mut value, &names);
        value
    };
    commits.iter().map(|commit| commit.events.iter().map(&mut comparable).collect()).collect()
}

/// Names items by the order in which they came, in the place of the ids that senders were given.
/// What else is called an id, a child's or one in a payload, stays and is compared.
fn name_items(value: &mut Value, names: &HashMap<String, usize>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(id) if name == "id" || name == "update" => {
                        if let Some(number) = names.get(&*id) {
                            *id = format!("item {number}");
                        }
                    }
                    Value::Array(hours) if name == "hours" => *field = taken(hours, names),
                    field => name_items(field, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_items(item, names)),
        _ => {}
    }
}

/// The items whose ids stand in `hours`, in short. Those of one millisecond stand there in the order
/// of their ids, so the order is left out.
fn taken(hours: &[Value], names: &HashMap<String, usize>) -> Value {
    let short = |id: &str| {
        let digest = Sha256::digest(id.as_bytes());
        digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let names: HashMap<String, usize> =
        names.iter().map(|(id, number)| (short(id), *number)).collect();
    let ids: String = hours.iter().filter_map(|hour| hour["ids"].as_str()).collect();
    let ids = ids.as_bytes().chunks(20).map(|id| String::from_utf8_lossy(id).into_owned());
    let mut items: Vec<String> =
        ids.map(|id| names.get(&id).map_or(id, |number| format!("item {number}"))).collect();
    items.sort_unstable();
    items.into()
}

const ALL_DIFFER: [&str; 8] =
    ["host", "took_us", "at", "lease_end", "due", "retry_at", "wake_at", "armed"];

fn without(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !names.contains(&&**name));
            Value::Object(kept.map(|(name, field)| (name, without(field, names))).collect())
        }
        other => other,
    }
}

/// Checks that two worlds have the same logs.
#[track_caller]
pub(super) fn same(expected: &Logs, logs: &Logs, place: &str) {
    let ids = |logs: &Logs| logs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(expected), ids(logs), "other executions on {place}");
    for (id, expected) in expected {
        let log = &logs[id];
        for (number, (expected, commit)) in expected.iter().zip(log).enumerate() {
            assert_eq!(expected, commit, "commit {number} of {id} differs on {place}");
        }
        assert_eq!(expected.len(), log.len(), "{id} has more or fewer commits on {place}");
    }
}
