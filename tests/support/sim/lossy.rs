//! A queue that loses, doubles, delays and reorders wakes, and gives every wake to every host.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use everstep::memory::MemoryQueue;
use everstep::wake::{Delivery, QueueError, Wake, WakeQueue};

use super::Dice;

/// What may happen to each copy of a wake, in cases of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    /// It is lost.
    pub lost: u64,
    /// It comes twice.
    pub doubled: u64,
    /// It comes up to `late_max` later than it should, so that others overtake it.
    pub late: u64,
    /// How late.
    pub late_max: Duration,
}

/// So many messages in its queue, and a host gets no more copies of others' wakes.
const CROWD: usize = 4;

/// Every host's own queue. A wake that anybody sends goes to all of them.
#[derive(Debug, Clone)]
pub struct LossyQueue {
    queues: Arc<Vec<MemoryQueue>>,
    mine: usize,
    losses: Losses,
    dice: Arc<Mutex<Dice>>,
}

impl LossyQueue {
    /// The queues of so many hosts.
    #[must_use]
    pub fn new(hosts: usize, losses: Losses, dice: Dice) -> Self {
        let queues = Arc::new((0..hosts).map(|_| MemoryQueue::new()).collect());
        Self { queues, mine: 0, losses, dice: Arc::new(Mutex::new(dice)) }
    }

    /// The queue as host `number` sees it.
    #[must_use]
    pub fn of(&self, number: usize) -> Self {
        Self { mine: number, ..self.clone() }
    }

    /// How many messages all of them hold.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.iter().map(MemoryQueue::len).sum()
    }

    /// Whether none holds any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When each copy of a wake comes, later than it should.
    fn copies(&self) -> Vec<Duration> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if dice.chance(self.losses.lost) {
            return Vec::new();
        }
        let count = if dice.chance(self.losses.doubled) { 2 } else { 1 };
        let mut late = || {
            let late = dice.chance(self.losses.late);
            if late { dice.time(self.losses.late_max) } else { Duration::ZERO }
        };
        (0..count).map(|_| late()).collect()
    }
}

#[async_trait]
impl WakeQueue for LossyQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        for (number, queue) in self.queues.iter().enumerate() {
            // Each host's substitute goes to all, who replace it again: without end, but for this.
            let full = number != self.mine && queue.len() >= CROWD;
            for late in self.copies() {
                if !full {
                    queue.send(wake, delay + late).await?;
                }
            }
        }
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.queues[self.mine].receive(max, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.queues[self.mine].delete(receipt).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.queues[self.mine].keep(receipt, visibility).await
    }

    fn visibility(&self) -> Duration {
        self.queues[self.mine].visibility()
    }
}

/// A queue all of whose messages have been received once before.
#[derive(Debug, Clone)]
pub struct Redelivered(pub Arc<dyn WakeQueue>);

#[async_trait]
impl WakeQueue for Redelivered {
    async fn setup(&self) -> Result<(), QueueError> {
        self.0.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        self.0.send(wake, delay).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let mut deliveries = self.0.receive(max, wait).await?;
        for delivery in &mut deliveries {
            delivery.receive_count += 1;
        }
        Ok(deliveries)
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
