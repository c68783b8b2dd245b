//! The stored form of what a workflow may return or keep in an error of its own.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::*;
use crate::error::StepFailure;
use crate::event::Json;
use crate::id::ExecutionId;

/// `value` is recorded as `stored`, and read back from it.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, stored: &str) {
    let json = Json::record(value).expect("it can be recorded");
    assert_eq!(json.as_str(), stored);
    assert_eq!(json.read::<T>().as_ref().ok(), Some(value));
}

#[test]
fn why_a_promise_has_no_result_is_stored_and_read_back() {
    let name = || "approval".to_owned();
    let failed = PromiseError::Failed { name: name(), reason: "no".to_owned() };
    check(&failed, r#"{"failed":{"name":"approval","reason":"no"}}"#);
    let after = Duration::from_millis(1_500);
    let timed_out = PromiseError::TimedOut { name: name(), after };
    check(&timed_out, r#"{"timed_out":{"name":"approval","after":{"secs":1,"nanos":500000000}}}"#);
    let missed = PromiseError::HeartbeatMissed { name: name(), after: Duration::from_secs(60) };
    check(&missed, r#"{"heartbeat_missed":{"name":"approval","after":{"secs":60,"nanos":0}}}"#);
    let (expected, problem) = ("bool".to_owned(), "it is 7".to_owned());
    let wrong = PromiseError::WrongType { name: name(), expected, problem };
    check(&wrong, r#"{"wrong_type":{"name":"approval","expected":"bool","problem":"it is 7"}}"#);

    check(&CallbackError::<String>::Submit("down".to_owned()), r#"{"submit":"down"}"#);
    check(
        &CallbackError::<String>::Promise(failed),
        r#"{"promise":{"failed":{"name":"approval","reason":"no"}}}"#,
    );
}

#[test]
fn an_odd_signal_a_time_that_is_up_and_a_vain_poll_are_stored_and_read_back() {
    let signal = SignalError {
        name: "paid".to_owned(),
        expected: "u64".to_owned(),
        problem: "it is a text".to_owned(),
    };
    check(&signal, r#"{"name":"paid","expected":"u64","problem":"it is a text"}"#);

    let elapsed = Elapsed { after: Duration::new(2, 7) };
    check(&elapsed, r#"{"after":{"secs":2,"nanos":7}}"#);

    check(&PollError::Check("down".to_owned()), r#"{"check":"down"}"#);
    let timed_out = PollError::<String>::TimedOut { after: Duration::from_secs(9), checks: 3 };
    check(&timed_out, r#"{"timed_out":{"after":{"secs":9,"nanos":0},"checks":3}}"#);
}

#[test]
fn what_became_of_several_is_stored_and_read_back() {
    type Each = Outcome<u32, String>;
    let each: Vec<Each> = vec![
        Outcome::Succeeded(7),
        Outcome::Failed("no".to_owned()),
        Outcome::Dropped,
        Outcome::NotStarted,
    ];
    let stored = r#"[{"succeeded":7},{"failed":"no"},"dropped","not_started"]"#;
    check(&Outcomes::new(each.clone()), stored);
    let failed = TooManyFailed { outcomes: Outcomes::new(each), tolerated: 0 };
    check(&failed, &format!(r#"{{"outcomes":{stored},"tolerated":0}}"#));

    check(&AllFailed { errors: vec![1, 2] }, r#"{"errors":[1,2]}"#);
    check(&Either::<u32, bool>::Left(7), r#"{"left":7}"#);
    check(&Either::<u32, bool>::Right(true), r#"{"right":true}"#);
}

#[test]
fn how_a_child_or_a_step_failed_is_stored_and_read_back() {
    let child = || ExecutionId::new("order-1/ship#1").expect("an id");
    check(&ChildError::Failed(7), r#"{"failed":7}"#);
    let reason = || "enough".to_owned();
    check(
        &ChildError::<u32>::Cancelled { child: child(), reason: reason() },
        r#"{"cancelled":{"child":"order-1/ship#1","reason":"enough"}}"#,
    );
    check(
        &ChildError::<u32>::Terminated { child: child(), reason: reason() },
        r#"{"terminated":{"child":"order-1/ship#1","reason":"enough"}}"#,
    );
    check(
        &ChildError::<u32>::NotStarted { child: child(), problem: "taken".to_owned() },
        r#"{"not_started":{"child":"order-1/ship#1","problem":"taken"}}"#,
    );

    let message = || "oops".to_owned();
    check(&StepFailure::Panicked { message: message() }, r#"{"panicked":{"message":"oops"}}"#);
    check(
        &StepFailure::TimedOut { after: Duration::from_secs(3) },
        r#"{"timed_out":{"after":{"secs":3,"nanos":0}}}"#,
    );
    check(
        &StepFailure::Interrupted { message: message() },
        r#"{"interrupted":{"message":"oops"}}"#,
    );
    check(
        &StepFailure::Unrecordable { message: message() },
        r#"{"unrecordable":{"message":"oops"}}"#,
    );
}

#[test]
fn what_a_workflow_knows_of_itself_is_stored_and_read_back() {
    check(&Served::Done, r#""done""#);
    check(&Served::Idle, r#""idle""#);
    let info = ExecutionInfo {
        id: ExecutionId::new("order-1").expect("an id"),
        workflow: "order".to_owned(),
        run: 2,
        started_at: crate::time::Timestamp(1_500).into(),
        events: 12,
        bytes: 3_000,
    };
    check(
        &info,
        r#"{"id":"order-1","workflow":"order","run":2,"started_at":"1970-01-01T00:00:01.500Z","events":12,"bytes":3000}"#,
    );
}
