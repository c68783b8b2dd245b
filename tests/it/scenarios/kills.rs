//! A real process dies half-way through a sleep (T3), or is told to stop.

use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::event::Event;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep_tests::order::{OrderFolder, SERVICES};

const ID: &str = "order-1";

/// Longer than a process of the example needs to come to its sleep, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn events(folder: &OrderFolder) -> Vec<Event> {
    let file = folder.path().join("everstep.db");
    // The process that is watched may not have made the file yet.
    let Ok(opened) = SqliteBackend::open(file, &SqliteOptions::new().create(false)) else {
        return Vec::new();
    };
    let client = Client::new(&Backend::new(Arc::new(opened.store()), Arc::new(MemoryQueue::new())));
    let history = client.history(&ExecutionId::new(ID).unwrap()).await.unwrap_or_default();
    history.into_iter().flat_map(|commit| commit.events).collect()
}

/// A process that has just begun to sleep: its turn has ended.
async fn asleep(folder: &OrderFolder) -> Child {
    let mut process = folder.begin(&["--id", ID]);
    let begun = Instant::now();
    while !events(folder).await.iter().any(|event| matches!(event, Event::TimerStarted(_))) {
        assert!(process.try_wait().unwrap().is_none(), "it ended before its sleep");
        assert!(begun.elapsed() < PATIENCE, "it never sleeps");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It sleeps for two seconds.
    tokio::time::sleep(Duration::from_millis(700)).await;
    process
}

async fn check(signal: &str) {
    for _ in 0..5 {
        if killed_asleep(signal).await {
            return;
        }
    }
    panic!("it never dies in its sleep");
}

/// Whether the process was still asleep when it died.
async fn killed_asleep(signal: &str) -> bool {
    let folder = OrderFolder::new(&[]);
    let mut process = asleep(&folder).await;
    send(&process, signal);
    process.wait().unwrap();
    let before = events(&folder).await;
    if before.iter().any(|event| matches!(event, Event::TimerFired(_))) {
        // This machine was too slow to kill it in time.
        return false;
    }

    let again = folder.run(&["--id", ID]);
    let says = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && says.contains("is confirmed"), "{says}");
    let after = events(&folder).await;
    let due: Vec<_> = of(&after, |event| match event {
        Event::TimerStarted(timer) => Some(timer.due),
        _ => None,
    });
    let fired: Vec<_> = of(&after, |event| match event {
        Event::TimerFired(timer) => Some(timer.at),
        _ => None,
    });
    assert_eq!((due.len(), fired.len()), (1, 1), "{after:?}");
    assert!(fired[0] >= due[0], "it woke early");
    let started = of(&before, |event| match event {
        Event::TimerStarted(timer) => Some(timer.due),
        _ => None,
    });
    assert_eq!(started, due, "the second process began another sleep");
    let once = SERVICES.iter().map(|service| ((*service).to_owned(), 1)).collect();
    assert_eq!(folder.effects(ID), once);
    true
}

/// A worker that is told to stop lets what runs end, or hands it back, and leaves no claim behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_stop_in_the_middle_of_an_order_ends_well_and_another_goes_on() {
    let claims =
        |log: &[Event]| of(log, |e| matches!(e, Event::TurnStarted(_)).then_some(())).len();
    let folder = OrderFolder::new(&[]);
    let mut first = folder.begin(&["--id", ID]);
    until(&folder, |log| log.iter().any(|event| matches!(event, Event::StepCompleted(_)))).await;
    first.kill().unwrap();
    first.wait().unwrap();
    let before = claims(&events(&folder).await);

    let mut worker = folder.begin(&["--serve"]);
    until(&folder, |log| claims(log) > before || ended(log)).await;
    send(&worker, "-TERM");
    let status = worker.wait().unwrap();
    assert!(status.success(), "{status}");
    let log = events(&folder).await;
    assert!(ended(&log) || matches!(log.last(), Some(Event::TurnEnded(_))), "{log:?}");

    let again = folder.run(&["--id", ID]);
    let says = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && says.contains("is confirmed"), "{says}");
}

fn ended(log: &[Event]) -> bool {
    log.last().is_some_and(Event::is_end)
}

async fn until(folder: &OrderFolder, there: impl Fn(&[Event]) -> bool) {
    let begun = Instant::now();
    while !there(&events(folder).await) {
        assert!(begun.elapsed() < PATIENCE, "it never comes to that: {:?}", events(folder).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn send(process: &Child, signal: &str) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args([signal, &process.id().to_string()]).status().unwrap().success());
}

fn of<T>(events: &[Event], what: impl Fn(&Event) -> Option<T>) -> Vec<T> {
    events.iter().filter_map(what).collect()
}

/// T3
#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_half_way_through_a_sleep_is_followed_by_one_that_wakes_once_in_time() {
    check("-KILL").await;
}

/// T3
#[tokio::test(flavor = "multi_thread")]
async fn a_process_told_to_stop_half_way_through_a_sleep_is_followed_by_one_that_wakes_in_time() {
    check("-TERM").await;
}
