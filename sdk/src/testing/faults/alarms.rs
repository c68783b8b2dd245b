//! The alarm clock that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::wake::{Alarm, AlarmClock, QueueError};

/// An alarm clock around another one, with [`Faults`]: its calls are `alarm.setup`, `alarm.set` and
/// `alarm.unset`.
#[derive(Debug, Clone)]
pub struct FaultyAlarmClock {
    inner: Arc<dyn AlarmClock>,
    faults: Faults,
}

impl FaultyAlarmClock {
    /// A clock that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn AlarmClock>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn call(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<(), QueueError>>,
    ) -> Result<(), QueueError> {
        self.faults
            .call(name, Written::default(), call)
            .await
            .unwrap_or_else(|| Err(QueueError::Unavailable { reason: LOST.into(), source: None }))
    }
}

#[async_trait]
impl AlarmClock for FaultyAlarmClock {
    async fn setup(&self) -> Result<(), QueueError> {
        self.call("alarm.setup", self.inner.setup()).await
    }

    async fn set(&self, alarm: &Alarm) -> Result<(), QueueError> {
        self.call("alarm.set", self.inner.set(alarm)).await
    }

    async fn unset(&self, alarm: &Alarm) -> Result<(), QueueError> {
        self.call("alarm.unset", self.inner.unset(alarm)).await
    }
}
