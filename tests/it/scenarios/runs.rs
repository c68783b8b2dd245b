//! Executions that go on for ever, run after run.

use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{
    ALL, CALM, ELSEWHERE, Effects, Profile, WARM, World, check, check_on,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Tally {
    /// How many runs there will be.
    runs: u32,
    /// The last number that came.
    last: u64,
}

#[step(skip(effects))]
async fn note(effects: &Effects, number: u64) -> everstep::Result<u64> {
    effects.note(format!("noted {number}"));
    Ok(number)
}

/// Each run takes one number, beside a step and a timer; the last one returns what came last.
#[workflow]
async fn tally(State(effects): State<Effects>, tally: Tally) -> everstep::Result<u64> {
    let info = execution_info();
    assert_eq!(info.id, execution_id());
    let (next, noted) = tokio::join!(signal::<u64>("next"), note(&effects, tally.last));
    let next = next?;
    assert_eq!((noted?, next), (tally.last, tally.last + 1), "a signal is lost, doubled or late");
    if info.run < tally.runs {
        return continue_as_new(&Tally { last: next, ..tally }).await;
    }
    Ok(next)
}

/// Starts a tally of `runs` runs, to which the numbers come in turn, some of them twice.
async fn tally_of(world: &World, runs: u32) {
    let handle = world.start(tally, Tally { runs, last: 0 }).await;
    let all = u64::from(runs);
    let send = async |number: u64| {
        handle.signal("next", &number).id(number.to_string()).await.unwrap();
    };
    // The first lie in the inbox when a turn takes them: each run hands the rest on.
    let ahead = (all / 2).min(20);
    for number in 1..=ahead {
        send(number).await;
        if number % 3 == 0 {
            send(number - 1).await;
        }
    }
    world
        .until(async {
            for number in ahead + 1..=all {
                // A run has at least a commit.
                let far = number - ahead;
                world.record_is(handle.id(), |record| record.projection.commit >= far).await;
                // The sender had no answer, perhaps long after the number was taken.
                send(number - ahead).await;
                send(number).await;
            }
            world.settled(handle.id()).await;
        })
        .await;
    assert_eq!(handle.result().await.unwrap(), all);
    let log = world.log(handle.id()).await;
    let events = || log.iter().flat_map(|commit| &commit.events);
    let starts: Vec<_> = events()
        .filter_map(|event| match event {
            Event::WorkflowStarted(start) => Some(start.run),
            _ => None,
        })
        .collect();
    assert!(starts.into_iter().eq(1..=runs));
    assert_eq!(world.number_of(handle.id(), "SignalReceived").await, runs as usize);
    // A load reads one run, however many there were.
    let loaded = world.client().load(handle.id()).await.unwrap();
    let last = loaded.commits.len();
    assert!(last <= 6 && log.len() >= runs as usize, "{last} of {} commits are read", log.len());
    for number in 0..all {
        world.did(&format!("noted {number}"), 1);
    }
}

/// E6
#[test]
fn no_signal_is_lost_or_doubled_over_runs() {
    check(ALL, || App::new().workflow(tally), async |world| tally_of(world, 5).await);
}

/// E6
#[test]
fn a_thousand_runs_take_their_signals_and_a_load_reads_one_of_them() {
    let app = || App::new().workflow(tally);
    check(WARM, app, async |world| tally_of(world, 1_000).await);
    check_on(ELSEWHERE, WARM, app, async |world| tally_of(world, 200).await);
}

/// E6
#[test]
fn hosts_that_race_between_runs_lose_and_double_nothing() {
    let races = &[Profile::TwoHosts, Profile::Twice];
    check(races, || App::new().workflow(tally), async |world| tally_of(world, 30).await);
}

#[workflow]
async fn again_and_again(State(effects): State<Effects>, naps: u32) -> everstep::Result<u32> {
    // A timer, a wait and a step end with the run.
    let rest = async {
        let _ = tokio::join!(sleep(days(1)), signal::<()>("never"), note(&effects, 7));
        std::future::pending::<()>().await;
    };
    let works = async {
        sleep(minutes(1)).await;
        if naps == 0 { Ok(execution_info().run) } else { continue_as_new(&(naps - 1)).await }
    };
    match race(works, rest).await {
        Either::Left(run) => run,
        Either::Right(()) => unreachable!("it never ends"),
    }
}

#[test]
fn timers_and_waits_of_a_run_end_with_it() {
    check(
        ALL,
        || App::new().workflow(again_and_again),
        async |world| {
            let handle = world.start(again_and_again, 2).await;
            let began = world.clock().now();
            assert_eq!(world.result(&handle).await.unwrap(), 3);
            let took = world.clock().now().since(began);
            assert!(took < hours(12), "a timer of an earlier run was waited for: {took:?}");
            assert_eq!(world.number_of(handle.id(), "TimerFired").await, 3);
        },
    );
}

#[test]
fn a_cancel_comes_before_the_next_run() {
    check(
        CALM,
        || App::new().workflow(tally),
        async |world| {
            let handle = world.start(tally, Tally { runs: 100, last: 0 }).await;
            handle.signal("next", &1).await.unwrap();
            handle.cancel("enough").await.unwrap();
            world.until(world.settled(handle.id())).await;
            assert_eq!(handle.describe().await.unwrap().projection.status, Status::Cancelled);
            assert_eq!(world.number_of(handle.id(), "ContinuedAsNew").await, 0);
            // And one of a later run.
            let handle = world.start(tally, Tally { runs: 100, last: 0 }).await;
            handle.signal("next", &1).await.unwrap();
            world
                .until(async {
                    world.has(handle.id(), "ContinuedAsNew", 1).await;
                    handle.cancel("enough").await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.describe().await.unwrap().projection.status, Status::Cancelled);
        },
    );
}

#[workflow]
async fn identity(ids: Vec<String>) -> everstep::Result<Vec<String>> {
    let mut ids = ids;
    ids.push(uuid().to_string());
    ids.push(key().await?);
    if execution_info().run < 3 {
        return continue_as_new(&ids).await;
    }
    Ok(ids)
}

#[step]
async fn key() -> everstep::Result<String> {
    Ok(idempotency_key())
}

/// S12, D6
#[test]
fn keys_and_random_values_differ_between_runs() {
    check(
        ALL,
        || App::new().workflow(identity),
        async |world| {
            let handle = world.start(identity, Vec::new()).await;
            let ids = world.result(&handle).await.unwrap();
            let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!((ids.len(), distinct.len()), (6, 6), "{ids:?}");
        },
    );
}

#[workflow]
async fn forgets_its_type(round: u32) -> everstep::Result<u32> {
    sleep(seconds(1)).await;
    continue_as_new(&format!("round {round}")).await
}

#[test]
fn an_input_that_the_workflow_cannot_read_blocks_before_the_run_ends() {
    check(
        CALM,
        || App::new().workflow(forgets_its_type),
        async |world| {
            let handle = world.start(forgets_its_type, 1).await;
            world.until(world.settled(handle.id())).await;
            let record = handle.describe().await.unwrap().projection;
            assert_eq!(record.status, Status::Blocked);
            let reason = record.reason.unwrap();
            assert!(
                reason.starts_with("the input of the next run: invalid type: string"),
                "{reason}"
            );
            assert_eq!(world.number_of(handle.id(), "ContinuedAsNew").await, 0);
        },
    );
}
