//! Updates: each is answered once, whoever dies and however often it is asked.

use std::time::Duration;

use everstep::client::{OnConflict, SendError, UpdateError, Updating};
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, CALM, Effects, WARM, World, check};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TooMuch {
    most: u64,
}

#[step(skip(effects))]
async fn weigh(effects: &Effects, kilos: u64) -> everstep::Result<u64> {
    effects.note("weigh");
    Ok(kilos * 10)
}

/// A scale that takes up to `most` kilos at once, and ends when it is asked for its sum.
#[workflow]
async fn scale(State(effects): State<Effects>, most: u64) -> everstep::Result<u64> {
    let mut loads = updates::<u64, u64>("load");
    let mut ends = updates::<(), u64>("end");
    let mut sum = 0;
    loop {
        tokio::select! {
                biased;
            load = loads.next() => {
                if *load.request() > most {
                    load.reject(&TooMuch { most });
                    continue;
                }
                sum += weigh(&effects, *load.request()).await?;
                load.reply(&sum);
            }
            end = ends.next() => {
                end.reply(&sum);
                return Ok(sum);
            }
        }
    }
}

/// Waits over the deaths of hosts.
fn patient<R>(updating: Updating<'_, R>) -> Updating<'_, R> {
    updating.wait(Duration::from_secs(3_600))
}

async fn replies(world: &World, id: &ExecutionId) -> usize {
    world.number_of(id, "UpdateReplied").await
}

#[test]
fn each_update_is_answered_once_in_the_order_they_came() {
    check(
        ALL,
        || App::new().workflow(scale),
        async |world| {
            let handle = world.start(scale, 100).await;
            let done = world.until(async {
                assert_eq!(patient(handle.update::<u64>("load", &7)).id("a").await?, 70);
                assert_eq!(patient(handle.update::<u64>("load", &1)).id("b").await?, 80);
                // The same again is the same answer, and nothing is done.
                assert_eq!(patient(handle.update::<u64>("load", &7)).id("a").await?, 70);
                assert_eq!(patient(handle.update::<u64>("end", &())).id("c").await?, 80);
                world.settled(handle.id()).await;
                // Also after the end.
                assert_eq!(patient(handle.update::<u64>("load", &1)).id("b").await?, 80);
                Ok::<_, UpdateError>(())
            });
            done.await.unwrap();
            assert_eq!(handle.result().await.unwrap(), 80);
            world.did("weigh", 2);
            assert_eq!(replies(world, handle.id()).await, 3);
            let asked = world.keys(handle.id(), "UpdateReplied").await;
            assert_eq!(asked, ["load#1", "load#2", "end#1"]);
        },
    );
}

#[test]
fn a_rejection_is_an_error_of_the_workflows_own_type() {
    check(
        ALL,
        || App::new().workflow(scale),
        async |world| {
            let handle = world.start(scale, 5).await;
            world
                .until(async {
                    let error = patient(handle.update::<u64>("load", &6)).await.unwrap_err();
                    assert_eq!(error.rejection(), Some(TooMuch { most: 5 }));
                    assert_eq!(error.rejection::<String>(), None);
                    // What is no number is answered by the library, and the execution goes on.
                    let error = patient(handle.update::<u64>("load", "six")).await.unwrap_err();
                    let UpdateError::Refused { reason, .. } = &error else { panic!("{error:?}") };
                    assert!(reason.contains("the request is not a u64"), "{reason}");
                    assert_eq!(error.rejection::<TooMuch>(), None);
                    // An answer that is not of the asked type is there all the same.
                    let wrong =
                        patient(handle.update::<String>("load", &1)).id("x").await.unwrap_err();
                    assert!(matches!(wrong, UpdateError::Unreadable { .. }), "{wrong:?}");
                    assert_eq!(
                        patient(handle.update::<u64>("load", &1)).id("x").await.unwrap(),
                        10
                    );
                    patient(handle.update::<u64>("end", &())).await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), 10);
        },
    );
}

#[workflow]
async fn drops_one(_input: ()) -> everstep::Result<()> {
    drop(update::<u64, u64>("first").await);
    let held = update::<u64, u64>("second").await;
    // Returned with one in hand, and another not even looked at.
    let _other = update::<u64, u64>("third");
    if *held.request() > 100 {
        held.reply(&0);
    }
    Ok(())
}

#[test]
fn an_update_that_is_dropped_is_refused_and_one_that_was_never_taken_has_no_answer() {
    check(
        ALL,
        || App::new().workflow(drops_one),
        async |world| {
            let handle = world.start(drops_one, ()).await;
            let results = world.until(async {
                let third = patient(handle.update::<u64>("third", &3));
                let first = patient(handle.update::<u64>("first", &1));
                let second = patient(handle.update::<u64>("second", &2));
                tokio::join!(third, first, second)
            });
            let (third, first, second) = results.await;
            for (name, error) in [("first", first.unwrap_err()), ("second", second.unwrap_err())] {
                let text = format!("update {name:?} is refused: it was dropped without a reply");
                assert_eq!(error.to_string(), text);
            }
            let error = third.unwrap_err();
            let closed =
                |error: &_| matches!(error, UpdateError::Closed { status: Status::Completed, .. });
            assert!(closed(&error), "{error:?}");
            world.until(world.settled(handle.id())).await;
            let late = patient(handle.update::<u64>("first", &1)).await.unwrap_err();
            assert!(closed(&late), "{late:?}");
        },
    );
}

#[workflow]
async fn goes_on_with_one_in_hand(run: u64) -> everstep::Result<u64> {
    let asked = update::<u64, u64>("ask").await;
    if run == 0 {
        let _in_hand = asked;
        return continue_as_new(&(run + 1)).await;
    }
    asked.reply(&run);
    Ok(run)
}

/// The next run does not know what the one before had taken: its sender must not wait in vain.
#[test]
fn an_update_in_hand_when_a_run_continues_is_refused_and_one_not_taken_is_for_the_next() {
    check(
        ALL,
        || App::new().workflow(goes_on_with_one_in_hand),
        async |world| {
            let handle = world.start(goes_on_with_one_in_hand, 0).await;
            let answers = world.until(async {
                let first = patient(handle.update::<u64>("ask", &1));
                let second = patient(handle.update::<u64>("ask", &2));
                tokio::join!(first, second)
            });
            let answers: [_; 2] = answers.await.into();
            let (answered, refused): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(Result::is_ok);
            assert_eq!(answered.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1]);
            let [Err(refused)] = &refused[..] else { panic!("{refused:?}") };
            assert_eq!(
                refused.to_string(),
                "update \"ask\" is refused: it was dropped without a reply",
            );
            assert_eq!(world.until(handle.result()).await.unwrap(), 1);
        },
    );
}

#[test]
fn an_update_that_cannot_be_answered_says_why() {
    check(
        WARM,
        || App::new().workflow(scale),
        async |world| {
            let client = world.client();
            let nobody = ExecutionId::new("nobody").unwrap();
            let error = client.update::<u64>(&nobody, "load", &1).await.unwrap_err();
            let UpdateError::Send(source) = &error else { panic!("{error:?}") };
            assert!(matches!(source, SendError::Unknown { .. }), "{source:?}");
            let handle = world.start(scale, 5).await;
            for (name, id) in [("", "x"), ("load", ""), ("load", "\n")] {
                let error = patient(handle.update::<u64>(name, &1)).id(id).await.unwrap_err();
                let UpdateError::Send(source) = &error else { panic!("{error:?}") };
                assert!(matches!(source, SendError::Invalid { .. }), "{source:?}");
            }
            // Nobody works. Later somebody does, and the same update has its answer.
            let ask = || handle.update::<u64>("load", &3).id("x").wait(Duration::from_secs(5));
            let error = ask().await.unwrap_err();
            let UpdateError::NoAnswer { waited, update_id, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!((waited.as_secs(), &**update_id), (5, "x"));
            assert_eq!(world.until(async { ask().await }).await.unwrap(), 30);
            // A name that the workflow does not wait for.
            let other = handle.update::<u64>("other", &1).wait(Duration::from_secs(2));
            let error = world.until(async { other.await }).await.unwrap_err();
            assert!(matches!(error, UpdateError::NoAnswer { .. }), "{error:?}");
            handle.cancel("enough").await.unwrap();
            world.until(world.settled(handle.id())).await;
            let error = patient(handle.update::<u64>("load", &1)).await.unwrap_err();
            let text = "execution e-1 has ended (cancelled) without an answer to update \"load\"";
            assert_eq!(error.to_string(), text);
            assert!(matches!(error, UpdateError::Closed { taken: false, .. }), "{error:?}");
        },
    );
}

#[workflow]
async fn panics_when_asked(_input: ()) -> everstep::Result<u64> {
    let asked = update::<u64, u64>("ask").await;
    panic!("{}", asked.request());
}

#[test]
fn an_update_to_a_blocked_execution_says_that_it_is_blocked() {
    check(
        CALM,
        || App::new().workflow(panics_when_asked),
        async |world| {
            let handle = world.start(panics_when_asked, ()).await;
            let error =
                world.until(async { patient(handle.update::<u64>("ask", &42)).await }).await;
            let error = error.unwrap_err();
            let UpdateError::Blocked { reason, .. } = &error else { panic!("{error:?}") };
            assert!(reason.contains("42"), "{reason}");
        },
    );
}

/// G8, for updates.
#[test]
fn an_update_with_a_start_is_answered_whether_or_not_the_execution_is_there() {
    check(
        ALL,
        || App::new().workflow(scale),
        async |world| {
            let client = world.client();
            let load = |kilos: u64, id: &'static str| {
                patient(client.start(scale, 100).id("e").update::<u64>("load", &kilos)).id(id)
            };
            let done = world.until(async {
                assert_eq!(load(1, "a").await?, 10);
                assert_eq!(load(2, "b").await?, 30);
                assert_eq!(load(1, "a").await?, 10);
                let end = patient(client.start(scale, 100).id("e").update::<u64>("end", &()));
                assert_eq!(end.await?, 30);
                assert_eq!(load(2, "b").await?, 30);
                Ok::<_, UpdateError>(())
            });
            done.await.unwrap();
            let id = ExecutionId::new("e").unwrap();
            world.until(world.settled(&id)).await;
            let error = load(3, "c").await.unwrap_err();
            assert!(matches!(error, UpdateError::Closed { .. }), "{error:?}");
            // Closed, it starts again where the caller asks for it.
            let again = client.start(scale, 100).id("e").on_conflict(OnConflict::Restart);
            let again = patient(again.update::<u64>("load", &4)).id("d");
            assert_eq!(world.until(async { again.await }).await.unwrap(), 40);
            world.did("weigh", 3);
        },
    );
}

#[workflow]
async fn answers_before_it_works(
    State(effects): State<Effects>,
    _input: (),
) -> everstep::Result<()> {
    let asked = update::<u64, u64>("ask").await;
    asked.reply(&1);
    step("long", async move || {
        tokio::time::sleep(Duration::from_secs(600)).await;
        effects.note("long");
        Ok::<_, everstep::Error>(())
    })
    .await
}

#[test]
fn an_answer_is_seen_though_the_turn_goes_on_for_long() {
    check(
        CALM,
        || App::new().workflow(answers_before_it_works),
        async |world| {
            let handle = world.start(answers_before_it_works, ()).await;
            let answered = world.until(async {
                let answer = patient(handle.update::<u64>("ask", &1)).await;
                (answer, world.effects().count("long"))
            });
            let (answer, ran) = answered.await;
            assert_eq!((answer.unwrap(), ran), (1, 0), "it was seen only after the step");
        },
    );
}

/// What a suspended execution waits for stands in its log.
#[test]
fn the_end_of_a_turn_names_the_messages_that_are_waited_for() {
    #[workflow]
    async fn waits(_input: ()) -> everstep::Result<()> {
        let both = async {
            tokio::select! {
                biased;
                _ = signal::<u64>("stop") => {}
                _ = signal::<u64>("go") => {}
                update = update::<u64, u64>("ask") => update.reply(&1),
            }
        };
        both.await;
        sleep(seconds(1)).await;
        Ok(())
    }
    check(
        CALM,
        || App::new().workflow(waits),
        async |world| {
            let handle = world.start(waits, ()).await;
            world.until(world.status_is(handle.id(), Status::Suspended)).await;
            handle.signal("nobody waits for this", &1).await.unwrap();
            handle.signal("go", &1).await.unwrap();
            world.result(&handle).await.unwrap();
            let events = world.events(handle.id()).await;
            let suspended: Vec<_> = events
                .iter()
                .filter_map(|event| match event {
                    Event::TurnEnded(end) if end.reason == everstep::event::TurnEnd::Suspended => {
                        Some((end.waits_for.signals.join(" "), end.waits_for.updates.join(" ")))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(suspended[0], ("go stop".to_owned(), "ask".to_owned()));
            assert_eq!(suspended.last().unwrap(), &(String::new(), String::new()), "a timer only");
        },
    );
}
