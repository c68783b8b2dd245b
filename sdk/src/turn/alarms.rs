//! Alarms of timers, outside a turn: the ones that are set again, and those that nobody needs any
//! more.

use std::time::Duration;

use super::Kitchen;
use crate::id::ExecutionId;
use crate::limits::DISARM_WAIT;
use crate::replay::{Armed, History};
use crate::time::Timestamp;
use crate::wake::{Alarm, QueueError, Wake, WakeKind};

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
    /// Rule 13: a timer wake that comes before its time is a hop, or this clock is behind. One
    /// that the log does not count on is let go: its timer was dropped, or has another wake.
    pub(super) async fn send_again_if_early(
        &self,
        wake: &Wake,
        history: &History,
    ) -> Result<(), QueueError> {
        let WakeKind::Timer { due } = wake.kind else { return Ok(()) };
        let now = self.clock.now();
        let armed = history.armed.iter().find(|armed| armed.due == due && due > now);
        let Some(armed) = armed else { return Ok(()) };
        let alarm = Alarm::new(wake.execution.clone(), due, armed.since);
        self.queue.arm(&alarm, due.since(now).max(Duration::from_secs(1))).await
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
