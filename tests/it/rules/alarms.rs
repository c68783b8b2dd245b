//! Rule 33: who keeps a timer that is further away than a queue's longest delay, and what becomes of
//! it when nobody needs it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::limits::{ALARM_PAUSE, ALARM_WAIT, QUEUE_DELAY_MAX};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::{Message, NewItem, Status};
use everstep::testing::conformance::QueueFactory;
use everstep::testing::faults::{Fate, Faults, FaultyAlarmClock};
use everstep::time::{Clock, Timestamp};
use everstep::wake::{Alarm, AlarmClock, AlarmQueue, Delivery, QueueError, Wake, WakeQueue};
use everstep_tests::said::Said;
use everstep_tests::sim::{Alarms, Death, Fates, Host, HostOptions, Ledger, World, check_log};
use futures::FutureExt;

use super::{count, counts, events, host, host_of, host_with, patient, without_sweeper};

/// A queue with a clock passes for a queue.
struct Alarmed;

#[async_trait]
impl QueueFactory for Alarmed {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        let queue: Arc<dyn WakeQueue> = Arc::new(MemoryQueue::new().with_visibility(visibility));
        let clock = Alarms::new(Arc::clone(&queue), Clock::system(), 0);
        Arc::new(AlarmQueue::new(queue, Arc::new(clock)))
    }
}

everstep::wake_queue_suite!(conformance, Alarmed);

/// A queue whose receivers wait for long, so that days of virtual time are few calls.
#[derive(Debug)]
struct Patient(MemoryQueue);

#[async_trait]
impl WakeQueue for Patient {
    async fn setup(&self) -> Result<(), QueueError> {
        self.0.setup().await
    }
    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        self.0.send(wake, delay).await
    }
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.0.receive(max, wait.max(hours(6))).await
    }
    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.0.delete(receipt).await
    }
    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.0.keep(receipt, visibility).await
    }
    fn visibility(&self) -> Duration {
        self.0.visibility()
    }
}

/// A world whose queue has an alarm clock.
struct Clocked {
    world: World,
    alarms: Alarms,
    /// Of the clock, not of the queue.
    faults: Faults,
}

fn clocked(late_millis: i64) -> Clocked {
    let queue = MemoryQueue::new();
    let waiting = queue.clone();
    let queue: Arc<dyn WakeQueue> = Arc::new(Patient(queue));
    // Both begin at the same moment of the paused time.
    let clock = World::new().clock;
    let alarms = Alarms::new(Arc::clone(&queue), clock, late_millis);
    let faults = Faults::none();
    let faulty = FaultyAlarmClock::new(Arc::new(alarms.clone()), &faults);
    let queue = AlarmQueue::new(queue, Arc::new(faulty));
    let world = World::on(Arc::new(MemoryStore::new()), Arc::new(queue), move || waiting.len());
    Clocked { world, alarms, faults }
}

impl Clocked {
    fn asked(&self, name: &str) -> u64 {
        self.faults.counts().of(name)
    }
}

/// Waits until an execution has ended, and looks once an hour.
async fn closed(world: &World, id: &str, limit: Duration) {
    let end = world.clock.now().after(limit);
    while !world.record(id).await.unwrap().projection.status.is_closed() {
        assert!(world.clock.now() < end, "{id} does not end");
        tokio::time::sleep(hours(1)).await;
    }
}

/// When the one timer of an execution was due, and when it fired.
async fn timer(world: &World, id: &str) -> [Timestamp; 2] {
    let events = events(world, id).await;
    let due = events.iter().find_map(|event| match event {
        Event::TimerStarted(timer) => Some(timer.due),
        _ => None,
    });
    let fired = events.iter().find_map(|event| match event {
        Event::TimerFired(fired) => Some(fired.at),
        _ => None,
    });
    [due.expect("a timer"), fired.expect("it fired")]
}

/// 2,880 quarters of an hour.
#[tokio::test(start_paused = true)]
async fn a_timer_of_thirty_days_is_one_alarm_and_no_hops() {
    let Clocked { world, alarms, faults } = clocked(0);
    let fates = Fates::good(&world, "host");
    let _host = host_with(&world, &fates, &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 30 * 86_400)).id("x").await.unwrap();
    tokio::time::sleep(days(15)).await;
    assert_eq!((alarms.set().len(), world.wakes()), (1, 0), "nothing is under way on the queue");
    closed(&world, "x", days(16)).await;
    let [due, fired] = timer(&world, "x").await;
    assert!(fired >= due && fired.since(due) < seconds(1), "{due:?} {fired:?}");
    let (clock, calls) = (faults.counts(), fates.faults().counts());
    assert_eq!((clock.of("alarm.set"), clock.total()), (1, 1), "it deletes itself");
    assert_eq!((calls.of("queue.send"), calls.of("load"), calls.of("append")), (1, 2, 2));
    assert_eq!((alarms.set(), world.wakes()), (vec![], 0));
    check_log(&world.log("x").await);
}

/// The clock is late, and the timer is by as much. It is early, and the rest of the time is a hop.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_rings_early_or_late_never_makes_its_timer_early() {
    for (late_millis, claims) in [(59_000, 2), (-59_000, 2)] {
        let Clocked { world, alarms, .. } = clocked(late_millis);
        let _host = host(&world, "host", &without_sweeper());
        let _ = world.client().start(counts, ("x".to_owned(), 86_400)).id("x").await.unwrap();
        closed(&world, "x", days(2)).await;
        let [due, fired] = timer(&world, "x").await;
        let late = Duration::from_millis(u64::try_from(late_millis).unwrap_or(0));
        assert!(fired >= due, "{late_millis}: {due:?} {fired:?}");
        assert!(fired.since(due) < late + seconds(1), "{late_millis}: {:?}", fired.since(due));
        let turns = count(&world, "x", |event| matches!(event, Event::TurnStarted(_))).await;
        assert_eq!(turns, claims, "{late_millis}: a wake before its time is no reason for a turn");
        assert_eq!((alarms.set(), world.wakes()), (vec![], 0), "{late_millis}");
    }
}

/// A quarter of an hour is a message's delay, as ever.
#[tokio::test(start_paused = true)]
async fn a_timer_that_the_queue_can_delay_is_no_alarm() {
    let clocked = clocked(0);
    let world = &clocked.world;
    let _host = host(world, "host", &without_sweeper());
    let end = QUEUE_DELAY_MAX.as_secs();
    let handle = world.client().start(counts, ("x".to_owned(), end)).id("x").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    handle.cancel("enough").await.unwrap();
    closed(world, "x", hours(1)).await;
    assert_eq!(clocked.faults.counts().total(), 0);
}

fn start_host(world: &World, app: App, fates: &Fates) -> Host {
    host_of(world, app, fates, &without_sweeper())
}

#[tokio::test(start_paused = true)]
async fn the_alarm_of_a_timer_that_lost_its_race_is_taken_back() {
    let Clocked { world, alarms, faults } = clocked(0);
    let _host = start_host(&world, App::new().workflow(patient), &Fates::good(&world, "host"));
    let handle = world.client().start(patient, "x".to_owned()).id("x").await.unwrap();
    for number in 0..20 {
        tokio::time::sleep(hours(1)).await;
        handle.signal("go", &number).await.unwrap();
    }
    tokio::time::sleep(hours(1)).await;
    let set = alarms.set();
    assert_eq!(set.len(), 1, "only what is waited for is set: {set:?}");
    assert_eq!((faults.counts().of("alarm.set"), faults.counts().of("alarm.unset")), (21, 20));
    closed(&world, "x", days(11)).await;
    assert_eq!(handle.result().await.unwrap(), 20);
    assert_eq!((alarms.rung(), alarms.set(), world.wakes()), (set, vec![], 0));
}

/// A sleep that goes on is one alarm, however many turns are taken meanwhile.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_still_waited_for_is_neither_set_again_nor_taken_back() {
    let Clocked { world, alarms, faults } = clocked(0);
    let _host = host(&world, "host", &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 864_000)).id("x").await.unwrap();
    for number in 0..50 {
        tokio::time::sleep(hours(1)).await;
        handle.signal("go", &number).await.unwrap();
    }
    tokio::time::sleep(hours(1)).await;
    assert_eq!((faults.counts().total(), alarms.set().len()), (1, 1));
    closed(&world, "x", days(11)).await;
    assert_eq!(handle.result().await.unwrap(), 50);
}

/// Goes on as a new run once a signal comes, beside a long sleep in each.
#[workflow]
async fn again(_: State<Ledger>, run: u64) -> everstep::Result<u64> {
    if run > 1 {
        signal::<u64>("never").await?;
    }
    let _: Either<(), u64> =
        race(sleep(days(10)), async { signal("go").await.expect("a number") }).await;
    continue_as_new(&(run + 1)).await
}

#[workflow]
async fn panics(_: State<Ledger>, _: String) -> everstep::Result<u64> {
    let far = sleep(days(10));
    let _: Either<(), u64> = race(far, async { signal("go").await.expect("a number") }).await;
    panic!("a bug");
}

/// However an execution ends, and whatever it waited for.
#[tokio::test(start_paused = true)]
async fn the_alarms_of_what_has_ended_are_taken_back() {
    let Clocked { world, alarms, .. } = clocked(0);
    let app = App::new().workflow(patient).workflow(again).workflow(panics);
    let _host = start_host(&world, app, &Fates::good(&world, "host"));
    let client = world.client();
    let ends = ["cancelled", "terminated", "blocked", "continued"];
    let cancelled = client.start(patient, "x".to_owned()).id(ends[0]).await.unwrap();
    let terminated = client.start(patient, "x".to_owned()).id(ends[1]).await.unwrap();
    let blocked = client.start(panics, "x".to_owned()).id(ends[2]).await.unwrap();
    let continued = client.start(again, 1).id(ends[3]).await.unwrap();
    tokio::time::sleep(hours(1)).await;
    assert_eq!(alarms.set().len(), ends.len());
    cancelled.cancel("enough").await.unwrap();
    terminated.terminate("enough").await.unwrap();
    blocked.signal("go", &1).await.unwrap();
    continued.signal("go", &1).await.unwrap();
    tokio::time::sleep(hours(1)).await;
    assert_eq!(world.record("blocked").await.unwrap().projection.status, Status::Blocked);
    let set: Vec<_> = alarms.set().iter().map(|alarm| alarm.execution.to_string()).collect();
    assert_eq!(set, ["blocked"], "it may go on, and nobody has said that it does not wait");
    blocked.terminate("enough").await.unwrap();
    closed(&world, "blocked", hours(1)).await;
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(alarms.set(), []);
}

/// The host dies between the commit that no longer counts on an alarm and the call that takes it
/// back. It rings, somebody looks, and there is nothing to do.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_nobody_takes_back_rings_in_vain() {
    for fate in [Fate::Hang, Fate::FailBefore] {
        let Clocked { world, alarms, .. } = clocked(0);
        let fates = Fates::by(&world, "dead", move |call| match call.name {
            "queue.disarm" => fate,
            _ => Fate::Proceed,
        });
        let mut dead = host_with(&world, &fates, &without_sweeper());
        let handle = world.client().start(counts, ("x".to_owned(), 864_000)).id("x").await.unwrap();
        tokio::time::sleep(hours(1)).await;
        handle.cancel("enough").await.unwrap();
        closed(&world, "x", hours(1)).await;
        if fate == Fate::Hang {
            dead.dies().await;
        }
        let log = world.log("x").await.len();
        let _host = host(&world, "host", &without_sweeper());
        tokio::time::sleep(days(11)).await;
        assert_eq!((alarms.rung().len(), alarms.set().len(), world.wakes()), (1, 0, 0));
        assert_eq!(world.log("x").await.len(), log);
    }
}

/// A host dies before or after each of its calls, of the clock's as well: the story ends in time, by
/// alarms alone, and in the end none is set.
#[tokio::test(start_paused = true)]
async fn a_host_may_die_at_each_of_its_calls_around_an_alarm() {
    for after in [false, true] {
        for at in 0.. {
            let Clocked { world, alarms, .. } = clocked(0);
            let fates = Fates::dying(&world, "dying", Some(Death { at, after }));
            let app = App::new().workflow(patient);
            let mut dying = start_host(&world, app.clone(), &fates);
            let handle = world.client().start(patient, "x".to_owned()).id("x").await.unwrap();
            tokio::time::sleep(hours(1)).await;
            handle.signal("go", &1).await.unwrap();
            let goes_on = async {
                dying.dies().await;
                let _host = start_host(&world, app, &Fates::good(&world, "host"));
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = closed(&world, "x", days(12)) => {}
                () = goes_on => {}
            }
            assert_eq!(handle.result().await.unwrap(), 1, "{at} {after}");
            let events = events(&world, "x").await;
            let due = events.iter().rev().find_map(|event| match event {
                Event::TimerStarted(timer) => Some(timer.due),
                _ => None,
            });
            let fired = events.iter().rev().find_map(|event| match event {
                Event::TimerFired(fired) => Some(fired.at),
                _ => None,
            });
            let (due, fired) = (due.unwrap(), fired.unwrap());
            assert!(
                fired >= due && fired.since(due) < minutes(2),
                "{at} {after}: {due:?} {fired:?}"
            );
            check_log(&world.log("x").await);
            assert_eq!(alarms.set().len(), 0, "{at} {after}");
            if fates.calls() <= at {
                break;
            }
        }
    }
}

/// The clock fails, in each of the ways a call can: the timer hops, in time, and nothing waits for
/// long. It is said once, and the clock is asked no more than once in a while.
#[tokio::test(start_paused = true)]
async fn while_the_clock_fails_timers_hop() {
    for fate in [Fate::FailBefore, Fate::FailAfter, Fate::Hang, Fate::HangAfter] {
        let said = Said::listen();
        let clocked = clocked(0);
        let world = &clocked.world;
        clocked.faults.set(move |_| fate);
        let _host = host(world, "host", &without_sweeper());
        for id in ["x", "y"] {
            let _ = world.client().start(counts, (id.to_owned(), 86_400)).id(id).await.unwrap();
        }
        tokio::time::sleep(ALARM_WAIT + seconds(1)).await;
        for id in ["x", "y"] {
            let record = world.record(id).await.unwrap();
            assert_eq!(
                record.projection.status,
                Status::Suspended,
                "{fate:?}: it waits for nobody"
            );
        }
        for id in ["x", "y"] {
            closed(world, id, days(2)).await;
            let [due, fired] = timer(world, id).await;
            assert!(fired >= due && fired.since(due) < seconds(5), "{fate:?}: {due:?} {fired:?}");
            let fired = count(world, id, |event| matches!(event, Event::TimerFired(_))).await;
            assert_eq!(fired, 1);
        }
        let hops = 86_400 / QUEUE_DELAY_MAX.as_secs();
        let asked = clocked.asked("alarm.set");
        assert!(asked <= 2 * hops, "{fate:?}: {asked}");
        assert_eq!(said.with(&["WARN", "an alarm for a timer cannot be set"]).len(), 1, "{fate:?}");
    }
}

/// An invocation has so much time. A clock that hangs gets a part of what is left, and is then known
/// to hang: the commit does not wait for it.
#[tokio::test(start_paused = true)]
async fn a_clock_that_hangs_leaves_an_invocation_the_time_to_suspend() {
    let said = Said::listen();
    let clocked = clocked(0);
    let world = &clocked.world;
    clocked.faults.set(|_| Fate::Hang);
    // Ten seconds before its end it hands over: after two.
    let options = HostOptions { invocation: Some(seconds(12)), ..without_sweeper() };
    let _host = host(world, "host", &options);
    for id in ["x", "y"] {
        let _ = world.client().start(counts, (id.to_owned(), 86_400)).id(id).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(world.record(id).await.unwrap().projection.status, Status::Suspended);
    }
    assert_eq!((clocked.asked("alarm.set"), world.wakes()), (1, 2), "it is left alone");
    assert_eq!(said.with(&["WARN", "an alarm for a timer cannot be set"]).len(), 1);
}

/// No turn's end waits for a clock that is known to hang either.
#[tokio::test(start_paused = true)]
async fn a_clock_that_failed_is_not_asked_to_take_an_alarm_back() {
    let Clocked { world, faults, .. } = clocked(0);
    faults.set(|_| Fate::Hang);
    let _host = start_host(&world, App::new().workflow(patient), &Fates::good(&world, "host"));
    let handle = world.client().start(patient, "x".to_owned()).id("x").await.unwrap();
    tokio::time::sleep(ALARM_WAIT + seconds(1)).await;
    for number in 0..3 {
        handle.signal("go", &number).await.unwrap();
        tokio::time::sleep(seconds(1)).await;
    }
    let timers = count(&world, "x", |event| matches!(event, Event::TimerStarted(_))).await;
    assert_eq!(timers, 4, "each signal has won its race");
    assert_eq!((faults.counts().of("alarm.set"), faults.counts().of("alarm.unset")), (1, 0));
}

/// A clock that failed is left alone for a while; then each timer's next hop sets its alarm.
#[tokio::test(start_paused = true)]
async fn a_clock_that_works_again_is_used_again() {
    let said = Said::listen();
    let clocked = clocked(0);
    let world = &clocked.world;
    clocked.faults.set(|_| Fate::FailBefore);
    let _host = host(world, "host", &without_sweeper());
    for id in ["x", "y"] {
        let _ = world.client().start(counts, (id.to_owned(), 864_000)).id(id).await.unwrap();
        tokio::time::sleep(ALARM_PAUSE / 4).await;
    }
    assert_eq!((clocked.asked("alarm.set"), world.wakes()), (1, 2), "it is left alone");
    clocked.faults.heal();
    tokio::time::sleep(QUEUE_DELAY_MAX + seconds(5)).await;
    assert_eq!((clocked.asked("alarm.set"), clocked.alarms.set().len()), (3, 2));
    assert_eq!(world.wakes(), 0, "no hop is left");
    clocked.faults.set(|_| Fate::FailBefore);
    let _ = world.client().start(counts, ("z".to_owned(), 86_400)).id("z").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(said.with(&["WARN", "cannot be set"]).len(), 2, "once each time it begins to fail");
}

/// What hops and was delivered twice sets one alarm: the alarm is the same.
#[tokio::test(start_paused = true)]
async fn a_hop_that_comes_twice_sets_one_alarm() {
    let clocked = clocked(0);
    let world = &clocked.world;
    clocked.faults.set(|_| Fate::FailBefore);
    let _host = host(world, "host", &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 864_000)).id("x").await.unwrap();
    tokio::time::sleep(ALARM_PAUSE + seconds(5)).await;
    clocked.faults.heal();
    let [due] = events(world, "x")
        .await
        .iter()
        .filter_map(|event| match event {
            Event::TimerStarted(timer) => Some(timer.due),
            _ => None,
        })
        .collect::<Vec<_>>()[..]
    else {
        panic!("one timer")
    };
    let id = ExecutionId::new("x").unwrap();
    let wake = Wake::timer(id, due);
    world.queue.send(&wake, Duration::ZERO).await.unwrap();
    tokio::time::sleep(QUEUE_DELAY_MAX).await;
    assert_eq!((clocked.asked("alarm.set"), clocked.alarms.set().len(), world.wakes()), (3, 1, 0));
}

/// Waits for a time, until "go" comes, and after "next" again.
#[workflow]
async fn until(_: State<Ledger>, due: Timestamp) -> everstep::Result<u64> {
    let due = chrono::DateTime::from(due);
    let go = async { signal::<u64>("go").await.expect("a number") };
    let _: Either<(), u64> = race(sleep_until(due), go).await;
    signal::<u64>("next").await?;
    sleep_until(due).await;
    Ok(7)
}

/// Sends `until` of id "x" what it waits for, while an alarm is taken back slowly: that of its second
/// timer is left, and ends it.
async fn go_and_next(clocked: &Clocked) {
    let Clocked { world, alarms, faults } = clocked;
    let (client, id) = (world.client(), ExecutionId::new("x").unwrap());
    faults.set(|call| match call.name {
        "alarm.unset" => Fate::Slow(seconds(1)),
        _ => Fate::Proceed,
    });
    client.signal(&id, "go", &1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.signal(&id, "next", &1).await.unwrap();
    tokio::time::sleep(hours(1)).await;
    assert_eq!((faults.counts().of("alarm.set"), faults.counts().of("alarm.unset")), (2, 1));
    assert_eq!(alarms.set().len(), 1);
    closed(world, "x", days(11)).await;
}

/// Two timers for one time: the first is dropped, and what takes its alarm back is slow. Meanwhile
/// the second is started, and its alarm set. The slow call does not take that one.
#[tokio::test(start_paused = true)]
async fn taking_back_an_alarm_late_does_not_take_back_the_next_one_for_the_same_time() {
    let clocked = clocked(0);
    let world = &clocked.world;
    let _host = start_host(world, App::new().workflow(until), &Fates::good(world, "host"));
    let due = world.clock.now().after(days(10));
    let handle = world.client().start(until, due).id("x").await.unwrap();
    tokio::time::sleep(hours(1)).await;
    go_and_next(&clocked).await;
    assert_eq!(handle.result().await.unwrap(), 7);
    let fired = timer(world, "x").await[1];
    assert!(fired >= due && fired.since(due) < seconds(1), "{due:?} {fired:?}");
}

/// The same while the log is ahead of the clock, since a host's clock was: all turns end at one time.
#[tokio::test(start_paused = true)]
async fn alarms_of_turns_that_end_at_one_time_have_names_of_their_own() {
    let clocked = clocked(0);
    let world = &clocked.world;
    let fates = Fates::good(world, "ahead");
    let options = HostOptions { skew_millis: 4_000, ..without_sweeper() };
    let ahead = host_of(world, App::new().workflow(until), &fates, &options);
    let due = world.clock.now().after(days(10));
    let handle = world.client().start(until, due).id("x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    ahead.kill().await;
    let _host = start_host(world, App::new().workflow(until), &Fates::good(world, "host"));
    go_and_next(&clocked).await;
    assert_eq!(handle.result().await.unwrap(), 7);
    check_log(&world.log("x").await);
}

/// A turn drops a time and loses the race for its last commit, to one that has read more and waits
/// for that time again. The loser has taken nothing back.
#[tokio::test(start_paused = true)]
async fn a_turn_that_loses_its_end_has_taken_no_alarm_back() {
    let Clocked { world, alarms, faults } = clocked(0);
    let due = world.clock.now().after(days(10));
    let go = |name: &str| Message::Signal {
        name: name.into(),
        payload: serde_json::from_str("1").unwrap(),
    };
    let inside = world.clone();
    // The slow host's second commit, which ends its turn on "go", is held back.
    let appends = AtomicU32::new(0);
    let slow = Fates::by(&world, "slow", move |call| {
        let held = call.name == "append" && appends.fetch_add(1, Ordering::SeqCst) == 1;
        if held {
            let item = NewItem {
                id: "signal/next".into(),
                arrived_at: inside.clock.now(),
                message: go("next"),
            };
            let id = ExecutionId::new("x").unwrap();
            inside.store.send(&id, &item).now_or_never().unwrap().unwrap();
            let wake = Wake::news(id);
            inside.queue.send(&wake, Duration::ZERO).now_or_never().unwrap().unwrap();
        }
        if held { Fate::Slow(seconds(5)) } else { Fate::Proceed }
    });
    let app = App::new().workflow(until);
    let slow = start_host(&world, app.clone(), &slow);
    let handle = world.client().start(until, due).id("x").await.unwrap();
    tokio::time::sleep(hours(1)).await;
    handle.signal("go", &1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _quick = start_host(&world, app, &Fates::good(&world, "quick"));
    // The slow host has the wake for "next"; the quick one gets another.
    world.queue.send(&Wake::news(handle.id().clone()), Duration::ZERO).await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    let waits = count(&world, "x", |event| matches!(event, Event::TimerStarted(_))).await;
    assert_eq!(waits, 2, "the quick one has taken both");
    tokio::time::sleep(hours(1)).await;
    assert_eq!((faults.counts().of("alarm.unset"), alarms.set().len()), (0, 1));
    closed(&world, "x", days(11)).await;
    let fired = timer(&world, "x").await[1];
    assert!(fired >= due && fired.since(due) < seconds(1), "{due:?} {fired:?}");
    drop(slow);
}

/// An alarm is told from another by what it is for, and from an earlier one by its age.
#[tokio::test(start_paused = true)]
async fn an_alarm_is_set_once_and_taken_back_by_its_name() {
    let Clocked { alarms, world, .. } = clocked(0);
    let id = ExecutionId::new("x").unwrap();
    let (now, due) = (world.clock.now(), world.clock.now().after(days(1)));
    let [one, later] = [now, now.after(seconds(1))].map(|since| Alarm::new(id.clone(), due, since));
    for alarm in [&one, &one, &later] {
        AlarmClock::set(&alarms, alarm).await.unwrap();
    }
    assert_eq!(alarms.set(), [one.clone(), later.clone()]);
    world.queue.disarm(&one).await.unwrap();
    world.queue.disarm(&one).await.unwrap();
    assert_eq!(alarms.set(), [later]);
    let near = Alarm::new(id, now.after(QUEUE_DELAY_MAX), now);
    assert!(!near.is_far() && one.is_far());
}
