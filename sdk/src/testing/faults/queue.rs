//! The queue that fails.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::wake::{Alarm, Delivery, QueueError, Wake, WakeQueue};

/// A queue around another one, with [`Faults`].
#[derive(Debug, Clone)]
pub struct FaultyQueue {
    inner: Arc<dyn WakeQueue>,
    faults: Faults,
}

impl FaultyQueue {
    /// A queue that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn WakeQueue>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        self.faults
            .call(name, Written::default(), call)
            .await
            .unwrap_or_else(|| Err(QueueError::Unavailable { reason: LOST.into(), source: None }))
    }
}

#[async_trait]
impl WakeQueue for FaultyQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        self.call("queue.setup", self.inner.setup()).await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        self.call("queue.send", self.inner.send(wake, delay)).await
    }

    /// What it does is called `queue.send`, as that of [`send`](WakeQueue::send).
    async fn arm(&self, alarm: &Alarm, delay: Duration) -> Result<(), QueueError> {
        self.call("queue.send", self.inner.arm(alarm, delay)).await
    }

    async fn disarm(&self, alarm: &Alarm) -> Result<(), QueueError> {
        self.call("queue.disarm", self.inner.disarm(alarm)).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.call("queue.receive", self.inner.receive(max, wait)).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.call("queue.delete", self.inner.delete(receipt)).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.call("queue.keep", self.inner.keep(receipt, visibility)).await
    }

    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
}
