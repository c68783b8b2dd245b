//! The alarm clock that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::wake::{Alarm, AlarmClock, QueueError};

/// An alarm clock around another one, with [`Faults`]: its calls are `alarm.setup`, `alarm.set` and
/// `alarm.unset`.
///
/// ```
/// # use std::sync::Arc;
/// # use everstep::id::ExecutionId;
/// # use everstep::time::Timestamp;
/// use everstep::testing::faults::{Fate, Faults, FaultyAlarmClock};
/// use everstep::wake::{Alarm, AlarmClock, QueueError};
///
/// /// It keeps nothing.
/// #[derive(Debug)]
/// struct Idle;
///
/// #[async_trait::async_trait]
/// impl AlarmClock for Idle {
///     async fn setup(&self) -> Result<(), QueueError> {
///         Ok(())
///     }
///     async fn set(&self, _: &Alarm) -> Result<(), QueueError> {
///         Ok(())
///     }
///     async fn unset(&self, _: &Alarm) -> Result<(), QueueError> {
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fate = |set| if set { Fate::FailBefore } else { Fate::Proceed };
/// let faults = Faults::by(move |call| fate(call.name == "alarm.set"));
/// let clock = FaultyAlarmClock::new(Arc::new(Idle), &faults);
/// let alarm = Alarm::new(ExecutionId::new("sale-7")?, Timestamp(3_600_000), Timestamp(0));
/// assert!(clock.set(&alarm).await.is_err());
/// clock.unset(&alarm).await?;
/// # Ok(()) }
/// ```
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
