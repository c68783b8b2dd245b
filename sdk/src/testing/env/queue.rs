//! A queue for long waits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::limits::QUEUE_DELAY_MAX;
use crate::time::Clock;
use crate::wake::{Delivery, QueueError, Wake, WakeKind, WakeQueue};

/// How long a receiver waits, so that days of virtual time are few calls.
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// A queue around another one, in which days of virtual time are few calls: nobody asks in vain
/// more than four times a day, and the wake of a timer comes when that is due and not every quarter
/// of an hour before.
#[derive(Debug)]
pub(super) struct PatientQueue {
    pub(super) inner: Arc<dyn WakeQueue>,
    pub(super) clock: Clock,
}

#[async_trait]
impl WakeQueue for PatientQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        self.inner.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        match wake.kind {
            WakeKind::Timer { due } if due.since(self.clock.now()) > QUEUE_DELAY_MAX => {
                let (inner, clock, wake) =
                    (Arc::clone(&self.inner), self.clock.clone(), wake.clone());
                tokio::spawn(async move {
                    clock.sleep_until(due).await;
                    inner.send(&wake, Duration::ZERO).await
                });
                Ok(())
            }
            _ => self.inner.send(wake, delay).await,
        }
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.inner.receive(max, wait.max(PATIENCE)).await
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
