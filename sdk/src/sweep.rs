//! The sweeper: wakes what is overdue, so that no lost message loses an execution.

use std::time::Duration;

use crate::store::{EventStore, StoreError};
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

/// One pass: sends one wake to every open execution that has been overdue for `grace`, or has
/// had an inbox item for as long, and returns how many. It writes nothing else, so two passes at
/// once are harmless.
///
/// # Errors
/// Store or queue did not answer or cannot be used.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    queue: &dyn WakeQueue,
    clock: &Clock,
    grace: Duration,
) -> Result<usize, SweepError> {
    let overdue = store.overdue(clock.now().before(grace), PASS_MAX).await?;
    for id in &overdue {
        queue.send(&Wake::sweep(id.clone()), Duration::ZERO).await?;
    }
    Ok(overdue.len())
}
