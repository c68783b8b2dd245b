//! The queue in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::{QUEUE_DELAY_MAX, WORKER_VISIBILITY};
use crate::wake::{Delivery, QueueError, Wake, WakeQueue};

/// A [`WakeQueue`] in memory, on tokio's clock: it works under paused time. A clone is another
/// handle to the same queue.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
    visibility: Duration,
}

struct Shared {
    messages: Mutex<Messages>,
    /// Some message is visible earlier than the receivers have been told.
    changed: Notify,
}

#[derive(Default)]
struct Messages {
    /// In the order in which they become visible; among equals, in the order they were sent.
    by_time: BTreeMap<(Instant, u64), Message>,
    /// When each message becomes visible: its key in `by_time`.
    visible_at: HashMap<u64, Instant>,
    sent: u64,
}

struct Message {
    body: String,
    receive_count: u32,
}

impl MemoryQueue {
    /// An empty queue with the visibility time-out of a worker, [`WORKER_VISIBILITY`].
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { messages: Mutex::default(), changed: Notify::new() };
        Self { shared: Arc::new(shared), visibility: WORKER_VISIBILITY }
    }

    /// This handle with another visibility time-out.
    #[must_use]
    pub fn with_visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// How many messages the queue holds, received or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages().by_time.len()
    }

    /// Whether the queue holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Messages {
    fn put(&mut self, number: u64, visible_at: Instant, message: Message) {
        self.visible_at.insert(number, visible_at);
        self.by_time.insert((visible_at, number), message);
    }

    /// Takes the message out, if `receipt` is of its latest delivery. An older one is void: the
    /// message belongs to whoever received it last.
    fn take(&mut self, receipt: &str) -> Option<(u64, Message)> {
        let (number, receive_count) = receipt.split_once('.')?;
        let number = number.parse().ok()?;
        let key = (*self.visible_at.get(&number)?, number);
        if self.by_time.get(&key)?.receive_count.to_string() != receive_count {
            return None;
        }
        self.visible_at.remove(&number);
        Some((number, self.by_time.remove(&key)?))
    }

    fn receive(&mut self, max: usize, now: Instant, visible_again: Instant) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let mut received = Vec::new();
        while deliveries.len() < max
            && let Some(first) = self.by_time.first_entry()
            && first.key().0 <= now
        {
            let ((_, number), mut message) = first.remove_entry();
            message.receive_count += 1;
            deliveries.push(Delivery {
                body: message.body.clone(),
                receipt: format!("{number}.{}", message.receive_count),
                receive_count: message.receive_count,
            });
            received.push((number, message));
        }
        for (number, message) in received {
            self.put(number, visible_again, message);
        }
        deliveries
    }

    fn first_visible_at(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }
}

/// The moment `duration` after `now`, also for durations that no `Instant` reaches.
fn after(now: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now + duration.min(FAR)
}

#[async_trait]
impl WakeQueue for MemoryQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        let message = Message { body: wake.to_body(), receive_count: 0 };
        let visible_at = Instant::now() + delay.min(QUEUE_DELAY_MAX);
        {
            let mut messages = self.messages();
            messages.sent += 1;
            let number = messages.sent;
            messages.put(number, visible_at, message);
        }
        // All receivers: one that is woken alone may give up before the message is due.
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = after(Instant::now(), wait);
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change falls in between
            let now = Instant::now();
            let next = {
                let mut messages = self.messages();
                let deliveries = messages.receive(max, now, after(now, self.visibility));
                if !deliveries.is_empty() || now >= deadline {
                    return Ok(deliveries);
                }
                messages.first_visible_at()
            };
            let next = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.messages().take(receipt);
        Ok(())
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        {
            let mut messages = self.messages();
            let Some((number, message)) = messages.take(receipt) else {
                return Ok(());
            };
            messages.put(number, after(Instant::now(), visibility), message);
        }
        self.shared.changed.notify_waiters();
        Ok(())
    }

    fn visibility(&self) -> Duration {
        self.visibility
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("messages", &self.len())
            .field("visibility", &self.visibility)
            .finish()
    }
}
