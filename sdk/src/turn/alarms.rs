//! Alarms of timers, outside a turn: the ones that are set again, and those that nobody needs any
//! more.

use std::time::Duration;

use super::{Kitchen, Lease};
use crate::id::ExecutionId;
use crate::limits::{DISARM_WAIT, QUEUE_DELAY_MAX};
use crate::replay::{Armed, History};
use crate::time::Timestamp;
use crate::wake::{Alarm, QueueError, Wake, WakeKind, first_hop};

/// Those of these times whose alarms may still be set, and can be taken back.
pub(super) fn far_alarms<'a>(
    execution: &ExecutionId,
    armed: impl Iterator<Item = &'a Armed>,
    now: Timestamp,
) -> Vec<Alarm> {
    let alarm = |armed: &Armed| Alarm::new(execution.clone(), armed.due, armed.since);
    armed.filter(|armed| armed.due > now).map(alarm).filter(Alarm::is_far).collect()
}

impl Kitchen {
    /// Sends a timer's wake. An alarm clock that does not answer must not take the time that an
    /// invocation needs for its commit: it would do so each time, until that passes for poison.
    pub(super) async fn arm(
        &self,
        alarm: &Alarm,
        delay: Duration,
        lease: Lease,
    ) -> Result<(), QueueError> {
        let wait = match lease {
            Lease::Invocation { hand_over, .. } if delay > QUEUE_DELAY_MAX => {
                hand_over.since(self.clock.now()) / 2
            }
            _ => return self.queue.arm(alarm, delay).await,
        };
        match tokio::time::timeout(wait, self.queue.arm(alarm, delay)).await {
            Ok(armed) => armed,
            Err(_) => self.queue.send(&alarm.wake(), first_hop(delay)).await,
        }
    }

    /// Rule 13: a timer wake that comes before its time is a hop, or this clock is behind. One
    /// that the log does not count on is let go: its timer was dropped, or has another wake. It was
    /// early if it was when it was decided that there is nothing to do: it may be due by now, and is
    /// the only wake there is.
    pub(super) async fn send_again_if_early(
        &self,
        wake: &Wake,
        history: &History,
        looked_at: Timestamp,
        lease: Lease,
    ) -> Result<(), QueueError> {
        let WakeKind::Timer { due } = wake.kind else { return Ok(()) };
        let armed = history.armed.iter().find(|armed| armed.due == due && due > looked_at);
        let Some(armed) = armed else { return Ok(()) };
        let alarm = Alarm::new(wake.execution.clone(), due, armed.since);
        let delay = due.since(self.clock.now()).max(Duration::from_secs(1));
        self.arm(&alarm, delay, lease).await
    }

    /// Rule 33: takes back what nobody counts on any more, now that this is durable. Whatever is not
    /// taken back, because the call fails or this process dies, is a wake that finds nothing to do.
    pub(super) async fn disarm(&self, alarms: &[Alarm]) {
        if alarms.is_empty() {
            return;
        }
        let all = async {
            for alarm in alarms {
                self.queue.disarm(alarm).await?;
            }
            Ok::<(), QueueError>(())
        };
        let problem = match tokio::time::timeout(DISARM_WAIT, all).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", DISARM_WAIT.as_secs()),
        };
        tracing::debug!(
            everstep.execution.id = %alarms[0].execution,
            %problem,
            "an alarm that nobody needs is not taken back, and will ring in vain"
        );
    }
}
