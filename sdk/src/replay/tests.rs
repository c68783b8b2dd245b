//! Tables: a log, what the code does, what comes of it. No I/O, no runtime, no workflow: calls and
//! polls are made by hand, in the order the row says.

mod attempts;
mod children;
mod code;
mod continued;
mod corrupt;
mod delivery;
mod dropped;
mod history;
mod identity;
mod mismatch;
mod promises;
mod signals;
mod tags;
mod undo;
mod updates;
mod values;
mod versions;
mod views;

use crate::event::{
    CancelRequested, Event, Failure, Json, LeaseRenewed, OperationKey, PromiseCreated,
    PromiseHeartbeat, PromiseResolved, PromiseResult, Reply, Resumed, SignalReceived,
    StepAttemptFailed, StepCompleted, StepFailed, StepPostponed, StepStarted, TagSet, TimerFired,
    TimerStarted, TurnEnd, TurnEnded, TurnStarted, UpdateReceived, UpdateReplied, VersionChosen,
    ViewPublished, WaitsFor, WorkflowCancelled, WorkflowCompleted, WorkflowFailed, WorkflowStarted,
};
use crate::id::{ExecutionId, HostId};
use crate::time::Timestamp;

/// Where the code stood that wrote the logs here.
const THEN: &str = "src/then.rs:7";

/// When runs start here.
const START: i64 = 100;

fn started() -> Event {
    started_as("order-1", 1)
}

fn started_as(execution: &str, run: u32) -> Event {
    let execution = ExecutionId::new(execution).expect("an id");
    let (at, workflow, input) = (Timestamp(START), "order".to_owned(), Json::null());
    let first = WorkflowStarted::first(at, execution, workflow, input);
    Event::WorkflowStarted(WorkflowStarted { run, ..first })
}

/// Step `key`, called without arguments, returned `output`.
fn done(at: i64, seq: u32, key: &str, output: &str) -> Event {
    done_with(at, seq, key, "{}", output)
}

fn done_with(at: i64, seq: u32, key: &str, input: &str, output: &str) -> Event {
    let (at, key, site, took_us) = (Timestamp(at), name_count(key), THEN.into(), 5);
    let (input, output, attempt) = (json(input), json(output), 1);
    Event::StepCompleted(StepCompleted { at, seq, key, site, attempt, took_us, input, output })
}

/// Step `key` failed for good with the error `error`.
fn failed(at: i64, seq: u32, key: &str, error: &str) -> Event {
    let (at, key, site, took_us) = (Timestamp(at), name_count(key), THEN.into(), 5);
    let (input, failure, attempt) = (json("{}"), error_of(error), 1);
    Event::StepFailed(StepFailed { at, seq, key, site, attempt, took_us, input, failure })
}

/// Attempt `attempt` of step `key` failed and the next may start at `retry_at`.
fn tried(at: i64, seq: u32, key: &str, attempt: u32, retry_at: i64) -> Event {
    let (at, key, site, took_us) = (Timestamp(at), name_count(key), THEN.into(), 5);
    let (input, failure, retry_at) = (json("{}"), error_of("1"), Timestamp(retry_at));
    let of = StepAttemptFailed { at, seq, key, site, attempt, took_us, input, failure, retry_at };
    Event::StepAttemptFailed(of)
}

/// Attempt `attempt` of step `key` did nothing, and another may start at `retry_at`.
fn postponed(at: i64, seq: u32, key: &str, attempt: u32, retry_at: i64) -> Event {
    let (at, key, site, took_us) = (Timestamp(at), name_count(key), THEN.into(), 5);
    let (input, reason, retry_at) = (json("{}"), "not yet".to_owned(), Timestamp(retry_at));
    Event::StepPostponed(StepPostponed {
        at,
        seq,
        key,
        site,
        attempt,
        took_us,
        input,
        reason,
        retry_at,
    })
}

/// At-most-once attempt `attempt` of step `key` is about to run.
fn begun(at: i64, seq: u32, key: &str, attempt: u32) -> Event {
    let (at, key, site, input) = (Timestamp(at), name_count(key), THEN.into(), json("{}"));
    Event::StepStarted(StepStarted { at, seq, key, site, attempt, input })
}

fn timer(at: i64, seq: u32, key: &str, due: i64) -> Event {
    let (at, key, site, due) = (Timestamp(at), name_count(key), THEN.into(), Timestamp(due));
    Event::TimerStarted(TimerStarted { at, seq, key, site, due })
}

fn fired(at: i64, seq: u32, key: &str) -> Event {
    Event::TimerFired(TimerFired { at: Timestamp(at), seq, key: name_count(key) })
}

fn came(at: i64, name: &str, payload: &str) -> Event {
    let (at, id, name) = (Timestamp(at), format!("{name}/{at}"), name.to_owned());
    Event::SignalReceived(SignalReceived { at, id, name, payload: json(payload) })
}

fn chose(at: i64, name: &str, version: u32) -> Event {
    Event::VersionChosen(VersionChosen { at: Timestamp(at), name: name.to_owned(), version })
}

fn promised(at: i64, seq: u32, key: &str, due: Option<i64>, heartbeat_ms: Option<u64>) -> Event {
    let (at, key, site, due) = (Timestamp(at), name_count(key), THEN.into(), due.map(Timestamp));
    Event::PromiseCreated(PromiseCreated { at, seq, key, site, due, heartbeat_ms })
}

fn beat(at: i64, key: &str) -> Event {
    let (at, id, run, key) = (Timestamp(at), format!("beat/{at}"), 1, name_count(key));
    Event::PromiseHeartbeat(PromiseHeartbeat { at, id, run, key })
}

fn resolved(at: i64, key: &str, result: PromiseResult) -> Event {
    let (at, id, run) = (Timestamp(at), Some(format!("promise/{key}")), 1);
    Event::PromiseResolved(PromiseResolved { at, id, run, key: name_count(key), result })
}

fn kept(at: i64, key: &str, value: &str) -> Event {
    resolved(at, key, PromiseResult::Completed { value: json(value) })
}

/// Update `id` with the name `name` came.
fn asks(at: i64, name: &str, id: &str, request: &str) -> Event {
    let (at, id, name) = (Timestamp(at), id.to_owned(), name.to_owned());
    Event::UpdateReceived(UpdateReceived { at, id, name, request: json(request) })
}

/// Update `id` was answered.
fn replied(at: i64, seq: u32, key: &str, id: &str, reply: Reply) -> Event {
    let (at, key, site) = (Timestamp(at), name_count(key), THEN.into());
    Event::UpdateReplied(UpdateReplied { at, seq, key, site, update: id.to_owned(), reply })
}

/// The workflow showed `view`.
fn showed(at: i64, seq: u32, key: &str, view: &str) -> Event {
    let (at, key, site, view) = (Timestamp(at), name_count(key), THEN.into(), json(view));
    Event::ViewPublished(ViewPublished { at, seq, key, site, view })
}

/// The workflow set a tag.
fn tagged(at: i64, seq: u32, key: &str, name: &str, value: &str) -> Event {
    let (at, key, site) = (Timestamp(at), name_count(key), THEN.into());
    let (name, value) = (name.to_owned(), value.to_owned());
    Event::TagSet(TagSet { at, seq, key, site, name, value })
}

fn cancel(at: i64, reason: &str) -> Event {
    let (at, id, reason) = (Timestamp(at), format!("cancel/{at}"), reason.to_owned());
    Event::CancelRequested(CancelRequested { at, id, reason })
}

fn resumed(at: i64) -> Event {
    Event::Resumed(Resumed { at: Timestamp(at), id: format!("resume/{at}") })
}

fn claim(at: i64, lease_end: i64) -> Event {
    let (at, host, code) = (Timestamp(at), HostId("host".into()), "1".to_owned());
    Event::TurnStarted(TurnStarted {
        at,
        host,
        code,
        lease_end: Timestamp(lease_end),
        function_version: None,
    })
}

fn renewed(at: i64, lease_end: i64) -> Event {
    Event::LeaseRenewed(LeaseRenewed {
        at: Timestamp(at),
        lease_end: Timestamp(lease_end),
        ahead: false,
    })
}

fn over(at: i64, reason: TurnEnd, wake_at: Option<i64>, armed: &[i64]) -> Event {
    let armed = armed.iter().copied().map(Timestamp).collect();
    let (at, wake_at) = (Timestamp(at), wake_at.map(Timestamp));
    let waits_for = WaitsFor::default();
    Event::TurnEnded(TurnEnded { at, reason, wake_at, armed, waits_for })
}

fn completed(at: i64) -> Event {
    Event::WorkflowCompleted(WorkflowCompleted { at: Timestamp(at), output: Json::null() })
}

fn broke(at: i64) -> Event {
    Event::WorkflowFailed(WorkflowFailed {
        at: Timestamp(at),
        error: Json::null(),
        not_undone: Vec::new(),
    })
}

fn cancelled(at: i64) -> Event {
    Event::WorkflowCancelled(WorkflowCancelled {
        at: Timestamp(at),
        reason: "enough".to_owned(),
        not_undone: Vec::new(),
    })
}

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).expect("JSON")
}

fn error_of(error: &str) -> Failure {
    Failure::Error { value: json(error) }
}

fn name_count(key: &str) -> OperationKey {
    let (name, count) = key.rsplit_once('#').expect("name#count");
    OperationKey { name: name.to_owned().into(), count: count.parse().expect("a count") }
}
