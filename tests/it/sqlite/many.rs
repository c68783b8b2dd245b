//! Many executions on one file, while the processes that work on it are killed, or the file is locked.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::client::Handle;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::prelude::*;
use everstep::store::{EventStore, Message, NewItem, StoreError};
use everstep::time::Timestamp;
use everstep_tests::seed::Seeded;
use rusqlite::Connection;
use tempfile::TempDir;

use super::child::Process;

const EXECUTIONS: u32 = 1_000;

/// How many processes work at once, on how many executions each, and how many of them die.
const PROCESSES: u64 = 3;
const AT_ONCE: usize = 16;
const KILLS: usize = 20;

/// Longer than all of it takes on a machine that does other things too.
const STUCK_AFTER: Duration = Duration::from_secs(240);

/// The world outside: a file with a line for each part that was booked.
#[derive(Debug, Clone)]
struct Books(PathBuf);

impl Books {
    /// Beside the log.
    fn beside(log: &Path) -> Self {
        Self(log.with_extension("booked"))
    }

    fn enter(&self, number: u32, part: u32) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        // One write for the line, so that a kill does not cut it.
        file.write_all(format!("{number} {part}\n").as_bytes()).unwrap();
    }

    /// How often each part was booked.
    fn times(&self) -> HashMap<String, usize> {
        let mut times = HashMap::new();
        for line in std::fs::read_to_string(&self.0).unwrap_or_default().lines() {
            *times.entry(line.to_owned()).or_default() += 1;
        }
        times
    }
}

#[step(skip(books))]
async fn book(books: &Books, number: u32, part: u32) -> everstep::Result<u32> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    books.enter(number, part);
    Ok(part)
}

#[workflow]
async fn three_parts(State(books): State<Books>, number: u32) -> everstep::Result<u32> {
    let mut sum = 0;
    for part in 1..=3 {
        sum += book(&books, number, part).await?;
    }
    Ok(sum)
}

/// What the processes that are killed do.
pub(super) async fn work(path: &Path) {
    let backend = Backend::from_url(&format!("sqlite:{}", path.display())).await.unwrap();
    let app = App::new().workflow(three_parts).state(Books::beside(path)).backend(backend);
    let worker = app.worker().await.unwrap().concurrency(AT_ONCE);
    worker.run_until(std::future::pending::<()>()).await.unwrap();
}

async fn start(client: &Client, count: u32) -> Vec<Handle<u32, everstep::Error>> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(client.start(three_parts, number).id(format!("order-{number}")).await.unwrap());
    }
    all
}

/// What the file has of this, by hand.
fn ids(file: &Connection, sql: &str) -> Vec<String> {
    let mut select = file.prepare_cached(sql).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// What happened more often than it has to.
#[derive(Debug, Default)]
struct Again {
    /// Turns beyond one an execution.
    turns: usize,
    /// Bodies beyond one a step.
    bodies: usize,
}

/// Checks that every execution has its result, and each of its steps one.
async fn check_all(orders: &[Handle<u32, everstep::Error>], path: &Path) -> Again {
    let mut again = Again::default();
    for order in orders {
        assert_eq!(order.result().await.unwrap(), 6, "{}", order.id());
        // Reading it verifies every hash.
        let log = order.history().await.unwrap();
        let kinds = log.iter().flat_map(|commit| &commit.events).map(everstep::event::Event::kind);
        let kinds: Vec<_> = kinds.collect();
        let count = |kind| kinds.iter().filter(|it| **it == kind).count();
        let ends = (count("StepCompleted"), count("StepFailed"), count("WorkflowCompleted"));
        assert_eq!(ends, (3, 0, 1), "{}: {kinds:?}", order.id());
        again.turns += count("TurnStarted") - 1;
    }
    let times = Books::beside(path).times();
    assert_eq!(times.len(), 3 * orders.len(), "a part was never booked");
    again.bodies = times.values().sum::<usize>() - times.len();
    again
}

/// Waits until no wake is left.
async fn until_no_wake_is_left(file: &Connection) {
    let begun = Instant::now();
    while !ids(file, "SELECT body FROM wakes").is_empty() {
        assert!(begun.elapsed() < STUCK_AFTER, "{:?}", ids(file, "SELECT body FROM wakes"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// L3 with real processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_executions_end_right_whatever_kills_their_processes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let backend = Backend::from_url(&format!("sqlite:{}", path.display())).await.unwrap();
    let client = Client::new(&backend);
    let orders = start(&client, EXECUTIONS).await;
    let file = Connection::open(&path).unwrap();
    let begin = || Process::start("work", &path);
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| begin()).collect();
    let (mut random, mut kills, mut resumed) = (Seeded::from_env(), 0, 0);
    let begun = Instant::now();
    loop {
        let open = ids(&file, "SELECT id FROM executions WHERE status IN ('running', 'suspended')");
        let blocked = ids(&file, "SELECT id FROM executions WHERE status = 'blocked'");
        if open.is_empty() && blocked.is_empty() {
            break;
        }
        assert!(begun.elapsed() < STUCK_AFTER, "stuck: {open:?} {blocked:?}");
        for id in blocked {
            // So many of its processes in a row died that it counts as what kills them.
            client.resume(&ExecutionId::new(id).unwrap()).await.unwrap();
            resumed += 1;
        }
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        if kills < KILLS {
            let dies = usize::try_from(random.below(PROCESSES)).unwrap();
            processes[dies].kill();
            processes[dies] = begin();
            kills += 1;
        }
    }
    let again = check_all(&orders, &path).await;
    until_no_wake_is_left(&file).await;
    assert!(ids(&file, "SELECT id FROM inbox").is_empty());
    assert!(again.turns > kills, "{kills} processes died beside their work: {again:?}");
    // Only bodies whose process died under them can have run again.
    assert!(again.bodies <= kills * AT_ONCE, "{kills} processes died: {again:?}");
    assert!(resumed <= kills, "{resumed} executions were taken for what kills processes");
}

/// Somebody locks the file for longer than any write waits, over and over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_locked_for_longer_than_a_write_waits_only_makes_it_late() {
    const ORDERS: u32 = 60;
    const LOCKS: usize = 2;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    // What nobody could give back while the file was locked comes again soon.
    let (busy, back) = (Duration::from_millis(50), Duration::from_secs(2));
    let options = SqliteOptions::new().busy_timeout(busy).visibility(back);
    let open = || SqliteBackend::open(&path, &options).unwrap();
    let opened = open();
    let backend = Backend::new(Arc::new(opened.store()), Arc::new(opened.queue()));
    let client = Client::new(&backend);
    let orders = start(&client, ORDERS).await;
    let books = Books::beside(&path);
    let app = App::new().workflow(three_parts).state(books.clone()).backend(backend);
    let worker = app.worker().await.unwrap().concurrency(AT_ONCE);
    let locks = async {
        let (mut locker, probe) = (Connection::open(&path).unwrap(), open().store());
        locker.busy_timeout(STUCK_AFTER).unwrap();
        for number in 1..=LOCKS {
            // Each time when a third more is done.
            let done = number * 3 * ORDERS as usize / (LOCKS + 1);
            while books.times().len() < done {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let lock = locker.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive);
            let lock = lock.unwrap();
            let id = ExecutionId::new("nobody").unwrap();
            let item =
                NewItem { id: "x".to_owned(), arrived_at: Timestamp(0), message: Message::Resume };
            // For as long as a turn tries to write, and longer.
            for _ in 0..80 {
                let answer = probe.send(&id, &item).await;
                assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
            }
            lock.rollback().unwrap();
        }
    };
    let file = Connection::open(&path).unwrap();
    let works = async {
        locks.await;
        for order in &orders {
            order.result().await.unwrap();
        }
        until_no_wake_is_left(&file).await;
    };
    let ends = tokio::time::timeout(STUCK_AFTER, worker.run_until(works)).await;
    ends.expect("it is not stuck").unwrap();
    let again = check_all(&orders, &path).await;
    // A turn that is let down in the middle of a body has it run again, once a lock.
    assert!(again.bodies <= LOCKS * AT_ONCE, "{again:?}");
    assert!(again.turns >= LOCKS, "no turn was let down: {again:?}");
}
