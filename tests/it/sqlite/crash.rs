//! Processes that are killed, and processes that race.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use everstep::id::HostId;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::{Created, EventStore};
use everstep::wake::{Wake, WakeQueue};
use everstep_tests::record::just_started;
use tempfile::TempDir;

use super::child::{Process, commit, execution};

pub(super) async fn start(backend: &SqliteBackend, number: usize) {
    let record = just_started(execution(number));
    assert_eq!(backend.store().create(&record, &commit(0)).await.unwrap(), Created::New);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_survives_a_kill_at_any_moment() {
    const ROUNDS: usize = 6;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    for number in 0..4 {
        start(&backend, number).await;
    }
    drop(backend);
    let (mut commits, mut wakes) = (HashMap::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut child = Process::start("append", &path);
        let lines = 1 + RandomState::new().hash_one(round) % 400;
        let mut said: Vec<String> = (0..lines).map(|_| child.next().unwrap()).collect();
        said.extend(child.kill());
        for line in said {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["wake", name] => wakes.push(name.to_owned()),
                [task, number, writer] => {
                    commits.insert((task.to_owned(), number.to_owned()), writer.to_owned());
                }
                _ => panic!("{line}"),
            }
        }
        let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
        let mut stored = HashMap::new();
        for task in 0..4 {
            let log = backend.store().load(&execution(task)).await.unwrap().unwrap().commits;
            for commit in log {
                let key = (task.to_string(), commit.number.to_string());
                stored.insert(key, commit.writer.to_string());
            }
        }
        for (key, writer) in &commits {
            assert_eq!(stored.get(key), Some(writer), "commit {key:?} after round {round}");
        }
    }
    assert!(commits.len() > ROUNDS, "the children did something");
    let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    let mut received = Vec::new();
    loop {
        let deliveries = backend.queue().receive(1_000, Duration::ZERO).await.unwrap();
        if deliveries.is_empty() {
            break;
        }
        let names = deliveries.iter().map(|it| Wake::from_body(&it.body).unwrap().execution);
        received.extend(names.map(|name| name.to_string()));
    }
    received.sort();
    for wake in wakes {
        assert!(received.binary_search(&wake).is_ok(), "wake {wake} is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_race_have_one_winner_a_number() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    start(&backend, 0).await;
    let mut children: Vec<_> = (0..4).map(|_| Process::start("race", &path)).collect();
    for child in &mut children {
        assert_eq!(child.next().as_deref(), Some("ready"));
    }
    children.iter_mut().for_each(Process::go);
    let mut won = BTreeMap::new();
    for mut child in children {
        for line in std::iter::from_fn(|| child.next()) {
            let (number, writer) = line.split_once(' ').unwrap();
            let before = won.insert(number.parse::<u64>().unwrap(), writer.to_owned());
            assert_eq!(before, None, "two processes won {number}");
        }
    }
    let loaded = backend.store().load(&execution(0)).await.unwrap().unwrap();
    assert_eq!((loaded.inbox.len(), loaded.record.arrivals), (800, 800));
    let log = loaded.commits[1..].iter().map(|commit| (commit.number, commit.writer.to_string()));
    assert_eq!(log.collect::<BTreeMap<_, _>>(), won);
    assert_eq!(won.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_host_is_gone_at_once_and_its_wakes_come_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let hour = SqliteOptions::new().visibility(Duration::from_secs(3_600));
    let backend = SqliteBackend::open(&path, &hour).unwrap();
    let (store, queue) = (backend.store(), backend.queue());
    queue.send(&Wake::news(execution(0)), Duration::ZERO).await.unwrap();
    let mut child = Process::start("receive", &path);
    let host = HostId(child.next().unwrap().into());
    assert!(!store.is_gone(&host).await.unwrap(), "it lives");
    assert_eq!(queue.receive(1, Duration::from_millis(200)).await.unwrap(), []);
    child.kill();
    assert!(store.is_gone(&host).await.unwrap());
    let killed = Instant::now();
    let wakes = queue.receive(1, Duration::from_secs(20)).await.unwrap();
    assert_eq!((wakes.len(), wakes[0].receive_count), (1, 2));
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert!(!store.is_gone(&backend.host().unwrap()).await.unwrap(), "we live");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_waits_notices_the_death_of_another() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let hour = SqliteOptions::new().visibility(Duration::from_secs(3_600));
    let backend = SqliteBackend::open(&path, &hour).unwrap();
    backend.queue().send(&Wake::news(execution(0)), Duration::ZERO).await.unwrap();
    let mut child = Process::start("receive", &path);
    child.next().unwrap();
    let queue = backend.queue();
    let waiting = tokio::spawn(async move { queue.receive(1, Duration::from_secs(20)).await });
    child.kill();
    let wakes = waiting.await.unwrap().unwrap();
    assert_eq!((wakes.len(), wakes[0].receive_count), (1, 2));
}
