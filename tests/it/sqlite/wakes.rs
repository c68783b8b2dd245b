//! What the SQLite queue does beyond the suite.

use std::collections::BTreeSet;
use std::task::Poll;
use std::time::{Duration, Instant};

use everstep::id::ExecutionId;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::wake::{Wake, WakeQueue};
use tempfile::TempDir;

fn hour() -> SqliteOptions {
    SqliteOptions::new().visibility(Duration::from_secs(3_600))
}

fn wake(number: u32) -> Wake {
    Wake::news(ExecutionId::new(format!("order-{number}")).unwrap())
}

/// In the suite a message comes back after its time-out; here nobody could wait that long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dropped_receive_had_taken_is_given_back_at_once() {
    const WAKES: u32 = 60;
    let folder = TempDir::new().unwrap();
    let backend = SqliteBackend::open(folder.path().join("everstep.db"), &hour()).unwrap();
    let queue = backend.queue();
    let mut seen = BTreeSet::new();
    for number in 0..WAKES {
        queue.send(&wake(number), Duration::ZERO).await.unwrap();
        // Dropped before it begins, at its look at the file, and when it has taken a message.
        let mut receive = std::pin::pin!(queue.receive(1, Duration::from_secs(20)));
        for _ in 0..number % 3 {
            if let Poll::Ready(deliveries) = futures::poll!(receive.as_mut()) {
                for delivery in deliveries.unwrap() {
                    queue.delete(&delivery.receipt).await.unwrap();
                    seen.insert(delivery.body);
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let start = Instant::now();
    while seen.len() < WAKES as usize && start.elapsed() < Duration::from_secs(20) {
        for delivery in queue.receive(10, Duration::from_secs(1)).await.unwrap() {
            queue.delete(&delivery.receipt).await.unwrap();
            seen.insert(delivery.body);
        }
    }
    assert_eq!(seen.len(), WAKES as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_sent_by_one_process_is_received_by_another() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let (a, b) = (
        SqliteBackend::open(&path, &hour()).unwrap(),
        SqliteBackend::open(&path, &hour()).unwrap(),
    );
    let queue = b.queue();
    let waiting = tokio::spawn(async move { queue.receive(1, Duration::from_secs(20)).await });
    let start = Instant::now();
    a.queue().send(&wake(1), Duration::ZERO).await.unwrap();
    let deliveries = waiting.await.unwrap().unwrap();
    assert_eq!(deliveries[0].body, wake(1).to_body());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Its receiver lives, so nobody else gets it.
    assert_eq!(a.queue().receive(1, Duration::from_millis(100)).await.unwrap(), []);
    assert_ne!(a.host().unwrap(), b.host().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wakes_and_delays_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let first = SqliteBackend::open(&path, &hour()).unwrap();
    first.queue().send(&wake(1), Duration::ZERO).await.unwrap();
    first.queue().send(&wake(2), Duration::from_secs(600)).await.unwrap();
    first.queue().send(&wake(3), Duration::ZERO).await.unwrap();
    let received = first.queue().receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].body, wake(1).to_body());
    drop(first);
    let second = SqliteBackend::open(&path, &hour()).unwrap();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let deliveries = second.queue().receive(1, Duration::from_secs(20)).await.unwrap();
        counts.extend(deliveries.into_iter().map(|it| (it.body, it.receive_count)));
    }
    counts.sort();
    // The first one was received by a host that is gone.
    assert_eq!(counts, [(wake(1).to_body(), 2), (wake(3).to_body(), 1)]);
    assert_eq!(second.queue().receive(1, Duration::from_millis(50)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_void_after_the_next_delivery() {
    let folder = TempDir::new().unwrap();
    let soon = SqliteOptions::new().visibility(Duration::from_millis(100));
    let backend = SqliteBackend::open(folder.path().join("everstep.db"), &soon).unwrap();
    crate::memory::an_old_receipt_is_void(&backend.queue()).await;
}
