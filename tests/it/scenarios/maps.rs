//! Maps: a limit that holds, failures that are tolerated, and results in the order of the items;
//! and conditions that are waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use everstep::client::ResultError;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::{PollError, TooManyFailed};
use everstep_tests::scenario::{
    ALL, Backing, CALM, Effects, IN_MEMORY, Profile, WARM, World, check, check_few, check_on,
};

/// How many bodies run, and how many ever ran at once.
#[derive(Debug, Clone, Default)]
struct AtOnce {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl AtOnce {
    async fn one_for(&self, millis: u64) {
        struct Leave<'a>(&'a AtomicUsize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        let _leave = Leave(&self.now);
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

#[step(skip(at_once))]
async fn double(at_once: &AtOnce, n: u64) -> everstep::Result<u64> {
    at_once.one_for(100 + n * 7 % 50).await;
    Ok(n * 2)
}

#[workflow]
async fn doubled(
    State(at_once): State<AtOnce>,
    (items, limit): (u64, usize),
) -> everstep::Result<Vec<u64>> {
    let all = map(0..items, async |n| {
        let twice = double(&at_once, n).await?;
        if items < 100 && n % 4 == 1 {
            sleep(seconds(1)).await;
        }
        Ok(twice)
    });
    match limit {
        0 => all.await,
        limit => all.concurrency(limit).await,
    }
}

/// M2
#[test]
fn a_map_returns_its_results_in_the_order_of_the_items_in_any_weather() {
    check(
        ALL,
        || App::new().workflow(doubled).state(AtOnce::default()),
        async |world| {
            for (items, limit) in [(0, 1), (1, 0), (2, 1), (5, 3)] {
                let handle = world.start(doubled, (items, limit)).await;
                let expected: Vec<u64> = (0..items).map(|n| n * 2).collect();
                assert_eq!(world.result(&handle).await.unwrap(), expected, "{items} by {limit}");
            }
        },
    );
}

/// M2
#[test]
fn a_map_of_a_thousand_never_has_more_at_once_than_its_limit() {
    for (limit, most) in [(1, 1), (10, 10), (0, 1_000)] {
        let at_once = AtOnce::default();
        let seen = at_once.clone();
        check(
            &[Profile::Warm, Profile::Twice],
            move || App::new().workflow(doubled).state(at_once.clone()),
            async |world| thousand(world, limit).await,
        );
        assert_eq!(seen.most.load(Ordering::SeqCst), most, "limit {limit}");
    }
}

async fn thousand(world: &World, limit: usize) {
    let handle = world.start(doubled, (1_000, limit)).await;
    let doubled = world.result(&handle).await.unwrap();
    assert!(doubled.into_iter().eq((0..1_000).map(|n| n * 2)));
    assert_eq!(world.number_of(handle.id(), "StepCompleted").await, 1_000);
}

/// M2: hosts that die on the way, and a store that takes its time.
#[test]
fn a_map_of_a_thousand_ends_right_whoever_dies_and_wherever_it_is_stored() {
    let at_once = AtOnce::default();
    let seen = at_once.clone();
    let app = move || App::new().workflow(doubled).state(at_once.clone());
    check_few(&[Profile::Killed], app.clone(), async |world| thousand(world, 10).await);
    check_on(&[Backing::Sqlite], WARM, app, async |world| thousand(world, 10).await);
    assert_eq!(seen.most.load(Ordering::SeqCst), 10);
}

/// M2
#[test]
fn the_limit_holds_on_every_host_of_a_map() {
    let at_once = AtOnce::default();
    let seen = at_once.clone();
    check(
        ALL,
        move || App::new().workflow(doubled).state(at_once.clone()),
        async |world| {
            let handle = world.start(doubled, (20, 4)).await;
            world.result(&handle).await.unwrap();
        },
    );
    assert_eq!(seen.most.load(Ordering::SeqCst), 4);
}

#[workflow]
async fn limited_to((items, limit): (u64, usize)) -> everstep::Result<usize> {
    let nothing = async |_| Ok::<(), everstep::Error>(());
    Ok(map(0..items, nothing).concurrency(limit).await?.len())
}

/// M2
#[test]
fn a_limit_of_none_at_once_is_refused_with_its_place() {
    check(
        CALM,
        || App::new().workflow(limited_to),
        async |world| {
            let handle = world.start(limited_to, (3, 0)).await;
            match world.result(&handle).await {
                Err(ResultError::Blocked { reason }) => {
                    assert!(reason.contains("concurrency(0)"), "{reason}");
                    assert!(reason.contains("maps.rs"), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        },
    );
}

/// What a map is told, and with which limit.
type Asked = (u64, usize, Rule);

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Rule {
    Fast,
    Count(usize),
    Share(f64),
    Both(usize, f64),
    Stop(usize),
    StopAndTolerate(usize, usize),
    /// Of items that do not fail.
    StopOfGood(usize),
}

/// One in three fails, from the first.
#[step(retry(max_attempts = 1), skip(effects))]
async fn one_in_three_fails(effects: &Effects, n: u64) -> everstep::Result<u64> {
    effects.note(format!("item {n}"));
    if n.is_multiple_of(3) { Err(everstep::Error::msg(format!("no {n}"))) } else { Ok(n) }
}

/// What became of each item: `s`ucceeded, `f`ailed, `d`ropped, `-` not started; and whether that
/// was too much.
#[workflow]
async fn told(
    State(effects): State<Effects>,
    (items, limit, rule): Asked,
) -> everstep::Result<String> {
    let all_good = matches!(rule, Rule::StopOfGood(_));
    let numbers = (0..items).map(|n| if all_good { 3 * n + 1 } else { n });
    let each = map(numbers, |n| one_in_three_fails(&effects, n)).concurrency(limit);
    let each = match rule {
        Rule::Fast => {
            return Ok(match each.await {
                Ok(all) => format!("{all:?}"),
                Err(error) => error.to_string(),
            });
        }
        Rule::Count(failures) => each.tolerate(failures).await,
        Rule::Share(share) => each.tolerate_share(share).await,
        Rule::Both(failures, share) => each.tolerate(failures).tolerate_share(share).await,
        Rule::Stop(successes) | Rule::StopOfGood(successes) => each.stop_after(successes).await,
        Rule::StopAndTolerate(successes, failures) => {
            each.stop_after(successes).tolerate(failures).await
        }
    };
    let (outcomes, verdict) = match each {
        Ok(outcomes) => (outcomes, " fine"),
        Err(TooManyFailed { outcomes, .. }) => (outcomes, " too many"),
    };
    let letters = outcomes.iter().map(|outcome| match outcome {
        Outcome::Succeeded(_) => 's',
        Outcome::Failed(_) => 'f',
        Outcome::Dropped => 'd',
        Outcome::NotStarted => '-',
    });
    Ok(letters.collect::<String>() + verdict)
}

/// What is asked, what becomes of it, and how many items begin.
type Row = (Asked, &'static str, usize);

/// The first [`ANYWHERE`] are one of each kind.
const ROWS: &[Row] = &[
    ((7, 1, Rule::Count(1)), "fssf--- too many", 4),
    ((7, 1, Rule::StopAndTolerate(3, 9)), "fssfs-- fine", 5),
    ((4, 1, Rule::Fast), "no 0", 1),
    ((7, 1, Rule::Share(0.2)), "fssf--- too many", 4),
    ((5, 1, Rule::StopOfGood(2)), "ss--- fine", 2),
    ((7, 1, Rule::Both(9, 0.2)), "fssf--- too many", 4),
    ((7, 1, Rule::Both(1, 0.9)), "fssf--- too many", 4),
    ((0, 1, Rule::Fast), "[]", 0),
    ((7, 1, Rule::Count(0)), "f------ too many", 1),
    ((7, 1, Rule::Count(3)), "fssfssf fine", 7),
    ((7, 1, Rule::Count(usize::MAX)), "fssfssf fine", 7),
    ((10, 1, Rule::Share(0.29)), "fssfssf--- too many", 7),
    ((10, 1, Rule::Share(0.4)), "fssfssfssf fine", 10),
    ((10, 1, Rule::Both(1, 0.9)), "fssf------ too many", 4),
    ((10, 1, Rule::Both(9, 0.1)), "fssf------ too many", 4),
    ((7, 1, Rule::Stop(1)), "f------ too many", 1),
    ((7, 1, Rule::Stop(0)), "------- fine", 0),
    ((7, 1, Rule::StopAndTolerate(5, 9)), "fssfssf fine", 7),
    ((7, 1, Rule::StopAndTolerate(5, 1)), "fssf--- too many", 4),
];

const ANYWHERE: usize = 7;

fn check_rows(profiles: &[Profile], rows: &[Row]) {
    check(
        profiles,
        || App::new().workflow(told),
        async |world| {
            for &(asked, expected, begun) in rows {
                let before = world.effects().all().len();
                let handle = world.start(told, asked).await;
                assert_eq!(world.result(&handle).await.unwrap(), expected, "{asked:?}");
                let done = world.effects().all().len() - before;
                assert!(done >= begun, "{asked:?}: {done}");
                assert!(!world.is_calm() || done == begun, "{asked:?}: {done}");
            }
        },
    );
}

/// M3
#[test]
fn a_map_tolerates_what_it_is_told_to_and_starts_nothing_after_that() {
    check_rows(&[IN_MEMORY, &[Profile::Faults]].concat(), ROWS);
}

/// M3
#[test]
fn a_map_tolerates_what_it_is_told_to_in_any_weather() {
    check_rows(ALL, &ROWS[..ANYWHERE]);
}

#[step(skip(effects))]
async fn takes(effects: &Effects, n: u64) -> everstep::Result<u64> {
    tokio::time::sleep(Duration::from_millis(n * 100)).await;
    effects.note(format!("took {n}"));
    Ok(n)
}

#[workflow]
async fn the_quickest(State(effects): State<Effects>, _input: ()) -> everstep::Result<Vec<u64>> {
    let quickest = map([9, 1, 7, 3], |n| takes(&effects, n)).stop_after(2).await?;
    let letters: Vec<_> = quickest.iter().map(|outcome| outcome.succeeded().copied()).collect();
    assert_eq!(letters, [None, Some(1), None, Some(3)]);
    let first = first_ok([takes(&effects, 9), takes(&effects, 2)]).await?;
    sleep(seconds(10)).await;
    Ok(quickest.into_successes().into_iter().chain([first]).collect())
}

/// M3; and M4 of more than two
#[test]
fn the_first_to_succeed_are_the_same_in_every_replay() {
    check(
        CALM,
        || App::new().workflow(the_quickest),
        async |world| {
            let handle = world.start(the_quickest, ()).await;
            // Where each commit is a turn of its own, others may end first; whichever did, is it.
            let result = world.result(&handle).await;
            assert_eq!(result.unwrap(), [1, 3, 2]);
        },
    );
}

#[step(skip(effects))]
async fn progress(effects: &Effects, job: u32, check: u32) -> everstep::Result<u32> {
    effects.note(format!("check {check} of {job}"));
    Ok(check * 25)
}

/// Checks at 0, 10, 30, 70 and 130 s; the last is the fifth.
#[workflow]
async fn waits_for_a_job(
    State(effects): State<Effects>,
    (job, limit): (u32, u64),
) -> everstep::Result<String> {
    let mut check = 0;
    let done = poll_until(
        || {
            check += 1;
            progress(&effects, job, check - 1)
        },
        |percent| *percent >= 100,
    );
    let done = done.every(seconds(10)).growing_to(minutes(1)).for_at_most(seconds(limit));
    Ok(match done.await {
        Ok(percent) => format!("{percent} %"),
        Err(PollError::TimedOut { checks, .. }) => format!("given up after {checks} checks"),
        Err(error) => return Err(error.into()),
    })
}

#[test]
fn a_condition_is_checked_at_growing_intervals_until_it_holds_or_the_time_is_up() {
    check(
        ALL,
        || App::new().workflow(waits_for_a_job),
        async |world| {
            for (job, limit, expected, checks, naps) in [
                (1, 3_600, "100 %", 5, &[10, 20, 40, 60][..]),
                (2, 50, "given up after 4 checks", 4, &[10, 20, 20]),
                (3, 0, "given up after 1 checks", 1, &[]),
            ] {
                if !world.is_calm() && job == 1 {
                    continue;
                }
                let handle = world.start(waits_for_a_job, (job, limit)).await;
                let result = world.result(&handle).await.unwrap();
                let keys = world.keys(handle.id(), "TimerStarted").await;
                assert!(keys.iter().all(|key| key.starts_with("poll_until#")), "{keys:?}");
                if !world.is_calm() {
                    // A host's death makes checks late, and then there are fewer.
                    assert_eq!(result.split(' ').next(), expected.split(' ').next());
                    assert!(keys.len() <= naps.len(), "{keys:?}");
                    continue;
                }
                assert_eq!(result, expected);
                for check in 0..checks {
                    world.did(&format!("check {check} of {job}"), 1);
                }
                assert_eq!(naps_of(&world.events(handle.id()).await), naps);
            }
        },
    );
}

/// How long each timer ran, in seconds.
fn naps_of(events: &[everstep::event::Event]) -> Vec<i64> {
    use everstep::event::Event;
    let started = events.iter().filter_map(|event| match event {
        Event::TimerStarted(timer) => Some((timer.due.0 - timer.at.0 + 500) / 1_000),
        _ => None,
    });
    started.collect()
}

#[workflow]
async fn asks_in_vain(_input: ()) -> everstep::Result<String> {
    let refused = || step("refused", async || Err::<u32, _>(everstep::Error::msg("no").terminal()));
    let failed = poll_until(async || refused().await, |_| true).await;
    Ok(failed.unwrap_err().to_string())
}

#[test]
fn a_check_that_fails_ends_the_wait_with_its_error() {
    check(
        CALM,
        || App::new().workflow(asks_in_vain),
        async |world| {
            let handle = world.start(asks_in_vain, ()).await;
            let result = world.result(&handle).await.unwrap();
            assert!(result.starts_with("the check failed") && result.contains("no"), "{result}");
            assert_eq!(world.number_of(handle.id(), "TimerStarted").await, 0);
            let record = world.client().describe(handle.id()).await.unwrap();
            assert_eq!(record.projection.status, Status::Completed);
        },
    );
}
