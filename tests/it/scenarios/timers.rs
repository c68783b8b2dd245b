//! Timers: in order, never early, never lost.

use std::time::Duration;

use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, IN_MEMORY, Profile, World, check, check_few};

#[workflow]
async fn sleeper(State(effects): State<Effects>, naps_ms: Vec<u64>) -> everstep::Result<i64> {
    let begun = now();
    for nap in naps_ms {
        sleep(Duration::from_millis(nap)).await;
        effects.note(format!("woke from {nap}"));
    }
    Ok((now() - begun).num_milliseconds())
}

/// How long it really took, by the events' times.
async fn check_naps(world: &World, naps: &[u64]) {
    let handle = world.start(sleeper, naps.to_vec()).await;
    let slept = world.result(&handle).await.unwrap();
    let asked: u64 = naps.iter().sum();
    assert!(u64::try_from(slept).unwrap() >= asked, "{slept} ms instead of {asked}");
    if world.is_calm() {
        assert!(u64::try_from(slept).unwrap() < asked + 3_000, "{slept} ms instead of {asked}");
    }
    assert_eq!(world.number_of(handle.id(), "TimerFired").await, naps.len());
    let events = world.events(handle.id()).await;
    let (mut due, mut fired) = (Vec::new(), Vec::new());
    for event in &events {
        match event {
            Event::TimerStarted(timer) => due.push(timer.due),
            Event::TimerFired(timer) => fired.push(timer.at),
            _ => {}
        }
    }
    assert!(due.iter().zip(&fired).all(|(due, fired)| fired >= due));
}

/// T1
#[test]
fn sleeps_end_in_order_and_never_early() {
    check(
        ALL,
        || App::new().workflow(sleeper),
        async |world| {
            check_naps(world, &[1_000, 1, 2_500, 40_000]).await;
        },
    );
}

/// T1
#[test]
fn an_hour_is_an_hour() {
    check(
        ALL,
        || App::new().workflow(sleeper),
        async |world| {
            check_naps(world, &[3_600_000]).await;
        },
    );
}

/// T1
#[test]
fn ten_days_are_ten_days() {
    let profiles = [IN_MEMORY, &[Profile::Pages, Profile::Stores]].concat();
    check(&profiles, || App::new().workflow(sleeper), ten_days);
}

/// T1
#[test]
fn ten_days_are_ten_days_though_hosts_die_and_calls_fail() {
    let weather = &[Profile::Killed, Profile::Faults];
    check_few(weather, || App::new().workflow(sleeper), ten_days);
}

async fn ten_days(world: &World) {
    check_naps(world, &[864_000_000]).await;
}

#[workflow]
async fn many_naps(count: u64) -> everstep::Result<usize> {
    let naps = (0..count).map(|nap| async move {
        let due = now() + Duration::from_millis(100 + nap * 37 % 500);
        sleep(Duration::from_millis(100 + nap * 37 % 500)).await;
        assert!(now() >= due, "too early");
    });
    Ok(join_all(naps).await.len())
}

/// `executions` of twenty sleeps each.
async fn check_many(world: &World, executions: usize) {
    let mut handles = Vec::new();
    for _ in 0..executions {
        handles.push(world.start(many_naps, 20).await);
    }
    world
        .until(async {
            for handle in &handles {
                world.settled(handle.id()).await;
            }
        })
        .await;
    for handle in &handles {
        assert_eq!(handle.result().await.unwrap(), 20);
        assert_eq!(world.number_of(handle.id(), "TimerFired").await, 20);
    }
}

/// T2
#[test]
fn fifty_executions_with_twenty_sleeps_each_all_end() {
    let profiles = [IN_MEMORY, &[Profile::Faults]].concat();
    check(&profiles, || App::new().workflow(many_naps), async |world| check_many(world, 50).await);
}

/// T2
#[test]
fn concurrent_sleeps_all_end_in_any_weather() {
    check(ALL, || App::new().workflow(many_naps), async |world| check_many(world, 1).await);
    let app = || App::new().workflow(many_naps);
    let rest = &[Profile::Pages, Profile::Stores];
    check(rest, app, async |world| check_many(world, 3).await);
    check_few(&[Profile::Killed], app, async |world| check_many(world, 3).await);
}

/// T3
#[test]
fn a_host_killed_in_the_middle_of_a_sleep_changes_nothing() {
    check(
        ALL,
        || App::new().workflow(sleeper),
        async |world| {
            let handle = world.start(sleeper, vec![600_000]).await;
            world
                .die_when(async {
                    world.status_is(handle.id(), Status::Suspended).await;
                    tokio::time::sleep(Duration::from_secs(300)).await;
                })
                .await;
            // And one that is told to stop.
            world.until(tokio::time::sleep(Duration::from_secs(100))).await;
            let slept = world.result(&handle).await.unwrap();
            assert!(slept >= 600_000, "{slept}");
            assert!(!world.is_calm() || slept < 603_000, "{slept}");
            assert_eq!(world.number_of(handle.id(), "TimerFired").await, 1);
        },
    );
}

#[workflow]
async fn odd_times(_input: ()) -> everstep::Result<i64> {
    let begun = now();
    sleep(Duration::ZERO).await;
    sleep_until(begun - days(3)).await;
    sleep_until(chrono::DateTime::<chrono::Utc>::MIN_UTC).await;
    Ok((now() - begun).num_milliseconds())
}

/// T4
#[test]
fn a_sleep_of_zero_or_to_the_past_is_over_at_once() {
    check(
        ALL,
        || App::new().workflow(odd_times),
        async |world| {
            let handle = world.start(odd_times, ()).await;
            let took = world.result(&handle).await.unwrap();
            assert!(!world.is_calm() || took < 3_000, "{took} ms");
        },
    );
}

#[workflow]
async fn for_ages(_input: ()) -> everstep::Result<()> {
    let century = sleep(days(36_525));
    let everlasting = sleep(Duration::MAX);
    let end_of_time = sleep_until(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    tokio::join!(century, everlasting, end_of_time);
    Ok(())
}

async fn check_ages(world: &World, passed: Duration) {
    let handle = world.start(for_ages, ()).await;
    let record = world.until(world.status_is(handle.id(), Status::Suspended)).await;
    let wake_at = record.projection.wake_at.expect("a time");
    let years = wake_at.since(record.started_at).as_secs() / (365 * 86_400);
    assert_eq!(years, 100);
    world.until(tokio::time::sleep(passed)).await;
    let record = handle.describe().await.unwrap();
    assert_eq!(record.projection.status, Status::Suspended);
    assert_eq!(record.projection.wake_at, Some(wake_at));
}

/// T4
#[test]
fn a_sleep_of_a_hundred_years_waits_and_nothing_overflows() {
    let app = || App::new().workflow(for_ages);
    check(IN_MEMORY, app, async |world| check_ages(world, days(2)).await);
    let others = &[Profile::Killed, Profile::Faults, Profile::Pages, Profile::Stores];
    check(others, app, async |world| check_ages(world, hours(1)).await);
}
