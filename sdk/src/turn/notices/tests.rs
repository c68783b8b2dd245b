//! What each commit tells.

use super::*;

const STARTED: &str =
    r#"{"WorkflowStarted":{"at":1,"execution":"x","workflow":"w","run":1,"input":7}}"#;
const NEXT_RUN: &str =
    r#"{"WorkflowStarted":{"at":9,"execution":"x","workflow":"w","run":2,"input":8}}"#;
const CONTINUED: &str = r#"{"ContinuedAsNew":{"at":9}}"#;
const CLAIM: &str = r#"{"TurnStarted":{"at":2,"host":"h","code":"1","lease_end":9}}"#;
const SUSPENDED: &str = r#"{"TurnEnded":{"at":3,"reason":"suspended","wake_at":null,"armed":[]}}"#;
const YIELDED: &str = r#"{"TurnEnded":{"at":3,"reason":"yielded","wake_at":3,"armed":[]}}"#;
const GAVE_UP: &str = r#"{"TurnEnded":{"at":3,"reason":"blocked","wake_at":null,"armed":[]}}"#;
const RESUMED: &str = r#"{"Resumed":{"at":4,"id":"r"}}"#;
const COMPLETED: &str = r#"{"WorkflowCompleted":{"at":5,"output":"cake"}}"#;
const FAILED: &str = r#"{"WorkflowFailed":{"at":5,"error":"no cake"}}"#;
const CANCELLED: &str = r#"{"WorkflowCancelled":{"at":5,"reason":"not hungry"}}"#;
const TERMINATED: &str = r#"{"WorkflowTerminated":{"at":5,"id":"t","reason":"enough"}}"#;
const STEP: &str = r#"{"StepCompleted":{"at":4,"seq":0,"key":"bake#1","site":"a:1","attempt":2,"took_us":1500000,"input":{},"output":"cake"}}"#;
const ATTEMPT: &str = r#"{"StepAttemptFailed":{"at":4,"seq":0,"key":"bake#1","site":"a:1","attempt":1,"took_us":7,"input":{},"failure":{"error":{"value":"cold"}},"retry_at":5}}"#;
const BURNT: &str = r#"{"StepFailed":{"at":4,"seq":0,"key":"bake#1","site":"a:1","attempt":3,"took_us":7,"input":{},"failure":{"panicked":{"message":"fire"}}}}"#;
const VIEW: &str =
    r#"{"ViewPublished":{"at":4,"seq":1,"key":"publish#1","site":"a:2","view":"half"}}"#;
const SEALED_VIEW: &str = r#"{"ViewPublished":{"at":4,"seq":1,"key":"publish#1","site":"a:2","view":{"$everstep":{"v":1,"bytes":9,"at":"00"}}}}"#;
const SEALED_END: &str = r#"{"WorkflowCompleted":{"at":5,"output":{"$everstep":{"v":1,"bytes":9,"codecs":["zstd"],"data":"AA=="}}}}"#;

fn reader(status: Status, all: bool) -> Reader {
    let choice = Choice { steps: all, views: all, payloads: all, source: "/t".into() };
    let execution = ExecutionId::new("x").expect("an id");
    Reader::new(choice, execution, "w".to_owned(), Some(1), status)
}

fn events(texts: &[&str]) -> Vec<Event> {
    texts.iter().map(|text| serde_json::from_str(text).expect("an event")).collect()
}

/// What each of these commits tells, after an execution had this status: the place of each
/// notification and what it says.
#[track_caller]
fn check(status: Status, commits: &[&[&str]], all: bool, told: &[&str]) {
    let mut reader = reader(status, all);
    let mut got = Vec::new();
    for (commit, texts) in (7..).zip(commits) {
        for notification in reader.read(commit, &events(texts)) {
            let place = notification.id.strip_prefix("x/").expect("the execution's id first");
            let says = match notification.notice {
                Notice::Status { status, reason, result } => {
                    let result = result.map(|result| format!(" {result}")).unwrap_or_default();
                    format!("{status} {}{result}", reason.unwrap_or_default())
                }
                Notice::Step { key, attempt, end, result, .. } => {
                    let result = result.map(|result| result.to_string()).unwrap_or_default();
                    format!("{key} {attempt} {} {result}", end.as_str())
                }
                Notice::View { view } => {
                    format!("view {}", view.map(|view| view.to_string()).unwrap_or_default())
                }
            };
            let run = notification.run.map_or_else(String::new, |run| run.to_string());
            got.push(format!("{place} run {run}: {}", says.trim()));
        }
    }
    assert_eq!(got, told, "{commits:#?}");
}

fn statuses(status: Status, commits: &[&[&str]], told: &[&str]) {
    check(status, commits, false, told);
}

#[test]
fn a_status_is_told_where_a_commit_leaves_another_than_it_found() {
    use Status::{Running, Suspended};
    statuses(Running, &[&[STARTED]], &["7/0 run 1: running"]);
    statuses(Running, &[&[CLAIM, STEP]], &[]);
    statuses(Running, &[&[CLAIM], &[STEP, SUSPENDED]], &["8/1 run 1: suspended"]);
    statuses(Suspended, &[&[CLAIM, SUSPENDED]], &[]);
    statuses(Suspended, &[&[CLAIM], &[SUSPENDED]], &["7/0 run 1: running", "8/0 run 1: suspended"]);
    statuses(Running, &[&[CLAIM, YIELDED], &[CLAIM]], &[]);
    statuses(Running, &[&[CLAIM], &[GAVE_UP]], &[]);
}

#[test]
fn an_end_is_told_with_what_the_record_says_of_it() {
    let of = |end: &'static str, told: &str| statuses(Status::Running, &[&[CLAIM, end]], &[told]);
    of(COMPLETED, "7/1 run 1: completed");
    of(FAILED, "7/1 run 1: failed no cake");
    of(CANCELLED, "7/1 run 1: cancelled not hungry");
    of(TERMINATED, "7/1 run 1: terminated enough");
    statuses(Status::Blocked, &[&[TERMINATED]], &["7/0 run 1: terminated enough"]);
}

#[test]
fn a_resume_is_told_though_the_log_knows_of_no_block() {
    use Status::{Blocked, Suspended};
    for before in [Blocked, Suspended] {
        statuses(before, &[&[CLAIM, RESUMED]], &["7/1 run 1: running"]);
        statuses(before, &[&[CLAIM, RESUMED, SUSPENDED]], &["7/2 run 1: suspended"]);
        statuses(before, &[&[CLAIM, RESUMED, COMPLETED]], &["7/2 run 1: completed"]);
    }
}

#[test]
fn each_run_is_told_of_and_the_end_of_one_that_continues_is_none() {
    let commits: [&[&str]; 2] = [&[STEP, CONTINUED, NEXT_RUN], &[CLAIM, COMPLETED]];
    let told = ["7/2 run 2: running", "8/1 run 2: completed"];
    statuses(Status::Running, &commits, &told);
    statuses(Status::Completed, &[&[NEXT_RUN], &[CLAIM]], &["7/0 run 2: running"]);
    let other = NEXT_RUN.replace(r#""w""#, r#""v""#);
    let told = reader(Status::Completed, false).read(7, &events(&[&other]));
    assert_eq!(told[0].workflow, "v", "it was started again as another workflow");
}

#[test]
fn steps_views_and_values_are_told_by_choice_and_in_the_order_of_the_log() {
    let commit: &[&str] = &[CLAIM, ATTEMPT, STEP, BURNT, VIEW, COMPLETED];
    statuses(Status::Running, &[commit], &["7/5 run 1: completed"]);
    check(
        Status::Running,
        &[commit],
        true,
        &[
            "7/1 run 1: bake#1 1 attempt_failed \"cold\"",
            "7/2 run 1: bake#1 2 completed \"cake\"",
            "7/3 run 1: bake#1 3 failed",
            "7/4 run 1: view \"half\"",
            "7/5 run 1: completed  \"cake\"",
        ],
    );
}

#[test]
fn what_is_sealed_is_told_without_its_value() {
    let told = ["7/0 run 1: view", "7/1 run 1: completed"];
    check(Status::Running, &[&[SEALED_VIEW, SEALED_END]], true, &told);
}

#[test]
fn a_block_is_known_by_the_commit_behind_which_it_is() {
    let mut reader = reader(Status::Running, false);
    let block = reader.blocked(7, Timestamp(4), Some("because".to_owned()));
    assert_eq!((&*block.id, block.index), ("x/7/blocked", None));
    let told = reader.read(8, &events(&[CLAIM, RESUMED]));
    assert_eq!(told[0].status(), Some(Status::Running));
    // Nobody has resumed it: a host took it up that knows its workflow.
    reader.blocked(8, Timestamp(4), None);
    let told = reader.read(9, &events(&[CLAIM]));
    assert_eq!(told[0].status(), Some(Status::Running));
}
