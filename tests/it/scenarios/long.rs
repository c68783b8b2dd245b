//! Long histories.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use everstep::prelude::*;
use everstep_tests::scenario::{ELSEWHERE, Effects, Profile, WARM, World, check, check_on};

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

async fn run(world: &World, steps: u32) {
    let handle = world.start(long, steps).await;
    assert_eq!(world.result(&handle).await.unwrap(), steps + 1);
    assert_eq!(world.number_of(handle.id(), "StepCompleted").await, steps as usize + 1);
}

/// L1: how long they take is measured by the bench `core`, and counted below.
#[test]
fn ten_thousand_steps_run_once_each() {
    check(
        WARM,
        || App::new().workflow(long),
        async |world| {
            run(world, 10_000).await;
            assert_eq!(world.effects().count("counted"), 10_001);
        },
    );
}

/// L1: every wake twice and two hosts.
#[test]
fn ten_thousand_steps_are_each_run_once_however_often_they_are_replayed() {
    check(
        &[Profile::Twice, Profile::TwoHosts],
        || App::new().workflow(long),
        async |world| {
            run(world, 10_000).await;
            assert_eq!(world.effects().count("counted"), 10_001);
        },
    );
}

/// How often its loop was gone through, by turns and their replays.
#[derive(Debug, Clone, Default)]
struct Rounds(Arc<AtomicUsize>);

#[workflow]
async fn counted(
    State(effects): State<Effects>,
    State(rounds): State<Rounds>,
    steps: u32,
) -> everstep::Result<u32> {
    let mut n = 0;
    while n < steps {
        rounds.0.fetch_add(1, Ordering::SeqCst);
        n = count(&effects, n).await?;
    }
    // Near enough for one hop of the queue: each is a load.
    sleep(minutes(10)).await;
    count(&effects, n).await
}

/// L1: a round and a write a step, one more round for each in the one replay, and one load a turn.
#[test]
fn thousands_of_steps_cost_a_write_each_and_their_replay_is_linear_on_every_store() {
    const STEPS: u32 = 2_000;
    let rounds = Rounds::default();
    let gone_through = rounds.clone();
    // The check of a debug build goes through it, too.
    let app = move || App::new().workflow(counted).state(rounds.clone()).replay_check(false);
    check_on(ELSEWHERE, WARM, app, async |world| {
        gone_through.0.store(0, Ordering::SeqCst);
        let handle = world.start(counted, STEPS).await;
        assert_eq!(world.result(&handle).await.unwrap(), STEPS + 1);
        assert_eq!(world.effects().count("counted"), STEPS as usize + 1);
        assert_eq!(gone_through.0.load(Ordering::SeqCst), 2 * STEPS as usize, "a replay");
        let (turns, counts) = (world.number_of(handle.id(), "TurnStarted").await, world.counts());
        assert_eq!((turns, counts.of("load")), (2, 2), "{counts:?}");
        let appends = counts.of("append");
        assert!(appends < u64::from(STEPS) + 20, "{appends} appends of {STEPS} steps");
        let commits = world.log(handle.id()).await.len() as u64;
        assert_eq!(commits, appends + 1, "and the start");
    });
}

#[step(skip(effects))]
async fn heavy(effects: &Effects, n: u32) -> everstep::Result<String> {
    effects.note(format!("heavy {n}"));
    Ok(format!("{n}:{}", "x".repeat(180_000)))
}

#[workflow]
async fn large(State(effects): State<Effects>, steps: u32) -> everstep::Result<usize> {
    let mut bytes = 0;
    for n in 0..steps {
        bytes += heavy(&effects, n).await?.len();
        if n % 4 == 3 {
            // Each turn after this loads all that is before it.
            sleep(minutes(1)).await;
        }
    }
    Ok(bytes)
}

/// L2: 2.2 MB. A page of DynamoDB's has 1 MB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>).
#[test]
fn a_history_of_several_pages_is_replayed_whole_and_no_step_runs_again() {
    const STEPS: u32 = 12;
    check(
        &[Profile::Twice, Profile::Pages, Profile::Stores],
        || App::new().workflow(large),
        async |world| {
            let handle = world.start(large, STEPS).await;
            let bytes = (0..STEPS).map(|n| n.to_string().len() + 1 + 180_000).sum::<usize>();
            assert_eq!(world.result(&handle).await.unwrap(), bytes);
            for n in 0..STEPS {
                world.did(&format!("heavy {n}"), 1);
            }
            let loaded = world.client().load(handle.id()).await.unwrap();
            let size: usize = loaded.commits.iter().map(|commit| commit.body.len()).sum();
            assert!(size > 2_097_152, "{size} bytes are too few");
        },
    );
}
