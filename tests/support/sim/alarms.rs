//! An alarm clock in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use everstep::time::Clock;
use everstep::wake::{Alarm, AlarmClock, QueueError, WakeQueue};
use tokio::task::AbortHandle;

/// The alarms that are set, and that ring to a queue.
#[derive(Debug, Clone)]
pub struct Alarms {
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
    /// How much too late it rings, or too early, in milliseconds.
    late_millis: i64,
    set: Arc<Mutex<BTreeMap<Alarm, AbortHandle>>>,
    rung: Arc<Mutex<Vec<Alarm>>>,
}

impl Alarms {
    /// No alarms yet; they will ring to `queue`.
    #[must_use]
    pub fn new(queue: Arc<dyn WakeQueue>, clock: Clock, late_millis: i64) -> Self {
        Self { queue, clock, late_millis, set: Arc::default(), rung: Arc::default() }
    }

    /// Those that are set and have not rung.
    #[must_use]
    pub fn set(&self) -> Vec<Alarm> {
        self.alarms().keys().cloned().collect()
    }

    /// Those that have rung.
    #[must_use]
    pub fn rung(&self) -> Vec<Alarm> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn alarms(&self) -> MutexGuard<'_, BTreeMap<Alarm, AbortHandle>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ring(self, alarm: Alarm) {
        let by = Duration::from_millis(self.late_millis.unsigned_abs());
        let time = alarm.due.since(self.clock.now());
        let time = if self.late_millis < 0 { time.saturating_sub(by) } else { time + by };
        tokio::time::sleep(time).await;
        self.alarms().remove(&alarm);
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).push(alarm.clone());
        self.queue.send(&alarm.wake(), Duration::ZERO).await.expect("a queue without faults");
    }
}

#[async_trait]
impl AlarmClock for Alarms {
    async fn setup(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn set(&self, alarm: &Alarm) -> Result<(), QueueError> {
        let mut alarms = self.alarms();
        if !alarms.contains_key(alarm) {
            let rings = tokio::spawn(self.clone().ring(alarm.clone())).abort_handle();
            alarms.insert(alarm.clone(), rings);
        }
        Ok(())
    }

    async fn unset(&self, alarm: &Alarm) -> Result<(), QueueError> {
        if let Some(rings) = self.alarms().remove(alarm) {
            rings.abort();
        }
        Ok(())
    }
}
