//! Timers further away than a queue can delay a message: a service beside the queue keeps them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Delivery, QueueError, Wake, WakeQueue};
use crate::id::ExecutionId;
use crate::limits::{ALARM_PAUSE, ALARM_WAIT, QUEUE_DELAY_MAX};
use crate::time::Timestamp;

/// The wake of a timer, as a turn asks for it.
///
/// ```
/// # use everstep::id::ExecutionId;
/// # use everstep::time::Timestamp;
/// use everstep::wake::{Alarm, Wake};
///
/// let id = ExecutionId::new("sale-7").unwrap();
/// let alarm = Alarm::new(id.clone(), Timestamp(3_600_000), Timestamp(0));
/// assert!(alarm.is_far()); // more than 15 minutes
/// assert_eq!(alarm.wake(), Wake::timer(id, Timestamp(3_600_000)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Alarm {
    /// Whose timer it is.
    pub execution: ExecutionId,
    /// When the timer is due.
    pub due: Timestamp,
    /// Since when the execution's log counts on a wake at that time, without a break. It tells this
    /// alarm from an earlier one for the same time, so that whoever takes back the earlier one late
    /// does not take back this one.
    pub since: Timestamp,
}

impl Alarm {
    /// The alarm of an execution for `due`, on which its log counts since then.
    #[must_use]
    pub fn new(execution: ExecutionId, due: Timestamp, since: Timestamp) -> Self {
        Self { execution, due, since }
    }

    /// The message that it sends.
    #[must_use]
    pub fn wake(&self) -> Wake {
        Wake::timer(self.execution.clone(), self.due)
    }

    /// Whether it was further away than any queue can delay a message when it was asked for: what
    /// is nearer is a delayed message, which cannot be taken back.
    #[must_use]
    pub fn is_far(&self) -> bool {
        self.due.since(self.since) > QUEUE_DELAY_MAX
    }
}

/// What keeps alarms for however long, and then sends their wakes to a queue.
///
/// Dropping a returned future may leave the call done or not done, like a crash.
#[async_trait]
pub trait AlarmClock: Send + Sync + fmt::Debug + 'static {
    /// Makes what it needs if it is missing. Safe to repeat.
    async fn setup(&self) -> Result<(), QueueError>;

    /// Sees to it that the alarm's wake comes to the queue at its time, or a little later. After
    /// `Ok` that survives every crash; after an error it may have been set all the same. To set an
    /// alarm that is set changes nothing.
    async fn set(&self, alarm: &Alarm) -> Result<(), QueueError>;

    /// Takes an alarm back. One that is not set, or has sent its wake, is no error.
    async fn unset(&self, alarm: &Alarm) -> Result<(), QueueError>;
}

/// A queue with an alarm clock for the timers that are beyond its longest delay.
///
/// While the clock does not do its work, for whatever reason, timers make hops on the queue as they
/// do without one: an execution neither waits for the clock nor fails by it, and no wake is lost.
/// The first failure is a warning of `tracing`, and so is the first after the clock has worked again;
/// after each, the clock is left alone for [`ALARM_PAUSE`]. What is not taken back meanwhile rings in
/// vain; that alarms cannot be taken back at all is a warning, too.
#[derive(Debug)]
pub struct AlarmQueue {
    queue: Arc<dyn WakeQueue>,
    clock: Arc<dyn AlarmClock>,
    health: Mutex<Health>,
    /// Whether alarms could not be taken back until somebody does something.
    keeps: AtomicBool,
}

#[derive(Debug, Default)]
struct Health {
    /// Whether the last alarm could not be set.
    fails: bool,
    /// Until when the clock is left alone.
    pause_until: Option<Instant>,
}

impl AlarmQueue {
    /// `queue` with `clock`, which sends to that very queue.
    #[must_use]
    pub fn new(queue: Arc<dyn WakeQueue>, clock: Arc<dyn AlarmClock>) -> Self {
        Self { queue, clock, health: Mutex::default(), keeps: AtomicBool::new(false) }
    }

    /// Sets an alarm, if the clock is not known to be out of order. Whether it is set.
    async fn set(&self, alarm: &Alarm) -> bool {
        if self.is_left_alone() {
            return false;
        }
        let mut asked = Asked { queue: self, alarm, answered: false };
        let answer = tokio::time::timeout(ALARM_WAIT, self.clock.set(alarm)).await;
        asked.answered = true;
        match answer {
            Ok(Ok(())) => {
                *self.health() = Health::default();
                return true;
            }
            Ok(Err(error)) => self.failed(alarm, &error.to_string()),
            Err(_) => self.failed(alarm, &format!("no answer within {} s", ALARM_WAIT.as_secs())),
        }
        false
    }

    fn is_left_alone(&self) -> bool {
        self.health().pause_until.is_some_and(|until| Instant::now() < until)
    }

    fn failed(&self, alarm: &Alarm, problem: &str) {
        let again_at = Instant::now() + ALARM_PAUSE;
        let before = {
            let mut health = self.health();
            std::mem::replace(&mut *health, Health { fails: true, pause_until: Some(again_at) })
        };
        if !before.fails {
            tracing::warn!(
                everstep.execution.id = %alarm.execution,
                %problem,
                "an alarm for a timer cannot be set: timers of more than 15 minutes hop through the \
                 queue until that is possible again"
            );
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that is asked. Whoever waits for it no longer has had no answer: the next one need not
/// wait as long.
struct Asked<'a> {
    queue: &'a AlarmQueue,
    alarm: &'a Alarm,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.queue.failed(self.alarm, "no answer in time");
        }
    }
}

/// How long the first hop on the way to a time that is `left` away takes, where a queue delays it for
/// less: so long that all that follow take as long as the queue can.
///
/// So all hops to one time are at the same moments, whoever sent them. A host that dies after it has sent
/// the next hop, or whose delete fails, leaves two wakes for one timer, and each of them would hop to the
/// end, and be doubled again: over a year of hops that grows without bounds. Those that come at the same
/// moment find one turn, and one of them goes on.
pub(crate) fn first_hop(left: Duration) -> Duration {
    if left <= QUEUE_DELAY_MAX {
        return left;
    }
    let most = QUEUE_DELAY_MAX.as_millis();
    let hop = (left.as_millis() - 1) % most + 1;
    Duration::from_millis(hop.try_into().unwrap_or(u64::MAX))
}

#[async_trait]
impl WakeQueue for AlarmQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        self.queue.setup().await?;
        self.clock.setup().await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        self.queue.send(wake, delay).await
    }

    async fn arm(&self, alarm: &Alarm, delay: Duration) -> Result<(), QueueError> {
        if delay > QUEUE_DELAY_MAX && self.set(alarm).await {
            return Ok(());
        }
        self.queue.send(&alarm.wake(), first_hop(delay)).await
    }

    async fn disarm(&self, alarm: &Alarm) -> Result<(), QueueError> {
        if !alarm.is_far() || self.is_left_alone() {
            return Ok(());
        }
        let answer = self.clock.unset(alarm).await;
        match &answer {
            Ok(()) => self.keeps.store(false, Ordering::Relaxed),
            Err(error @ QueueError::Unusable { .. }) => {
                if !self.keeps.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        everstep.execution.id = %alarm.execution,
                        %error,
                        "alarms that nobody needs cannot be taken back: they ring in vain until \
                         that is possible"
                    );
                }
            }
            Err(_) => {}
        }
        answer
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(max, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.queue.delete(receipt).await
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.queue.keep(receipt, visibility).await
    }

    fn visibility(&self) -> Duration {
        self.queue.visibility()
    }
}
