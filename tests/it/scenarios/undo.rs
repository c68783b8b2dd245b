//! Cancelling, and undoing what was done.

use everstep::client::{ResultError, SendError};
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, CALM, Effects, WARM, World, check};
use serde::{Deserialize, Serialize};

/// What a saga is to meet on its way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Fate {
    /// Which step fails; none if it is 0.
    fails_at: u32,
    /// Which undo fails once, and which for good.
    undo_fails_once: u32,
    undo_fails: u32,
}

#[step(skip(effects), undo = undo, undo_retry(max_attempts = 3, initial = "1s"), retry = none)]
async fn act(effects: &Effects, number: u32, fate: &Fate) -> everstep::Result<u32> {
    if fate.fails_at == number {
        return Err(everstep::Error::msg(format!("{number} is impossible")));
    }
    effects.note(format!("do {number}"));
    Ok(number)
}

async fn undo(effects: &Effects, number: u32, fate: &Fate, done: &u32) -> everstep::Result<()> {
    assert_eq!(*done, number, "it undoes what it got");
    if fate.undo_fails == number || (fate.undo_fails_once == number && everstep::attempt() == 1) {
        effects.note(format!("fail to undo {number}"));
        return Err(everstep::Error::msg(format!("{number} cannot be undone now")));
    }
    effects.note(format!("undo {number}"));
    Ok(())
}

#[workflow]
async fn saga(State(effects): State<Effects>, fate: Fate) -> everstep::Result<u32> {
    let mut sum = 0;
    for number in 1..=4 {
        sum += act(&effects, number, &fate).await?;
    }
    Ok(sum)
}

/// What the log says was undone, by the numbers of the steps, in order.
async fn undone(
    world: &World,
    handle: &everstep::client::Handle<u32, everstep::Error>,
) -> Vec<u32> {
    let events = world.events(handle.id()).await;
    let undone = events.iter().filter_map(|event| match event {
        Event::StepCompleted(e) if e.key.name == "undo act" => {
            let of: std::collections::BTreeMap<String, String> = e.input.read().unwrap();
            of["undoes"].rsplit_once('#').unwrap().1.parse().ok()
        }
        _ => None,
    });
    undone.collect()
}

/// E2
#[test]
fn a_saga_is_undone_from_wherever_it_fails() {
    check(
        ALL,
        || App::new().workflow(saga),
        async |world| {
            for fails_at in 1..=4 {
                let fate = Fate { fails_at, ..Fate::default() };
                let handle = world.start(saga, fate).await;
                let ended = world.result(&handle).await;
                let Err(ResultError::Failed(error)) = ended else { panic!("{ended:?}") };
                assert_eq!(error.to_string(), format!("{fails_at} is impossible"));
                let all: Vec<u32> = (1..fails_at).rev().collect();
                assert_eq!(undone(world, &handle).await, all);
                let starts = world.number_of(handle.id(), "CompensationStarted").await;
                assert_eq!(starts, usize::from(fails_at > 1), "nothing to undo is nothing to say");
            }
            // Each of the sagas that got so far did it, and undid it.
            for number in 1..=3 {
                let times = 4 - number as usize;
                world.did(&format!("do {number}"), times);
                world.did(&format!("undo {number}"), times);
            }
            world.did("do 4", 0);
        },
    );
}

/// E2
#[test]
fn an_undo_is_tried_again_and_one_that_fails_for_good_is_named() {
    check(
        ALL,
        || App::new().workflow(saga),
        async |world| {
            let fate = Fate { fails_at: 4, undo_fails_once: 2, undo_fails: 3 };
            let handle = world.start(saga, fate).await;
            let ended = world.result(&handle).await;
            let Err(ResultError::NotUndone { ended, undo_steps }) = ended else {
                panic!("{ended:?}");
            };
            assert!(matches!(*ended, ResultError::Failed(_)), "{ended:?}");
            let keys: Vec<_> = undo_steps.iter().map(ToString::to_string).collect();
            assert_eq!(keys, ["undo act#1"], "the undo of the third, which was the first to run");
            assert_eq!(undone(world, &handle).await, [2, 1]);
            world.did("fail to undo 3", 3);
            world.did("fail to undo 2", 1);
            let record = handle.describe().await.unwrap().projection;
            assert_eq!(record.status, Status::Failed);
            let reason = record.reason.unwrap();
            assert!(
                reason.contains("undo act#1") && reason.contains("4 is impossible"),
                "{reason}"
            );
        },
    );
}

#[step(skip(effects), retry(max_attempts = 5, initial = "1h", max = "1h", jitter = false))]
async fn never(effects: &Effects) -> everstep::Result<u32> {
    effects.note("never");
    Err(everstep::Error::msg("not yet"))
}

#[workflow]
async fn waits(State(effects): State<Effects>, on: String) -> everstep::Result<u32> {
    act(&effects, 1, &Fate::default()).await?;
    match &*on {
        "back-off" => drop(never(&effects).await),
        "sleep" => sleep(days(3)).await,
        "signal" => drop(signal::<u32>("never").await),
        "promise" => drop(promise::<u32>("never").await),
        "join" => drop(tokio::join!(never(&effects), signal::<u32>("never"), sleep(days(3)))),
        "race" => drop(race(signal::<u32>("never"), sleep(days(3))).await),
        "child" => drop(everstep::child(waits, "sleep".to_owned()).await),
        other => panic!("{other}"),
    }
    Ok(2)
}

/// E1
#[test]
fn a_cancel_ends_whatever_it_waits_for_and_undoes_what_was_done() {
    check(
        ALL,
        || App::new().workflow(waits),
        async |world| {
            for on in ["back-off", "sleep", "signal", "promise", "join", "race", "child"] {
                let before = world.effects().count("undo 1");
                let handle = world.start(waits, on.to_owned()).await;
                world.until(world.status_is(handle.id(), Status::Suspended)).await;
                handle.cancel("enough").await.unwrap();
                handle.cancel("and again").await.unwrap();
                let ended = world.result(&handle).await;
                let Err(ResultError::Cancelled { reason }) = ended else {
                    panic!("{on}: {ended:?}")
                };
                assert_eq!(reason, "enough");
                assert_eq!(handle.describe().await.unwrap().projection.status, Status::Cancelled);
                let late = handle.cancel("too late").await.unwrap_err();
                assert!(
                    matches!(late, SendError::Closed { status: Status::Cancelled, .. }),
                    "{late}"
                );
                let undone = world.effects().count("undo 1") - before;
                // A child is cancelled with its parent, and undoes what it did itself.
                assert!(undone >= 1, "{on}");
                let requests = world.number_of(handle.id(), "CancelRequested").await;
                assert_eq!(requests, 1, "{on}: asking twice is asking once");
                assert_eq!(world.keys(handle.id(), "TimerFired").await, Vec::<String>::new());
            }
        },
    );
}

/// Hangs at first: its only attempt times out.
#[step(skip(effects), undo = unbook, timeout = "5s", retry = none)]
async fn book(effects: &Effects, room: u32) -> everstep::Result<u32> {
    if everstep::attempt() == 1 {
        std::future::pending::<()>().await;
    }
    effects.note("book");
    Ok(room)
}

async fn unbook(effects: &Effects, room: u32, booked: &u32) -> everstep::Result<()> {
    assert_eq!(*booked, room);
    effects.note("unbook");
    Ok(())
}

#[workflow]
async fn loses_patience(State(effects): State<Effects>, _input: ()) -> everstep::Result<()> {
    // The sleep wins; the booking, which nobody waits for any more, times out later.
    let _ = race(book(&effects, 7), sleep(seconds(1))).await;
    sleep(minutes(1)).await;
    Err(everstep::Error::msg("no trip"))
}

/// What its last attempt did nobody knows, and nobody would ever: it gets one more, whose result
/// says what there is to undo.
#[test]
fn a_step_that_was_dropped_and_timed_out_for_the_last_time_is_driven_to_its_end_and_undone() {
    check(
        ALL,
        || App::new().workflow(loses_patience),
        async |world| {
            let handle = world.start(loses_patience, ()).await;
            let ended = world.result(&handle).await;
            let Err(ResultError::Failed(error)) = ended else { panic!("{ended:?}") };
            assert_eq!(error.to_string(), "no trip");
            let undone = world.keys(handle.id(), "StepCompleted").await;
            // A host that died before it booked anything finds the sleep over.
            let never = undone.is_empty() && world.effects().count("book") == 0;
            assert!(never || undone == ["book#1", "undo book#1"], "{undone:?}");
            assert_eq!(world.effects().count("unbook") >= 1, !never);
        },
    );
    check(
        CALM,
        || App::new().workflow(loses_patience),
        async |world| {
            let handle = world.start(loses_patience, ()).await;
            world.result(&handle).await.unwrap_err();
            assert_eq!(world.effects().count("unbook"), 1);
        },
    );
}

/// As [`book`], with attempts that are left.
#[step(
    skip(effects),
    undo = unbook,
    at_most_once,
    timeout = "5s",
    retry(max_attempts = 3, initial = "1s")
)]
async fn book_again(effects: &Effects, room: u32) -> everstep::Result<u32> {
    effects.note("ask");
    book(effects, room).await
}

#[workflow]
async fn loses_patience_with_one(
    State(effects): State<Effects>,
    _input: (),
) -> everstep::Result<()> {
    let _ = race(book_again(&effects, 7), sleep(seconds(1))).await;
    sleep(minutes(1)).await;
    Err(everstep::Error::msg("no trip"))
}

#[test]
fn an_at_most_once_step_that_was_dropped_is_driven_to_its_end_by_the_attempts_it_has_left() {
    check(
        WARM,
        || App::new().workflow(loses_patience_with_one),
        async |world| {
            let handle = world.start(loses_patience_with_one, ()).await;
            let ended = world.result(&handle).await;
            assert!(matches!(ended, Err(ResultError::Failed(_))), "{ended:?}");
            world.did("ask", 2);
            world.did("unbook", 1);
        },
    );
}
