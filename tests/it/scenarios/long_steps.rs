//! Long steps: heartbeats, the time of all attempts, and bodies that hear that nobody wants them.

use std::time::Duration;

use everstep::client::ResultError;
use everstep::event::{Event, Failure};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::{StepFailure, attempt};
use everstep_tests::scenario::{ALL, CALM, Effects, Profile, WARM, World, check};
use serde::{Deserialize, Serialize};

/// An error with room for what is not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum CopyError {
    DiskFull,
    Other(String),
}

impl From<StepFailure> for CopyError {
    fn from(failure: StepFailure) -> Self {
        Self::Other(failure.to_string())
    }
}

/// The first attempt fails behind the third file.
#[step(
    skip(effects),
    retry(max_attempts = 3, initial = "1s", jitter = false),
    heartbeat_timeout = "30s"
)]
async fn copy(effects: &Effects, files: u32) -> Result<u32, CopyError> {
    let done = last_heartbeat::<u32>().unwrap_or(0);
    effects.note(format!("from {done}"));
    for n in done + 1..=files {
        heartbeat(&n);
        if n == 3 && attempt() == 1 {
            return Err(CopyError::DiskFull);
        }
    }
    Ok(files)
}

#[workflow]
async fn backup(State(effects): State<Effects>, files: u32) -> Result<u32, CopyError> {
    copy(&effects, files).await
}

/// item 10 of the language
#[test]
fn what_an_attempt_said_last_is_what_the_next_one_finds() {
    let app = || App::new().workflow(backup);
    check(ALL, app, async |world| {
        let handle = world.start(backup, 10).await;
        assert_eq!(world.result(&handle).await.unwrap(), 10);
        world.did("from 0", 1);
        world.did("from 3", 1);
        assert_eq!(world.number_of(handle.id(), "StepHeartbeat").await, 1);
    });
}

/// A file a second, after so many seconds in which nothing is heard of it.
#[step(skip(effects), heartbeat_timeout = "10s")]
async fn copy_slowly(effects: &Effects, files: u32, silent_s: u64) -> Result<u32, CopyError> {
    let done = last_heartbeat::<u32>().unwrap_or(0);
    effects.note(format!("from {done}"));
    tokio::time::sleep(seconds(silent_s)).await;
    for n in done + 1..=files {
        tokio::time::sleep(seconds(1)).await;
        heartbeat(&n);
    }
    Ok(files)
}

#[workflow]
async fn long_backup(
    State(effects): State<Effects>,
    (files, silent_s): (u32, u64),
) -> Result<u32, CopyError> {
    copy_slowly(&effects, files, silent_s).await
}

#[test]
fn a_host_that_dies_takes_at_most_some_seconds_of_progress_along() {
    check_progress(CALM, 0);
    // Who says nothing at first is heard all the same.
    check_progress(WARM, 7);
}

fn check_progress(profiles: &[Profile], silent_s: u64) {
    let app = || App::new().workflow(long_backup);
    check(profiles, app, async |world| {
        let handle = world.start(long_backup, (30, silent_s)).await;
        world.die_when(tokio::time::sleep(Duration::from_millis(18_500))).await;
        let written = world.number_of(handle.id(), "StepHeartbeat").await;
        assert!((2..=3).contains(&written), "{written}");
        assert_eq!(world.result(&handle).await.unwrap(), 30);
        let from: Vec<u32> = world
            .effects()
            .all()
            .iter()
            .filter_map(|what| what.strip_prefix("from ")?.parse().ok())
            .collect();
        assert_eq!(from.len(), 2, "{from:?}");
        let copied = 18 - u32::try_from(silent_s).unwrap();
        assert!((copied - 6..=copied).contains(&from[1]), "it begins anew at {from:?}");
    });
}

/// Where no host stops in the middle of a body: with a new turn after each commit, every commit
/// interrupts what runs.
const UNDISTURBED: &[Profile] = &[Profile::Warm, Profile::Twice, Profile::TwoHosts];

#[step(heartbeat_timeout = "30s", retry(max_attempts = 1))]
async fn falls_silent() -> Result<(), CopyError> {
    tokio::time::sleep(seconds(25)).await;
    heartbeat(&());
    tokio::time::sleep(seconds(3_600)).await;
    Ok(())
}

#[step(timeout = "1h", heartbeat_timeout = "30s", retry(max_attempts = 1))]
async fn is_never_heard_of() -> Result<(), CopyError> {
    tokio::time::sleep(seconds(31)).await;
    Ok(())
}

#[workflow]
async fn silence(_effects: State<Effects>, _input: ()) -> everstep::Result<(String, String)> {
    let text = |result: Result<(), CopyError>| match result {
        Err(CopyError::Other(text)) => text,
        other => format!("{other:?}"),
    };
    Ok((text(falls_silent().await), text(is_never_heard_of().await)))
}

#[test]
fn an_attempt_that_is_silent_for_too_long_has_timed_out() {
    let app = || App::new().workflow(silence);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(silence, ()).await;
        let text = "the step timed out after 30s".to_owned();
        assert_eq!(world.result(&handle).await.unwrap(), (text.clone(), text));
        let events = world.events(handle.id()).await;
        let failed: Vec<_> = events
            .iter()
            .filter(|event| matches!(event, Event::StepFailed(_)))
            .map(Event::at)
            .collect();
        let start = events[0].at();
        // 25 s of life and 30 s of silence, then 30 s of silence.
        assert!(failed[0].since(start) >= seconds(55) && failed[0].since(start) < seconds(57));
        assert!(failed[1].since(failed[0]) >= seconds(30));
        assert!(failed[1].since(failed[0]) < seconds(32));
    });
}

#[step(
    skip(effects),
    total_timeout = "1m",
    retry(max_attempts = 100, initial = "10s", factor = 2, jitter = false)
)]
async fn keeps_failing(effects: &Effects) -> Result<u32, CopyError> {
    effects.note("failed");
    Err(CopyError::DiskFull)
}

#[workflow]
async fn gives_up(State(effects): State<Effects>, _input: ()) -> Result<u32, CopyError> {
    keeps_failing(&effects).await
}

/// Attempts at 0, 10 and 30 seconds; the next would be at 70.
#[test]
fn no_attempt_begins_after_the_total_time_and_the_last_error_is_the_steps() {
    let app = || App::new().workflow(gives_up);
    check(CALM, app, async |world| {
        let handle = world.start(gives_up, ()).await;
        let error = world.result(&handle).await.unwrap_err();
        assert!(matches!(error, ResultError::Failed(CopyError::DiskFull)), "{error:?}");
        world.did("failed", 3);
    });
}

#[step(
    skip(effects),
    total_timeout = "30s",
    retry(max_attempts = 100, initial = "10s", factor = 2, jitter = false)
)]
async fn fails_to_the_end(effects: &Effects) -> Result<u32, CopyError> {
    effects.note("failed");
    Err(CopyError::DiskFull)
}

#[workflow]
async fn gives_up_in_time(State(effects): State<Effects>, _input: ()) -> Result<u32, CopyError> {
    fails_to_the_end(&effects).await
}

/// Attempts at 0 and 10 seconds; the next would be at 30, when the time is up.
#[test]
fn no_attempt_begins_at_the_very_end_of_the_total_time() {
    let app = || App::new().workflow(gives_up_in_time);
    check(CALM, app, async |world| {
        let handle = world.start(gives_up_in_time, ()).await;
        let error = world.result(&handle).await.unwrap_err();
        assert!(matches!(error, ResultError::Failed(CopyError::DiskFull)), "{error:?}");
        world.did("failed", 2);
    });
}

#[step(skip(effects), total_timeout = "1m", timeout = "40s", retry(initial = "1s", jitter = false))]
async fn hangs(effects: &Effects) -> Result<u32, CopyError> {
    effects.note("hangs");
    tokio::time::sleep(seconds(3_600)).await;
    Ok(1)
}

#[workflow]
async fn hung(State(effects): State<Effects>, _input: ()) -> Result<u32, CopyError> {
    hangs(&effects).await
}

/// The first attempt has its 40 seconds, the second what is left of the minute.
#[test]
fn an_attempt_ends_when_the_total_time_is_up() {
    let app = || App::new().workflow(hung);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(hung, ()).await;
        let error = world.result(&handle).await.unwrap_err();
        let ResultError::Failed(CopyError::Other(text)) = error else { panic!("{error:?}") };
        assert_eq!(text, "the step timed out after 1m");
        world.did("hangs", 2);
        let events = world.events(handle.id()).await;
        let took = events.last().unwrap().at().since(events[0].at());
        assert!(took >= seconds(60) && took < seconds(63), "{took:?}");
    });
}

/// The time goes on while no host runs.
#[test]
fn a_step_whose_total_time_has_passed_meanwhile_does_not_run_again() {
    let app = || App::new().workflow(hung);
    check(CALM, app, async |world| {
        let handle = world.start(hung, ()).await;
        world.die_when(tokio::time::sleep(seconds(10))).await;
        tokio::time::sleep(seconds(3_600)).await;
        let error = world.result(&handle).await.unwrap_err();
        assert!(matches!(error, ResultError::Failed(CopyError::Other(_))), "{error:?}");
        world.did("hangs", 1);
        let last = world.events(handle.id()).await.into_iter().rev().nth(1);
        let Some(Event::StepFailed(failed)) = last else { panic!("{last:?}") };
        assert_eq!(failed.failure, timed_out());
    });
}

fn timed_out() -> Failure {
    let json = r#"{"timed_out":{"after_ms":60000}}"#;
    serde_json::from_str(json).unwrap()
}

/// Runs for an hour, unless it hears that nobody wants it; then it takes two seconds to clean up.
#[step(skip(effects))]
async fn attentive(effects: &Effects) -> everstep::Result<()> {
    let unwanted = cancelled();
    effects.note("began");
    tokio::select! {
        () = tokio::time::sleep(seconds(3_600)) => {}
        () = unwanted => {
            tokio::time::sleep(seconds(2)).await;
            effects.note("cleaned up");
        }
    }
    Err(everstep::Error::msg("not wanted").terminal())
}

#[workflow]
async fn impatient(State(effects): State<Effects>, after_s: u64) -> everstep::Result<String> {
    let worked = timeout(seconds(10), attentive(&effects)).await;
    sleep(seconds(after_s)).await;
    Ok(if worked.is_err() { "gave up" } else { "worked" }.to_owned())
}

#[test]
fn a_body_hears_that_its_future_was_dropped() {
    let app = || App::new().workflow(impatient);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(impatient, 60).await;
        assert_eq!(world.result(&handle).await.unwrap(), "gave up");
        world.did("cleaned up", 1);
        assert_eq!(world.number_of(handle.id(), "StepFailed").await, 1, "it ended in its own way");
    });
}

#[test]
fn a_body_hears_that_its_workflow_has_ended_and_gets_time_to_clean_up() {
    let app = || App::new().workflow(impatient);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(impatient, 0).await;
        assert_eq!(world.result(&handle).await.unwrap(), "gave up");
        world.did("cleaned up", 1);
    });
}

#[workflow]
async fn waits_long(State(effects): State<Effects>, _input: ()) -> everstep::Result<()> {
    attentive(&effects).await
}

async fn with_its_body_running(world: &World) -> everstep::client::Handle<(), everstep::Error> {
    let handle = world.start(waits_long, ()).await;
    world.until(tokio::time::sleep(Duration::from_millis(1))).await;
    handle
}

/// It is ended after seven seconds, with `status`: its body has heard of it, and what that did then
/// is in the log.
async fn check_told(
    world: &World,
    handle: everstep::client::Handle<(), everstep::Error>,
    status: Status,
) {
    let ends = async {
        tokio::time::sleep(seconds(7)).await;
        match status {
            Status::Terminated => handle.terminate("enough").await.unwrap(),
            _ => drop(handle.cancel("enough").await.unwrap()),
        }
        world.status_is(handle.id(), status).await
    };
    world.until(ends).await;
    world.did("cleaned up", 1);
    assert_eq!(world.number_of(handle.id(), "StepFailed").await, 1);
}

#[test]
fn a_body_hears_of_the_cancel_and_what_it_did_then_is_in_the_log() {
    let app = || App::new().workflow(waits_long);
    check(UNDISTURBED, app, async |world| {
        check_told(world, world.start(waits_long, ()).await, Status::Cancelled).await;
    });
}

#[test]
fn a_body_hears_of_a_terminate_and_what_it_did_then_is_in_the_log() {
    let app = || App::new().workflow(waits_long);
    check(UNDISTURBED, app, async |world| {
        check_told(world, world.start(waits_long, ()).await, Status::Terminated).await;
    });
}

#[step(skip(effects), undo = put_away)]
async fn take_out(effects: &Effects) -> everstep::Result<()> {
    effects.note("took out");
    Ok(())
}

async fn put_away(effects: &Effects, _: &()) -> everstep::Result<()> {
    effects.note("put away");
    Ok(())
}

#[workflow]
async fn waits_long_with_something_out(
    State(effects): State<Effects>,
    _input: (),
) -> everstep::Result<()> {
    take_out(&effects).await?;
    attentive(&effects).await
}

#[test]
fn a_body_hears_of_the_cancel_before_anything_is_undone() {
    let app = || App::new().workflow(waits_long_with_something_out);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(waits_long_with_something_out, ()).await;
        check_told(world, handle, Status::Cancelled).await;
        assert_eq!(world.effects().all(), ["took out", "began", "cleaned up", "put away"]);
    });
}

#[workflow]
async fn moves_on(State(effects): State<Effects>, run: u32) -> everstep::Result<u32> {
    if run == 2 {
        return Ok(run);
    }
    let _ = timeout(seconds(10), attentive(&effects)).await;
    continue_as_new(&2).await
}

#[test]
fn a_body_hears_that_its_run_is_over_and_what_it_did_then_is_in_the_log() {
    let app = || App::new().workflow(moves_on);
    check(UNDISTURBED, app, async |world| {
        let handle = world.start(moves_on, 1).await;
        assert_eq!(world.result(&handle).await.unwrap(), 2);
        world.did("cleaned up", 1);
        assert_eq!(world.number_of(handle.id(), "StepFailed").await, 1);
    });
}

#[test]
fn a_body_hears_that_its_host_stops() {
    let app = || App::new().workflow(waits_long);
    check(WARM, app, async |world| {
        let handle = with_its_body_running(world).await;
        // That host has stopped in good order.
        world.did("cleaned up", 1);
        assert!(matches!(world.result(&handle).await.unwrap_err(), ResultError::Failed(_)));
        world.did("began", 1);
    });
}

/// Outside a workflow there is nobody to hear from, and nobody who listens.
#[tokio::test(start_paused = true)]
async fn a_step_called_by_itself_may_say_and_hear_what_it_likes() {
    let effects = Effects::default();
    assert_eq!(copy(&effects, 2).await.unwrap(), 2);
    assert!(tokio::time::timeout(seconds(10), attentive(&effects)).await.is_err());
    assert_eq!(effects.all(), ["from 0", "began"]);
}
