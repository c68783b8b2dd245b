//! Rule 22: a turn that was let down says so, what it did is seen, and the next one waits a while. So
//! does a wake for a log that only a newer program can read.

use std::sync::{Arc, Mutex};

use everstep::event::{ChildOutcome, Event, StoredCommit, TurnEnd, TurnEnded};
use everstep::id::{ExecutionId, WriterId};
use everstep::limits::STRIKES_MAX;
use everstep::prelude::*;
use everstep::publish;
use everstep::store::{Message, NewItem, Projection, Status};
use everstep::testing::faults::Fate;
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Ledger, World, check_log};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{closed, counts, events, host, host_of, host_with, without_sweeper};

/// The ends of turns that gave up.
async fn given_up(world: &World) -> Vec<TurnEnded> {
    let ends = events(world, "x").await.into_iter().filter_map(|event| match event {
        Event::TurnEnded(end) if end.reason == TurnEnd::GaveUp => Some(end),
        _ => None,
    });
    ends.collect()
}

pub(super) async fn projection(world: &World) -> Projection {
    world.record("x").await.unwrap().projection
}

/// The number of the log's last commit.
async fn last(world: &World) -> u64 {
    world.log("x").await.last().unwrap().number
}

/// A host whose queue takes no wakes.
fn cannot_send(world: &World) -> Fates {
    Fates::by(world, "host", |call| match call.name {
        "queue.send" => Fate::FailBefore,
        _ => Fate::Proceed,
    })
}

/// A queue that takes no wakes is no fault of who would sleep, however often that is tried. Who
/// watches hears of each try.
#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_no_strike() {
    let world = World::new();
    let fates = cannot_send(&world);
    let handle = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    let seen: Arc<Mutex<Vec<Event>>> = Arc::default();
    let sees = Arc::clone(&seen);
    let app = App::new().workflow(counts).observe(move |_, event| {
        sees.lock().unwrap().push(event.clone());
    });
    let _host = host_of(&world, app, &fates, &without_sweeper());
    tokio::time::sleep(minutes(20)).await;
    assert!(given_up(&world).await.len() > STRIKES_MAX as usize);
    assert_ne!(projection(&world).await.status, Status::Blocked);
    fates.faults().heal();
    assert_eq!(handle.result().await.unwrap(), 0);
    check_log(&world.log("x").await);
    let log = events(&world, "x").await;
    assert_eq!(*seen.lock().unwrap(), log[1..]);
}

/// What is durable shows though the turn that wrote it was let down, and the sweeper knows when to
/// come.
#[tokio::test(start_paused = true)]
async fn what_a_turn_wrote_before_it_gave_up_is_seen_while_the_outage_lasts() {
    #[workflow]
    async fn shows(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        publish("first");
        act(&ledger, "x", "one", &[], seconds(0)).await?;
        publish("second");
        act(&ledger, "x", "two", &[], seconds(0)).await?;
        sleep(hours(1)).await;
        Ok(1)
    }
    let world = World::new();
    let fates = cannot_send(&world);
    let handle = world.client().start(shows, 1).id("x").await.unwrap();
    let _host = host_of(&world, App::new().workflow(shows), &fates, &without_sweeper());
    tokio::time::sleep(minutes(1)).await;
    let (ends, record) = (given_up(&world).await, projection(&world).await);
    assert!(ends.len() > 2, "{ends:#?}");
    assert_eq!((record.commit, record.status), (last(&world).await, Status::Running));
    assert_eq!(record.wake_at, ends.last().unwrap().wake_at);
    assert_eq!(handle.view::<String>().await.unwrap().as_deref(), Some("second"));
}

/// A host dies between the end of a turn that gave up and its record. Who finds that it is not time
/// yet heals that.
#[tokio::test(start_paused = true)]
async fn who_finds_an_execution_at_rest_repairs_its_record() {
    let world = World::new();
    let records = std::sync::atomic::AtomicU32::new(0);
    let ninth = move || records.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 8;
    let fates = Fates::by(&world, "dead", move |call| match call.name {
        "queue.send" => Fate::FailBefore,
        "project" if ninth() => Fate::Hang,
        _ => Fate::Proceed,
    });
    let mut dead = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 36_000)).id("x").await.unwrap();
    dead.dies().await;
    assert!(projection(&world).await.commit < last(&world).await);
    let ends = given_up(&world).await;
    let _host = host(&world, "host", &without_sweeper());
    let last = last(&world).await;
    world.until("x", minutes(1), |record| record.projection.commit == last).await;
    assert_eq!(given_up(&world).await, ends, "nobody has tried it again");
    assert!(projection(&world).await.wake_at > Some(world.clock.now()));
}

/// How long it rests follows from the clock, where the log is ahead of it.
#[tokio::test(start_paused = true)]
async fn an_execution_rests_as_long_as_the_clock_says() {
    let world = World::new();
    let clock = world.clock.skewed(3_600_000);
    let client = Client::new(&world.backend()).clock(clock);
    let _ = client.start(counts, ("x".to_owned(), 36_000)).id("x").await.unwrap();
    let _host = host_with(&world, &cannot_send(&world), &without_sweeper());
    tokio::time::sleep(minutes(1)).await;
    let ends = given_up(&world).await;
    assert!(ends.len() > 3, "{ends:#?}");
    assert!(ends.iter().all(|end| end.wake_at <= Some(world.clock.now().after(minutes(1)))));
}

/// Appends an event as somebody else who has gone. `edit` may change its text.
pub(super) async fn appended(
    world: &World,
    event: serde_json::Value,
    edit: impl Fn(&str) -> String,
) {
    let id = ExecutionId::new("x").unwrap();
    let loaded = world.store.load(&id).await.unwrap().unwrap();
    let last = loaded.commits.last().unwrap();
    let event: Event = serde_json::from_value(event).unwrap();
    let previous = Some(last.hash);
    let mut commit = StoredCommit::encode(last.number + 1, WriterId::random(), previous, &[event]);
    let text = edit(&commit.body);
    (commit.hash, commit.body) = (Sha256::digest(text.as_bytes()).into(), text.into());
    world.store.append(&id, &commit).await.unwrap();
}

pub(super) fn gave_up(world: &World, wake_at: everstep::time::Timestamp) -> serde_json::Value {
    let end =
        json!({"at": world.clock.now(), "reason": "gave_up", "wake_at": wake_at, "armed": []});
    json!({"TurnEnded": end})
}

/// As a program has written it that reckoned by the log.
#[tokio::test(start_paused = true)]
async fn a_rest_longer_than_any_is_over() {
    for (rest, is_kept) in [(minutes(7), false), (seconds(405), true), (seconds(30), true)] {
        let world = World::new();
        let _ = world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
        let until = world.clock.now().after(rest);
        appended(&world, gave_up(&world, until), ToOwned::to_owned).await;
        let _host = host(&world, "host", &without_sweeper());
        closed(&world, "x", minutes(10)).await;
        assert_eq!(world.elapsed() >= rest, is_kept, "{rest:?}: {:?}", world.elapsed());
    }
}

/// A message of which a turn would write nothing ends no rest.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_child_that_nobody_waits_for_ends_no_rest() {
    let world = World::new();
    let _ = world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    let rest = minutes(2);
    appended(&world, gave_up(&world, world.clock.now().after(rest)), ToOwned::to_owned).await;
    let outcome = ChildOutcome::Cancelled { reason: "enough".to_owned() };
    let message = Message::ChildEnded { run: 1, seq: 7, child: "nobody".parse().unwrap(), outcome };
    let (id, arrived_at) = ("child/1/7".to_owned(), world.clock.now());
    let execution = ExecutionId::new("x").unwrap();
    world.store.send(&execution, &NewItem { id, arrived_at, message }).await.unwrap();
    let _host = host(&world, "host", &without_sweeper());
    closed(&world, "x", minutes(10)).await;
    assert!(world.elapsed() >= rest, "{:?}", world.elapsed());
    world.check_closed("x").await;
}

/// What the turn has done before it gives up counts: the next one comes soon.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_turn_that_got_on_is_short_again() {
    #[workflow]
    async fn told_to_work(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        let far = sleep(hours(10));
        let _: Either<(), u64> = race(far, async { signal("go").await.expect("a number") }).await;
        act(&ledger, "x", "work", &[], seconds(0)).await?;
        sleep(hours(10)).await;
        Ok(1)
    }
    let world = World::new();
    let app = App::new().workflow(told_to_work);
    let _host = host_of(&world, app, &cannot_send(&world), &without_sweeper());
    let handle = world.client().start(told_to_work, 1).id("x").await.unwrap();
    tokio::time::sleep(minutes(10)).await;
    let rest = |end: &TurnEnded| end.wake_at.unwrap().since(end.at);
    let before = given_up(&world).await;
    assert!(rest(before.last().unwrap()) > minutes(1), "{before:#?}");
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    let after = given_up(&world).await;
    assert_eq!(world.ledger.runs_of("work"), 1);
    assert_eq!(rest(&after[before.len()]), seconds(1), "{after:#?}");
}

/// In a rolling deploy the old hosts find what they do not know. They give its wake back.
#[tokio::test(start_paused = true)]
async fn a_log_that_only_a_newer_program_reads_is_left_to_others_before_it_is_blocked() {
    for (known, new) in [("gave_up", "hibernated"), ("TurnEnded", "TurnShelved")] {
        let world = World::new();
        let _ = world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
        let end = gave_up(&world, world.clock.now());
        appended(&world, end, |text| text.replace(known, new)).await;
        let _old = host(&world, "old", &without_sweeper());
        tokio::time::sleep(seconds(12)).await;
        assert_eq!(projection(&world).await.status, Status::Running);
        tokio::time::sleep(seconds(30)).await;
        let record = projection(&world).await;
        assert_eq!(record.status, Status::Blocked);
        let reason = record.reason.unwrap();
        assert!(reason.contains(new) && reason.contains("A newer program"), "{reason}");
    }
}

/// What nobody has written so, no other host reads either.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_damaged_is_blocked_at_once() {
    let world = World::new();
    let _ = world.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    let end = gave_up(&world, world.clock.now());
    appended(&world, end, |text| text[..text.len() - 2].to_owned()).await;
    let _host = host(&world, "host", &without_sweeper());
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(projection(&world).await.status, Status::Blocked);
    assert_eq!(count_loads(&world), 1);
}

/// How often the host has loaded the log.
fn count_loads(world: &World) -> usize {
    world.trace().iter().filter(|line| line.contains(" host load#")).count()
}
