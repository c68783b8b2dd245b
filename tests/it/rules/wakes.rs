//! Rules 1 to 4, 9, 12, 13, 20 and 23: whoever must look at an execution is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::{Fate, Faults, FaultyQueue};
use everstep::wake::{Wake, WakeKind, WakeQueue};
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, World, check_log};

use super::{
    a_dead_host_claims, closed, count, counts, events, going, good_host_of, host, host_with,
    item_lands, long, patient, signal_lands_at, without_sweeper,
};

/// A client whose wakes are lost: it dies between its write and its wake, every time.
fn mute(world: &World) -> Client {
    let faults = Faults::by(|_| Fate::FailBefore);
    let queue = FaultyQueue::new(Arc::clone(&world.queue), &faults);
    let backend = Backend::new(Arc::clone(&world.store), Arc::new(queue));
    Client::new(&backend).clock(world.clock.clone())
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_client_died_before_its_wake_is_heard_by_the_sweeper() {
    let world = World::new();
    let input = ("x".to_owned(), 1);
    assert!(mute(&world).start(long, input).id("x").await.is_err());
    let _host = host(&world, "host", &HostOptions::default());
    closed(&world, "x", minutes(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_start_or_signal_sends_the_wake_again() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let input = ("x".to_owned(), 60);
    assert!(mute(&world).start(counts, input.clone()).id("x").await.is_err());
    let handle = world.client().start(counts, input).id("x").await.unwrap();
    assert!(!handle.is_new());
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 1);
    let mute = mute(&world);
    assert!(mute.signal(handle.id(), "go", &1).id("one").await.is_err());
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 0);
    for _ in 0..3 {
        handle.signal("go", &1).id("one").await.unwrap();
        tokio::time::sleep(seconds(5)).await;
        assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 1);
    }
    closed(&world, "x", minutes(3)).await;
    assert_eq!(handle.result().await.unwrap(), 1, "one signal, however often it was sent");
    check_log(&world.log("x").await);
}

#[tokio::test(start_paused = true)]
async fn a_signal_whose_sender_died_before_its_wake_is_heard_by_the_sweeper() {
    let world = World::new();
    let _host = host(&world, "host", &HostOptions::default());
    let handle = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert!(mute(&world).signal(handle.id(), "go", &1).id("one").await.is_err());
    tokio::time::sleep(minutes(3)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 1);
}

/// The message comes back while the dead host's claim still holds, and is all there is.
#[tokio::test(start_paused = true)]
async fn a_wake_that_meets_a_live_claim_is_replaced_by_one_for_its_end() {
    let queue = MemoryQueue::new().with_visibility(seconds(9));
    let waiting = queue.clone();
    let world = World::on(Arc::new(MemoryStore::new()), Arc::new(queue), move || waiting.len());
    let dead = host(&world, "dead", &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 15)).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    dead.kill().await;
    let _host = host(&world, "host", &without_sweeper());
    closed(&world, "x", minutes(2)).await;
    let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
    assert_eq!(claims, 2);
}

/// Its lease ends now. Who looks at this moment need not come again for it.
#[tokio::test(start_paused = true)]
async fn at_the_very_end_of_its_lease_a_claim_is_over() {
    let world = World::new();
    let dead = host(&world, "dead", &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 15)).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    dead.kill().await;
    let lease_end = events(&world, "x").await.into_iter().find_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim.lease_end),
        _ => None,
    });
    let lease_end = lease_end.unwrap();
    let _host = host(&world, "host", &without_sweeper());
    while world.clock.now() < lease_end {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(world.clock.now(), lease_end);
    handle.signal("nobody", &1).await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 2);
    closed(&world, "x", minutes(1)).await;
}

/// News come to a turn on a sweep's wake, and their own message is gone with that. The turn loses its
/// place to somebody who dies: its wake is not dropped as a sweep's, but replaced.
#[tokio::test(start_paused = true)]
async fn a_turn_on_a_sweeps_wake_looks_again_as_for_news() {
    let world = World::new();
    assert!(mute(&world).start(counts, ("x".to_owned(), 3_600)).id("x").await.is_err());
    tokio::time::sleep(seconds(61)).await;
    assert_eq!(world.client().sweep(Some(seconds(60))).await.unwrap(), 1);
    let (inside, done) = (world.clone(), AtomicBool::new(false));
    let fates = Fates::by(&world, "host", move |call| {
        if call.name == "append" && !done.swap(true, Ordering::SeqCst) {
            item_lands(&inside, ("signal/late", going(7)));
            a_dead_host_claims(&inside);
        }
        Fate::Proceed
    });
    let _host = host_with(&world, &fates, &without_sweeper());
    tokio::time::sleep(seconds(40)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 1);
    check_log(&world.log("x").await);
}

/// The timer's hop meets a turn that a signal started. It comes again at the timer's time, not
/// only when the claim would be over.
#[tokio::test(start_paused = true)]
async fn a_timer_wake_that_meets_a_live_claim_still_comes_in_time() {
    #[workflow]
    async fn both(State(ledger): State<Ledger>, _: String) -> everstep::Result<u64> {
        let mut end = std::pin::pin!(sleep(seconds(915)));
        match race(&mut end, signal::<u64>("go")).await {
            Either::Left(()) => Ok(0),
            Either::Right(_) => {
                act(&ledger, "x", "work", &[], seconds(10)).await?;
                end.await;
                Ok(1)
            }
        }
    }
    let world = World::new();
    let mut hosts = Vec::new();
    for name in ["one", "two"] {
        let fates = Fates::good(&world, name);
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let app = App::new().workflow(both).state(world.ledger.clone());
        hosts.push(Host::start(&world, app, backend, &fates, &without_sweeper()));
    }
    let handle = world.client().start(both, "x".to_owned()).id("x").await.unwrap();
    tokio::time::sleep(seconds(898)).await;
    handle.signal("go", &1).await.unwrap();
    closed(&world, "x", minutes(10)).await;
    let fired = events(&world, "x").await.into_iter().find_map(|event| match event {
        Event::TimerFired(fired) => Some(fired.at),
        _ => None,
    });
    let due = events(&world, "x").await.into_iter().find_map(|event| match event {
        Event::TimerStarted(timer) => Some(timer.due),
        _ => None,
    });
    let late = fired.unwrap().since(due.unwrap());
    assert!(late < seconds(1), "{late:?} late");
}

#[tokio::test(start_paused = true)]
async fn a_timer_longer_than_any_delay_of_the_queue_fires_in_time_and_never_early() {
    for skew_millis in [0, -4_000] {
        let world = World::new();
        let options = HostOptions { skew_millis, ..without_sweeper() };
        let _host = host(&world, "host", &options);
        let _ = world.client().start(counts, ("x".to_owned(), 3_000)).id("x").await.unwrap();
        closed(&world, "x", hours(1)).await;
        check_log(&world.log("x").await);
        let behind = Duration::from_millis(skew_millis.unsigned_abs());
        let took = world.elapsed();
        assert!(took >= seconds(3_000), "{took:?}");
        assert!(took <= seconds(3_003) + behind, "{took:?}");
        // A wake before its time is no reason for a turn.
        let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
        assert_eq!(claims, 2);
    }
}

/// The timer's wake is sent before the commit that says so: a host that dies in between, on
/// either side, leaves a wake. Nobody sweeps, and nothing else comes.
#[tokio::test(start_paused = true)]
async fn a_host_that_dies_while_it_suspends_leaves_the_timers_wake() {
    for fate in [Fate::Hang, Fate::HangAfter] {
        let world = World::new();
        let fates = Fates::each(&world, "dead", "append", fate);
        let mut dead = host_with(&world, &fates, &without_sweeper());
        let _ = world.client().start(counts, ("x".to_owned(), 600)).id("x").await.unwrap();
        dead.dies().await;
        let _host = host(&world, "host", &without_sweeper());
        closed(&world, "x", minutes(15)).await;
        check_log(&world.log("x").await);
    }
}

/// A hop of the timer's wake finds a signal. The turn that takes it deletes that very wake, so
/// it sends another, though the log has the timer down as armed.
#[tokio::test(start_paused = true)]
async fn a_turn_on_a_timers_own_wake_sends_the_next_one() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 2_000)).id("x").await.unwrap();
    tokio::time::sleep(seconds(890)).await;
    assert!(mute(&world).signal(handle.id(), "go", &1).id("one").await.is_err());
    closed(&world, "x", seconds(1_200)).await;
    assert_eq!(handle.result().await.unwrap(), 1);
    let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
    assert_eq!(claims, 3, "the start, the hop and the end");
}

/// The turn on a hop has sent the next one. When something arrives before it is over, it goes on,
/// and does not send a second.
#[tokio::test(start_paused = true)]
async fn a_turn_that_goes_on_after_its_end_does_not_send_its_timers_wake_twice() {
    let world = World::new();
    // The first record is of the start's turn, the second of the hop's.
    let fates = signal_lands_at(&world, "project", 1);
    let _host = host_with(&world, &fates, &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 2_000)).id("x").await.unwrap();
    // The hops are at 200 and at 1,100 seconds.
    tokio::time::sleep(seconds(1_090)).await;
    assert!(mute(&world).signal(handle.id(), "go", &1).id("one").await.is_err());
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::SignalReceived(_))).await, 2);
    assert_eq!(world.wakes(), 1);
    closed(&world, "x", seconds(1_000)).await;
    assert_eq!(handle.result().await.unwrap(), 2);
    assert_eq!(world.wakes(), 0);
}

/// Each time-out that a signal has won leaves a wake behind. It is not carried along.
#[tokio::test(start_paused = true)]
async fn the_wakes_of_timers_that_nobody_waits_for_any_more_are_let_go() {
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(patient).state(world.ledger.clone());
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    let handle = world.client().start(patient, "x".to_owned()).id("x").await.unwrap();
    for number in 0..20 {
        tokio::time::sleep(seconds(10)).await;
        handle.signal("go", &number).await.unwrap();
    }
    tokio::time::sleep(seconds(10)).await;
    let armed = events(&world, "x").await.into_iter().rev().find_map(|event| match event {
        Event::TurnEnded(end) => Some(end.armed.len()),
        _ => None,
    });
    assert_eq!(armed, Some(1), "only what is waited for is armed");
    tokio::time::sleep(seconds(900)).await;
    assert_eq!(world.wakes(), 1, "only what is waited for hops on");
    handle.cancel("enough").await.unwrap();
    closed(&world, "x", minutes(1)).await;
}

/// The wake of a far timer comes by while the execution is blocked, and is gone. A turn that
/// resumes it does not count on that wake.
#[tokio::test(start_paused = true)]
async fn after_a_resume_no_wake_is_counted_on() {
    #[workflow(name = "far")]
    async fn broken(_: u64) -> everstep::Result<u64> {
        let far = sleep(seconds(2_000));
        let _: Either<(), u64> = race(far, async { signal("go").await.expect("a number") }).await;
        panic!("a bug");
    }
    #[workflow(name = "far")]
    async fn fixed(_: u64) -> everstep::Result<u64> {
        let mut far = std::pin::pin!(sleep(seconds(2_000)));
        let told = async { signal::<u64>("go").await.expect("a number") };
        if let Either::Right(_) = race(&mut far, told).await {
            far.await;
        }
        Ok(1)
    }
    let world = World::new();
    let handle = world.client().start(broken, 1).id("x").await.unwrap();
    let broken = App::new().workflow(broken);
    let before = good_host_of(&world, broken, "before", &without_sweeper());
    tokio::time::sleep(seconds(10)).await;
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(seconds(1_000)).await;
    assert_eq!(world.record("x").await.unwrap().projection.status, Status::Blocked);
    assert_eq!(world.wakes(), 0, "the hop has come and gone");
    before.kill().await;
    let fixed = App::new().workflow(fixed);
    let _after = good_host_of(&world, fixed, "after", &without_sweeper());
    closed(&world, "x", seconds(1_000)).await;
    assert!(world.elapsed() < seconds(2_005), "{:?}", world.elapsed());
}

/// A turn that goes on for another reason looks at its timers as well.
#[tokio::test(start_paused = true)]
async fn a_timer_that_is_nearly_due_when_a_body_ends_waits_for_its_time() {
    #[workflow]
    async fn side_by_side(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        let body = act(&ledger, "x", "body", &[], Duration::from_millis(4_500));
        let (body, ()) = tokio::join!(body, sleep(seconds(5)));
        body
    }
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(side_by_side).state(world.ledger.clone());
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    let _ = world.client().start(side_by_side, 1).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    check_log(&world.log("x").await);
}

/// Whoever finds a timer's wake early may take so long over what else there is to do that it is due by
/// then, and the wake is the only one.
#[tokio::test(start_paused = true)]
async fn a_timer_that_comes_due_while_its_early_wake_is_looked_at_fires() {
    let world = World::new();
    // It dies before its record is written, and the wake of its timer is nobody's.
    let dead = Fates::each(&world, "dead", "project", Fate::Hang);
    let elsewhere: Arc<dyn WakeQueue> = Arc::new(MemoryQueue::new());
    let backend = dead.backend(Arc::clone(&world.store), Arc::clone(&elsewhere));
    let client = Client::new(&Backend::new(Arc::clone(&world.store), elsewhere));
    let client = client.clock(world.clock.clone());
    let _ = client.start(counts, ("x".to_owned(), 60)).id("x").await.unwrap();
    let app = App::new().workflow(counts).state(world.ledger.clone());
    Host::start(&world, app, backend, &dead, &without_sweeper()).dies().await;
    let armed = events(&world, "x").await.into_iter().find_map(|event| match event {
        Event::TurnEnded(end) => end.wake_at,
        _ => None,
    });
    let due = armed.expect("its timer");
    let slow = Fates::each(&world, "slow", "project", Fate::Slow(seconds(2)));
    let _slow = host_with(&world, &slow, &without_sweeper());
    world.clock.sleep_until(due.before(seconds(1))).await;
    let wake = Wake::timer("x".parse().unwrap(), due);
    world.queue.send(&wake, Duration::ZERO).await.unwrap();
    closed(&world, "x", minutes(2)).await;
    check_log(&world.log("x").await);
}

/// The answer to a write is lost: the writer finds its own commit and goes on, in the same turn.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_recognised() {
    let world = World::new();
    let appends = std::sync::atomic::AtomicU32::new(0);
    let fates = Fates::by(&world, "host", move |call| {
        let ordering = std::sync::atomic::Ordering::SeqCst;
        let lost = call.name == "append" && appends.fetch_add(1, ordering).is_multiple_of(2);
        if lost { Fate::FailAfter } else { Fate::Proceed }
    });
    let _host = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
    assert_eq!(claims, 1);
    assert_eq!(world.ledger.runs_of("long"), 1);
    check_log(&world.log("x").await);
}

/// What is under way for a timer is known from the log, so signals do not add to it.
#[tokio::test(start_paused = true)]
async fn a_thousand_signals_in_a_ten_days_sleep_make_no_more_timer_wakes() {
    let world = World::new();
    let host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 864_000)).id("x").await.unwrap();
    tokio::time::sleep(days(9)).await;
    for burst in 0..100 {
        for number in 0..10 {
            handle.signal("go", &number).id(format!("{burst}-{number}")).await.unwrap();
        }
        tokio::time::sleep(seconds(60)).await;
        assert!(world.wakes() <= 1, "{} wakes", world.wakes());
    }
    tokio::time::sleep(hours(22)).await;
    closed(&world, "x", days(2)).await;
    assert_eq!(handle.result().await.unwrap(), 1000);
    let sent = world.trace().iter().filter(|line| line.contains(" host queue.send")).count();
    assert!(sent <= 864_000 / 900 + 2, "{sent} timer wakes");
    host.kill().await;
}

/// A host that dies once it has sent the next hop leaves the one that it has received: two wakes for one
/// timer. All hops are at the same moments, so they meet, and one of them goes on.
#[tokio::test(start_paused = true)]
async fn wakes_for_one_timer_that_were_doubled_meet_again() {
    let world = World::new();
    let _host = host(&world, "host", &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 86_400)).id("x").await.unwrap();
    tokio::time::sleep(seconds(100)).await;
    let due = events(&world, "x").await.into_iter().find_map(|event| match event {
        Event::TurnEnded(end) => end.wake_at,
        _ => None,
    });
    let wake = Wake {
        kind: WakeKind::Timer { due: due.unwrap() },
        ..Wake::news(ExecutionId::new("x").unwrap())
    };
    for delay in 0..10 {
        world.queue.send(&wake, seconds(60 * delay)).await.unwrap();
    }
    assert_eq!(world.wakes(), 11);
    tokio::time::sleep(hours(1)).await;
    assert_eq!(world.wakes(), 1);
    closed(&world, "x", days(2)).await;
    let sent = world.trace().iter().filter(|line| line.contains(" host queue.send")).count();
    assert!(sent <= 86_400 / 900 + 20, "{sent} timer wakes");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_a_body_runs_and_nobody_else_runs_it() {
    let world = World::new();
    let _one = host(&world, "one", &HostOptions::default());
    let _two = host(&world, "two", &HostOptions::default());
    let handle = world.client().start(long, ("x".to_owned(), 300)).id("x").await.unwrap();
    while world.record("x").await.unwrap().projection.status.is_swept() {
        handle.signal("nobody", &1).await.unwrap();
        tokio::time::sleep(seconds(7)).await;
    }
    assert_eq!(world.ledger.runs_of("long"), 1);
    assert!(count(&world, "x", |event| matches!(event, Event::LeaseRenewed(_))).await >= 20);
    world.check_closed("x").await;
}

/// While a long turn goes on its record looks overdue. The sweeper's wakes for it are let go.
#[tokio::test(start_paused = true)]
async fn sweeps_of_an_execution_that_is_worked_on_do_not_pile_up() {
    let world = World::new();
    let mut hosts = Vec::new();
    for name in ["one", "two", "three"] {
        hosts.push(host(&world, name, &HostOptions::default()));
    }
    let _ = world.client().start(long, ("x".to_owned(), 900)).id("x").await.unwrap();
    tokio::time::sleep(seconds(890)).await;
    assert!(world.wakes() <= 4, "{} wakes for one execution", world.wakes());
    closed(&world, "x", minutes(3)).await;
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_wakes_what_is_overdue_by_more_than_its_grace_and_writes_nothing() {
    let world = World::new();
    assert!(mute(&world).start(long, ("x".to_owned(), 1)).id("x").await.is_err());
    let before = world.record("x").await;
    assert_eq!(world.client().sweep(Some(seconds(60))).await.unwrap(), 0);
    tokio::time::sleep(seconds(61)).await;
    assert_eq!(world.client().sweep(Some(seconds(60))).await.unwrap(), 1);
    assert_eq!(world.wakes(), 1);
    assert_eq!(world.record("x").await, before);
}

/// Without any grace it wakes what is being worked on, again and again. That costs wakes, which
/// are let go, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_sweeper_without_grace_breaks_nothing() {
    let world = World::new();
    let mut hosts = Vec::new();
    for name in ["one", "two"] {
        hosts.push(host(&world, name, &without_sweeper()));
    }
    let handle = world.client().start(long, ("x".to_owned(), 60)).id("x").await.unwrap();
    let mut swept = 0;
    while world.record("x").await.unwrap().projection.status.is_swept() {
        swept += world.client().sweep(Some(Duration::ZERO)).await.unwrap();
        tokio::time::sleep(seconds(1)).await;
        assert!(world.wakes() <= 2, "{} wakes for one execution", world.wakes());
    }
    assert!(swept >= 30, "it swept {swept} times");
    handle.result().await.unwrap();
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 1);
    assert_eq!(world.ledger.runs_of("long"), 1);
    world.check_closed("x").await;
}

/// Whoever finds that there is nothing to do heals the record that a dead host left behind.
#[tokio::test(start_paused = true)]
async fn a_record_that_is_behind_is_repaired_by_the_next_look() {
    let world = World::new();
    let fates = Fates::each(&world, "dead", "project", Fate::Hang);
    let mut dead = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 3_600)).id("x").await.unwrap();
    dead.dies().await;
    let stored = world.store.load(&ExecutionId::new("x").unwrap()).await.unwrap().unwrap();
    assert!(stored.record.projection.commit < stored.commits.last().unwrap().number);
    let _host = host(&world, "host", &without_sweeper());
    world.until("x", minutes(2), |it| it.projection.status == Status::Suspended).await;
}
