//! Signals: none lost, none twice, in the order of arrival.

use everstep::client::{OnConflict, ResultError, SendError, StartError};
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, WARM, check};

#[workflow]
async fn two_signals(State(effects): State<Effects>, nap_ms: u64) -> everstep::Result<String> {
    sleep(std::time::Duration::from_millis(nap_ms)).await;
    let first = signal::<String>("word").await?;
    effects.note(&first);
    let second = signal::<String>("word").await?;
    Ok(first + " " + &second)
}

/// G1
#[test]
fn signals_sent_before_during_and_after_a_wait_come_in_order() {
    check(
        ALL,
        || App::new().workflow(two_signals),
        async |world| {
            // Both before the first turn.
            let before = world.start(two_signals, 0).await;
            before.signal("word", "one").await.unwrap();
            before.signal("word", "two").await.unwrap();
            assert_eq!(world.result(&before).await.unwrap(), "one two");
            // One before its wait, one when the execution is suspended.
            let during = world.start(two_signals, 60_000).await;
            during.signal("word", "three").await.unwrap();
            world
                .until(async {
                    world
                        .record_is(during.id(), |record| {
                            record.projection.status == Status::Suspended
                                && record.projection.wake_at.is_none()
                        })
                        .await;
                    during.signal("word", "four").await.unwrap();
                    world.settled(during.id()).await;
                })
                .await;
            assert_eq!(during.result().await.unwrap(), "three four");
        },
    );
}

/// G2
#[test]
fn a_signal_sent_twice_with_one_id_is_one_signal() {
    check(
        ALL,
        || App::new().workflow(two_signals),
        async |world| {
            let handle = world.start(two_signals, 0).await;
            handle.signal("word", "one").id("a").await.unwrap();
            handle.signal("word", "one").id("a").await.unwrap();
            world
                .until(async {
                    world.status_is(handle.id(), Status::Suspended).await;
                    handle.signal("word", "one").id("a").await.unwrap();
                    handle.signal("word", "two").id("b").await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "one two");
            assert_eq!(world.number_of(handle.id(), "SignalReceived").await, 2);
        },
    );
}

/// G3
#[test]
fn a_signal_to_an_unknown_or_closed_execution_is_refused_and_not_stored() {
    check(
        ALL,
        || App::new().workflow(two_signals),
        async |world| {
            let client = world.client();
            let nobody = ExecutionId::new("nobody").unwrap();
            let error = client.signal(&nobody, "word", "x").await.unwrap_err();
            assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
            assert!(client.describe(&nobody).await.is_err());
            let handle = world.start(two_signals, 0).await;
            handle.signal("word", "one").await.unwrap();
            handle.signal("word", "two").await.unwrap();
            world.result(&handle).await.unwrap();
            let error = handle.signal("word", "three").await.unwrap_err();
            assert!(
                matches!(error, SendError::Closed { status: Status::Completed, .. }),
                "{error:?}"
            );
            let inbox = client.load(handle.id()).await.unwrap().inbox;
            assert!(!format!("{inbox:?}").contains("three"), "{inbox:?}");
            if world.is_calm() {
                // Whoever ends it takes its items away, after the record says that it has ended.
                let emptied = async {
                    while !client.load(handle.id()).await.unwrap().inbox.is_empty() {
                        tokio::time::sleep(seconds(1)).await;
                    }
                };
                world.until(emptied).await;
            }
        },
    );
}

#[workflow]
async fn wants_a_number(_input: ()) -> everstep::Result<String> {
    let wrong = signal::<u32>("number").await.unwrap_err().to_string();
    let right = signal::<u32>("number").await?;
    Ok(format!("{wrong}; then {right}"))
}

/// G4
#[test]
fn a_payload_of_the_wrong_type_is_an_error_of_its_wait_and_the_execution_goes_on() {
    check(
        ALL,
        || App::new().workflow(wants_a_number),
        async |world| {
            let handle = world.start(wants_a_number, ()).await;
            handle.signal("number", "seven").await.unwrap();
            handle.signal("number", &7).await.unwrap();
            let result = world.result(&handle).await.unwrap();
            assert!(result.contains("\"number\"") && result.ends_with("then 7"), "{result}");
        },
    );
}

#[workflow]
async fn collects(State(effects): State<Effects>, many: usize) -> everstep::Result<Vec<u32>> {
    let mut numbers = signals::<u32>("number");
    let mut seen = Vec::new();
    while seen.len() < many {
        // Dropped by each tick, perhaps with a signal in hand.
        match race(numbers.next(), sleep(std::time::Duration::from_millis(700))).await {
            Either::Left(number) => seen.push(number.unwrap_or(0)),
            Either::Right(()) => effects.note("tick"),
        }
    }
    // A stream that is dropped has taken nothing that it did not return.
    drop(numbers);
    seen.push(signal::<u32>("number").await?);
    Ok(seen)
}

/// G1, G4: as a stream.
#[test]
fn a_stream_of_signals_loses_nothing_however_often_it_is_dropped() {
    check(
        ALL,
        || App::new().workflow(collects),
        async |world| {
            let handle = world.start(collects, 5).await;
            handle.signal("number", &1).await.unwrap();
            handle.signal("number", "two").await.unwrap();
            world
                .until(async {
                    for number in 3..=6 {
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                        handle.signal("number", &number).await.unwrap();
                    }
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), [1, 0, 3, 4, 5, 6]);
        },
    );
}

/// G8
#[test]
fn a_signal_with_a_start_comes_once_whether_or_not_the_execution_is_there() {
    check(
        ALL,
        || App::new().workflow(two_signals),
        async |world| {
            let client = world.client();
            let start = |word: &'static str| {
                client.start(two_signals, 0).id("e").signal("word", word).signal_id(word)
            };
            // Absent, repeated, and there with another signal.
            let handle = start("one").await.unwrap();
            assert!(handle.is_new());
            assert!(!start("one").await.unwrap().is_new());
            world
                .until(async {
                    world.record_is(handle.id(), |record| record.projection.commit > 0).await;
                    assert!(!start("one").await.unwrap().is_new());
                    assert!(!start("two").await.unwrap().is_new());
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "one two");
            assert_eq!(world.number_of(handle.id(), "SignalReceived").await, 2);
            // Closed: what it has is known, what it has not is refused.
            assert!(!start("two").await.unwrap().is_new());
            let error = start("three").await.unwrap_err();
            let StartError::Send { source, .. } = error else { panic!("{error:?}") };
            assert!(matches!(source, SendError::Closed { .. }), "{source:?}");
            // Started again: its new run has the signal.
            let again = start("four").signal("word", "five").on_conflict(OnConflict::Restart);
            assert!(again.await.unwrap().is_new());
            assert_eq!(world.result(&handle).await.unwrap(), "four five");
        },
    );
}

#[test]
fn a_start_whose_signal_cannot_be_sent_stores_nothing() {
    check(
        WARM,
        || App::new().workflow(two_signals),
        async |world| {
            let client = world.client();
            let start = || client.start(two_signals, 0).id("e");
            for start in [start().signal("", "x"), start().signal("word", &"x".repeat(200_000))] {
                let error = start.await.unwrap_err();
                assert!(matches!(error, StartError::Message(_)), "{error:?}");
            }
            assert!(client.describe(&ExecutionId::new("e").unwrap()).await.is_err());
        },
    );
}

#[workflow]
async fn may_get_a_signal(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    let word = race(signal::<String>("word"), sleep(seconds(1))).await;
    effects.note("raced");
    Ok(match word {
        Either::Left(word) => word?,
        Either::Right(()) => "nothing came".into(),
    })
}

/// G9: whenever the signal is sent, the execution ends, and the signal is in its log, or was
/// refused or reported as too late.
#[test]
fn a_signal_that_lands_while_the_last_turn_ends_leaves_nothing_stuck() {
    for delay in [0, 1, 995, 999, 1_000, 1_001, 1_005] {
        check(
            ALL,
            || App::new().workflow(may_get_a_signal),
            async |world| {
                let handle = world.start(may_get_a_signal, ()).await;
                let sent = world
                    .until(async {
                        tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
                        let sent = handle.signal("word", "hello").await;
                        world.settled(handle.id()).await;
                        sent
                    })
                    .await;
                let result: Result<String, ResultError<_>> = handle.result().await;
                let result = result.unwrap();
                let received = world.number_of(handle.id(), "SignalReceived").await;
                match sent {
                    Ok(()) => assert!(received == 1 || result == "nothing came"),
                    Err(SendError::Closed { .. }) => assert_eq!(result, "nothing came"),
                    Err(error) => panic!("{error}"),
                }
            },
        );
    }
}
