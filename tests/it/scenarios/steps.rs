//! Steps: results, errors, attempts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use everstep::client::ResultError;
use everstep::event::{Event, Failure};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::{StepFailure, attempt};
use everstep_tests::scenario::{
    ALL, CALM, ELSEWHERE, Effects, MOST, Profile, WARM, World, check, check_on,
};
use serde::{Deserialize, Serialize};

#[step(skip(effects))]
async fn add(effects: &Effects, a: u32, b: u32) -> everstep::Result<u32> {
    effects.note(format!("add {a} {b}"));
    Ok(a + b)
}

#[workflow]
async fn one(State(effects): State<Effects>, input: u32) -> everstep::Result<u32> {
    add(&effects, input, 1).await
}

/// S1
#[test]
fn a_step_s_result_is_the_workflow_s_to_use() {
    check(
        ALL,
        || App::new().workflow(one),
        async |world| {
            let handle = world.start(one, 1).await;
            assert_eq!(world.result(&handle).await.unwrap(), 2);
            world.did("add 1 1", 1);
            assert_eq!(world.keys(handle.id(), "StepCompleted").await, ["add#1"]);
        },
    );
}

#[step(name = "reserve stock", skip(effects))]
async fn reserve(effects: &Effects, items: u32) -> everstep::Result<String> {
    effects.note("reserve");
    Ok(format!("r-{items}"))
}

#[workflow]
async fn named(State(effects): State<Effects>, input: u32) -> everstep::Result<String> {
    let first = reserve(&effects, input).await?;
    let second = step("confirm", {
        let (effects, first) = (effects.clone(), first.clone());
        async move || {
            effects.note("confirm");
            Ok::<_, everstep::Error>(first + "!")
        }
    })
    .input("first", &first)
    .await?;
    let third = reserve(&effects, 0).await?;
    Ok(second + &third)
}

/// S1
#[test]
fn names_of_steps_and_their_counts_are_in_the_log() {
    check(
        ALL,
        || App::new().workflow(named),
        async |world| {
            let handle = world.start(named, 7).await;
            assert_eq!(world.result(&handle).await.unwrap(), "r-7!r-0");
            world.did("confirm", 1);
            world.did("reserve", 2);
            let keys = world.keys(handle.id(), "StepCompleted").await;
            assert_eq!(keys, ["reserve stock#1", "confirm#1", "reserve stock#2"]);
        },
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    One(String),
    Both { left: Option<Box<Shape>>, right: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Data {
    unit: (),
    none: Option<u8>,
    big: u64,
    least: i128,
    most: u128,
    reals: Vec<f64>,
    text: String,
    map: BTreeMap<i64, Shape>,
}

fn data() -> Data {
    let inner = Shape::Both { left: Some(Box::new(Shape::Nothing)), right: vec![0, 255] };
    Data {
        unit: (),
        none: None,
        big: u64::MAX,
        least: i128::MIN,
        most: u128::MAX,
        reals: vec![f64::MAX, f64::MIN_POSITIVE, -0.0, 0.1 + 0.2, 5e-324],
        text: "žluťoučký kůň 🐎\u{0}\u{2028}\"\\".repeat(1_000),
        map: BTreeMap::from([(-1, Shape::One("x".into())), (i64::MAX, inner)]),
    }
}

#[step]
async fn produce() -> everstep::Result<Data> {
    Ok(data())
}

#[step]
async fn nothing() -> everstep::Result<()> {
    Ok(())
}

#[workflow]
async fn values(_input: ()) -> everstep::Result<Data> {
    let made = produce().await?;
    assert_eq!(made, data());
    nothing().await?;
    sleep(seconds(1)).await;
    assert_eq!(
        step("echo", {
            let made = made.clone();
            async move || Ok::<_, everstep::Error>(made)
        })
        .await?,
        made
    );
    Ok(made)
}

/// S2
#[test]
fn values_come_back_as_they_were_recorded() {
    check(
        ALL,
        || App::new().workflow(values),
        async |world| {
            let handle = world.start(values, ()).await;
            let result = world.result(&handle).await.unwrap();
            assert_eq!(result, data());
            assert_eq!(result.reals[2].to_bits(), (-0.0_f64).to_bits());
        },
    );
}

#[step]
async fn not_a_number() -> everstep::Result<f64> {
    Ok(f64::NAN)
}

#[workflow]
async fn unrecordable(_input: ()) -> everstep::Result<String> {
    match not_a_number().await {
        Ok(value) => Ok(format!("changed to {value}")),
        Err(error) => Ok(error.to_string()),
    }
}

/// S2
#[test]
fn a_value_that_json_would_change_is_an_error_of_its_step() {
    check(
        ALL,
        || App::new().workflow(unrecordable),
        async |world| {
            let handle = world.start(unrecordable, ()).await;
            let result = world.result(&handle).await.unwrap();
            assert!(result.contains("cannot be recorded") && result.contains("NaN"), "{result}");
            // Not worth another attempt: it would return the same.
            assert_eq!(world.number_of(handle.id(), "StepAttemptFailed").await, 0);
        },
    );
}

#[workflow]
async fn around_a_sleep(State(effects): State<Effects>, input: u32) -> everstep::Result<u32> {
    let sum = add(&effects, input, 1).await?;
    sleep(hours(1)).await;
    add(&effects, sum, 10).await
}

/// S3
#[test]
fn a_step_before_a_sleep_does_not_run_again_after_it() {
    check(
        ALL,
        || App::new().workflow(around_a_sleep),
        async |world| {
            let handle = world.start(around_a_sleep, 1).await;
            assert_eq!(world.result(&handle).await.unwrap(), 12);
            world.did("add 1 1", 1);
            world.did("add 2 10", 1);
            let turns = world.number_of(handle.id(), "TurnStarted").await;
            assert!(turns >= 2, "{turns} turns");
        },
    );
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
enum ChargeError {
    #[error("declined: {reason}")]
    Declined { reason: String },
    #[error("busy")]
    Busy,
    #[error("{0}")]
    Failure(String),
}

impl From<StepFailure> for ChargeError {
    fn from(failure: StepFailure) -> Self {
        Self::Failure(failure.to_string())
    }
}

#[step(skip(effects), retry(max_attempts = 1))]
async fn decline(effects: &Effects, amount: u32) -> Result<u32, ChargeError> {
    effects.note("decline");
    Err(ChargeError::Declined { reason: format!("{amount} is too much") })
}

#[workflow]
async fn caught(State(effects): State<Effects>, amount: u32) -> Result<String, ChargeError> {
    let error = decline(&effects, amount).await.unwrap_err();
    sleep(minutes(1)).await;
    assert_eq!(error, ChargeError::Declined { reason: format!("{amount} is too much") });
    Ok(error.to_string())
}

/// S4
#[test]
fn a_caught_error_is_the_same_typed_error_on_replay() {
    check(
        ALL,
        || App::new().workflow(caught),
        async |world| {
            let handle = world.start(caught, 9).await;
            assert_eq!(world.result(&handle).await.unwrap(), "declined: 9 is too much");
            world.did("decline", 1);
        },
    );
}

#[step(skip(effects), retry(max_attempts = 5, initial = "1s", factor = 1.0, jitter = false))]
async fn third_time_lucky(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("try");
    if attempt() < 3 { Err(ChargeError::Busy) } else { Ok(attempt()) }
}

#[workflow]
async fn lucky(State(effects): State<Effects>, _input: ()) -> Result<u32, ChargeError> {
    third_time_lucky(&effects).await
}

/// S5
#[test]
fn a_step_that_fails_twice_succeeds_on_its_third_attempt() {
    check(
        ALL,
        || App::new().workflow(lucky),
        async |world| {
            let handle = world.start(lucky, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 3);
            world.did("try", 3);
            let events = world.events(handle.id()).await;
            let failed: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    Event::StepAttemptFailed(failed) => Some(failed),
                    _ => None,
                })
                .collect();
            assert_eq!(failed.len(), 2);
            for (failed, number) in failed.into_iter().zip(1..) {
                assert_eq!(failed.attempt, number);
                assert_eq!(failed.failure.message(), "Busy");
                assert_eq!(failed.retry_at.since(failed.at), Duration::from_secs(1));
            }
        },
    );
}

#[step(skip(effects), retry(max_attempts = 3, initial = "10s", jitter = false))]
async fn never(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("never");
    Err(ChargeError::Declined { reason: format!("attempt {}", attempt()) })
}

#[workflow]
async fn hopeless(State(effects): State<Effects>, _input: ()) -> Result<u32, ChargeError> {
    never(&effects).await
}

/// S6
#[test]
fn the_last_attempt_s_error_reaches_the_workflow_after_the_attempts_allowed() {
    check(
        ALL,
        || App::new().workflow(hopeless),
        async |world| {
            let handle = world.start(hopeless, ()).await;
            let error = world.result(&handle).await.unwrap_err();
            let ResultError::Failed(ChargeError::Declined { reason }) = error else {
                panic!("{error:?}");
            };
            assert_eq!(reason, "attempt 3");
            world.did("never", 3);
            assert_eq!(world.number_of(handle.id(), "StepAttemptFailed").await, 2);
            assert_eq!(world.number_of(handle.id(), "StepFailed").await, 1);
        },
    );
}

#[step(retry(max_attempts = 3, initial = "5s", factor = 1.0, jitter = false))]
async fn fixed() -> Result<u32, ChargeError> {
    Err(ChargeError::Busy)
}

#[step(retry(max_attempts = 6, initial = "4s", max = "20s", jitter = false))]
async fn exponential() -> Result<u32, ChargeError> {
    Err(ChargeError::Busy)
}

#[step(retry(max_attempts = 6, initial = "4s", max = "20s"))]
async fn jittered() -> Result<u32, ChargeError> {
    Err(ChargeError::Busy)
}

#[step]
async fn by_default() -> Result<u32, ChargeError> {
    Err(ChargeError::Busy)
}

#[workflow]
async fn back_offs(_input: ()) -> Result<(), ChargeError> {
    let failed = [fixed().await, exponential().await, jittered().await, by_default().await];
    assert!(failed.iter().all(Result::is_err));
    Ok(())
}

/// S7
#[test]
fn back_offs_are_within_the_bounds_of_their_policy() {
    let app = || App::new().workflow(back_offs);
    check(&[MOST, &[Profile::Pages]].concat(), app, check_back_offs);
    // Random back-offs make another log each time.
    check_on(ELSEWHERE, MOST, app, check_back_offs);
}

async fn check_back_offs(world: &World) {
    let handle = world.start(back_offs, ()).await;
    world.result(&handle).await.unwrap();
    let events = world.events(handle.id()).await;
    let delays = |name: &str| -> Vec<u128> {
        let of = |event: &Event| match event {
            Event::StepAttemptFailed(failed) if failed.key.name == name => {
                Some(failed.retry_at.since(failed.at).as_millis())
            }
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    assert_eq!(delays("fixed"), [5_000, 5_000]);
    assert_eq!(delays("exponential"), [4_000, 8_000, 16_000, 20_000, 20_000]);
    let most = [4_000, 8_000, 16_000, 20_000, 20_000];
    let jittered = delays("jittered");
    assert_eq!(jittered.len(), 5);
    assert!(jittered.iter().zip(most).all(|(delay, most)| *delay <= most), "{jittered:?}");
    // One of five is anything but nothing, or the machine that drew them is broken.
    assert!(jittered.iter().any(|delay| *delay > 0), "{jittered:?}");
    let by_default = delays("by_default");
    let most = [500, 1_000, 2_000, 4_000, 8_000];
    assert_eq!(by_default.len(), 5);
    assert!(by_default.iter().zip(most).all(|(delay, most)| *delay <= most), "{by_default:?}");
}

/// S7
#[test]
fn a_long_back_off_suspends_and_the_next_attempt_is_not_early() {
    check(
        CALM,
        || App::new().workflow(hopeless),
        async |world| {
            let handle = world.start(hopeless, ()).await;
            let record = world.until(world.status_is(handle.id(), Status::Suspended)).await;
            let wake_at = record.projection.wake_at.expect("the next attempt's time");
            assert_eq!(world.effects().count("never"), 1);
            world
                .until(async {
                    world.clock().sleep_until(wake_at.before(Duration::from_millis(1))).await;
                    assert_eq!(world.effects().count("never"), 1);
                    world.settled(handle.id()).await;
                })
                .await;
            world.did("never", 3);
        },
    );
}

fn is_busy(error: &ChargeError) -> bool {
    matches!(error, ChargeError::Busy)
}

#[step(skip(effects), retry(max_attempts = 10, initial = "1s"), retry_if = is_busy)]
async fn busy_then_declined(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("charge");
    if attempt() < 3 {
        return Err(ChargeError::Busy);
    }
    Err(ChargeError::Declined { reason: "stolen".into() })
}

#[workflow]
async fn terminal(State(effects): State<Effects>, _input: ()) -> Result<u32, ChargeError> {
    busy_then_declined(&effects).await
}

/// S8
#[test]
fn retries_stop_at_the_first_error_that_is_not_worth_another() {
    check(
        ALL,
        || App::new().workflow(terminal),
        async |world| {
            let handle = world.start(terminal, ()).await;
            let error = world.result(&handle).await.unwrap_err();
            assert!(
                matches!(error, ResultError::Failed(ChargeError::Declined { .. })),
                "{error:?}"
            );
            world.did("charge", 3);
        },
    );
}

#[step(skip(effects), at_most_once)]
async fn once(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("once");
    if effects.count("once") == 1 {
        // The host dies here.
        std::future::pending::<()>().await;
    }
    Ok(attempt())
}

#[step(skip(effects), at_most_once, retry(max_attempts = 2, initial = "1s", jitter = false))]
async fn once_more(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("once");
    if effects.count("once") == 1 {
        std::future::pending::<()>().await;
    }
    Ok(attempt())
}

#[workflow]
async fn at_most(State(effects): State<Effects>, again: bool) -> Result<u32, ChargeError> {
    if again { once_more(&effects).await } else { once(&effects).await }
}

/// S9
#[test]
fn an_at_most_once_step_whose_host_dies_is_interrupted_and_not_run_again() {
    check(
        CALM,
        || App::new().workflow(at_most),
        async |world| {
            let handle = world.start(at_most, false).await;
            world.die_when(begun(world.effects())).await;
            let error = world.result(&handle).await.unwrap_err();
            let ResultError::Failed(ChargeError::Failure(message)) = error else {
                panic!("{error:?}");
            };
            assert!(message.contains("interrupted"), "{message}");
            assert_eq!(world.effects().count("once"), 1);
        },
    );
}

/// S9
#[test]
fn an_at_most_once_step_that_may_be_retried_runs_again_as_a_second_attempt() {
    check(
        CALM,
        || App::new().workflow(at_most),
        async |world| {
            let handle = world.start(at_most, true).await;
            world.die_when(begun(world.effects())).await;
            assert_eq!(world.result(&handle).await.unwrap(), 2);
            assert_eq!(world.effects().count("once"), 2);
            let events = world.events(handle.id()).await;
            let interrupted = events.iter().any(|event| {
                matches!(event, Event::StepAttemptFailed(failed)
                if matches!(failed.failure, Failure::Interrupted { .. }) && failed.attempt == 1)
            });
            assert!(interrupted, "{events:?}");
        },
    );
}

#[step(skip(effects), at_most_once)]
async fn pay(effects: &Effects, what: &str) -> Result<u32, ChargeError> {
    effects.note(format!("pay {what}, attempt {}", attempt()));
    Ok(attempt())
}

#[step(skip(effects), at_most_once, retry(max_attempts = 3, initial = "1s", jitter = false))]
async fn pay_again(effects: &Effects, what: &str) -> Result<u32, ChargeError> {
    effects.note(format!("pay {what}, attempt {}", attempt()));
    Ok(attempt())
}

/// What each said: the attempt that did it, or why nobody knows.
#[workflow]
async fn payments(State(effects): State<Effects>, _input: ()) -> everstep::Result<Vec<String>> {
    let said = |result: Result<u32, ChargeError>| match result {
        Ok(attempt) => attempt.to_string(),
        Err(error) => error.to_string(),
    };
    let rent = said(pay(&effects, "rent").await);
    let both = tokio::join!(pay(&effects, "milk"), pay_again(&effects, "bread"));
    Ok(vec![rent, said(both.0), said(both.1)])
}

/// Checks what each payment says against what was done, and returns how many were interrupted.
async fn check_payments(world: &World) -> usize {
    let handle = world.start(payments, ()).await;
    let said = world.result(&handle).await.unwrap();
    let times =
        |what: &str, attempt: u32| world.effects().count(&format!("pay {what}, attempt {attempt}"));
    for ((what, most), said) in [("rent", 1), ("milk", 1), ("bread", 3)].into_iter().zip(&said) {
        let all = world.effects().all();
        assert!((1..=most).all(|attempt| times(what, attempt) <= 1), "one ran twice: {all:?}");
        match said.parse() {
            Ok(attempt) => assert_eq!(times(what, attempt), 1, "{what} is said to be paid"),
            Err(_) => assert!(said.contains("interrupted"), "{what}: {said}"),
        }
    }
    said.iter().filter(|said| said.contains("interrupted")).count()
}

/// S9: whatever becomes of the write of its start, and of the answer.
#[test]
fn an_at_most_once_step_never_runs_twice_and_is_done_or_interrupted_in_any_weather() {
    let app = || App::new().workflow(payments);
    check(WARM, app, async |world| assert_eq!(check_payments(world).await, 0));
    let stormy = Cell::new(0);
    check(ALL, app, async |world| {
        let interrupted = check_payments(world).await;
        stormy.set(stormy.get() + if world.is_calm() { 0 } else { interrupted });
    });
    assert!(stormy.get() > 0, "no host died after such a write");
}

async fn begun(effects: &Effects) {
    while effects.count("once") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[step(skip(effects), retry(max_attempts = 2, initial = "1s"))]
async fn explode(effects: &Effects) -> everstep::Result<u32> {
    effects.note("explode");
    panic!("boom {}", attempt());
}

#[workflow]
async fn explosive(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    Ok(explode(&effects).await.unwrap_err().to_string())
}

/// S10
#[test]
fn a_panic_is_a_failed_attempt_and_the_host_lives() {
    check(
        ALL,
        || App::new().workflow(explosive),
        async |world| {
            let handle = world.start(explosive, ()).await;
            let message = world.result(&handle).await.unwrap();
            assert!(message.contains("boom 2") && message.contains("steps.rs"), "{message}");
            world.did("explode", 2);
        },
    );
}

#[workflow]
async fn local_variable(State(effects): State<Effects>, _input: ()) -> everstep::Result<u32> {
    let mut sum = 0;
    for _ in 0..3 {
        sum += add(&effects, sum, 1).await? - sum;
    }
    Ok(sum)
}

/// S11
#[test]
fn local_variables_are_what_replay_makes_of_them() {
    check(
        ALL,
        || App::new().workflow(local_variable),
        async |world| {
            let handle = world.start(local_variable, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), 3);
            for before in 0..3 {
                world.did(&format!("add {before} 1"), 1);
            }
        },
    );
}

#[step(skip(effects), retry(max_attempts = 3, initial = "30s", jitter = false))]
async fn keyed(effects: &Effects, which: u32) -> everstep::Result<String> {
    effects.note(format!("{which} {}", idempotency_key()));
    if attempt() < 3 {
        return Err(everstep::Error::msg("again"));
    }
    Ok(idempotency_key())
}

#[workflow]
async fn keys(State(effects): State<Effects>, _input: ()) -> everstep::Result<Vec<String>> {
    Ok(vec![keyed(&effects, 1).await?, keyed(&effects, 2).await?])
}

/// S12
#[test]
fn an_idempotency_key_is_equal_across_attempts_and_hosts_and_different_otherwise() {
    check(
        ALL,
        || App::new().workflow(keys),
        async |world| {
            let first = world.start(keys, ()).await;
            let other = world.start(keys, ()).await;
            let mut all = world.result(&first).await.unwrap();
            all.extend(world.result(&other).await.unwrap());
            let mut different = all.clone();
            different.sort();
            different.dedup();
            assert_eq!(different.len(), 4, "{all:?}");
            for (key, which) in all.iter().zip([1, 2, 1, 2]) {
                world.did(&format!("{which} {key}"), 3);
            }
            assert!(world.effects().all().iter().all(|done| all.contains(&done[2..].to_owned())));
        },
    );
}

#[step(skip(effects), timeout = "2s", retry(max_attempts = 2, initial = "1s"))]
async fn slow(effects: &Effects) -> Result<u32, ChargeError> {
    effects.note("slow");
    std::future::pending().await
}

#[workflow]
async fn timed(State(effects): State<Effects>, _input: ()) -> Result<String, ChargeError> {
    let error = slow(&effects).await.unwrap_err();
    sleep(minutes(1)).await;
    Ok(error.to_string())
}

/// S13
#[test]
fn a_step_s_time_out_is_a_typed_error_and_the_same_on_replay() {
    check(
        ALL,
        || App::new().workflow(timed),
        async |world| {
            let handle = world.start(timed, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), "the step timed out after 2s");
            world.did("slow", 2);
        },
    );
}

/// S14
#[tokio::test]
async fn a_step_called_outside_a_workflow_is_a_plain_function() {
    let effects = Effects::default();
    assert_eq!(add(&effects, 1, 2).await.unwrap(), 3);
    assert_eq!(third_time_lucky(&effects).await, Err(ChargeError::Busy));
    assert_eq!(effects.all(), ["add 1 2", "try"]);
}

#[step]
async fn huge(bytes: usize) -> everstep::Result<String> {
    Ok("x".repeat(bytes))
}

#[workflow]
async fn too_large(bytes: usize) -> everstep::Result<String> {
    match huge(bytes).await {
        Ok(text) => Ok(text.len().to_string()),
        Err(error) => Ok(error.to_string()),
    }
}

/// S15
#[test]
fn a_result_that_no_item_can_hold_is_an_error_that_names_the_limit() {
    check(
        ALL,
        || App::new().workflow(too_large),
        async |world| {
            let handle = world.start(too_large, 500_000).await;
            let message = world.result(&handle).await.unwrap();
            assert!(message.contains("500002 bytes") && message.contains("190000"), "{message}");
            assert!(message.contains("S3"), "{message}");
            let fits = world.start(too_large, 150_000).await;
            assert_eq!(world.result(&fits).await.unwrap(), "150000");
        },
    );
}
