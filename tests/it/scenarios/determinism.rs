//! Code and log disagree, or agree again.

use everstep::client::ResultError;
use everstep::id::ExecutionId;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, World, check};
use tokio::runtime::Handle;

#[step]
async fn first() -> everstep::Result<u32> {
    Ok(1)
}

#[step]
async fn second() -> everstep::Result<u32> {
    Ok(2)
}

#[step]
async fn third() -> everstep::Result<u32> {
    Ok(3)
}

/// Versions of one workflow.
macro_rules! version {
    ($name:ident $body:block) => {
        mod $name {
            use super::*;

            #[workflow(name = "changing")]
            pub(super) async fn workflow(_input: ()) -> everstep::Result<u32> $body
        }
    };
}

version!(original {
    let sum = first().await? + second().await?;
    signal::<()>("go").await?;
    Ok(sum + third().await?)
});
version!(fixed {
    let sum = first().await? + second().await?;
    signal::<()>("go").await?;
    Ok(sum + third().await? + 100)
});
version!(step_became_a_sleep {
    sleep(seconds(1)).await;
    let sum = second().await?;
    signal::<()>("go").await?;
    Ok(sum)
});
version!(another_name {
    let sum = first().await? + third().await?;
    signal::<()>("go").await?;
    Ok(sum)
});
version!(swapped {
    let sum = second().await? + first().await?;
    signal::<()>("go").await?;
    Ok(sum)
});
version!(vanished {
    let sum = first().await?;
    signal::<()>("go").await?;
    Ok(sum)
});
version!(added {
    let sum = third().await? + first().await? + second().await?;
    signal::<()>("go").await?;
    Ok(sum)
});

/// D1 and D2
async fn changed(world: &World, app: fn() -> App, says: &[&str]) {
    let handle = world.start(original::workflow, ()).await;
    world.until(world.status_is(handle.id(), Status::Suspended)).await;
    let before = world.log(handle.id()).await;
    handle.signal("go", &()).await.unwrap();
    let record = world.until_with(&app, world.settled(handle.id())).await;
    assert_eq!(record.projection.status, Status::Blocked);
    let reason = record.projection.reason.unwrap();
    for part in says {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
    // What the log has, and what the code asks for, if it asks for anything.
    let sides = if reason.contains("nothing there") { 1 } else { 2 };
    assert_eq!(reason.matches("determinism.rs:").count(), sides, "source lines in {reason:?}");
    let after = world.log(handle.id()).await;
    assert_eq!(after[..before.len()], before);
    // A turn that a failed call brought back claims before it replays, and takes the signal.
    let claims = ["TurnStarted", "SignalReceived", "TurnEnded"];
    for event in after[before.len()..].iter().flat_map(|commit| &commit.events) {
        let claims = !world.is_calm() && claims.contains(&event.kind());
        assert!(claims, "{event:?} was appended");
    }
    assert!(matches!(handle.result().await, Err(ResultError::Blocked { .. })));
    let fixed = || App::new().workflow(fixed::workflow);
    world.until_with(&fixed, world.status_is(handle.id(), Status::Completed)).await;
    assert_eq!(handle.result().await.unwrap(), 106);
}

macro_rules! changes {
    ($($test:ident: $version:ident says $says:expr;)*) => {$(
        /// D1: blocked, with both sides named; D2: goes on with the fix.
        #[test]
        fn $test() {
            check(ALL, || App::new().workflow(original::workflow), async |world| {
                changed(world, || App::new().workflow($version::workflow), &$says).await;
            });
        }
    )*};
}

changes! {
    a_step_that_became_a_sleep_blocks_until_a_fix:
        step_became_a_sleep says ["call 1", "step first#1", "timer sleep#1"];
    a_step_of_another_name_blocks_until_a_fix:
        another_name says ["call 2", "step second#1", "step third#1"];
    two_swapped_steps_block_until_a_fix: swapped says ["call 1", "first#1", "second#1"];
    a_step_that_vanished_blocks_until_a_fix: vanished says ["call 2", "second#1"];
    a_step_added_before_a_recorded_one_blocks_until_a_fix:
        added says ["call 1", "step first#1", "step third#1"];
}

/// `file:line` of the line that has this text.
fn place_of(text: &str) -> String {
    let is_it = |line: &str| line.contains(text) && !line.contains("place_of(");
    let line = include_str!("determinism.rs").lines().position(is_it).expect("a line has it") + 1;
    format!("{}:{line}", file!())
}

#[workflow]
async fn foreign_timer(_input: ()) -> everstep::Result<u32> {
    #[allow_nondeterminism("it is what this test is about")]
    tokio::time::sleep(seconds(1)).await;
    first().await
}

async fn waits_for_a_channel() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    std::mem::forget(sender);
    let _ = receiver.await;
}

#[workflow]
async fn foreign_channel(_input: ()) -> everstep::Result<u32> {
    let step = first(); // called, and not awaited yet
    waits_for_a_channel().await;
    step.await
}

#[workflow]
async fn foreign_after_a_step(_input: ()) -> everstep::Result<u32> {
    let one = first().await?; // completed
    waits_for_a_channel().await;
    Ok(one)
}

/// D3
#[test]
fn a_foreign_await_is_found_in_the_first_turn_and_named() {
    let app = || {
        let app = App::new().workflow(foreign_timer).workflow(foreign_channel);
        app.workflow(foreign_after_a_step)
    };
    check(ALL, app, async |world| {
        let timer = world.start(foreign_timer, ()).await;
        let reason = blocked(world, timer.id()).await;
        // Nothing durable is before it, but the workflow itself.
        let begins = format!("the workflow begins at {}", place_of("fn foreign_timer"));
        has(&reason, &["tokio", "not durable", &begins]);
        let channel = world.start(foreign_channel, ()).await;
        let reason = blocked(world, channel.id()).await;
        let called = format!("step first#1 ({})", place_of("// called, and not awaited yet"));
        has(&reason, &["channel", "not durable", &called]);
        for id in [timer.id(), channel.id()] {
            // In the first turn, before anything was appended.
            assert!(!world.is_calm() || world.events(id).await.len() == 1, "{id}");
        }
        let after = world.start(foreign_after_a_step, ()).await;
        let reason = blocked(world, after.id()).await;
        let completed = format!("step first#1 ({})", place_of("// completed"));
        has(&reason, &["channel", "not durable", &completed]);
        let events = world.events(after.id()).await;
        let turns = events.iter().filter(|event| event.kind() == "TurnStarted").count();
        assert!(!world.is_calm() || turns == 1, "it was found in turn {turns}");
    });
}

#[track_caller]
fn has(reason: &str, parts: &[&str]) {
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}

async fn blocked(world: &World, id: &ExecutionId) -> String {
    let record = world.until(world.settled(id)).await;
    assert_eq!(record.projection.status, Status::Blocked);
    record.projection.reason.unwrap()
}

#[workflow]
async fn spawns_a_step(_input: ()) -> everstep::Result<u32> {
    let step = first(); // given to a task of tokio's
    #[allow_nondeterminism("it is what this test is about")]
    let task = tokio::spawn(step);
    task.await?
}

/// A step that is polled by another task, on the runtime that the program has.
#[workflow]
async fn hands_a_step_over(State(runtime): State<Handle>, _input: ()) -> everstep::Result<u32> {
    let step = first(); // given to the program's runtime
    let task = runtime.spawn(step);
    task.await?
}

/// D3, of operations
#[test]
fn an_operation_that_was_spawned_is_found_in_the_first_turn_with_its_line() {
    let app = || {
        let app = App::new().workflow(spawns_a_step).workflow(hands_a_step_over);
        app.state(Handle::current())
    };
    check(ALL, app, async |world| {
        let spawns = world.start(spawns_a_step, ()).await;
        let reason = blocked(world, spawns.id()).await;
        let step =
            format!("perhaps with step first#1 ({})", place_of("// given to a task of tokio's"));
        has(&reason, &["it spawned a task on tokio's runtime", &step]);
        let hands_over = world.start(hands_a_step_over, ()).await;
        let reason = blocked(world, hands_over.id()).await;
        let step = format!("step first#1 ({})", place_of("// given to the program's runtime"));
        has(&reason, &["not durable", &step]);
        for id in [spawns.id(), hands_over.id()] {
            assert!(!world.is_calm() || world.events(id).await.len() == 1, "{id}");
        }
    });
}

type Chance = (chrono::DateTime<chrono::Utc>, String, u64);

#[workflow]
async fn chance(_input: ()) -> everstep::Result<(Chance, Chance)> {
    let draw = || (now(), uuid().to_string(), random::<u64>());
    let early = draw();
    sleep(minutes(1)).await;
    first().await?;
    Ok((early, draw()))
}

#[step]
async fn keep(what: Chance) -> everstep::Result<Chance> {
    Ok(what)
}

#[workflow]
async fn chance_recorded(_input: ()) -> everstep::Result<bool> {
    let mut same = true;
    for _ in 0..4 {
        let drawn = (now(), uuid().to_string(), random::<u64>());
        // On replay another value would differ from the recorded argument, and block.
        same &= keep(drawn.clone()).await? == drawn;
        sleep(seconds(30)).await;
    }
    Ok(same)
}

/// D6
#[test]
fn time_and_chance_are_the_same_on_replay_and_differ_between_executions() {
    let app = || App::new().workflow(chance).workflow(chance_recorded);
    check(ALL, app, async |world| {
        let one = world.start(chance, ()).await;
        let other = world.start(chance, ()).await;
        let (a, b) = world.result(&one).await.unwrap();
        let (c, _) = world.result(&other).await.unwrap();
        assert!(a.1 != b.1 && a.2 != b.2 && a.0 < b.0);
        assert!(a.1 != c.1 && a.2 != c.2);
        let recorded = world.start(chance_recorded, ()).await;
        assert!(world.result(&recorded).await.unwrap());
    });
}
