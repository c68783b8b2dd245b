//! Rules 29 to 32: what parents and children say to each other, and what becomes of it in a crash.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::client::OnConflict;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::Fate;
use everstep_tests::said::Said;
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Host, Ledger, World};

use super::{closed, count, events, host_of, without_sweeper};

#[workflow]
async fn nap(minutes_long: u64) -> everstep::Result<u64> {
    sleep(minutes(minutes_long)).await;
    Ok(minutes_long)
}

/// Waits for a child that naps for so long, or for ten minutes.
#[workflow]
async fn waits((nap_minutes, policy): (u64, ClosePolicy)) -> everstep::Result<u64> {
    let nap = child(nap, nap_minutes).close_policy(policy);
    Ok(timeout(minutes(10), nap).await.unwrap_or(Ok(0))?)
}

/// Forgets a child that naps for a minute, and ends an hour later.
#[workflow]
async fn forgets(_: ()) -> everstep::Result<()> {
    child(nap, 1).close_policy(ClosePolicy::Cancel).start().await?;
    sleep(hours(1)).await;
    Ok(())
}

const CHILD: &str = "x/nap#1";

fn host(world: &World, fates: &Fates) -> Host {
    let backend = fates.backend(world.store.clone(), world.queue.clone());
    let app = App::new().workflow(nap).workflow(waits).workflow(forgets);
    Host::start(world, app, backend, fates, &without_sweeper())
}

fn good_host(world: &World) -> Host {
    host(world, &Fates::good(world, "good"))
}

/// A host that dies at its `number`-th call of this name, the first being 0.
fn dies_at(world: &World, name: &'static str, number: u32, fate: Fate) -> Host {
    let calls = AtomicU32::new(0);
    let fates = Fates::by(world, "dead", move |call| {
        if call.name == name && calls.fetch_add(1, Ordering::SeqCst) == number {
            return fate;
        }
        Fate::Proceed
    });
    host(world, &fates)
}

async fn start(world: &World, nap_minutes: u64, policy: ClosePolicy) {
    let _ = world.client().start(waits, (nap_minutes, policy)).id("x").await.unwrap();
}

/// A child that naps for an hour, and a host that lives.
async fn child_naps() -> (World, Host) {
    let world = World::new();
    start(&world, 60, ClosePolicy::Cancel).await;
    let host = good_host(&world);
    is(&world, CHILD, Status::Suspended).await;
    (world, host)
}

async fn is(world: &World, id: &str, status: Status) {
    world.until(id, hours(2), |record| record.projection.status == status).await;
}

async fn kinds(world: &World, id: &str) -> Vec<&'static str> {
    events(world, id).await.iter().map(Event::kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_child_is_in_its_parents_log_before_it_exists() {
    for (fate, exists) in [(Fate::Hang, false), (Fate::HangAfter, true)] {
        let world = World::new();
        start(&world, 1, ClosePolicy::Cancel).await;
        dies_at(&world, "create", 0, fate).dies().await;
        assert_eq!(world.record(CHILD).await.is_some(), exists);
        let log = kinds(&world, "x").await;
        assert!(log.contains(&"ChildRequested") && !log.contains(&"ChildStarted"), "{log:?}");
        let _host = good_host(&world);
        is(&world, "x", Status::Completed).await;
        for (id, kind, times) in [
            (CHILD, "WorkflowStarted", 1),
            (CHILD, "WorkflowCompleted", 1),
            ("x", "ChildRequested", 1),
            ("x", "ChildStarted", 1),
            ("x", "ChildCompleted", 1),
        ] {
            assert_eq!(count(&world, id, |event| event.kind() == kind).await, times, "{kind}");
        }
        for id in ["x", CHILD] {
            world.check_closed(id).await;
        }
    }
}

/// The child of a host that died is not mistaken for another execution of its id.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_repeated_knows_its_own_child_and_no_other() {
    let world = World::new();
    let other = world.client().start(nap, 1).id(CHILD).await.unwrap();
    start(&world, 1, ClosePolicy::Cancel).await;
    let _host = good_host(&world);
    is(&world, "x", Status::Failed).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::ChildStarted(_))).await, 0);
    assert_eq!(other.result().await.unwrap(), 1, "it is nobody's child, and not cancelled");
}

/// The parent was cancelled before a second host could see that the first had made a child.
#[tokio::test(start_paused = true)]
async fn a_child_of_a_dead_host_is_cancelled_though_its_start_is_not_in_the_log() {
    for fate in [Fate::Hang, Fate::HangAfter] {
        let world = World::new();
        start(&world, 60, ClosePolicy::Cancel).await;
        dies_at(&world, "create", 0, fate).dies().await;
        world.client().cancel(&"x".try_into().unwrap(), "enough").await.unwrap();
        let _host = good_host(&world);
        is(&world, "x", Status::Cancelled).await;
        // Also where it was never made: a start that is still on its way finds it there, and ended.
        is(&world, CHILD, Status::Cancelled).await;
        assert_eq!(count(&world, "x", |event| matches!(event, Event::ChildStarted(_))).await, 0);
        for id in ["x", CHILD] {
            world.check_closed(id).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_tells_its_parent_before_its_record_shows_its_end() {
    // The sends of the host: the child's end, before or after it arrives.
    for (name, number, fate) in [("send", 0, Fate::Hang), ("send", 0, Fate::HangAfter)] {
        let world = World::new();
        start(&world, 1, ClosePolicy::Cancel).await;
        dies_at(&world, name, number, fate).dies().await;
        let record = world.record(CHILD).await.unwrap();
        assert!(!record.projection.status.is_closed(), "nobody would come back for it");
        assert_eq!(kinds(&world, CHILD).await.last(), Some(&"WorkflowCompleted"));
        let _host = good_host(&world);
        is(&world, "x", Status::Completed).await;
        assert_eq!(count(&world, "x", |event| matches!(event, Event::ChildCompleted(_))).await, 1);
        is(&world, CHILD, Status::Completed).await;
        for id in ["x", CHILD] {
            world.check_closed(id).await;
        }
    }
}

/// The child is told of, the parent takes it, and only then the child's record is repaired: by
/// somebody who tells it again.
#[tokio::test(start_paused = true)]
async fn a_parent_that_is_told_again_takes_it_once() {
    let world = World::new();
    start(&world, 1, ClosePolicy::Cancel).await;
    // The third record that is written is the child's last; the first two are of the suspensions.
    dies_at(&world, "project", 2, Fate::Hang).dies().await;
    assert_eq!(kinds(&world, CHILD).await.last(), Some(&"WorkflowCompleted"));
    let _host = good_host(&world);
    is(&world, "x", Status::Completed).await;
    is(&world, CHILD, Status::Completed).await;
    world.until_no_wake_is_left(hours(1)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::ChildCompleted(_))).await, 1);
    let sends = world.trace().iter().filter(|line| line.contains(" send#")).count();
    assert!(sends >= 2, "it was told once only: {:#?}", world.trace());
    world.check_closed("x").await;
}

#[tokio::test(start_paused = true)]
async fn a_parent_cancels_its_children_before_its_record_shows_its_end() {
    for fate in [Fate::Hang, Fate::HangAfter] {
        let world = World::new();
        start(&world, 60, ClosePolicy::Cancel).await;
        // The parent's ten minutes are over; the first send of the host is the cancel.
        dies_at(&world, "send", 0, fate).dies().await;
        assert_eq!(kinds(&world, "x").await.last(), Some(&"WorkflowCompleted"));
        assert!(!world.record("x").await.unwrap().projection.status.is_closed());
        let _host = good_host(&world);
        is(&world, CHILD, Status::Cancelled).await;
        is(&world, "x", Status::Completed).await;
        world.check_closed("x").await;
    }
}

/// The id was free again, and somebody took it: that execution is none of the parent's business.
#[tokio::test(start_paused = true)]
async fn a_later_run_of_a_childs_id_is_not_cancelled_with_the_parent() {
    let world = World::new();
    start(&world, 1, ClosePolicy::Cancel).await;
    // The parent never hears of its child: the wake that tells it is lost with this host.
    let mut dead = dies_at(&world, "append", 4, Fate::Hang);
    is(&world, CHILD, Status::Completed).await;
    dead.dies().await;
    let client = world.client();
    let again = client.start(nap, 30).id(CHILD).on_conflict(OnConflict::Restart);
    let again = again.await.unwrap();
    world.client().cancel(&"x".try_into().unwrap(), "enough").await.unwrap();
    world.client().terminate(&"x".try_into().unwrap(), "at once").await.unwrap();
    let _host = good_host(&world);
    is(&world, "x", Status::Terminated).await;
    assert_eq!(again.result().await.unwrap(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_terminated_parent_cancels_its_children_and_a_terminated_child_is_told_of() {
    let (world, _host) = child_naps().await;
    world.client().terminate(&"x".try_into().unwrap(), "at once").await.unwrap();
    is(&world, CHILD, Status::Cancelled).await;

    let (world, _host) = child_naps().await;
    world.client().terminate(&CHILD.try_into().unwrap(), "at once").await.unwrap();
    is(&world, "x", Status::Failed).await;
    let reason = world.record("x").await.unwrap().projection.reason.unwrap();
    assert!(reason.contains("the child x/nap#1 was terminated: at once"), "{reason}");
}

/// Whoever sends it again sends the same.
#[tokio::test(start_paused = true)]
async fn a_parents_cancel_has_an_id() {
    let (world, _host) = child_naps().await;
    world.client().terminate(&"x".try_into().unwrap(), "at once").await.unwrap();
    is(&world, CHILD, Status::Cancelled).await;
    let began = world.record(CHILD).await.unwrap().started_at;
    let events = events(&world, CHILD).await;
    let ids = events.iter().filter_map(|event| match event {
        Event::CancelRequested(asked) => Some(asked.id.clone()),
        _ => None,
    });
    assert_eq!(ids.collect::<Vec<_>>(), [format!("everstep/cancel/{}", began.0)]);
}

/// That it was made is in the log; what has become of it is its own affair.
#[tokio::test(start_paused = true)]
async fn a_forgotten_child_that_has_ended_and_was_deleted_is_not_made_again() {
    let world = World::new();
    let handle = world.client().start(forgets, ()).id("x").await.unwrap();
    let _host = good_host(&world);
    is(&world, CHILD, Status::Completed).await;
    world.client().delete(&CHILD.try_into().unwrap()).await.unwrap();
    assert!(world.record(CHILD).await.is_none());
    handle.result().await.unwrap();
    is(&world, "x", Status::Completed).await;
    assert!(world.record(CHILD).await.is_none(), "{:#?}", world.trace());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_somebody_else_cancels_is_told_of() {
    let (world, _host) = child_naps().await;
    world.client().cancel(&CHILD.try_into().unwrap(), "enough").await.unwrap();
    is(&world, "x", Status::Failed).await;
    let reason = world.record("x").await.unwrap().projection.reason.unwrap();
    assert!(reason.contains("the child x/nap#1 was cancelled: enough"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_to_a_closed_parent_is_dropped_and_reported() {
    let world = World::new();
    let said = Said::listen();
    start(&world, 60, ClosePolicy::Leave).await;
    let _host = good_host(&world);
    is(&world, "x", Status::Completed).await;
    is(&world, CHILD, Status::Completed).await;
    let report = said.with(&["INFO", "nobody takes the result", "parent.id=x"]);
    assert_eq!(report.len(), 1, "{:#?}", said.with(&[]));
    assert_eq!(kinds(&world, "x").await.last(), Some(&"WorkflowCompleted"));
    world.check_closed("x").await;
}

#[tokio::test(start_paused = true)]
async fn a_result_for_an_earlier_run_is_not_taken_by_a_later_one() {
    let world = World::new();
    start(&world, 15, ClosePolicy::Leave).await;
    let _host = good_host(&world);
    is(&world, "x", Status::Completed).await;
    let said = Said::listen();
    let client = world.client();
    let again = client.start(waits, (60, ClosePolicy::Cancel)).id("x");
    let _ = again.on_conflict(OnConflict::Restart).await.unwrap();
    is(&world, CHILD, Status::Completed).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(said.with(&["this run has not asked for it"]).len(), 1);
    assert_eq!(count(&world, "x", |event| matches!(event, Event::ChildCompleted(_))).await, 0);
    let record = world.record("x").await.unwrap();
    assert_eq!(record.projection.status, Status::Suspended, "and it waits for its own child");
    is(&world, "x", Status::Completed).await;
    is(&world, "x/nap#1@2", Status::Cancelled).await;
    world.check_closed("x").await;
}

/// Works for a minute beside a child.
#[workflow]
async fn works_beside(State(ledger): State<Ledger>, _: ()) -> everstep::Result<u64> {
    let own = act(&ledger, "x", "own", &[], seconds(60));
    let (own, childs) = tokio::join!(own, child(nap, 1));
    Ok(own? + childs?)
}

/// A child is started when the store is there again. It is not asked all the time, and what runs
/// beside it goes on.
#[tokio::test(start_paused = true)]
async fn an_outage_while_a_child_is_started_stops_no_body() {
    let world = World::new();
    let inside = world.clone();
    let fates = Fates::by(&world, "host", move |call| match call.name {
        "create" if inside.elapsed() < seconds(30) => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let app = App::new().workflow(nap).workflow(works_beside);
    let _host = host_of(&world, app, &fates, &without_sweeper());
    let _ = world.client().start(works_beside, ()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    let creates = world.trace().iter().filter(|line| line.contains(" host create#")).count();
    assert!((5..30).contains(&creates), "{creates}");
    assert_eq!(world.ledger.runs_of("own"), 1);
}
