//! Rules 14 to 18: how turns end, also when something comes in between, or the host must go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::client::OnConflict;
use everstep::event::{Event, Failure, TurnEnd};
use everstep::limits::CLEAN_UP_GRACE;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::Fate;
use everstep_tests::said::Said;
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, SlowStore, World, check_log};

use super::{
    app, closed, count, counts, events, host, host_of, host_with, long, signal_lands_at,
    without_sweeper,
};

/// Nobody sends a wake for it, and nobody sweeps: the turn itself looks once more.
#[tokio::test(start_paused = true)]
async fn a_signal_that_lands_while_the_turn_is_ending_is_taken() {
    let world = World::new();
    let fates = signal_lands_at(&world, "project", 0);
    let _host = host_with(&world, &fates, &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 1);
    closed(&world, "x", hours(2)).await;
    assert_eq!(handle.result().await.unwrap(), 1);
    world.check_closed("x").await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_lands_while_the_execution_is_ending_is_reported_and_removed() {
    let world = World::new();
    let said = Said::listen();
    let fates = signal_lands_at(&world, "project", 0);
    let _host = host_with(&world, &fates, &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    handle.result().await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    let report = said.with(&["WARN", "execution.id=x", "item.id=signal/late", "too late"]);
    assert_eq!(report.len(), 1, "{:#?}", said.with(&[]));
    world.check_closed("x").await;
    assert_eq!(world.wakes(), 0);
}

/// The step's body ends while its turn asks for news and learns of the cancel.
#[tokio::test(start_paused = true)]
async fn what_has_ended_when_a_cancel_is_seen_is_in_the_log() {
    let world = World::new();
    let slow = SlowStore::by(Arc::clone(&world.store), |call| match call {
        "record" => [seconds(3), Duration::ZERO],
        _ => [Duration::ZERO; 2],
    });
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::new(slow), Arc::clone(&world.queue));
    let _host = Host::start(&world, app(&world), backend, &fates, &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 6)).id("x").await.unwrap();
    tokio::time::sleep(seconds(4)).await;
    handle.cancel("enough").await.unwrap();
    closed(&world, "x", seconds(10)).await;
    let kinds: Vec<_> = events(&world, "x").await.iter().map(Event::kind).collect();
    let last = ["CancelRequested", "StepCompleted", "WorkflowCancelled"];
    assert_eq!(kinds.last_chunk(), Some(&last), "{kinds:?}");
    world.check_closed("x").await;
}

/// A look at the inbox loads the log only if something has arrived since the one before.
#[tokio::test(start_paused = true)]
async fn what_a_turn_has_seen_arrive_it_does_not_load_again() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 60)).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.signal("nobody", &1).await.unwrap();
    closed(&world, "x", minutes(2)).await;
    let trace = world.trace();
    let loads = trace.iter().filter(|line| line.contains(" host load#")).count();
    assert_eq!(loads, 2, "for the start, and for the signal: {trace:#?}");
}

/// Whoever finds the end behind a crash reports what the dead host could not.
#[tokio::test(start_paused = true)]
async fn what_came_too_late_is_reported_by_whoever_finds_the_end() {
    let world = World::new();
    let dies = Fates::each(&world, "dead", "project", Fate::Hang);
    let mut dead = host_with(&world, &dies, &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    dead.dies().await;
    handle.cancel("too late for this").await.unwrap();
    let said = Said::listen();
    let _host = host(&world, "host", &without_sweeper());
    closed(&world, "x", minutes(2)).await;
    tokio::time::sleep(seconds(40)).await;
    let report = said.with(&["WARN", "execution.id=x", "item.id=everstep/cancel", "too late"]);
    assert_eq!(report.len(), 1, "{:#?}", said.with(&[]));
    world.check_closed("x").await;
    assert_eq!(world.wakes(), 0);
}

/// The new run of a restarted execution knows what the old one has received.
#[tokio::test(start_paused = true)]
async fn a_late_retry_of_what_an_earlier_run_received_is_not_taken_again() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let input = ("x".to_owned(), 60);
    let handle = world.client().start(counts, input.clone()).id("x").await.unwrap();
    handle.signal("go", &1).id("once").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    let restart = world.client();
    let restart = restart.start(counts, input).id("x").on_conflict(OnConflict::Restart);
    let handle = restart.await.unwrap();
    handle.signal("go", &1).id("once").await.unwrap();
    handle.signal("go", &1).id("another").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert_eq!(handle.result().await.unwrap(), 1);
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 2);
    world.check_closed("x").await;
}

/// The order of a turn's end: commit, record, items, message.
#[tokio::test(start_paused = true)]
async fn what_was_taken_is_removed_after_the_record_and_the_wake_is_deleted_last() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 60)).id("x").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    let before = world.trace().len();
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    let calls: Vec<String> = world.trace()[before..]
        .iter()
        .filter_map(|line| line.split(' ').nth(2)?.split('#').next().map(str::to_owned))
        .filter(|call| call != "overdue" && call != "queue.receive")
        .collect();
    assert_eq!(calls, ["load", "append", "project", "remove_items", "queue.delete"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_lets_bodies_end_within_its_grace() {
    let world = World::new();
    let _ = world.client().start(long, ("x".to_owned(), 10)).id("x").await.unwrap();
    let worker = app(&world).backend(world.backend()).worker().await.unwrap();
    let worker = worker.clock(world.clock.clone()).stop_grace(seconds(30));
    worker.run_until(tokio::time::sleep(seconds(2))).await.unwrap();
    assert!(world.elapsed() < seconds(15), "{:?}", world.elapsed());
    let events = events(&world, "x").await;
    let completed = events.iter().filter(|event| matches!(event, Event::StepCompleted(_))).count();
    assert_eq!(completed, 1, "what runs may end, what waits does not start: {events:#?}");
    let yielded =
        |event: &Event| matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::Yielded);
    assert!(events.last().is_some_and(yielded));
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Running);
    // Its wake is there at once: nobody waits for a lease or a sweeper.
    let _next = host(&world, "next", &without_sweeper());
    closed(&world, "x", seconds(5)).await;
    assert_eq!(world.ledger.runs_of("long"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_hands_over_what_does_not_end_in_time() {
    let world = World::new();
    let _ = world.client().start(long, ("x".to_owned(), 100)).id("x").await.unwrap();
    let worker = app(&world).backend(world.backend()).worker().await.unwrap();
    let worker = worker.clock(world.clock.clone()).stop_grace(seconds(20));
    worker.run_until(tokio::time::sleep(seconds(2))).await.unwrap();
    assert!(world.elapsed() < seconds(25), "{:?}", world.elapsed());
    let interrupted = |event: &Event| matches!(event, Event::StepAttemptFailed(failed) if matches!(failed.failure, Failure::Interrupted { .. }));
    assert_eq!(count(&world, "x", interrupted).await, 1);
    let _next = host(&world, "next", &without_sweeper());
    closed(&world, "x", minutes(3)).await;
    assert_eq!(world.ledger.runs_of("long"), 2);
    check_log(&world.log("x").await);
    world.ledger.check();
}

/// A function hands over before its deadline, and the next invocation goes on at once.
#[tokio::test(start_paused = true)]
async fn an_invocation_hands_over_before_its_deadline() {
    let world = World::new();
    let invocation = Some(seconds(30));
    let options = HostOptions { invocation, ..without_sweeper() };
    let slow = App::new().workflow(tramp).state(world.ledger.clone());
    let fates = Fates::good(&world, "function");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let _function = Host::start(&world, slow, backend, &fates, &options);
    let handle = world.client().start(tramp, "x".to_owned()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    assert_eq!(handle.result().await.unwrap(), 12);
    let yields =
        |event: &Event| matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::Yielded);
    assert!(count(&world, "x", yields).await >= 2);
    assert!(world.elapsed() < seconds(80), "hand-overs cost time: {:?}", world.elapsed());
    world.ledger.check();
}

/// Works until it hears that it is to end, and then takes two seconds.
#[step]
async fn obeys() -> everstep::Result<()> {
    cancelled().await;
    tokio::time::sleep(seconds(2)).await;
    Ok(())
}

#[workflow]
async fn obedient(_: State<Ledger>, _: ()) -> everstep::Result<()> {
    obeys().await
}

/// Its hand-over is 22 seconds after its beginning. The looks at the inbox are at other times.
#[tokio::test(start_paused = true)]
async fn a_body_hears_that_its_invocation_nears_its_end_while_it_can_still_clean_up() {
    let world = World::new();
    let options = HostOptions { invocation: Some(seconds(32)), ..without_sweeper() };
    let fates = Fates::good(&world, "function");
    let _function = host_of(&world, App::new().workflow(obedient), &fates, &options);
    let _ = world.client().start(obedient, ()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    let events = events(&world, "x").await;
    let ends = |event: &&Event| matches!(event.kind(), "StepCompleted" | "StepAttemptFailed");
    assert_eq!(events.iter().filter(ends).count(), 1, "{events:#?}");
    let took = events[events.len() - 1].at().since(events[0].at());
    let told = seconds(22) - CLEAN_UP_GRACE;
    assert!(took >= told + seconds(2) && took < told + seconds(3), "{took:?}");
}

/// A turn that was tried before claims before it replays: what it has received is in that claim.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_a_turn_took_before_it_died_is_acted_on_by_the_next() {
    let world = World::new();
    let dies = |name: &str| Fates::each(&world, name, "append", Fate::HangAfter);
    let handle = world.client().start(long, ("x".to_owned(), 60)).id("x").await.unwrap();
    host_with(&world, &dies("first"), &without_sweeper()).dies().await;
    handle.cancel("enough").await.unwrap();
    host_with(&world, &dies("second"), &without_sweeper()).dies().await;
    let kinds: Vec<_> = events(&world, "x").await.iter().map(Event::kind).collect();
    assert_eq!(kinds.last_chunk(), Some(&["TurnStarted", "CancelRequested"]), "{kinds:?}");
    let _next = host(&world, "next", &without_sweeper());
    closed(&world, "x", minutes(5)).await;
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Cancelled);
    assert_eq!(world.ledger.runs_of("long"), 0);
    check_log(&world.log("x").await);
}

/// The end of a turn is written, and the wake that hands over is not sent: it has ended once.
#[tokio::test(start_paused = true)]
async fn a_hand_over_whose_wake_is_not_sent_has_ended_its_turn_once() {
    let world = World::new();
    let options = HostOptions { invocation: Some(seconds(30)), ..without_sweeper() };
    let slow = App::new().workflow(tramp).state(world.ledger.clone());
    let sends = AtomicU32::new(0);
    let fates = Fates::by(&world, "function", move |call| match call.name {
        "queue.send" if sends.fetch_add(1, Ordering::SeqCst) == 0 => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let _function = Host::start(&world, slow, backend, &fates, &options);
    let handle = world.client().start(tramp, "x".to_owned()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    assert_eq!(handle.result().await.unwrap(), 12);
    check_log(&world.log("x").await);
}

/// It comes to this very process before the call that sent it is answered.
#[tokio::test(start_paused = true)]
async fn the_wake_of_a_hand_over_is_no_news_for_the_turn_that_sends_it() {
    let world = World::new();
    let options = HostOptions { invocation: Some(seconds(30)), ..without_sweeper() };
    let slow = Fate::SlowAfter(seconds(2));
    let fates = Fates::each(&world, "function", "queue.send", slow);
    let _function = host_of(&world, App::new().workflow(tramp), &fates, &options);
    let handle = world.client().start(tramp, "x".to_owned()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    assert_eq!(handle.result().await.unwrap(), 12);
    check_log(&world.log("x").await);
}

#[workflow]
async fn two_legs(State(ledger): State<Ledger>, first_ms: u64) -> everstep::Result<u64> {
    let first = act(&ledger, "x", "first", &[], Duration::from_millis(first_ms)).await?;
    Ok(first + act(&ledger, "x", "second", &["first"], seconds(1)).await?)
}

/// The first body ends at that very moment.
#[tokio::test(start_paused = true)]
async fn no_body_begins_when_it_is_time_to_hand_over() {
    let world = World::new();
    let options = HostOptions { invocation: Some(seconds(30)), ..without_sweeper() };
    let fates = Fates::good(&world, "function");
    let _function = host_of(&world, App::new().workflow(two_legs), &fates, &options);
    let _ = world.client().start(two_legs, 20_000).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let kinds: Vec<_> = events(&world, "x").await.iter().map(Event::kind).collect();
    let handed_over = ["TurnStarted", "StepCompleted", "TurnEnded", "TurnStarted", "StepCompleted"];
    assert_eq!(kinds[1..6], handed_over, "{kinds:?}");
}

/// Twelve steps of five seconds.
#[workflow]
pub(super) async fn tramp(_: State<Ledger>, _: String) -> everstep::Result<u64> {
    let mut total = 0;
    for number in 0..12_u64 {
        total += step("leg", async move || {
            tokio::time::sleep(seconds(5)).await;
            Ok::<u64, everstep::Error>(1)
        })
        .input("number", &number)
        .await?;
    }
    Ok(total)
}
