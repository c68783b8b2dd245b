//! The queue of a world: patient, and at its worst every wake twice and the last first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use everstep::wake::{Delivery, QueueError, Wake, WakeQueue};

/// How long a receiver waits, so that days of virtual time are few calls.
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// A queue that lets receivers wait for long.
#[derive(Debug)]
pub(super) struct WorldQueue {
    pub(super) inner: Arc<dyn WakeQueue>,
    /// Whether it sends every wake twice and hands received ones over in reverse.
    pub(super) twice: bool,
}

#[async_trait]
impl WakeQueue for WorldQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        self.inner.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        if self.twice {
            self.inner.send(wake, delay).await?;
        }
        self.inner.send(wake, delay).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let mut deliveries = self.inner.receive(max, wait.max(PATIENCE)).await?;
        if self.twice {
            deliveries.reverse();
        }
        Ok(deliveries)
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.inner.delete(receipt).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.inner.keep(receipt, visibility).await
    }

    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
}
