//! Queues, wakes and patience to check with.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::QueueFactory;
use crate::id::ExecutionId;
use crate::wake::{Delivery, Wake, WakeQueue};

/// Longer than any check takes, for messages that must not come back during it.
pub(super) const LONG: Duration = Duration::from_secs(120);

/// How long a check waits for a message that must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Queue = Arc<dyn WakeQueue>;

/// A queue whose messages come back after `units`.
pub(super) async fn queue(factory: &dyn QueueFactory, units: u32) -> Queue {
    factory.queue(factory.unit() * units).await
}

pub(super) fn wake(number: usize) -> Wake {
    Wake::news(ExecutionId::new(format!("order-{number}")).expect("a valid id"))
}

pub(super) fn name(delivery: &Delivery) -> String {
    Wake::from_body(&delivery.body).expect("a wake").execution.to_string()
}

/// The one message that must come.
pub(super) async fn next(queue: &Queue) -> Delivery {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        // SQS may answer an empty list although there is a message.
        if let Some(delivery) = queue.receive(1, PATIENCE).await.unwrap().pop() {
            return delivery;
        }
    }
    panic!("no message in {PATIENCE:?}");
}

/// Receives and deletes until everything in `expected` has come.
pub(super) async fn drain(queue: &Queue, expected: usize) -> BTreeSet<String> {
    let (start, mut seen) = (Instant::now(), BTreeSet::new());
    while seen.len() < expected && start.elapsed() < PATIENCE {
        for delivery in queue.receive(10, Duration::from_secs(1)).await.unwrap() {
            queue.delete(&delivery.receipt).await.unwrap();
            seen.insert(name(&delivery));
        }
    }
    seen
}

/// Nothing comes within `wait`.
pub(super) async fn nothing_comes(queue: &Queue, wait: Duration) {
    let deliveries = queue.receive(10, wait).await.unwrap();
    assert_eq!(deliveries, [], "within {wait:?}");
}
