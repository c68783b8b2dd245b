//! Fan-in of errors: what is not a step's own error reaches the workflow where its type asks for it,
//! and nowhere else.

use everstep::StepFailure;
use everstep::client::ResultError;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, CALM, Effects, check};
use serde::{Deserialize, Serialize};

/// Asks for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Roomy {
    Own,
    Panicked,
    TimedOut { after_s: u64 },
    Interrupted,
    Unrecordable,
}

impl From<StepFailure> for Roomy {
    fn from(failure: StepFailure) -> Self {
        match failure {
            StepFailure::Panicked { .. } => Self::Panicked,
            StepFailure::TimedOut { after } => Self::TimedOut { after_s: after.as_secs() },
            StepFailure::Interrupted { .. } => Self::Interrupted,
            StepFailure::Unrecordable { .. } => Self::Unrecordable,
            other => panic!("{other}"),
        }
    }
}

/// Does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Narrow {
    Own,
}

#[step(retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn own() -> Result<f64, Roomy> {
    Err(Roomy::Own)
}

#[step(retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn panics() -> Result<f64, Roomy> {
    panic!("at each attempt")
}

#[step(timeout = "3s", retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn times_out() -> Result<f64, Roomy> {
    std::future::pending().await
}

#[step(retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn unrecordable() -> Result<f64, Roomy> {
    Ok(f64::NAN)
}

#[workflow]
async fn all_of_them(_effects: State<Effects>, _input: ()) -> everstep::Result<Vec<Roomy>> {
    let results = [own().await, panics().await, times_out().await, unrecordable().await];
    Ok(results.into_iter().filter_map(Result::err).collect())
}

/// item 12 of the language
#[test]
fn failures_that_are_not_the_steps_own_reach_a_type_that_asks_for_them() {
    let app = || App::new().workflow(all_of_them);
    check(ALL, app, async |world| {
        let handle = world.start(all_of_them, ()).await;
        let expected =
            [Roomy::Own, Roomy::Panicked, Roomy::TimedOut { after_s: 3 }, Roomy::Unrecordable];
        assert_eq!(world.result(&handle).await.unwrap(), expected);
        // Retries are used up first, but for a result that no attempt can make recordable.
        assert_eq!(world.number_of(handle.id(), "StepAttemptFailed").await, 3);
    });
}

#[step(at_most_once, skip(effects))]
async fn dies(effects: &Effects) -> Result<u32, Roomy> {
    effects.note("began");
    std::future::pending().await
}

#[workflow]
async fn interrupted(State(effects): State<Effects>, _input: ()) -> Result<u32, Roomy> {
    dies(&effects).await
}

#[test]
fn an_interruption_reaches_a_type_that_asks_for_it() {
    let app = || App::new().workflow(interrupted);
    check(CALM, app, async |world| {
        let handle = world.start(interrupted, ()).await;
        world.die_when(tokio::time::sleep(seconds(1))).await;
        let error = world.result(&handle).await.unwrap_err();
        assert!(matches!(error, ResultError::Failed(Roomy::Interrupted)), "{error:?}");
        world.did("began", 1);
    });
}

#[step(retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn narrow(panics: bool) -> Result<u32, Narrow> {
    assert!(!panics, "at each attempt");
    Err(Narrow::Own)
}

#[workflow]
async fn without_room(_effects: State<Effects>, panics: bool) -> Result<u32, Narrow> {
    narrow(panics).await
}

#[test]
fn a_type_without_room_gets_its_own_errors_and_a_panic_blocks_the_execution() {
    let app = || App::new().workflow(without_room);
    check(ALL, app, async |world| {
        let handle = world.start(without_room, false).await;
        let error = world.result(&handle).await.unwrap_err();
        assert!(matches!(error, ResultError::Failed(Narrow::Own)), "{error:?}");

        let handle = world.start(without_room, true).await;
        let record = world.until(world.settled(handle.id())).await;
        assert_eq!(record.projection.status, Status::Blocked);
        let reason = record.projection.reason.unwrap();
        assert!(reason.contains("narrow#1") && reason.contains("From<StepFailure>"), "{reason}");
        assert_eq!(world.number_of(handle.id(), "StepFailed").await, 0, "nothing is decided");
    });
}
