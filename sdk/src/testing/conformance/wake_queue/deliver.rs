//! From send to receive.

use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::super::QueueFactory;
use super::sample::{LONG, PATIENCE, drain, name, next, nothing_comes, queue, wake};
use crate::id::ExecutionId;
use crate::limits::QUEUE_DELAY_MAX;
use crate::time::Timestamp;
use crate::wake::Wake;

/// What was sent is what comes, once.
pub async fn a_wake_comes_as_it_was_sent(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    assert_eq!(queue.visibility(), LONG);
    let longest = "ä".repeat(256);
    for text in ["order-1", "a#b/ü 🦀 \"'\\", &longest] {
        let execution = ExecutionId::new(text).unwrap();
        // Also of a timer that is due in centuries.
        let timer = |due| Wake::timer(execution.clone(), due);
        let news = Wake::news(execution.clone());
        for wake in [news, timer(Timestamp(1_750_000_000_123)), timer(Timestamp::MAX)] {
            queue.send(&wake, Duration::ZERO).await.unwrap();
            let delivery = next(&queue).await;
            assert_eq!(Wake::from_body(&delivery.body).unwrap(), wake);
            assert_eq!(delivery.receive_count, 1);
            queue.delete(&delivery.receipt).await.unwrap();
        }
    }
    nothing_comes(&queue, factory.unit()).await;
}

/// A receiver of an empty queue waits as long as it was asked to, and no longer.
pub async fn an_empty_queue_keeps_its_receiver_waiting(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    queue.setup().await.unwrap();
    let start = Instant::now();
    nothing_comes(&queue, factory.unit()).await;
    let waited = start.elapsed();
    assert!(waited >= factory.unit() && waited < PATIENCE, "{waited:?}");
    nothing_comes(&queue, Duration::ZERO).await;
}

/// A receiver that waits already hears a wake long before its wait is over.
pub async fn a_waiting_receiver_hears_a_wake(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    let receiver = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(1, PATIENCE).await.unwrap() }
    });
    nothing_comes(&factory.queue(LONG).await, factory.unit()).await; // let it begin to wait
    let start = Instant::now();
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    let deliveries = receiver.await.unwrap();
    assert_eq!(deliveries.iter().map(name).collect::<Vec<_>>(), ["order-1"]);
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
}

/// A timer must not fire early because its wake did.
pub async fn a_delayed_wake_never_comes_early(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    let mut sent = Vec::new();
    for units in [3, 1, 2] {
        let delay = factory.unit() * units;
        sent.push((format!("order-{units}"), Instant::now() + delay));
        queue.send(&wake(units as usize), delay).await.unwrap();
    }
    for _ in 0..3 {
        let delivery = next(&queue).await;
        let (now, name) = (Instant::now(), name(&delivery));
        let (_, due) = sent.iter().find(|(sent, _)| *sent == name).unwrap();
        assert!(now >= *due, "{name} comes {:?} early", *due - now);
        assert!(now - *due < PATIENCE / 2, "{name} comes {:?} late", now - *due);
    }
}

/// A delayed wake does not hold up another one.
pub async fn a_delayed_wake_lets_others_pass(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    queue.send(&wake(1), QUEUE_DELAY_MAX).await.unwrap();
    queue.send(&wake(2), Duration::ZERO).await.unwrap();
    assert_eq!(name(&next(&queue).await), "order-2");
    nothing_comes(&queue, factory.unit()).await;
}

/// A timer further away than the longest delay makes hops; sending it is no error.
pub async fn a_delay_beyond_the_longest_is_no_error(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    for delay in [QUEUE_DELAY_MAX + Duration::from_secs(1), Duration::MAX] {
        queue.send(&wake(1), delay).await.unwrap();
        let timer = Wake::timer(ExecutionId::new("order-2").unwrap(), Timestamp::MAX);
        queue.send(&timer, delay).await.unwrap();
    }
    nothing_comes(&queue, factory.unit()).await;
}

/// One call returns no more than asked for, and all come in the end.
pub async fn a_receiver_gets_no_more_than_it_asked_for(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    for number in 0..7 {
        queue.send(&wake(number), Duration::ZERO).await.unwrap();
    }
    let (start, mut seen) = (Instant::now(), BTreeSet::new());
    while seen.len() < 7 && start.elapsed() < PATIENCE {
        let deliveries = queue.receive(3, PATIENCE).await.unwrap();
        assert!(deliveries.len() <= 3);
        for delivery in deliveries {
            assert!(seen.insert(name(&delivery)), "it comes twice");
        }
    }
    assert_eq!(seen.len(), 7);
    nothing_comes(&queue, factory.unit()).await;
}

/// Many senders and many receivers: each wake goes to one of them.
pub async fn each_wake_goes_to_one_of_several_receivers(factory: &dyn QueueFactory) {
    const SENDERS: usize = 8;
    const EACH: usize = 10;
    let queue = factory.queue(LONG).await;
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, heard) = (queue.clone(), heard.clone());
            tokio::spawn(async move {
                loop {
                    for delivery in queue.receive(3, PATIENCE).await.unwrap() {
                        queue.delete(&delivery.receipt).await.unwrap();
                        heard.send(name(&delivery)).unwrap();
                    }
                }
            })
        })
        .collect();
    for sender in 0..SENDERS {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                queue.send(&wake(sender * EACH + number), Duration::ZERO).await.unwrap();
            }
        });
    }
    let mut all = BTreeSet::new();
    while all.len() < SENDERS * EACH {
        let name = tokio::time::timeout(PATIENCE, hears.recv()).await;
        assert!(all.insert(name.expect("one more wake").unwrap()), "it comes twice");
    }
    for receiver in receivers {
        receiver.abort();
    }
}

/// A receiver that stops listening, at whatever moment, takes nothing with it.
pub async fn a_receive_that_is_dropped_loses_nothing(factory: &dyn QueueFactory) {
    const WAKES: usize = 30;
    let queue = queue(factory, 2).await;
    let mut seen = BTreeSet::new();
    for number in 0..WAKES {
        queue.send(&wake(number), Duration::ZERO).await.unwrap();
        let receive = queue.receive(1, PATIENCE);
        if let Some(deliveries) = drop_after_polls(number % 5, receive).await {
            for delivery in deliveries.unwrap() {
                queue.delete(&delivery.receipt).await.unwrap();
                seen.insert(name(&delivery));
            }
        }
    }
    seen.extend(drain(&queue, WAKES - seen.len()).await);
    assert_eq!(seen.len(), WAKES);
}

/// Polls a future so many times, with time in between for what it asked others to do. `None` if it
/// was dropped before its end.
async fn drop_after_polls<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = futures::poll!(future.as_mut()) {
            return Some(output);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    None
}
