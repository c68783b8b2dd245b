//! Rules 7, 10 and 24: a turn that others have overtaken stops in time, and what it leaves behind
//! is told apart from what others did.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use everstep::event::Event;
use everstep::limits::BACKOFF_IN_PLACE_MAX;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep::testing::faults::Fate;
use everstep::wake::Wake;
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, SlowStore, World, check_log};

use super::{
    a_dead_host_claims, app, closed, count, counts, events, good_host_of, host, host_of, host_with,
    long, without_sweeper,
};

/// A store whose answer to the `number`-th append comes so late.
fn answers_late(world: &World, number: u32, late: Duration) -> Arc<dyn EventStore> {
    let appends = AtomicU32::new(0);
    let store = SlowStore::by(Arc::clone(&world.store), move |call| {
        let it = call == "append" && appends.fetch_add(1, Ordering::SeqCst) == number;
        [Duration::ZERO, if it { late } else { Duration::ZERO }]
    });
    Arc::new(store)
}

/// The answer to a host's claim comes `late`. By then another, whose clock is `ahead`, has claimed
/// over it, run the step that was to come and logged its result.
async fn check_overtaken(late: Duration, ahead: Duration) {
    let world = World::new();
    let fates = Fates::good(&world, "slow");
    let backend = fates.backend(answers_late(&world, 0, late), Arc::clone(&world.queue));
    let busy = HostOptions { concurrency: 1, ..without_sweeper() };
    let _slow = Host::start(&world, app(&world), backend, &fates, &busy);
    let handle = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20_500) - ahead).await;
    let skew_millis = ahead.as_millis().try_into().unwrap();
    let _fast = host(&world, "fast", &HostOptions { skew_millis, ..without_sweeper() });
    handle.signal("go", &1).await.unwrap();
    closed(&world, "x", seconds(1)).await;
    assert!(world.elapsed() < late, "it was to end before the answer comes");
    tokio::time::sleep(late).await;
    world.ledger.check();
    assert_eq!(world.ledger.runs_of("long"), 1, "{:#?}", world.trace());
    check_log(&world.log("x").await);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_paused_past_its_lease_starts_no_body() {
    check_overtaken(seconds(25), Duration::ZERO).await;
}

/// Its lease has three seconds left, by its own clock. By another's it is over.
#[tokio::test(start_paused = true)]
async fn a_host_starts_no_body_where_another_clock_may_see_its_lease_expired() {
    check_overtaken(seconds(17), Duration::from_millis(4_900)).await;
}

/// At the very moment at which another clock may see its lease expire no body starts any more.
#[tokio::test(start_paused = true)]
async fn a_body_starts_only_while_its_lease_outlasts_the_skew() {
    for (late_millis, turns) in [(14_999, 1), (15_000, 2)] {
        let world = World::new();
        let fates = Fates::good(&world, "slow");
        let late = Duration::from_millis(late_millis);
        let backend = fates.backend(answers_late(&world, 0, late), Arc::clone(&world.queue));
        let _host = Host::start(&world, app(&world), backend, &fates, &without_sweeper());
        let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
        closed(&world, "x", minutes(1)).await;
        let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
        assert_eq!(claims, turns, "its claim was answered after {late:?}");
    }
}

/// Notes that it is dropped: a value of a body, or of the workflow.
struct Noted(World, &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Leaves a body behind that would run for ever.
#[workflow]
async fn leaves_a_body(
    State(world): State<World>,
    State(ledger): State<Ledger>,
    how: String,
) -> everstep::Result<u64> {
    if how == "has continued" {
        return Ok(1);
    }
    let _value = Noted(world.clone(), "value dropped");
    let hangs = step("hangs", async move || {
        let _gone = Noted(world, "body gone");
        std::future::pending::<everstep::Result<u64>>().await
    });
    let goes_on = async {
        if how == "is overtaken" {
            act(&ledger, "x", "first", &[], seconds(1)).await?;
            act(&ledger, "x", "second", &["first"], Duration::ZERO).await?;
        } else {
            signal::<u64>("go").await?;
        }
        if how == "continues" {
            return continue_as_new("has continued").await;
        }
        assert!(how != "panics", "a bug");
        Ok(1)
    };
    match race(hangs.into_future(), goes_on).await {
        Either::Left(never) => never,
        Either::Right(ends) => ends,
    }
}

/// The calls of the turn that left a body behind, up to the one before which that must be gone.
async fn check_gone(how: &str, calls: &[&str]) {
    let world = World::new();
    let fates = Fates::good(&world, "host");
    // The answer to its second commit comes when its lease is nearly over.
    let late = if how == "is overtaken" { Duration::from_millis(17_500) } else { Duration::ZERO };
    let backend = fates.backend(answers_late(&world, 1, late), Arc::clone(&world.queue));
    let app = App::new().workflow(leaves_a_body).state(world.clone()).state(world.ledger.clone());
    // The runs of the check drop such values, too.
    let app = app.replay_check(false);
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    let handle = world.client().start(leaves_a_body, how.to_owned()).id("x").await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    match how {
        "is overtaken" => {}
        "is cancelled" => drop(handle.cancel("enough").await.unwrap()),
        "is terminated" => handle.terminate("at once").await.unwrap(),
        _ => handle.signal("go", &1).await.unwrap(),
    }
    world.until("x", minutes(2), |record| !record.projection.status.is_swept()).await;
    let seen = ["load", "append", "gone", "dropped"];
    let trace = world.trace();
    let words = trace.iter().filter_map(|line| line.split(' ').nth(2)?.split('#').next());
    let seen: Vec<&str> = words.filter(|word| seen.contains(word)).take(calls.len()).collect();
    assert_eq!(seen, calls, "the workflow {how}: {trace:#?}");
}

/// Whatever follows a turn finds none of its bodies at work: not its own last commit, and not the
/// next look at the log.
#[tokio::test(start_paused = true)]
async fn bodies_are_gone_before_anything_follows_their_turn() {
    // The load in the middle: a wake finds the turn under way, which looks at its inbox.
    let told = ["load", "append", "load", "dropped", "gone", "append"];
    for how in ["ends", "is cancelled", "is terminated", "panics", "continues"] {
        check_gone(how, &told).await;
    }
    let overtaken = ["load", "append", "append", "gone", "dropped", "load"];
    check_gone("is overtaken", &overtaken).await;
}

/// Somebody else's claim lands just before the host's own, and its owner is never heard of again.
fn overtaken_by_the_dead(world: &World) -> Fates {
    let (inside, done) = (world.clone(), AtomicBool::new(false));
    Fates::by(world, "host", move |call| {
        if call.name == "append" && !done.swap(true, Ordering::SeqCst) {
            a_dead_host_claims(&inside);
        }
        Fate::Proceed
    })
}

/// The winner may have been woken by another copy of the very message that the loser holds. Were
/// it deleted, nothing would point at the execution when the winner dies.
#[tokio::test(start_paused = true)]
async fn a_turn_that_loses_its_place_decides_afresh_and_keeps_its_wake() {
    let world = World::new();
    let fates = overtaken_by_the_dead(&world);
    let _host = host_with(&world, &fates, &without_sweeper());
    let handle = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert!(world.elapsed() > seconds(20), "it waited for the other's lease");
    handle.result().await.unwrap();
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 2);
    check_log(&world.log("x").await);
    world.check_closed("x").await;
    assert_eq!(world.wakes(), 0);
}

/// Five steps, one after the other, each of them over at once.
#[workflow]
async fn quick(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
    let mut sum = 0;
    for name in ["one", "two", "three", "four", "five"] {
        sum += act(&ledger, "x", name, &[], Duration::ZERO).await?;
    }
    Ok(sum)
}

/// A client whose clock is `ahead`: so is a log that it begins, of the clock of every host.
pub(super) fn client_ahead(world: &World, ahead: Duration) -> Client {
    let clock = world.clock.skewed(ahead.as_millis().try_into().unwrap());
    Client::new(&world.backend()).clock(clock)
}

/// What a claim holds to and when the inbox is looked at are times of the clock, whatever the log says.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_ahead_of_the_clock_makes_no_claim_longer_and_costs_no_looks() {
    for ahead in [seconds(7), minutes(10)] {
        let world = World::new();
        let _ = client_ahead(&world, ahead).start(quick, 1).id("x").await.unwrap();
        let fates = Fates::good(&world, "host");
        let _host = host_of(&world, App::new().workflow(quick), &fates, &without_sweeper());
        closed(&world, "x", minutes(1)).await;
        let looks = world.trace().iter().filter(|line| line.contains(" host record#")).count();
        assert_eq!(looks, 0, "{:#?}", world.trace());
        let events = events(&world, "x").await;
        let ends = events.iter().filter_map(|event| match event {
            Event::TurnStarted(claim) => Some(claim.lease_end),
            Event::LeaseRenewed(renewed) => Some(renewed.lease_end),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        assert_eq!(ends.len(), 1, "{events:#?}");
        assert!(ends[0] <= world.clock.now().after(seconds(20)), "{events:#?}");
    }
}

/// A host whose clock is behind goes on where one whose clock is ahead has stopped.
#[tokio::test(start_paused = true)]
async fn events_are_never_older_than_the_one_before_whatever_the_clocks_say() {
    let world = World::new();
    let at = |skew_millis| HostOptions { skew_millis, ..without_sweeper() };
    let ahead = host(&world, "ahead", &at(2_000));
    let handle = world.client().start(counts, ("x".to_owned(), 30)).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    ahead.kill().await;
    let _behind = host(&world, "behind", &at(-2_000));
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    let at: Vec<_> = events(&world, "x").await.iter().map(Event::at).collect();
    assert!(at.len() > 4, "the second host has taken its turn: {at:?}");
    assert!(at.is_sorted(), "{at:?}");
    closed(&world, "x", minutes(2)).await;
    check_log(&world.log("x").await);
}

/// A turn that ended because the store did not answer leaves a claim behind. Its own process knows
/// that nobody is at work under it.
#[tokio::test(start_paused = true)]
async fn a_process_goes_on_at_once_where_a_turn_of_its_own_has_failed() {
    let world = World::new();
    let appends = AtomicU32::new(0);
    let fates = Fates::by(&world, "host", move |call| {
        let out =
            call.name == "append" && (1..=8).contains(&appends.fetch_add(1, Ordering::SeqCst));
        if out { Fate::FailBefore } else { Fate::Proceed }
    });
    let _host = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 1)).id("x").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 2);
    assert!(world.elapsed() < seconds(10), "it waited for its own lease: {:?}", world.elapsed());
}

/// The timer's wake meets the claim of a turn that is about to suspend, and is put off to the end
/// of that claim. The turn looks at its timers once more.
#[tokio::test(start_paused = true)]
async fn a_timer_that_becomes_due_while_the_turn_is_ending_fires_at_once() {
    #[workflow]
    async fn near(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        let mut near = std::pin::pin!(sleep(seconds(30)));
        let told = async { signal::<u64>("go").await.expect("a number") };
        if let Either::Right(_) = race(&mut near, told).await {
            act(&ledger, "x", "work", &[], Duration::ZERO).await?;
            near.await;
        }
        Ok(1)
    }
    let world = World::new();
    let fates = Fates::good(&world, "host");
    // The third commit is the one that suspends after the work; it reaches the store late.
    let appends = AtomicU32::new(0);
    let store = SlowStore::by(Arc::clone(&world.store), move |call| {
        let it = call == "append" && appends.fetch_add(1, Ordering::SeqCst) == 2;
        [if it { seconds(3) } else { Duration::ZERO }, Duration::ZERO]
    });
    let backend = fates.backend(Arc::new(store), Arc::clone(&world.queue));
    let app = App::new().workflow(near).state(world.ledger.clone());
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    let handle = world.client().start(near, 1).id("x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(28_500)).await;
    handle.signal("go", &1).await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert_eq!(world.ledger.runs_of("work"), 1);
    assert!(world.elapsed() < seconds(33), "{:?}", world.elapsed());
}

/// Its body ends while its turn asks for news, and the news show that the workflow is broken. What
/// it did is not lost to that.
#[tokio::test(start_paused = true)]
async fn a_body_that_ended_before_its_turn_blocks_is_in_the_log() {
    #[workflow]
    async fn breaks(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        let body = act(&ledger, "x", "body", &[], seconds(3));
        let told = async {
            let go: u64 = signal("go").await.expect("a number");
            assert!(go == 0, "a bug");
        };
        let (body, ()) = tokio::join!(body, told);
        body
    }
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let loads = AtomicU32::new(0);
    let store = SlowStore::by(Arc::clone(&world.store), move |call| {
        let looks = call == "load" && loads.fetch_add(1, Ordering::SeqCst) == 1;
        [Duration::ZERO, if looks { seconds(4) } else { Duration::ZERO }]
    });
    let backend = fates.backend(Arc::new(store), Arc::clone(&world.queue));
    let app = App::new().workflow(breaks).state(world.ledger.clone());
    let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
    let handle = world.client().start(breaks, 1).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.signal("go", &1).await.unwrap();
    world.until("x", minutes(1), |record| record.projection.status == Status::Blocked).await;
    assert_eq!(count(&world, "x", |event| matches!(event, Event::StepCompleted(_))).await, 1);
}

/// At that very moment, by the clock of the host that finds it.
#[tokio::test(start_paused = true)]
async fn a_step_whose_total_time_is_just_over_does_not_begin_again() {
    #[workflow]
    async fn limited(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        step("slow", async move || {
            ledger.begin("x", "slow", &[], false).await;
            tokio::time::sleep(seconds(30)).await;
            Ok::<u64, everstep::Error>(1)
        })
        .total_timeout(minutes(1))
        .await
    }
    let world = World::new();
    let _ = world.client().start(limited, 1).id("x").await.unwrap();
    let app = || App::new().workflow(limited);
    let first = good_host_of(&world, app(), "first", &without_sweeper());
    tokio::time::sleep(seconds(10)).await;
    first.kill().await;
    tokio::time::sleep(seconds(50)).await;
    world.queue.send(&Wake::news("x".parse().unwrap()), Duration::ZERO).await.unwrap();
    let _second = good_host_of(&world, app(), "second", &without_sweeper());
    closed(&world, "x", minutes(1)).await;
    let status = world.record("x").await.unwrap().projection.status;
    assert_eq!((status, world.ledger.runs_of("slow")), (Status::Failed, 1));
}

/// What has finished waits for company for a moment only: a crash must not take it back.
#[tokio::test(start_paused = true)]
async fn a_result_is_durable_soon_though_other_bodies_still_run() {
    #[workflow]
    async fn uneven(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
        let short = act(&ledger, "x", "short", &[], seconds(1));
        let other = act(&ledger, "x", "other", &[], seconds(60));
        let (short, other) = tokio::join!(short, other);
        Ok(short? + other?)
    }
    for ahead in [Duration::ZERO, minutes(10)] {
        let world = World::new();
        let _ = client_ahead(&world, ahead).start(uneven, 1).id("x").await.unwrap();
        let fates = Fates::good(&world, "host");
        let _host = host_of(&world, App::new().workflow(uneven), &fates, &without_sweeper());
        tokio::time::sleep(seconds(2)).await;
        let completed = |event: &Event| matches!(event, Event::StepCompleted(_));
        assert_eq!(count(&world, "x", completed).await, 1, "the log is ahead by {ahead:?}");
    }
}

#[workflow]
async fn waits_for_go(_id: String) -> everstep::Result<u64> {
    Ok(signal::<u64>("go").await?)
}

/// The record is written, and its answer, which has the arrivals of then, is on its way: what
/// arrives now its turn does not see. Its wake must not count on that turn.
#[tokio::test(start_paused = true)]
async fn news_that_come_while_the_record_is_written_are_not_left_to_the_turn_that_writes_it() {
    let world = World::new();
    let fates = Fates::good(&world, "host");
    let slow = SlowStore::by(Arc::clone(&world.store), |call| {
        [Duration::ZERO, if call == "project" { seconds(5) } else { Duration::ZERO }]
    });
    let backend = fates.backend(Arc::new(slow), Arc::clone(&world.queue));
    let _host =
        Host::start(&world, App::new().workflow(waits_for_go), backend, &fates, &without_sweeper());
    let handle = world.client().start(waits_for_go, "x".to_owned()).id("x").await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    assert!(world.trace().iter().any(|line| line.contains("project")), "{:#?}", world.trace());
    handle.signal("go", &1).await.unwrap();
    closed(&world, "x", seconds(30)).await;
}

/// A back-off as long as a turn waits for waits in its turn, one that is longer by a moment suspends.
#[tokio::test(start_paused = true)]
async fn a_back_off_of_the_longest_that_a_turn_waits_for_is_waited_for_in_place() {
    #[workflow]
    async fn again(after_millis: u64) -> everstep::Result<u64> {
        let retry = Retry::new().initial(Duration::from_millis(after_millis)).jitter(false);
        let fails_once = step("fails once", async move || match everstep::attempt() {
            1 => Err(everstep::Error::msg("not yet")),
            attempt => Ok(u64::from(attempt)),
        });
        fails_once.retry(retry).await
    }
    let longest = u64::try_from(BACKOFF_IN_PLACE_MAX.as_millis()).unwrap();
    for (after_millis, turns) in [(longest, 1), (longest + 1, 2)] {
        let world = World::new();
        let fates = Fates::good(&world, "host");
        let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
        let app = App::new().workflow(again);
        let _host = Host::start(&world, app, backend, &fates, &without_sweeper());
        let _ = world.client().start(again, after_millis).id("x").await.unwrap();
        closed(&world, "x", minutes(1)).await;
        let claims = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
        assert_eq!(claims, turns, "after {after_millis} ms");
    }
}

/// What a host cannot write at once it writes a moment later, and no body is stopped for it.
#[tokio::test(start_paused = true)]
async fn an_outage_of_a_second_stops_no_body() {
    let world = World::new();
    let inside = world.clone();
    // Its claim is renewed after ten seconds.
    let away = move || (seconds(10)..seconds(11)).contains(&inside.elapsed());
    let fates = Fates::by(&world, "host", move |call| match call.name {
        "append" if away() => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let _host = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 30)).id("x").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    let failed = world.trace().iter().filter(|line| line.contains("FailBefore")).count();
    assert!(failed > 2, "the store was away: {failed}");
    assert_eq!(world.ledger.runs_of("long"), 1);
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 1);
}

/// Shows something, and goes on for a minute.
#[workflow]
async fn shows(State(ledger): State<Ledger>, _: u64) -> everstep::Result<u64> {
    publish("at work");
    act(&ledger, "x", "long", &[], seconds(60)).await
}

#[tokio::test(start_paused = true)]
async fn a_view_that_cannot_be_shown_at_once_stops_no_body() {
    let world = World::new();
    let projects = AtomicU32::new(0);
    let fates = Fates::by(&world, "host", move |call| match call.name {
        "project" if projects.fetch_add(1, Ordering::SeqCst) == 0 => Fate::FailBefore,
        _ => Fate::Proceed,
    });
    let _host = host_of(&world, App::new().workflow(shows), &fates, &without_sweeper());
    let handle = world.client().start(shows, 1).id("x").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert_eq!(handle.view::<String>().await.unwrap().as_deref(), Some("at work"));
    assert_eq!(world.ledger.runs_of("long"), 1);
    assert_eq!(count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await, 1);
}

static BOTH_HAVE_BEGUN: Barrier = Barrier::new(2);

/// Each of its steps blocks its thread until the other has begun.
#[workflow]
async fn meets(_: u64) -> everstep::Result<u64> {
    let meet = |name| {
        step(name, async move || {
            BOTH_HAVE_BEGUN.wait();
            Ok::<u64, everstep::Error>(1)
        })
    };
    let (one, other) = tokio::join!(meet("one").into_future(), meet("other").into_future());
    Ok(one? + other?)
}

/// Bodies that compute or block run side by side, and none of them holds up the turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bodies_that_block_run_side_by_side() {
    let backend = Backend::memory();
    let handle = Client::new(&backend).start(meets, 1).await.unwrap();
    let worker = App::new().workflow(meets).backend(backend).worker().await.unwrap();
    assert_eq!(worker.run_until(handle.result()).await.unwrap().unwrap(), 2);
}
