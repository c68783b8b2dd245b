//! The replay check: what would not replay is found in the first turn, with both sides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use everstep::client::ResultError;
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

static RUNS: AtomicU64 = AtomicU64::new(0);

/// Every run takes another way.
#[workflow]
async fn by_a_global(_: ()) -> everstep::Result<u64> {
    sleep(seconds(RUNS.fetch_add(1, Ordering::SeqCst))).await;
    Ok(1)
}

/// A worker's check is what the program or the variable says; its blocks are blocks like others.
#[tokio::test]
async fn a_worker_checks_where_it_is_told_to() {
    for (check, found) in [(true, true), (false, false)] {
        let app = App::new().workflow(by_a_global).backend(Backend::memory()).replay_check(check);
        let mut app = app;
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
