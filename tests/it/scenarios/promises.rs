//! Promises: results that somebody outside gives, once, in time or not.

use std::time::Duration;

use everstep::client::{PromiseSendError, Resolution, SendError};
use everstep::event::{Event, OperationKey, PromiseResult};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::{CallbackError, PromiseError};
use everstep_tests::scenario::{ALL, CALM, Effects, World, check};

/// The token of the first promise called `name` of the first run of `id`.
fn token(id: &ExecutionId, name: &'static str) -> PromiseToken {
    PromiseToken::new(id.clone(), 1, OperationKey { name: name.into(), count: 1 })
}

#[step(skip(effects))]
async fn hand_out(effects: &Effects, token: &PromiseToken) -> everstep::Result<()> {
    effects.note(format!("{token} is handed out"));
    Ok(())
}

#[workflow]
async fn asks(
    State(effects): State<Effects>,
    (limit, heartbeat, nap): (Option<u64>, Option<u64>, u64),
) -> everstep::Result<String> {
    let mut answer = promise::<u32>("answer");
    if let Some(limit) = limit {
        answer = answer.timeout(seconds(limit));
    }
    if let Some(heartbeat) = heartbeat {
        answer = answer.heartbeat(seconds(heartbeat));
    }
    hand_out(&effects, &answer.token()).await?;
    if nap > 0 {
        sleep(seconds(nap)).await;
    }
    let answer = answer.await;
    effects.note("answered");
    Ok(match answer {
        Ok(answer) => format!("{answer}"),
        Err(PromiseError::Failed { reason, .. }) => format!("failed: {reason}"),
        Err(PromiseError::TimedOut { after, .. }) => format!("late by {after:?}"),
        Err(PromiseError::HeartbeatMissed { after, .. }) => format!("silent for {after:?}"),
        Err(error) => error.to_string(),
    })
}

/// Waits (it takes hosts) until the token of `id` is in somebody's hands, and so in the log.
async fn handed_out(world: &World, id: &ExecutionId) -> PromiseToken {
    world.has(id, "PromiseCreated", 1).await;
    token(id, "answer")
}

/// G5
#[test]
fn a_promise_that_is_completed_or_failed_is_so_for_the_workflow() {
    check(
        ALL,
        // It counts in the workflow's own code, which the check of a debug build runs once more.
        || App::new().workflow(asks).replay_check(false),
        async |world| {
            let completed = world.start(asks, (None, None, 0)).await;
            let failed = world.start(asks, (Some(864_000), None, 0)).await;
            let wrong = world.start(asks, (None, None, 0)).await;
            world
                .until(async {
                    let client = world.client();
                    let token = handed_out(world, completed.id()).await;
                    client.promise(&token).complete(&7).await.unwrap();
                    let token = handed_out(world, failed.id()).await;
                    client.promise(&token).fail("nobody knows").await.unwrap();
                    let token = handed_out(world, wrong.id()).await;
                    client.promise(&token).complete(&()).await.unwrap();
                    for handle in [&completed, &failed, &wrong] {
                        world.settled(handle.id()).await;
                    }
                })
                .await;
            assert_eq!(completed.result().await.unwrap(), "7");
            assert_eq!(failed.result().await.unwrap(), "failed: nobody knows");
            let problem = wrong.result().await.unwrap();
            assert!(problem.contains("\"answer\"") && problem.contains("u32"), "{problem}");
            world.did("answered", 3);
            for handle in [&completed, &failed, &wrong] {
                assert_eq!(world.number_of(handle.id(), "PromiseResolved").await, 1);
                world.did(&format!("{} is handed out", token(handle.id(), "answer")), 1);
            }
        },
    );
}

/// G5
#[test]
fn a_promise_that_nobody_completes_times_out_and_later_results_are_told_so() {
    check(
        ALL,
        || App::new().workflow(asks),
        async |world| {
            let handle = world.start(asks, (Some(90), None, 0)).await;
            assert_eq!(world.result(&handle).await.unwrap(), "late by 90s");
            let token = token(handle.id(), "answer");
            // G6
            let late = world.client().promise(&token).complete(&7).await.unwrap_err();
            let PromiseSendError::Resolved { result, .. } = late else { panic!("{late:?}") };
            assert_eq!(result, PromiseResult::TimedOut { after_ms: 90_000 });
            let late = world.client().promise(&token).heartbeat().await.unwrap_err();
            assert!(late.to_string().contains("timed out after 1m 30s"), "{late}");
            assert!(
                !world.is_calm()
                    || world.client().load(handle.id()).await.unwrap().inbox.is_empty()
            );
        },
    );
}

/// G5
#[test]
fn heartbeats_keep_a_promise_alive_and_a_missing_one_ends_it() {
    check(
        CALM,
        || App::new().workflow(asks),
        async |world| {
            let handle = world.start(asks, (Some(1_000), Some(60), 0)).await;
            let began = world.clock().now();
            world
                .until(async {
                    let token = handed_out(world, handle.id()).await;
                    for _ in 0..4 {
                        tokio::time::sleep(Duration::from_secs(40)).await;
                        world.client().promise(&token).heartbeat().await.unwrap();
                    }
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "silent for 60s");
            assert_eq!(world.number_of(handle.id(), "PromiseHeartbeat").await, 4);
            let lived = world.clock().now().since(began);
            assert!((220..230).contains(&lived.as_secs()), "{lived:?}");
        },
    );
}

/// G5
#[test]
fn a_missing_heartbeat_ends_a_promise_in_any_weather() {
    check(
        ALL,
        || App::new().workflow(asks),
        async |world| {
            let handle = world.start(asks, (None, Some(120), 0)).await;
            world
                .until(async {
                    let token = handed_out(world, handle.id()).await;
                    world.client().promise(&token).heartbeat().await.unwrap();
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "silent for 120s");
            assert_eq!(world.number_of(handle.id(), "PromiseHeartbeat").await, 1);
        },
    );
}

/// G6
#[test]
fn a_promise_may_be_completed_before_it_is_awaited_and_the_first_of_two_results_counts() {
    check(
        ALL,
        || App::new().workflow(asks),
        async |world| {
            let handle = world.start(asks, (None, None, 300)).await;
            let client = world.client();
            world
                .until(async {
                    let token = handed_out(world, handle.id()).await;
                    let promise = client.promise(&token);
                    assert_eq!(promise.complete(&7).await.unwrap(), Resolution::First);
                    assert_eq!(promise.complete(&7).await.unwrap(), Resolution::Repeated);
                    let second = promise.complete(&8).await.unwrap_err();
                    let PromiseSendError::Resolved { result, .. } = second else {
                        panic!("{second:?}")
                    };
                    let seven = serde_json::from_str("7").unwrap();
                    assert_eq!(result, PromiseResult::Completed { value: seven });
                    // The same when the log has taken it and the inbox has it no more.
                    world.has(handle.id(), "PromiseResolved", 1).await;
                    assert_eq!(promise.complete(&7).await.unwrap(), Resolution::Repeated);
                    let third = promise.fail("no").await.unwrap_err();
                    assert!(third.to_string().ends_with(": completed"), "{third}");
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "7");
            assert_eq!(world.number_of(handle.id(), "PromiseResolved").await, 1);
        },
    );
}

/// G6
#[test]
fn of_many_results_at_once_one_is_the_first_and_all_others_are_told_which() {
    check(
        ALL,
        || App::new().workflow(asks),
        async |world| {
            let handle = world.start(asks, (None, None, 0)).await;
            let answers = world
                .until(async {
                    let token = handed_out(world, handle.id()).await;
                    let answers = (0..8_u32).map(|n| {
                        let (client, token) = (world.client(), token.clone());
                        async move { (n, client.promise(&token).complete(&n).await) }
                    });
                    let answers = futures::future::join_all(answers).await;
                    world.settled(handle.id()).await;
                    answers
                })
                .await;
            let winner = handle.result().await.unwrap();
            let mut first = 0;
            for (n, answer) in answers {
                match answer {
                    Ok(Resolution::First) => {
                        first += 1;
                        assert_eq!(n.to_string(), winner);
                    }
                    Err(PromiseSendError::Resolved {
                        result: PromiseResult::Completed { value },
                        ..
                    }) => assert_eq!(value.as_str(), winner, "what {n} was told"),
                    other => panic!("{n}: {other:?}"),
                }
            }
            assert_eq!(first, 1);
        },
    );
}

#[workflow]
async fn two_promises(State(effects): State<Effects>, _input: ()) -> everstep::Result<(u32, u32)> {
    let (a, b) = (promise::<u32>("a"), promise::<u32>("b"));
    hand_out(&effects, &a.token()).await?;
    hand_out(&effects, &b.token()).await?;
    let a = a.await?;
    let b = b.await?;
    Ok((a, b))
}

/// G7
#[test]
fn two_promises_have_both_their_results_in_whatever_order_these_come() {
    check(
        ALL,
        || App::new().workflow(two_promises),
        async |world| {
            for order in [["a", "b"], ["b", "a"]] {
                let handle = world.start(two_promises, ()).await;
                world
                    .until(async {
                        world.has(handle.id(), "StepCompleted", 2).await;
                        for name in order {
                            let token = token(handle.id(), name);
                            let value = if name == "a" { 1 } else { 2 };
                            world.client().promise(&token).complete(&value).await.unwrap();
                        }
                        world.settled(handle.id()).await;
                    })
                    .await;
                assert_eq!(handle.result().await.unwrap(), (1, 2));
            }
        },
    );
}

#[workflow]
async fn calls_back(State(effects): State<Effects>, hands_out: bool) -> everstep::Result<String> {
    let asked = callback("answer", async move |token| {
        if !hands_out {
            return Err(everstep::Error::msg("nobody there").terminal());
        }
        effects.note(format!("asked {token}"));
        Ok(())
    });
    let asked: Result<String, _> = asked.timeout(days(1)).heartbeat(hours(6)).await;
    sleep(seconds(5)).await;
    match asked {
        Ok(answer) => Ok(answer),
        Err(CallbackError::Submit(error)) => Ok(format!("not asked: {error}")),
        Err(error) => Err(error.into()),
    }
}

/// G5; and a promise whose token was never handed out is given up
#[test]
fn a_callback_hands_its_token_out_and_waits() {
    check(
        ALL,
        || App::new().workflow(calls_back),
        async |world| {
            let handle = world.start(calls_back, true).await;
            let refused = world.start(calls_back, false).await;
            world
                .until(async {
                    world.has(handle.id(), "StepCompleted", 1).await;
                    let token = token(handle.id(), "answer");
                    world.client().promise(&token).complete("yes").await.unwrap();
                    world.settled(handle.id()).await;
                    world.settled(refused.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "yes");
            world.did(&format!("asked {}", token(handle.id(), "answer")), 1);
            assert_eq!(refused.result().await.unwrap(), "not asked: nobody there");
            let events = world.events(refused.id()).await;
            let given_up = |event: &Event| matches!(event, Event::PromiseResolved(e) if e.result == PromiseResult::GivenUp);
            assert_eq!(events.iter().filter(|event| given_up(event)).count(), 1, "{events:?}");
        },
    );
}

#[workflow]
async fn gives_up(State(effects): State<Effects>, _input: ()) -> everstep::Result<String> {
    let mut answer = promise::<String>("answer");
    hand_out(&effects, &answer.token()).await?;
    if let Ok(answer) = timeout(hours(1), &mut answer).await {
        return Ok(answer?);
    }
    // It waits a little longer than it says.
    if let Ok(answer) = timeout(hours(1), answer).await {
        return Ok(answer?);
    }
    sleep(hours(1)).await;
    Ok("nobody answered".to_owned())
}

/// G6
#[test]
fn a_promise_that_the_workflow_has_given_up_says_so() {
    check(
        ALL,
        || App::new().workflow(gives_up),
        async |world| {
            let handle = world.start(gives_up, ()).await;
            world
                .until(async {
                    world.has(handle.id(), "TimerFired", 2).await;
                    let token = token(handle.id(), "answer");
                    world.has(handle.id(), "PromiseResolved", 1).await;
                    let late = world.client().promise(&token).complete("yes").await.unwrap_err();
                    assert!(late.to_string().ends_with("given up by the workflow"), "{late}");
                    world.settled(handle.id()).await;
                })
                .await;
            assert_eq!(handle.result().await.unwrap(), "nobody answered");
        },
    );
}

/// What a token names that is not there.
#[test]
fn a_token_of_nothing_or_of_what_is_over_is_refused_and_nothing_is_stored() {
    check(
        CALM,
        || App::new().workflow(asks),
        async |world| {
            let client = world.client();
            let handle = world.start(asks, (None, None, 0)).await;
            let nobody = token(&ExecutionId::new("nobody").unwrap(), "answer");
            let error = client.promise(&nobody).complete(&1).await.unwrap_err();
            assert!(error.to_string().contains("there is no execution nobody"), "{error}");
            // The workflow has not run yet.
            let early = token(handle.id(), "answer");
            let error = client.promise(&early).complete(&1).await.unwrap_err();
            assert!(matches!(error, PromiseSendError::NoPromise { .. }), "{error:?}");
            world
                .until(async {
                    let token = handed_out(world, handle.id()).await;
                    for (run, name, count) in [(1, "other", 1), (1, "answer", 2), (2, "answer", 1)]
                    {
                        let key = OperationKey { name: name.into(), count };
                        let other = PromiseToken::new(handle.id().clone(), run, key);
                        let error = client.promise(&other).fail("no").await.unwrap_err();
                        assert!(matches!(error, PromiseSendError::NoPromise { .. }), "{error:?}");
                    }
                    let big = "x".repeat(200_000);
                    let error = client.promise(&token).complete(&big).await.unwrap_err();
                    assert!(matches!(error, PromiseSendError::TooLarge { .. }), "{error:?}");
                    handle.cancel("enough").await.unwrap();
                    world.status_is(handle.id(), Status::Cancelled).await;
                    let error = client.promise(&token).complete(&1).await.unwrap_err();
                    assert!(matches!(error, PromiseSendError::RunEnded { .. }), "{error:?}");
                })
                .await;
            let loaded = client.load(handle.id()).await.unwrap();
            assert!(loaded.inbox.is_empty(), "{:?}", loaded.inbox);
            let late = client.signal(handle.id(), "x", &1).await;
            assert!(matches!(late, Err(SendError::Closed { .. })), "{late:?}");
        },
    );
}
