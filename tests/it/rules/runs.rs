//! Rule 19 where a run goes on as the next: what is handed on, and what a crash between changes.

use std::sync::Arc;
use std::time::Duration;

use everstep::client::{OnConflict, StartError};
use everstep::event::Event;
use everstep::limits::{EXECUTION_ID_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX, VALUE_BYTES_MAX};
use everstep::prelude::*;
use everstep::store::{Record, Status};
use everstep::testing::faults::Fate;
use everstep::testing::{Env, crash_everywhere};
use everstep_tests::scenario::Backing;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, SlowStore, World};
use serde::{Deserialize, Serialize};

use super::telling::calls;
use super::{closed, count, host_of, without_sweeper};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Baton {
    seen: Vec<String>,
    /// What the first run does after it took its word.
    nap_h: u64,
}

/// Each run takes one word, until it is "end".
#[workflow]
async fn relay(_: State<Ledger>, baton: Baton) -> everstep::Result<Vec<String>> {
    let Baton { mut seen, nap_h } = baton;
    let word: String = signal("word").await?;
    let ends = word == "end";
    // Long ones by their beginning.
    seen.push(word.chars().take(8).collect());
    if nap_h > 0 {
        sleep(hours(nap_h)).await;
    }
    if ends { Ok(seen) } else { continue_as_new(&baton_of(seen)).await }
}

fn baton(nap_h: u64) -> Baton {
    Baton { seen: Vec::new(), nap_h }
}

fn baton_of(seen: Vec<String>) -> Baton {
    Baton { seen, nap_h: 0 }
}

fn start(world: &World, fates: &Fates) -> Host {
    let app = App::new().workflow(relay).state(world.ledger.clone());
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    Host::start(world, app, backend, fates, &without_sweeper())
}

async fn runs(world: &World) -> usize {
    count(world, "x", |event| matches!(event, Event::WorkflowStarted(_))).await
}

#[tokio::test(start_paused = true)]
async fn a_message_of_yesterday_is_a_new_one_and_one_of_today_is_known() {
    let world = World::new();
    let _host = start(&world, &Fates::good(&world, "host"));
    let handle = world.client().start(relay, baton(0)).id("x").await.unwrap();
    handle.signal("word", "one").id("1").await.unwrap();
    tokio::time::sleep(hours(23)).await;
    assert_eq!(runs(&world).await, 2);
    handle.signal("word", "one").id("1").await.unwrap();
    tokio::time::sleep(hours(2)).await;
    assert_eq!(runs(&world).await, 2, "it is known for a day");
    handle.signal("word", "two").id("2").await.unwrap();
    tokio::time::sleep(minutes(1)).await;
    // Run 3 began a day after the first word was taken.
    handle.signal("word", "one").id("1").await.unwrap();
    handle.signal("word", "two").id("2").await.unwrap();
    handle.signal("word", "end").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), ["one", "two", "one", "end"]);
    world.check_closed("x").await;
}

/// Hosts die before they can delete what they took; a day later it lies there still.
#[tokio::test(start_paused = true)]
async fn ids_that_are_in_the_inbox_are_handed_on_however_old_they_are() {
    let world = World::new();
    let dies = |name: &str| Fates::each(&world, name, "remove_items", Fate::Hang);
    let mut first = start(&world, &dies("first"));
    let handle = world.client().start(relay, baton(25)).id("x").await.unwrap();
    handle.signal("word", "one").id("1").await.unwrap();
    first.dies().await;
    tokio::time::sleep(hours(26)).await;
    let mut second = start(&world, &dies("second"));
    second.dies().await;
    assert_eq!(runs(&world).await, 2, "it died between the new run and the old item");
    let _third = start(&world, &Fates::good(&world, "third"));
    tokio::time::sleep(minutes(1)).await;
    handle.signal("word", "end").await.unwrap();
    closed(&world, "x", hours(1)).await;
    assert_eq!(handle.result().await.unwrap(), ["one", "end"]);
    world.check_closed("x").await;
}

/// The last event of a run and the first of the next are one commit, also where what is handed on
/// needs commits of its own.
#[tokio::test(start_paused = true)]
async fn a_run_ends_in_the_commit_that_begins_the_next_however_large_they_are() {
    #[workflow]
    async fn grows(given: String) -> everstep::Result<usize> {
        let word: String = signal("word").await?;
        if word == "go" {
            return continue_as_new(&"x".repeat(100_000)).await;
        }
        Ok(given.len() + word.len())
    }
    let world = World::new();
    let handle = world.client().start(grows, String::new()).id("x").await.unwrap();
    handle.signal("word", "go").await.unwrap();
    for _ in 0..2 {
        handle.signal("word", &"y".repeat(185_000)).await.unwrap();
    }
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let _host =
        Host::start(&world, App::new().workflow(grows), backend, &fates, &without_sweeper());
    assert_eq!(handle.result().await.unwrap(), 285_000);
    let ends = |event: &Event| matches!(event, Event::ContinuedAsNew(_));
    let log = world.log("x").await;
    let last = log.iter().find(|commit| commit.events.iter().any(ends)).unwrap();
    let kinds: Vec<_> = last.events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["ContinuedAsNew", "WorkflowStarted"]);
}

/// Goes on as a run whose input is so long, or ends with the lengths of what it was given.
#[workflow]
async fn fills(given: String) -> everstep::Result<Vec<usize>> {
    let bytes: usize = signal("bytes").await?;
    if bytes > 0 {
        return continue_as_new(&"x".repeat(bytes)).await;
    }
    let mut lengths = vec![given.len()];
    for _ in 0..2 {
        lengths.push(signal::<String>("kept").await?.len());
    }
    Ok(lengths)
}

/// The same with what somebody has mended: it asks for no more than it can have.
#[workflow(name = "fills")]
async fn fits(given: String) -> everstep::Result<Vec<usize>> {
    let bytes: usize = signal("bytes").await?;
    if bytes > 0 {
        return continue_as_new(&"x".repeat(bytes.min(LONGEST))).await;
    }
    let mut lengths = vec![given.len()];
    for _ in 0..2 {
        lengths.push(signal::<String>("kept").await?.len());
    }
    Ok(lengths)
}

/// The longest text that can be recorded, without its quotes.
const LONGEST: usize = VALUE_BYTES_MAX - 2;

/// The end of a run and the start of the next are one commit, which must hold all that a run can begin
/// with. What is larger by a byte is refused: the execution is blocked, has lost nothing, and goes on
/// with code that asks for less.
async fn the_largest_run_begins_and_a_larger_one_blocks(backing: Backing) {
    let world = World::with(backing.store()).looking_every(seconds(5));
    let id = ExecutionId::new("\"".repeat(EXECUTION_ID_BYTES_MAX)).unwrap();
    let client = world.client();
    let mut start = client.start(fills, String::new()).id(id.clone());
    for number in 0..TAGS_MAX {
        // Each character of it takes two in JSON.
        start = start.tag(format!("t{number:02}"), "\"".repeat(TAG_BYTES_MAX - 3));
    }
    let handle = start.await.unwrap();
    let host = |app: App| {
        let fates = Fates::good(&world, "host");
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        Host::start(&world, app, backend, &fates, &without_sweeper())
    };
    let before = host(App::new().workflow(fills));
    for _ in 0..2 {
        handle.signal("kept", &"k".repeat(LONGEST)).await.unwrap();
    }
    handle.signal("bytes", &LONGEST).await.unwrap();
    let second = |record: &Record| record.projection.first > 0;
    world.until(id.as_str(), minutes(1), second).await;
    let first = world.record(id.as_str()).await.unwrap().projection.first;
    let log = world.log(id.as_str()).await;
    let ends = |event: &Event| matches!(event, Event::ContinuedAsNew(_));
    let last = log.iter().position(|commit| commit.events.iter().any(ends)).unwrap();
    let kinds: Vec<_> = log[last].events.iter().map(Event::kind).collect();
    assert!(kinds.ends_with(&["ContinuedAsNew", "WorkflowStarted"]), "{kinds:?}");
    let stored = world.store.load_all(&id).await.unwrap().unwrap();
    let least = VALUE_BYTES_MAX + TAGS_MAX * 2 * (TAG_BYTES_MAX - 3) + 2 * EXECUTION_ID_BYTES_MAX;
    assert!(stored.commits[last].body.len() > least, "it has all that a run can begin with");

    handle.signal("bytes", &(LONGEST + 1)).await.unwrap();
    let blocked = |record: &Record| record.projection.status == Status::Blocked;
    world.until(id.as_str(), minutes(1), blocked).await;
    let record = world.record(id.as_str()).await.unwrap().projection;
    let (reason, bytes) = (record.reason.unwrap(), VALUE_BYTES_MAX + 1);
    assert!(reason.contains("the input of the next run"), "{reason}");
    assert!(
        reason.contains(&format!("it has {bytes} bytes and at most {VALUE_BYTES_MAX}")),
        "{reason}"
    );
    assert_eq!(record.first, first, "no run ended");
    before.kill().await;

    let _after = host(App::new().workflow(fits));
    client.resume(handle.id()).await.unwrap();
    let third = |record: &Record| record.projection.first > first;
    world.until(id.as_str(), minutes(1), third).await;
    handle.signal("bytes", &0).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), [LONGEST; 3]);
    assert_eq!(count(&world, id.as_str(), ends).await, 2);
    world.until_no_wake_is_left(minutes(10)).await;
    world.check_closed(id.as_str()).await;
}

/// A commit that is too large is halved. Half of the last three events would be all but the next run's
/// start, and a host that died there would leave a run that has ended and none after it.
#[tokio::test(start_paused = true)]
async fn where_commits_are_cut_no_run_ends_without_the_start_of_the_next() {
    /// They are handed on in two events, and the log's events halved until the second of these is
    /// left, the end and the start.
    const SIGNALS: usize = 840;
    #[workflow]
    async fn leaves(given: String) -> everstep::Result<usize> {
        if given.is_empty() {
            let () = signal("go").await?;
            return continue_as_new(&"x".repeat(LONGEST)).await;
        }
        Ok(given.len())
    }
    let world = World::new();
    let handle = world.client().start(leaves, String::new()).id("x").await.unwrap();
    for _ in 0..SIGNALS {
        // In JSON its name is twice as long.
        handle.signal("\"".repeat(250), &1).await.unwrap();
    }
    handle.signal("go", &()).await.unwrap();
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(leaves);
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    assert_eq!(handle.result().await.unwrap(), LONGEST);
    let log = world.log("x").await;
    let kinds: Vec<Vec<_>> =
        log.iter().map(|commit| commit.events.iter().map(Event::kind).collect()).collect();
    let end = kinds.iter().position(|kinds| kinds.contains(&"ContinuedAsNew")).unwrap();
    assert_eq!(kinds[end - 1], ["Carried"]);
    assert_eq!(kinds[end], ["ContinuedAsNew", "WorkflowStarted"]);
}

#[tokio::test(start_paused = true)]
async fn the_largest_run_begins_in_memory_and_a_larger_one_blocks() {
    the_largest_run_begins_and_a_larger_one_blocks(Backing::Memory).await;
}

#[tokio::test(start_paused = true)]
async fn the_largest_run_begins_on_sqlite_and_a_larger_one_blocks() {
    the_largest_run_begins_and_a_larger_one_blocks(Backing::Sqlite).await;
}

#[tokio::test(start_paused = true)]
async fn the_largest_run_begins_on_dynamodb_and_a_larger_one_blocks() {
    the_largest_run_begins_and_a_larger_one_blocks(Backing::DynamoDb).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_consumed_is_handed_on_in_order_however_large() {
    let world = World::new();
    let handle = world.client().start(relay, baton(0)).id("x").await.unwrap();
    let mut expected = Vec::new();
    for number in 0..7 {
        let word = format!("word {number:3} {}", "x".repeat(100_000));
        expected.push(word.chars().take(8).collect::<String>());
        handle.signal("word", &word).await.unwrap();
    }
    handle.signal("word", "end").await.unwrap();
    expected.push("end".to_owned());
    // All are in the log of the first run; no commit can hold the rest.
    let _host = start(&world, &Fates::good(&world, "host"));
    closed(&world, "x", minutes(1)).await;
    assert_eq!(handle.result().await.unwrap(), expected);
    assert_eq!(runs(&world).await, 8);
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 8);
    let pieces = count(&world, "x", |event| matches!(event, Event::Carried(_))).await;
    assert!(pieces > 8, "they were handed on in {pieces} pieces");
    world.check_closed("x").await;
}

#[step]
async fn add(total: u64, more: u64) -> everstep::Result<u64> {
    Ok(total + more)
}

#[workflow]
async fn sums(so_far: (u32, u64)) -> everstep::Result<u64> {
    let (left, total) = so_far;
    let more = signal::<u64>("more").await?;
    let total = add(total, more).await?;
    if left == 0 { Ok(total) } else { continue_as_new(&(left - 1, total)).await }
}

#[test]
fn a_host_may_die_at_each_of_its_calls_between_two_runs() {
    let env = || Env::new(App::new().workflow(sums));
    let crashes = crash_everywhere(env, |env| {
        let sum = env.start(sums, (3, 0));
        for number in 1..=3 {
            sum.signal("more", &number);
        }
        sum.signal_after(minutes(5), "more", &4);
        sum
    });
    assert!(crashes.crashes >= 20, "{crashes:?}");
    let sum = env();
    let sum = sum.start(sums, (1, 5));
    sum.signal("more", &1);
    sum.signal("more", &2);
    assert_eq!(sum.result().unwrap(), 8);
}

/// A start that is repeated is one start, though the run that it finds has another input.
#[tokio::test(start_paused = true)]
async fn a_repeated_start_finds_an_execution_that_has_gone_on() {
    let world = World::new();
    let _host = start(&world, &Fates::good(&world, "host"));
    let handle = world.client().start(relay, baton(0)).id("x").tag("a", "b").await.unwrap();
    for word in ["one", "two"] {
        handle.signal("word", word).await.unwrap();
    }
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(runs(&world).await, 3);
    let again = world.client().start(relay, baton(0)).id("x").await.unwrap();
    assert!(!again.is_new());
    let other = world.client().start(relay, baton(1)).id("x").await.unwrap_err();
    assert!(matches!(other, StartError::Exists { .. }), "{other:?}");
    handle.signal("word", "end").await.unwrap();
    assert_eq!(again.result().await.unwrap(), ["one", "two", "end"]);
    assert_eq!(again.describe().await.unwrap().tags["a"], "b", "tags stay over runs");
    // And one that was started again is another start.
    let client = world.client();
    let restart = client.start(relay, baton(1)).id("x").on_conflict(OnConflict::Restart);
    assert!(restart.await.unwrap().is_new());
    assert!(world.client().start(relay, baton(1)).id("x").await.is_ok());
    assert_eq!(runs(&world).await, 4);
}

/// Its process slept for a day after a first try that had no answer.
#[tokio::test(start_paused = true)]
async fn a_send_that_is_a_day_old_is_not_tried_again() {
    let world = World::new();
    let handle = world.client().start(relay, baton(0)).id("x").await.unwrap();
    let slow = SlowStore::by(Arc::clone(&world.store), |call| match call {
        "send" => [Duration::ZERO, hours(25)],
        _ => [Duration::ZERO; 2],
    });
    let fates = Fates::each(&world, "sender", "send", Fate::FailAfter);
    let backend = fates.backend(Arc::new(slow), Arc::clone(&world.queue));
    let sender = Client::new(&backend).clock(world.clock.clone());
    let error = sender.signal(handle.id(), "word", "end").await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("tried first a day ago"), "{error:?}");
    assert_eq!(fates.calls(), 1);
}

/// A chain of so many runs.
#[workflow]
async fn spins(turns: u64) -> everstep::Result<u64> {
    if turns == 0 { Ok(0) } else { continue_as_new(&(turns - 1)).await }
}

/// Each commit takes a second.
fn slow_appends(world: &World) -> Arc<SlowStore> {
    Arc::new(SlowStore::by(Arc::clone(&world.store), |call| match call {
        "append" => [seconds(1), Duration::ZERO],
        _ => [Duration::ZERO; 2],
    }))
}

/// An invocation whose time is up hands over between two runs: a chain of runs has no other end.
#[tokio::test(start_paused = true)]
async fn a_host_that_must_stop_hands_over_between_two_runs() {
    let world = World::new();
    let app = || App::new().workflow(spins);
    let options = HostOptions { invocation: Some(Duration::from_secs(15)), ..without_sweeper() };
    // Five commits or so are what an invocation has time for.
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(slow_appends(&world), Arc::clone(&world.queue));
    let _host = Host::start(&world, app(), backend, &fates, &options);
    let handle = world.client().start(spins, 60).id("x").await.unwrap();
    closed(&world, "x", minutes(10)).await;
    assert_eq!(handle.result().await.unwrap(), 0);
    assert_eq!(runs(&world).await, 61);
    world.until_no_wake_is_left(minutes(10)).await;
}

/// And so does a worker. Its message would count all the runs as receipts of one: another goes on.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_to_stop_replaces_the_message_of_a_chain_of_runs() {
    let world = World::new();
    let handle = world.client().start(spins, 100).id("x").await.unwrap();
    let fates = Fates::good(&world, "worker");
    let backend = fates.backend(slow_appends(&world), Arc::clone(&world.queue));
    let worker = App::new().workflow(spins).backend(backend).worker().await.unwrap();
    let worker = worker.clock(world.clock.clone()).stop_grace(seconds(20));
    worker.run_until(tokio::time::sleep(Duration::from_millis(5_500))).await.unwrap();
    assert!(world.elapsed() < seconds(8), "{:?}", world.elapsed());
    assert!((5..=8).contains(&runs(&world).await), "{}", runs(&world).await);
    let sent = calls(&world, "worker", &["queue.send", "queue.delete", "queue.return"]);
    assert_eq!(sent, ["queue.send", "queue.delete"]);
    assert_eq!(world.wakes(), 1);
    let _next = host_of(
        &world,
        App::new().workflow(spins),
        &Fates::good(&world, "next"),
        &without_sweeper(),
    );
    closed(&world, "x", minutes(1)).await;
    assert_eq!(handle.result().await.unwrap(), 0);
}
