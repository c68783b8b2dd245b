//! Several at once: joins, races, loops of races.

use std::time::Duration;

use everstep::prelude::*;
use everstep_tests::scenario::{ALL, Effects, World, check};

#[step(skip(effects))]
async fn work(effects: &Effects, n: u32) -> everstep::Result<u32> {
    effects.note(format!("work {n}"));
    Ok(n)
}

#[step(skip(effects))]
async fn take_time(effects: &Effects, n: u32, millis: u64) -> everstep::Result<u32> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    effects.note(format!("took time {n}"));
    Ok(n)
}

async fn chain(effects: &Effects, from: u32, nap: u64) -> everstep::Result<u32> {
    let mut sum = 0;
    for n in from..from + 3 {
        sum += work(effects, n).await?;
        sleep(seconds(nap)).await;
    }
    Ok(sum)
}

#[workflow]
async fn two_chains(State(effects): State<Effects>, _input: ()) -> everstep::Result<(u32, u32)> {
    let (a, b) = tokio::join!(chain(&effects, 0, 7), chain(&effects, 10, 3));
    Ok((a?, b?))
}

/// M1
#[test]
fn two_chains_that_suspend_at_different_points_both_come_out_right() {
    check(
        ALL,
        || App::new().workflow(two_chains),
        async |world| {
            let handle = world.start(two_chains, ()).await;
            assert_eq!(world.result(&handle).await.unwrap(), (3, 33));
            for n in [0, 1, 2, 10, 11, 12] {
                world.did(&format!("work {n}"), 1);
            }
        },
    );
}

/// M6
#[test]
fn a_helper_called_twice_under_a_join_has_keys_that_do_not_clash() {
    check(
        ALL,
        || App::new().workflow(two_chains),
        async |world| {
            let handle = world.start(two_chains, ()).await;
            world.result(&handle).await.unwrap();
            let mut keys = world.keys(handle.id(), "StepCompleted").await;
            keys.sort();
            assert_eq!(keys, ["work#1", "work#2", "work#3", "work#4", "work#5", "work#6"]);
        },
    );
}

#[workflow]
async fn select_loop(
    State(effects): State<Effects>,
    (seed, rounds): (u64, u32),
) -> everstep::Result<Vec<u32>> {
    let mut seen = Vec::new();
    let mut next = 0;
    let mut fast = take_time(&effects, 0, seed % 700);
    let mut tick = Box::pin(sleep(seconds(1)));
    for _ in 0..rounds {
        tokio::select! {
            biased;
            () = &mut tick => {
                seen.push(1_000);
                tick = Box::pin(sleep(seconds(1)));
            }
            n = &mut fast => {
                seen.push(n?);
                next += 1;
                fast = take_time(&effects, next, seed.wrapping_mul(u64::from(next) + 7) % 700);
                if next % 10 == 0 {
                    // Another order on replay would be another argument, and block.
                    work(&effects, seen.iter().sum()).await?;
                    sleep(seconds(1)).await;
                }
            }
        }
    }
    Ok(seen)
}

async fn check_selects(world: &World) {
    let handle = world.start(select_loop, (0x9e37_79b9, 100)).await;
    let seen = world.result(&handle).await.unwrap();
    assert_eq!(seen.len(), 100);
    let steps: Vec<u32> = seen.iter().copied().filter(|n| *n < 1_000).collect();
    assert!(steps.iter().copied().eq(0..u32::try_from(steps.len()).unwrap()), "{seen:?}");
    assert!(steps.len() < seen.len(), "the timer never won");
}

/// M5
#[test]
fn a_loop_of_a_hundred_selects_replays_to_the_same_result() {
    check(ALL, || App::new().workflow(select_loop), async |world| check_selects(world).await);
}
