//! Rule 22: a terminate ends every open execution, whatever its code would say.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use everstep::client::{Cancelling, ResultError, SendError};
use everstep::event::Event;
use everstep::limits::STRIKES_MAX;
use everstep::prelude::*;
use everstep::store::{Message, Status};
use everstep::testing::faults::Fate;
use everstep_tests::sim::{Fates, Host, World, check_log};

use super::running::client_ahead;
use super::{closed, count, counts, events, host, host_with, lands_at, long, without_sweeper};

#[workflow]
async fn panics(_: u64) -> everstep::Result<u64> {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    panic!("a bug, look {}", LOOKS.fetch_add(1, Ordering::SeqCst))
}

/// A host that knows no workflow at all.
fn stranger(world: &World, name: &str) -> Host {
    let fates = Fates::good(world, name);
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    Host::start(world, App::new().workflow(panics), backend, &fates, &without_sweeper())
}

async fn check_terminated(world: &World, reason: &str) {
    closed(world, "x", minutes(1)).await;
    let record = world.record("x").await.unwrap().projection;
    assert_eq!(record.status, Status::Terminated);
    assert_eq!(record.reason.as_deref(), Some(reason));
    let log = events(world, "x").await;
    let Some(Event::WorkflowTerminated(end)) = log.last() else { panic!("{log:#?}") };
    assert_eq!(end.reason, reason);
    check_log(&world.log("x").await);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_execution_is_ended_without_its_code() {
    let world = World::new();
    let host = stranger(&world, "host");
    let handle = world.client().start(panics, 1).id("x").await.unwrap();
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    let reason = world.record("x").await.unwrap().projection.reason.unwrap();
    assert!(reason.contains("a bug, look 0"), "{reason}");

    assert_eq!(handle.cancel("enough").await.unwrap(), Cancelling::WaitsForResume);
    tokio::time::sleep(minutes(10)).await;
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Blocked);
    handle.terminate("it is beyond repair").await.unwrap();
    check_terminated(&world, "it is beyond repair").await;
    assert_eq!(count(&world, "x", |it| matches!(it, Event::TurnStarted(_))).await, 0);
    let result = handle.result().await.unwrap_err();
    assert!(
        matches!(&result, ResultError::Terminated { reason } if reason == "it is beyond repair")
    );
    let again = handle.terminate("again").await.unwrap_err();
    assert!(matches!(again, SendError::Closed { status: Status::Terminated, .. }), "{again}");
    tokio::time::sleep(minutes(2)).await;
    assert_eq!(world.wakes(), 0);
    host.kill().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_kills_its_hosts_is_ended_without_its_code() {
    let world = World::new();
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    // Two of them, which is not enough to block it: the third dies of the claim as well, unless it
    // finds the terminate before.
    for number in 0..2 {
        let dead = Fates::each(&world, &format!("dead{number}"), "append", Fate::HangAfter);
        host_with(&world, &dead, &without_sweeper()).dies().await;
    }
    handle.terminate("enough").await.unwrap();
    let _host = stranger(&world, "host");
    check_terminated(&world, "enough").await;
    let claims = count(&world, "x", |it| matches!(it, Event::TurnStarted(_))).await;
    assert_eq!(claims, 2);
    assert!(claims < STRIKES_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_body_hangs_is_ended() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 100_000)).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    handle.terminate("enough").await.unwrap();
    let asked = world.clock.now();
    check_terminated(&world, "enough").await;
    assert!(world.clock.now().since(asked) < seconds(10), "it waited for the body");
    world.check_closed("x").await;
}

/// Its wake has found the turn at work and is done with, and no sweeper looks at what is blocked.
#[tokio::test(start_paused = true)]
async fn a_terminate_that_lands_while_a_turn_blocks_is_heard() {
    let world = World::new();
    let input = serde_json::from_str(r#""none that it can read""#).unwrap();
    let _ = world.client().start_named("long", input).id("x").await.unwrap();
    let message = Message::Terminate { reason: "enough".into() };
    let fates = lands_at(&world, "project", 0, ("everstep/terminate/1", message));
    let _host = host_with(&world, &fates, &without_sweeper());
    check_terminated(&world, "enough").await;
}

/// Both lie in the inbox of a blocked execution: it is not run once more first.
#[tokio::test(start_paused = true)]
async fn a_terminate_is_looked_for_before_a_resume() {
    let world = World::new();
    let before = stranger(&world, "before");
    let handle = world.client().start(panics, 1).id("x").await.unwrap();
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    before.kill().await;
    world.client().resume(handle.id()).await.unwrap();
    handle.terminate("enough").await.unwrap();
    let _after = stranger(&world, "after");
    check_terminated(&world, "enough").await;
    assert_eq!(count(&world, "x", |it| matches!(it, Event::Resumed(_))).await, 0);
}

/// It waits for nothing but messages, and a client that dies after it has sent is heard by a
/// sweeper, as every sender is.
#[tokio::test(start_paused = true)]
async fn a_suspended_execution_is_ended_and_its_other_messages_are_too_late() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.terminate("enough").await.unwrap();
    handle.terminate("enough, again").await.unwrap();
    check_terminated(&world, "enough").await;
    let late = handle.signal("go", &1).await.unwrap_err();
    assert!(matches!(late, SendError::Closed { .. }), "{late}");
}

/// No workflow's code runs for it, and the program hears of it all the same.
#[tokio::test(start_paused = true)]
async fn whoever_observes_hears_of_it() {
    let world = World::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let app = App::new().workflow(panics).observe({
        let heard = Arc::clone(&heard);
        move |_, event| heard.lock().unwrap().push(event.kind())
    });
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    handle.terminate("enough").await.unwrap();
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    check_terminated(&world, "enough").await;
    assert_eq!(*heard.lock().unwrap(), ["WorkflowTerminated"]);
}

/// The clock of whoever ends it is behind its log.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_terminate_is_never_older_than_what_was_before_it() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let client = client_ahead(&world, minutes(10));
    let handle = client.start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    world.until("x", minutes(1), |it| it.projection.status == Status::Suspended).await;
    handle.terminate("enough").await.unwrap();
    check_terminated(&world, "enough").await;
    let at: Vec<_> = events(&world, "x").await.iter().map(Event::at).collect();
    assert!(at.is_sorted(), "{at:?}");
}
