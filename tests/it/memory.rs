//! The memory store and queue against the suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use everstep::id::ExecutionId;
use everstep::limits::QUEUE_DELAY_MAX;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::store::EventStore;
use everstep::testing::conformance::{QueueFactory, StoreFactory};
use everstep::wake::{Wake, WakeQueue};

struct Memory;

#[async_trait]
impl StoreFactory for Memory {
    async fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(MemoryStore::new())
    }
}

#[async_trait]
impl QueueFactory for Memory {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        Arc::new(MemoryQueue::new().with_visibility(visibility))
    }
}

everstep::event_store_suite!(store, Memory);
everstep::wake_queue_suite!(queue, Memory);

/// Stricter than SQS, whose old receipts may still delete: the message belongs to whoever received
/// it last.
pub(crate) async fn an_old_receipt_is_void(queue: &dyn WakeQueue) {
    let wait = queue.visibility() * 20;
    queue.send(&Wake::news(ExecutionId::random()), Duration::ZERO).await.unwrap();
    let first = queue.receive(1, wait).await.unwrap().remove(0);
    let second = queue.receive(1, wait).await.unwrap().remove(0);
    assert_ne!(first.receipt, second.receipt);
    queue.delete(&first.receipt).await.unwrap();
    queue.keep(&first.receipt, Duration::from_secs(3_600)).await.unwrap();
    let third = queue.receive(1, wait).await.unwrap().remove(0);
    assert_eq!((third.receive_count, &third.body), (3, &first.body));
    for no_receipt in ["", ".", "1", "1.1.1", "x.y", "-1.1", "99.1"] {
        queue.delete(no_receipt).await.unwrap();
        queue.keep(no_receipt, wait).await.unwrap();
    }
    queue.delete(&third.receipt).await.unwrap();
    assert_eq!(queue.receive(1, queue.visibility() * 2).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_void_after_the_next_delivery() {
    an_old_receipt_is_void(&MemoryQueue::new()).await;
}

#[tokio::test(start_paused = true)]
async fn the_queue_lives_on_tokios_clock() {
    let queue = MemoryQueue::new();
    let start = tokio::time::Instant::now();
    // Cut to the longest delay, and then at its very time.
    queue.send(&Wake::news(ExecutionId::random()), Duration::MAX).await.unwrap();
    let deliveries = queue.receive(1, Duration::MAX).await.unwrap();
    assert_eq!((deliveries.len(), start.elapsed()), (1, QUEUE_DELAY_MAX));
    let again = queue.receive(1, Duration::MAX).await.unwrap();
    assert_eq!((again.len(), start.elapsed()), (1, QUEUE_DELAY_MAX + queue.visibility()));
    assert_eq!(queue.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_hears_of_a_delayed_wake_that_another_one_gave_up_waiting_for() {
    let queue = MemoryQueue::new();
    let receive = |wait: u64| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.receive(1, Duration::from_secs(wait)).await.unwrap() })
    };
    let (impatient, patient) = (receive(1), receive(60));
    tokio::time::sleep(Duration::from_millis(500)).await; // both wait
    let start = tokio::time::Instant::now();
    queue.send(&Wake::news(ExecutionId::random()), Duration::from_secs(5)).await.unwrap();
    assert_eq!(impatient.await.unwrap(), []);
    assert_eq!(patient.await.unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}
