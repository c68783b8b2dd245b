//! What must hold of every log, and its form without what differs between two runs.

use std::collections::{HashMap, HashSet};

use everstep::event::{Commit, Event};
use everstep::time::Timestamp;
use serde_json::Value;

/// Checks one log. A commit's hashes were verified when it was read.
#[track_caller]
pub(super) fn verify(commits: &[Commit]) {
    let mut last = Timestamp(i64::MIN);
    let mut settled = HashSet::new();
    let mut attempts: HashMap<u32, u32> = HashMap::new();
    let mut due = HashMap::new();
    let mut items = HashSet::new();
    let mut ended = false;
    for event in commits.iter().flat_map(|commit| &commit.events) {
        assert!(event.at() >= last, "time runs backwards at {event:?}");
        last = event.at();
        assert!(!ended || matches!(event, Event::WorkflowStarted(_)), "after the end: {event:?}");
        ended = event.is_end();
        let mut attempt = |seq: u32, attempt: u32| {
            let before = attempts.insert(seq, attempt).unwrap_or(0);
            assert_eq!(attempt, before + 1, "an attempt is missing or doubled: {event:?}");
        };
        match event {
            Event::WorkflowStarted(_) => {
                settled.clear();
                due.clear();
                attempts.clear();
            }
            Event::StepCompleted(e) => {
                assert!(settled.insert(e.seq), "settled twice: {event:?}");
                attempt(e.seq, e.attempt);
            }
            Event::StepFailed(e) => {
                assert!(settled.insert(e.seq), "settled twice: {event:?}");
                attempt(e.seq, e.attempt);
            }
            Event::StepAttemptFailed(e) => attempt(e.seq, e.attempt),
            Event::Resumed(_) => attempts.clear(),
            Event::TimerStarted(e) => {
                assert!(due.insert(e.seq, e.due).is_none(), "started twice: {event:?}");
            }
            Event::TimerFired(e) => {
                assert!(settled.insert(e.seq), "fired twice: {event:?}");
                assert!(e.at >= due[&e.seq], "too early: {event:?}");
            }
            Event::SignalReceived(e) => {
                assert!(items.insert(e.id.clone()), "received twice: {event:?}");
            }
            _ => {}
        }
    }
}

/// The events of a log as JSON, without times, hosts, writers and durations.
#[must_use]
pub fn normal(commits: &[Commit]) -> Vec<Value> {
    let events = commits.iter().flat_map(|commit| &commit.events);
    events.map(|event| without(serde_json::to_value(event).expect("events are JSON"))).collect()
}

fn without(value: Value) -> Value {
    const DIFFERS: [&str; 8] =
        ["at", "host", "lease_end", "took_us", "due", "retry_at", "wake_at", "armed"];
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !DIFFERS.contains(&&**name));
            Value::Object(kept.map(|(name, field)| (name, without(field))).collect())
        }
        other => other,
    }
}
