//! The replay check: what would not replay is found in the first turn, with both sides.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::testing::Env;

use super::{ok, panics, says};

#[step]
async fn visit(town: &str) -> everstep::Result<u64> {
    Ok(town.len() as u64)
}

fn towns() -> HashMap<String, u64> {
    ["Ulm", "Bonn", "Köln", "Trier", "Mainz", "Worms", "Gotha", "Jena", "Halle", "Celle"]
        .map(|town| (town.to_owned(), 1))
        .into()
}

/// The order of the map is another one in every run.
#[workflow]
async fn round_trip(_: ()) -> everstep::Result<u64> {
    let mut sum = 0;
    for town in towns().into_keys() {
        sum += visit(&town).await?;
    }
    Ok(sum)
}

#[test]
fn the_order_of_a_hash_map_is_found_at_the_first_step_that_differs() {
    let env = Env::new(App::new().workflow(round_trip));
    let text = panics(|| env.run(round_trip, ()));
    says(&text, &["the replay check: ", "visit#", "kit/twice.rs:", "the order of a hash map"]);
    assert!(env.runs("visit") < 4, "it was found late: {} steps had run", env.runs("visit"));
}

/// What it waits for leaves nothing in the log.
#[workflow]
async fn waits_for_one(_: ()) -> everstep::Result<u64> {
    let town = towns().into_keys().next().unwrap_or_default();
    Ok(signal::<u64>(town).await?)
}

#[test]
fn a_wait_that_leaves_nothing_in_the_log_is_compared_too() {
    let env = Env::new(App::new().workflow(waits_for_one));
    let found = (0..8).any(|_| {
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            env.run(waits_for_one, ()).map_err(|error| error.to_string())
        }));
        run.is_err_and(|panic| {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            text.contains("asks for something else at call 1: first for signal wait")
        })
    });
    assert!(found, "in eight runs the map had the same first key twice");
}

#[workflow]
async fn lists(_: ()) -> everstep::Result<Vec<String>> {
    Ok(towns().into_keys().collect())
}

#[test]
fn a_result_in_the_order_of_a_hash_map_is_found_before_it_is_recorded() {
    let env = Env::new(App::new().workflow(lists));
    let trip = env.start(lists, ());
    let text = panics(|| trip.result());
    says(&text, &["run twice over the same log, the workflow first returns [", ", then returns ["]);
    assert!(!trip.events().iter().any(everstep::event::Event::is_end));
}

/// A map in an argument is recorded as an object, and objects have no order.
#[workflow]
async fn counts(_: ()) -> everstep::Result<u64> {
    step("count", async || ok(3)).input("towns", &towns()).await
}

#[test]
fn a_hash_map_as_an_argument_is_no_difference() {
    let env = Env::new(App::new().workflow(counts));
    assert_eq!(env.run(counts, ()).unwrap(), 3);
}

#[workflow]
async fn maps(_: ()) -> everstep::Result<HashMap<String, u64>> {
    Ok(towns())
}

#[test]
fn a_hash_map_as_a_result_is_no_difference() {
    let env = Env::new(App::new().workflow(maps));
    assert_eq!(env.run(maps, ()).unwrap(), towns());
}

static RUNS: AtomicU64 = AtomicU64::new(0);

/// Every run takes another way.
#[workflow]
async fn by_a_global(_: ()) -> everstep::Result<u64> {
    sleep(seconds(RUNS.fetch_add(1, Ordering::SeqCst))).await;
    Ok(1)
}

/// Wakes, from a thread of its own, whoever awaits it but the first.
struct WakesOthers;

impl Future for WakesOthers {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        static FIRST: OnceLock<Waker> = OnceLock::new();
        let waker = cx.waker().clone();
        if !FIRST.get_or_init(|| waker.clone()).will_wake(&waker) {
            std::thread::spawn(move || waker.wake()).join().unwrap();
        }
        Poll::Pending
    }
}

/// Where it is found is chance.
#[workflow]
async fn by_luck(_: ()) -> everstep::Result<u64> {
    match race(visit("Ulm"), WakesOthers).await {
        Either::Left(visited) => visited,
        Either::Right(()) => Ok(0),
    }
}

/// What is wrong is the await, and not that two runs differ.
#[test]
fn a_foreign_await_that_only_the_run_beside_finds_is_named() {
    let env = Env::new(App::new().workflow(by_luck));
    let text = env.run(by_luck, ()).unwrap_err().to_string();
    says(&text, &["awaits something that is not durable", "step visit#1 ("]);
    assert!(!text.contains("the replay check"), "{text}");
}

/// So many steps, and then those in the order of the map: far from any number of events at which
/// the check begins anew.
#[workflow]
async fn late_round_trip(before: u64) -> everstep::Result<u64> {
    let mut sum = 0;
    for _ in 0..before {
        sum += visit("Ulm").await?;
    }
    for town in towns().into_keys() {
        sum += visit(&town).await?;
    }
    Ok(sum)
}

#[test]
fn every_event_of_a_long_log_is_followed_by_a_comparison() {
    for before in [17, 20, 40] {
        let env = Env::new(App::new().workflow(late_round_trip));
        let text = panics(|| env.run(late_round_trip, before));
        says(&text, &["the replay check: ", "visit#"]);
        let late = env.runs("visit") - usize::try_from(before).unwrap();
        assert!(late < 4, "it was found late: {late} steps of the map had run");
    }
}

static IS_WARM: AtomicBool = AtomicBool::new(false);

#[step]
async fn warm_up() -> everstep::Result<()> {
    IS_WARM.store(true, Ordering::SeqCst);
    Ok(())
}

/// What runs beside it, step by step, sees of the global what it sees itself. Only who begins anew
/// finds it warm.
#[workflow]
async fn by_a_cache((before, after): (u64, u64)) -> everstep::Result<u64> {
    let mut sum = 0;
    for _ in 0..before {
        sum += visit("Ulm").await?;
    }
    if !IS_WARM.load(Ordering::SeqCst) {
        warm_up().await?;
    }
    for _ in 0..after {
        sum += visit("Bonn").await?;
    }
    Ok(sum)
}

#[test]
fn what_a_step_has_left_in_memory_is_found_by_who_begins_anew() {
    // At once in a short log, in a longer one before it has doubled, and before the turn ends.
    let (visit, nothing) = ("step visit#", "the code asks for nothing there");
    for (before, after, at_most, asks) in
        [(3, 7, 4, visit), (17, 21, 36, visit), (17, 0, 17, nothing)]
    {
        IS_WARM.store(false, Ordering::SeqCst);
        let env = Env::new(App::new().workflow(by_a_cache));
        let trip = env.start(by_a_cache, (before, after));
        let text = panics(|| trip.result());
        says(&text, &["the replay check: ", "step warm_up#1", asks]);
        assert!(env.runs("visit") <= at_most, "{} visits", env.runs("visit"));
        assert!(!trip.events().iter().any(Event::is_end));
    }
}

static STARTED: AtomicU64 = AtomicU64::new(0);
static CALLED: AtomicU64 = AtomicU64::new(0);

#[workflow]
async fn counts_itself(steps: u64) -> everstep::Result<u64> {
    STARTED.fetch_add(1, Ordering::SeqCst);
    for _ in 0..steps {
        CALLED.fetch_add(1, Ordering::SeqCst);
        visit("Ulm").await?;
    }
    Ok(steps)
}

#[test]
fn the_check_costs_so_many_replays_and_no_more_however_many_events_there_are() {
    let env = Env::new(App::new().workflow(counts_itself));
    env.run(counts_itself, 5).unwrap();
    // The turn itself, after each of six events, not again at the end, and the replay at last.
    assert_eq!(STARTED.swap(0, Ordering::SeqCst), 8);
    CALLED.store(0, Ordering::SeqCst);
    env.run(counts_itself, 1_000).unwrap();
    let (started, called) = (STARTED.load(Ordering::SeqCst), CALLED.load(Ordering::SeqCst));
    // The turn itself, after each of fifteen events, at 32, 64 and so on up to 512, at the end, and
    // the replay of the whole at last.
    assert!(started <= 25, "{started} runs");
    // The turn's 1,000, those beside it, begun anew with twice as many each time, and the last two.
    assert!(called <= 5_500, "{called} steps were called");
}

#[workflow]
async fn town_of_child(names: Vec<String>) -> everstep::Result<usize> {
    Ok(names.len())
}

#[workflow]
async fn asks_a_child(_: ()) -> everstep::Result<usize> {
    Ok(child(town_of_child, towns().into_keys().collect()).await?)
}

#[test]
fn the_input_of_a_child_is_compared() {
    let env = Env::new(App::new().workflow(asks_a_child).workflow(town_of_child));
    let text = panics(|| env.run(asks_a_child, ()));
    says(
        &text,
        &["the replay check: ", "child town_of_child#1", "; its input was [", "] and then ["],
    );
}

/// A worker's check is what the program or the variable says, or else the build; its blocks are
/// blocks like others.
#[tokio::test]
async fn a_worker_checks_where_it_is_told_to_and_in_a_debug_build() {
    let by_build = cfg!(debug_assertions);
    for (check, found) in [(Some(true), true), (Some(false), false), (None, by_build)] {
        let mut app = App::new().workflow(by_a_global).backend(Backend::memory());
        if let Some(check) = check {
            app = app.replay_check(check);
        }
        let client = app.client().await.unwrap();
        let handle = client.start(by_a_global, ()).await.unwrap();
        let worker = app.worker().await.unwrap();
        let record = async {
            loop {
                let record = client.describe(handle.id()).await.unwrap();
                if record.projection.commit > 0 || record.projection.reason.is_some() {
                    return record;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let record = worker.run_until(record).await.unwrap();
        let reason = record.projection.reason.unwrap_or_default();
        assert_eq!(reason.contains("it was due at "), found, "{reason}");
        if found {
            assert!(matches!(handle.result().await, Err(ResultError::Blocked { .. })));
        }
    }
}
