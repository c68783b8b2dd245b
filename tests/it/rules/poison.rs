//! Rule 22: what kills its hosts, or cannot go on, is blocked with the reason; it is not swept,
//! and goes on when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use everstep::event::Event;
use everstep::limits::{STRIKES_MAX, WRITE_TRIES_MAX};
use everstep::postpone;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::Fate;
use everstep_tests::sim::{Fates, Host, HostOptions, Redelivered, World, check_log};

use super::{app, closed, count, counts, good_host_of, host, host_with, long, without_sweeper};

fn is_claim(event: &Event) -> bool {
    matches!(event, Event::TurnStarted(_))
}

fn dies_of_its_claim(world: &World, number: u32) -> Fates {
    Fates::each(world, &format!("dead{number}"), "append", Fate::HangAfter)
}

/// Hosts that die under their claims, until one finds that it is enough.
async fn poison(world: &World) {
    for number in 0..20 {
        // Its claim is durable, and nothing else ever is.
        let fates = dies_of_its_claim(world, number);
        let mut dead = host_with(world, &fates, &without_sweeper());
        tokio::select! {
            () = dead.dies() => {}
            () = world.until("x", minutes(5), |it| it.projection.status == Status::Blocked) => {
                dead.kill().await;
                return;
            }
        }
    }
    panic!("twenty hosts died of it:\n{:#?}", world.log("x").await);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_kills_its_hosts_is_blocked_and_revived_by_nothing_but_a_resume() {
    let world = World::new();
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    poison(&world).await;
    assert_eq!(count(&world, "x", is_claim).await, STRIKES_MAX as usize);
    let record = world.record("x").await.unwrap().projection;
    assert!(record.reason.is_some());
    assert_eq!(record.wake_at, None);

    let idle = App::new().workflow(counts).state(world.ledger.clone());
    let fates = Fates::good(&world, "idle");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let idle = Host::start(&world, idle, backend, &fates, &HostOptions::default());
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(hours(1)).await;
    assert_eq!(count(&world, "x", is_claim).await, STRIKES_MAX as usize, "it was revived");
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Blocked);
    let looks = world.trace().iter().filter(|line| line.contains(" idle load")).count();
    assert!(looks <= 3, "a blocked execution is looked at {looks} times");
    idle.kill().await;

    // A new worker that knows the workflow may be the fix.
    let _fixed = host(&world, "fixed", &without_sweeper());
    closed(&world, "x", minutes(2)).await;
    check_log(&world.log("x").await);
}

/// A stream of signals is no progress of a workflow that dies of each.
#[tokio::test(start_paused = true)]
async fn signals_do_not_reset_the_strikes() {
    let world = World::new();
    let handle = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    let healthy = host(&world, "healthy", &without_sweeper());
    tokio::time::sleep(seconds(5)).await;
    healthy.kill().await;
    let signals = async {
        loop {
            handle.signal("go", &1).await.unwrap();
            tokio::time::sleep(seconds(20)).await;
        }
    };
    // Each claim takes a signal, and its host dies of it.
    let deaths = async {
        for number in 0..20 {
            let fates = dies_of_its_claim(&world, number);
            let queue = Arc::new(Redelivered(Arc::clone(&world.queue)));
            let backend = fates.backend(Arc::clone(&world.store), queue);
            let app = app(&world);
            let mut dead = Host::start(&world, app, backend, &fates, &without_sweeper());
            tokio::select! {
                () = dead.dies() => {}
                () = world.until("x", minutes(5), |it| it.projection.status == Status::Blocked) => {}
            }
            if world.record("x").await.unwrap().projection.status == Status::Blocked {
                return;
            }
        }
        panic!("twenty hosts died of it");
    };
    tokio::select! {
        () = deaths => {}
        never = signals => never,
    }
}

/// Nor is it progress that a step says again and again that it has done nothing.
#[tokio::test(start_paused = true)]
async fn postponed_attempts_do_not_reset_the_strikes() {
    #[workflow]
    async fn waits_beside_a_deadly_step(_: ()) -> everstep::Result<()> {
        let place = step("place", async move || {
            Err::<(), everstep::Error>(postpone(seconds(1), "no place is free").await.into())
        });
        let deadly = step("deadly", async move || {
            std::future::pending::<()>().await;
            Ok::<(), everstep::Error>(())
        });
        let (place, deadly) = tokio::join!(place, deadly);
        place.and(deadly)
    }
    let world = World::new();
    let start = |fates: &Fates| {
        let app = App::new().workflow(waits_beside_a_deadly_step);
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        Host::start(&world, app, backend, fates, &without_sweeper())
    };
    let client = world.client();
    let _ = client.start(waits_beside_a_deadly_step, ()).id("x").await.unwrap();
    for number in 0..20 {
        // Dead as soon as the answer of the first step is durable, after its claim.
        let appends = AtomicU32::new(0);
        let fates = Fates::by(&world, &format!("dead{number}"), move |call| match call.name {
            "append" if appends.fetch_add(1, Ordering::SeqCst) == 1 => Fate::HangAfter,
            _ => Fate::Proceed,
        });
        let mut dead = start(&fates);
        tokio::select! {
            () = dead.dies() => {}
            () = world.until("x", minutes(5), |it| it.projection.status == Status::Blocked) => {
                let postponed = |event: &Event| matches!(event, Event::StepPostponed(_));
                assert_eq!(count(&world, "x", postponed).await, STRIKES_MAX as usize);
                return;
            }
        }
    }
    panic!("twenty hosts died of it:\n{:#?}", world.log("x").await);
}

/// Rule 11: the number may be taken, now or later, by what this very turn has sent.
#[tokio::test(start_paused = true)]
async fn a_turn_whose_append_was_not_answered_appends_nothing_else() {
    let world = World::new();
    let appends = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&appends);
    // The claim is written, and what follows is not.
    let fates = Fates::by(&world, "host", move |call| match call.name {
        "append" if seen.fetch_add(1, Ordering::SeqCst) > 0 => Fate::FailBefore,
        "queue.keep" => Fate::Hang,
        _ => Fate::Proceed,
    });
    let mut host = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    host.dies().await;
    assert_eq!(appends.load(Ordering::SeqCst), 1 + WRITE_TRIES_MAX);
}

/// The wake that replaces the one which met the dead host's claim counts as received once. The
/// death that it follows must be counted all the same, before the code runs that may be its cause.
#[tokio::test(start_paused = true)]
async fn after_a_turn_that_never_ended_the_claim_comes_before_the_replay() {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    static AT_CLAIM: AtomicU32 = AtomicU32::new(0);
    #[workflow]
    async fn looked_at(_: u64) -> everstep::Result<u64> {
        LOOKS.fetch_add(1, Ordering::SeqCst);
        step("one", async move || Ok::<u64, everstep::Error>(1)).await
    }
    let world = World::new();
    let start = |fates: Fates| {
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        Host::start(&world, App::new().workflow(looked_at), backend, &fates, &without_sweeper())
    };
    let _ = world.client().start(looked_at, 1).id("x").await.unwrap();
    start(dies_of_its_claim(&world, 0)).dies().await;
    let looks = LOOKS.load(Ordering::SeqCst);
    // News of its own: this one has never been received.
    world.client().signal(&everstep::id::ExecutionId::new("x").unwrap(), "go", &1).await.unwrap();
    let claimed = std::sync::atomic::AtomicBool::new(false);
    let _next = start(Fates::by(&world, "next", move |call| {
        if call.name == "append" && !claimed.swap(true, Ordering::SeqCst) {
            AT_CLAIM.store(LOOKS.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        Fate::Proceed
    }));
    closed(&world, "x", minutes(2)).await;
    assert_eq!(AT_CLAIM.load(Ordering::SeqCst), looks, "its code ran before its claim");
}

/// In a rolling deploy the old hosts do not know the new workflow. They give its wake back.
#[tokio::test(start_paused = true)]
async fn a_workflow_that_this_host_does_not_know_is_left_to_others_before_it_is_blocked() {
    let world = World::new();
    let old = App::new().workflow(counts);
    let old = good_host_of(&world, old, "old", &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    tokio::time::sleep(seconds(12)).await;
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Running);
    tokio::time::sleep(seconds(30)).await;
    let record = world.record("x").await.unwrap().projection;
    assert_eq!(record.status, Status::Blocked);
    assert!(record.reason.is_some_and(|reason| reason.contains("long")));
    old.kill().await;
    let new = App::new().workflow(long);
    let _new = good_host_of(&world, new, "new", &without_sweeper());
    closed(&world, "x", minutes(1)).await;
}

/// How often [`broken`] has been run.
#[derive(Debug, Clone, Default)]
struct Looks(Arc<AtomicU32>);

impl Looks {
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[workflow(name = "touchy")]
async fn broken(State(looks): State<Looks>, _: u64) -> everstep::Result<u64> {
    looks.0.fetch_add(1, Ordering::SeqCst);
    let one = step("one", async move || Ok::<u64, everstep::Error>(1)).await?;
    assert!(one > 1, "a bug");
    Ok(one)
}

#[workflow(name = "touchy")]
async fn fixed(_: u64) -> everstep::Result<u64> {
    step("one", async move || Ok::<u64, everstep::Error>(2)).await
}

/// A turn that blocks says that it is over: nobody waits for its lease, though its host is gone.
#[tokio::test(start_paused = true)]
async fn a_resume_does_not_wait_for_the_lease_of_the_turn_that_blocked() {
    let world = World::new();
    let handle = world.client().start(broken, 1).id("x").await.unwrap();
    let app = App::new().workflow(broken).state(Looks::default());
    let before = good_host_of(&world, app, "before", &without_sweeper());
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    before.kill().await;
    let app = App::new().workflow(fixed);
    let _after = good_host_of(&world, app, "after", &without_sweeper());
    world.client().resume(handle.id()).await.unwrap();
    closed(&world, "x", seconds(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_workflow_blocks_at_once_and_a_fix_resumes() {
    let looks = Looks::default();
    let world = World::new();
    let handle = world.client().start(broken, 1).id("x").await.unwrap();
    let app = App::new().workflow(broken).state(looks.clone());
    let before = good_host_of(&world, app, "before", &HostOptions::default());
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    let reason = world.record("x").await.unwrap().projection.reason.unwrap();
    assert!(reason.contains("a bug"), "{reason}");
    assert_eq!(count(&world, "x", is_claim).await, 1);
    // Nobody asked for it to go on: a signal is kept, and the code is not tried again.
    let looked = looks.count();
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(minutes(5)).await;
    assert_eq!(looks.count(), looked);
    before.kill().await;
    let app = App::new().workflow(fixed);
    let _after = good_host_of(&world, app, "after", &HostOptions::default());
    closed(&world, "x", minutes(1)).await;
    assert_eq!(handle.result().await.unwrap(), 1, "the first run's result is kept");
}

#[tokio::test(start_paused = true)]
async fn a_resume_gives_a_step_that_used_up_its_attempts_all_of_them_again() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    enum Narrow {}
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    #[workflow]
    async fn unlucky(_: u64) -> everstep::Result<u32> {
        let body = async move || {
            let attempt = ATTEMPTS.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(attempt > 5, "no luck");
            Ok::<u32, Narrow>(attempt)
        };
        let retry = everstep::Retry::new().max_attempts(3).initial(seconds(1)).jitter(false);
        step("draw", body).retry(retry).await.map_err(|never| match never {})
    }
    let world = World::new();
    let handle = world.client().start(unlucky, 1).id("x").await.unwrap();
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(unlucky);
    let _host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    let reason = world.record("x").await.unwrap().projection.reason.unwrap();
    assert!(reason.contains("draw#1") && reason.contains("no luck"), "{reason}");
    assert_eq!(ATTEMPTS.load(Ordering::SeqCst), 3);
    world.client().resume(handle.id()).await.unwrap();
    closed(&world, "x", minutes(1)).await;
    assert_eq!(handle.result().await.unwrap(), 6);
    check_log(&world.log("x").await);
}
