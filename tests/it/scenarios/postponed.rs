//! Attempts that end because it is too early, and are made later.

use std::time::Duration;

use everstep::client::ResultError;
use everstep::event::{Event, Failure, StepPostponed};
use everstep::limits::POSTPONE_MIN;
use everstep::prelude::*;
use everstep::{attempt, postpone};
use everstep_tests::scenario::{ALL, CALM, Effects, World, check};

const DELAY: Duration = Duration::from_secs(40);

/// Not before it was asked for the third time, by whomever.
async fn not_yet(effects: &Effects, what: &str) -> everstep::Result<u32> {
    effects.note(what);
    if effects.count(what) < 3 {
        return Err(postpone(DELAY, "it is closed").await.into());
    }
    Ok(attempt())
}

#[step(skip(effects), retry(max_attempts = 1))]
async fn ask(effects: &Effects) -> everstep::Result<u32> {
    not_yet(effects, "ask").await
}

#[workflow]
async fn patient(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    ask(&effects).await
}

async fn postponed(world: &World, id: &ExecutionId) -> Vec<StepPostponed> {
    let events = world.events(id).await.into_iter();
    let postponed = events.filter_map(|event| match event {
        Event::StepPostponed(postponed) => Some(postponed),
        _ => None,
    });
    postponed.collect()
}

/// item 7 of AWS
#[test]
fn a_postponed_attempt_does_not_count_and_runs_again_when_it_said() {
    check(
        ALL,
        || App::new().workflow(patient),
        async |world| {
            let handle = world.start(patient, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 1, "it is the first attempt still");
            let postponed = postponed(world, handle.id()).await;
            // A host that dies with the answer asks for nothing.
            assert!((1..=2).contains(&postponed.len()), "{postponed:?}");
            for one in &postponed {
                assert_eq!((one.attempt, one.reason.as_str()), (1, "it is closed"));
                assert_eq!(one.retry_at.since(one.at), DELAY);
            }
            assert_eq!(world.number_of(handle.id(), "StepAttemptFailed").await, 0);
        },
    );
}

#[test]
fn nothing_runs_while_a_postponed_step_waits() {
    check(
        CALM,
        || App::new().workflow(patient),
        async |world| {
            let handle = world.start(patient, ()).await;
            world.result(&handle).await.unwrap();
            world.did("ask", 3);
            let ends = world.events(handle.id()).await;
            let suspended = ends
                .iter()
                .filter(|event| matches!(event, Event::TurnEnded(end) if end.wake_at.is_some()));
            assert!(suspended.count() >= 2, "it suspends");
        },
    );
}

#[step(skip(effects), at_most_once)]
async fn ask_once(effects: &Effects) -> everstep::Result<u32> {
    not_yet(effects, "once").await
}

#[workflow]
async fn careful(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    ask_once(&effects).await
}

#[test]
fn an_at_most_once_step_that_said_it_did_nothing_runs_again() {
    check(
        CALM,
        || App::new().workflow(careful),
        async |world| {
            let handle = world.start(careful, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 1);
            world.did("once", 3);
        },
    );
}

#[step(total_timeout = "100s")]
async fn closed() -> everstep::Result<u32> {
    Err(postpone(DELAY, "it is closed").await.into())
}

#[workflow]
async fn in_vain(_input: ()) -> everstep::Result<u32> {
    closed().await
}

#[test]
fn a_step_that_is_only_ever_postponed_fails_when_its_total_time_would_be_over() {
    check(
        ALL,
        || App::new().workflow(in_vain),
        async |world| {
            let handle = world.start(in_vain, ()).await;
            let Err(ResultError::Failed(error)) = world.result(&handle).await else {
                panic!("it ended well")
            };
            assert_eq!(error.to_string(), "the step timed out after 1m 40s");
            let timed_out = world.events(handle.id()).await.into_iter().any(|event| {
            matches!(event, Event::StepFailed(failed) if failed.failure == Failure::TimedOut { after_ms: 100_000 })
        });
            assert!(timed_out);
        },
    );
}

#[step(skip(effects), total_timeout = "80s")]
async fn closes(effects: &Effects) -> everstep::Result<u32> {
    effects.note("closed");
    Err(postpone(DELAY, "it is closed").await.into())
}

#[workflow]
async fn just_too_late(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    closes(&effects).await
}

/// The third would be at the very end of its total time.
#[test]
fn a_postponed_attempt_that_would_begin_when_the_total_time_is_over_is_not_waited_for() {
    check(
        CALM,
        || App::new().workflow(just_too_late),
        async |world| {
            let handle = world.start(just_too_late, ()).await;
            assert!(world.result(&handle).await.is_err());
            world.did("closed", 2);
            assert_eq!(postponed(world, handle.id()).await.len(), 1);
        },
    );
}

#[step(skip(effects))]
async fn ask_at_once(effects: &Effects) -> everstep::Result<u32> {
    effects.note("at once");
    if effects.count("at once") < 4 {
        return Err(postpone(Duration::ZERO, "not yet").await.into());
    }
    Ok(attempt())
}

#[workflow]
async fn impatient(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    ask_at_once(&effects).await
}

#[test]
fn a_step_that_is_postponed_for_no_time_does_not_fill_its_log_in_a_hot_loop() {
    check(
        CALM,
        || App::new().workflow(impatient),
        async |world| {
            let handle = world.start(impatient, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 1);
            let postponed = postponed(world, handle.id()).await;
            assert_eq!(postponed.len(), 3);
            assert!(postponed.iter().all(|one| one.retry_at.since(one.at) == POSTPONE_MIN));
        },
    );
}

#[workflow]
async fn hurried(State(effects): State<Effects>, _input: ()) -> everstep::Result<bool> {
    Ok(timeout(seconds(60), ask(&effects)).await.is_err())
}

#[test]
fn a_postponed_step_that_is_given_up_does_not_run_again() {
    check(
        CALM,
        || App::new().workflow(hurried),
        async |world| {
            let handle = world.start(hurried, ()).await;
            assert!(world.result(&handle).await.unwrap());
            world.did("ask", 2);
        },
    );
}

#[tokio::test]
async fn where_there_is_no_attempt_to_postpone_the_step_gets_an_error() {
    let effects = Effects::default();
    let error = ask(&effects).await.unwrap_err();
    assert_eq!(error.to_string(), "not yet, try again in 40s: it is closed");
}

/// The second attempt is told what the first has said.
#[step(skip(effects))]
async fn counts_visits(effects: &Effects) -> everstep::Result<u32> {
    let visits = last_heartbeat::<u32>().unwrap_or(0) + 1;
    heartbeat(&visits);
    effects.note("visit");
    if effects.count("visit") < 3 {
        return Err(postpone(DELAY, "it is closed").await.into());
    }
    Ok(visits)
}

#[workflow]
async fn visitor(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    counts_visits(&effects).await
}

#[test]
fn what_a_postponed_attempt_said_last_is_what_the_next_one_finds() {
    check(
        CALM,
        || App::new().workflow(visitor),
        async |world| {
            let handle = world.start(visitor, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 3);
            world.did("visit", 3);
        },
    );
}
