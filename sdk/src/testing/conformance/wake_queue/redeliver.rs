//! What comes back, and what does not.

use std::time::Duration;

use tokio::time::Instant;

use super::super::QueueFactory;
use super::sample::{LONG, PATIENCE, name, next, nothing_comes, queue, wake};

/// A receiver that dies leaves its message to the next one, after the time-out and not before.
pub async fn a_message_not_deleted_comes_back_after_the_time_out(factory: &dyn QueueFactory) {
    let queue = queue(factory, 2).await;
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    for count in 1..=3 {
        let before = Instant::now();
        let delivery = next(&queue).await;
        assert_eq!((name(&delivery).as_str(), delivery.receive_count), ("order-1", count));
        if count > 1 {
            // The last one was received right before `before`, give or take a call.
            let hidden = before.elapsed();
            assert!(hidden >= factory.unit(), "visible after {hidden:?}");
        }
    }
}

/// A deleted message is gone for good.
pub async fn a_deleted_message_never_comes_back(factory: &dyn QueueFactory) {
    let queue = queue(factory, 1).await;
    for number in 0..2 {
        queue.send(&wake(number), Duration::ZERO).await.unwrap();
        let delivery = next(&queue).await;
        queue.delete(&delivery.receipt).await.unwrap();
        queue.delete(&delivery.receipt).await.unwrap(); // a repeated call
    }
    nothing_comes(&queue, factory.unit() * 3).await;
}

/// Whoever received a message last can delete it, whatever an earlier receiver does.
pub async fn a_late_delete_does_no_harm(factory: &dyn QueueFactory) {
    let queue = queue(factory, 1).await;
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    let first = next(&queue).await;
    let second = next(&queue).await;
    assert_eq!(second.receive_count, 2);
    queue.send(&wake(2), Duration::ZERO).await.unwrap();
    queue.delete(&first.receipt).await.unwrap();
    queue.delete(&second.receipt).await.unwrap();
    let other = next(&queue).await;
    assert_eq!(name(&other), "order-2");
    queue.delete(&other.receipt).await.unwrap();
    nothing_comes(&queue, factory.unit() * 3).await;
}

/// A turn that takes longer keeps its message.
pub async fn a_kept_message_stays_away_longer(factory: &dyn QueueFactory) {
    let queue = queue(factory, 2).await;
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    let delivery = next(&queue).await;
    let kept = Instant::now();
    queue.keep(&delivery.receipt, factory.unit() * 5).await.unwrap();
    let again = next(&queue).await;
    assert_eq!(again.receive_count, 2);
    assert!(kept.elapsed() >= factory.unit() * 5, "visible after {:?}", kept.elapsed());
}

/// A receiver that gives a message back need not let others wait.
pub async fn a_message_given_back_comes_at_once(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    let delivery = next(&queue).await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    nothing_comes(&queue, Duration::ZERO).await;
    queue.keep(&delivery.receipt, Duration::ZERO).await.unwrap();
    let again = tokio::time::timeout(PATIENCE, waiting).await.expect("it comes").unwrap();
    assert_eq!((name(&again).as_str(), again.receive_count), ("order-1", 2));
}

/// Being received by one receiver hides a message from all others.
pub async fn a_received_message_is_hidden_from_others(factory: &dyn QueueFactory) {
    let queue = factory.queue(LONG).await;
    queue.send(&wake(1), Duration::ZERO).await.unwrap();
    let delivery = next(&queue).await;
    nothing_comes(&queue, factory.unit() * 2).await;
    queue.delete(&delivery.receipt).await.unwrap();
}
