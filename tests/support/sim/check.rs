//! What must hold of every log, and what two logs of one story have in common.

use std::collections::{BTreeMap, HashMap, HashSet};

use everstep::event::{Commit, Event, Failure, TurnEnd};
use everstep::id::WriterId;
use everstep::time::Timestamp;

/// Checks a whole log.
///
/// # Panics
/// It breaks a rule.
pub fn check_log(log: &[Commit]) {
    let mut open: Option<(WriterId, everstep::id::HostId, Timestamp)> = None;
    let mut time = Timestamp(0);
    let mut due = HashMap::new();
    let (mut settled, mut taken, mut ended) = (HashSet::new(), HashSet::new(), false);
    for (number, commit) in (0..).zip(log) {
        assert_eq!(commit.number, number);
        for event in &commit.events {
            let say = || format!("commit {number}: {event:?}");
            assert!(event.at() >= time, "time runs backwards in {}", say());
            time = event.at();
            assert!(!ended, "after the end: {}", say());
            match event {
                Event::WorkflowStarted(_) => assert_eq!(number, 0),
                Event::TurnStarted(claim) => {
                    if let Some((_, host, lease_end)) = &open {
                        let free = claim.at >= *lease_end || claim.host == *host;
                        assert!(free, "a live claim was claimed over in {}", say());
                    }
                    open = Some((commit.writer, claim.host.clone(), claim.lease_end));
                }
                // By anybody, and under no claim: but not under somebody else's live one.
                Event::WorkflowTerminated(end) => {
                    let free = open.as_ref().is_none_or(|(writer, _, lease_end)| {
                        *writer == commit.writer || end.at >= *lease_end
                    });
                    assert!(free, "ended under a live claim: {}", say());
                }
                other => {
                    let holder = open.as_mut().unwrap_or_else(|| panic!("no claim: {}", say()));
                    assert_eq!(holder.0, commit.writer, "by another writer: {}", say());
                    match other {
                        Event::LeaseRenewed(renewed) => holder.2 = renewed.lease_end,
                        Event::TurnEnded(_) => open = None,
                        _ => {}
                    }
                }
            }
            match event {
                Event::StepCompleted(e) => {
                    assert!(settled.insert(e.key.to_string()), "twice: {}", say());
                }
                Event::StepFailed(e) => {
                    assert!(settled.insert(e.key.to_string()), "twice: {}", say());
                }
                Event::TimerStarted(e) => _ = due.insert(e.key.to_string(), e.due),
                Event::TimerFired(e) => {
                    assert!(settled.insert(e.key.to_string()), "twice: {}", say());
                    assert!(e.at >= due[&e.key.to_string()], "too early: {}", say());
                }
                Event::SignalReceived(_) | Event::UpdateReceived(_) => {
                    let new = event.item().is_some_and(|item| taken.insert(item.to_owned()));
                    assert!(new, "twice: {}", say());
                }
                Event::TurnEnded(e) if e.reason == TurnEnd::Suspended => {
                    if let Some(wake_at) = e.wake_at {
                        assert!(e.armed.contains(&wake_at), "nothing will wake it: {}", say());
                    }
                }
                _ => {}
            }
            ended = event.is_end();
        }
    }
}

/// What a log says without claims, turns and times: by operation and in order, every outcome; by
/// signal, what it said; and the end. What a crash may change is left out.
#[must_use]
pub fn essence(log: &[Commit]) -> BTreeMap<String, Vec<String>> {
    let mut essence: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in log.iter().flat_map(|commit| &commit.events) {
        let (of, what) = match event {
            Event::StepCompleted(e) => {
                (e.key.to_string(), format!("{} {} {} {}", e.seq, e.input, e.attempt, e.output))
            }
            Event::StepFailed(e) if !interrupted(&e.failure) => {
                (e.key.to_string(), format!("{} {} {:?}", e.seq, e.attempt, e.failure))
            }
            Event::StepAttemptFailed(e) if !interrupted(&e.failure) => {
                (e.key.to_string(), format!("{} {} {:?}", e.seq, e.attempt, e.failure))
            }
            Event::TimerStarted(e) => (e.key.to_string(), format!("{} started", e.seq)),
            Event::TimerFired(e) => (e.key.to_string(), format!("{} fired", e.seq)),
            Event::SignalReceived(e) => (e.id.clone(), format!("{} {}", e.name, e.payload)),
            Event::UpdateReceived(e) => (e.id.clone(), format!("{} {}", e.name, e.request)),
            Event::UpdateReplied(e) => (e.key.to_string(), format!("{} {}", e.update, e.reply)),
            Event::ViewPublished(e) => (e.key.to_string(), e.view.to_string()),
            Event::TagSet(e) => (e.key.to_string(), format!("{}={}", e.name, e.value)),
            Event::WorkflowStarted(e) => ("start".into(), format!("{} {}", e.workflow, e.input)),
            Event::WorkflowFailed(e) => ("end".into(), format!("failed {}", e.error)),
            Event::WorkflowCancelled(e) => {
                ("end".into(), format!("cancelled {} {:?}", e.reason, e.not_undone))
            }
            Event::WorkflowTerminated(e) => ("end".into(), format!("terminated {}", e.reason)),
            Event::WorkflowCompleted(_) => ("end".into(), "completed".into()),
            _ => continue,
        };
        essence.entry(of).or_default().push(what);
    }
    essence
}

fn interrupted(failure: &Failure) -> bool {
    matches!(failure, Failure::Interrupted { .. })
}
