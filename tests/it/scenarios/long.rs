//! Long histories.

use std::time::{Duration, Instant};

use everstep::prelude::*;
use everstep_tests::scenario::{Effects, Profile, WARM, check};

#[step(skip(effects))]
async fn count(effects: &Effects, n: u32) -> everstep::Result<u32> {
    effects.note("counted");
    Ok(n + 1)
}

#[workflow]
async fn long(State(effects): State<Effects>, steps: u32) -> everstep::Result<u32> {
    let mut n = 0;
    while n < steps {
        n = count(&effects, n).await?;
    }
    sleep(hours(1)).await;
    count(&effects, n).await
}

async fn time_of(world: &everstep_tests::scenario::World, steps: u32) -> Duration {
    let before = Instant::now();
    let handle = world.start(long, steps).await;
    assert_eq!(world.result(&handle).await.unwrap(), steps + 1);
    assert_eq!(world.number_of(handle.id(), "StepCompleted").await, steps as usize + 1);
    before.elapsed()
}

/// L1
#[test]
fn ten_thousand_steps_take_linear_time_and_each_runs_once() {
    check(
        WARM,
        || App::new().workflow(long),
        async |world| {
            let short = time_of(world, 1_000).await;
            let all = time_of(world, 10_000).await;
            assert_eq!(world.effects().count("counted"), 11_002);
            // Ten times as much; a quadratic loop would be a hundred times.
            assert!(all < short * 35 + Duration::from_secs(1), "{short:?}, then {all:?}");
        },
    );
}

/// L1: every wake twice and two hosts.
#[test]
fn a_thousand_steps_are_each_run_once_however_often_they_are_replayed() {
    check(
        &[Profile::Twice, Profile::TwoHosts],
        || App::new().workflow(long),
        async |world| {
            time_of(world, 1_000).await;
            assert_eq!(world.effects().count("counted"), 1_001);
        },
    );
}
