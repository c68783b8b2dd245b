//! The sweeper: wakes what is overdue, so that no lost message loses an execution.

use std::time::Duration;

use crate::id::ExecutionId;
use crate::store::{EventStore, StoreError};
use crate::telemetry::Watchers;
use crate::time::Clock;
use crate::wake::{QueueError, Wake, WakeQueue};

/// How many executions one pass wakes at the most; the next pass goes on.
const PASS_MAX: usize = 1000;

/// Why a pass of the sweeper did not end. What it had woken is woken; the next pass goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The store was asked for overdue executions.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue was given a wake.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// One pass: sends one wake to every execution that has been overdue for `grace` (open, or with
/// something untold), or has had an inbox item for as long, and returns how many. It writes nothing
/// else, so two passes at once are harmless.
///
/// # Errors
/// Store or queue did not answer or cannot be used.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    queue: &dyn WakeQueue,
    clock: &Clock,
    grace: Duration,
) -> Result<Swept, SweepError> {
    let overdue = store.overdue(clock.now().before(grace), PASS_MAX).await?;
    for id in &overdue {
        queue.send(&Wake::sweep(id.clone()), Duration::ZERO).await?;
    }
    Ok(Swept { woken: overdue.len(), first: overdue.into_iter().next() })
}

/// What a pass has done.
pub(crate) struct Swept {
    /// How many executions it woke.
    pub(crate) woken: usize,
    first: Option<ExecutionId>,
}

impl Swept {
    /// Tells those who watch of it. The store is asked only if somebody does.
    pub(crate) async fn tell(&self, store: &dyn EventStore, clock: &Clock, watchers: &Watchers) {
        if watchers.is_empty() {
            return;
        }
        let record = match &self.first {
            Some(first) => store.record(first).await.ok().flatten(),
            None => None,
        };
        // One that only has a message has no time of its own.
        let due = record.and_then(|record| record.projection.wake_at);
        let oldest = due.map_or(Duration::ZERO, |due| clock.now().since(due));
        watchers.swept(self.woken, oldest);
    }
}
