//! The sweeper: wakes what is overdue, so that no lost message loses an execution.

use std::time::Duration;

use crate::store::{EventStore, StoreError};
use crate::telemetry::Watchers;
use crate::time::Clock;
use crate::wake::{QueueError, Wake, WakeQueue};

/// How many executions one pass wakes at the most; the next pass goes on.
const PASS_MAX: usize = 1000;

/// Why a pass of the sweeper did not end. What it had woken is woken; the next pass goes on.
///
/// ```
/// use everstep::client::SweepError;
/// use everstep::wake::QueueError;
///
/// /// Whether the next pass may get further by itself.
/// fn is_passing(error: &SweepError) -> bool {
///     match error {
///         SweepError::Store(error) => error.is_retryable(),
///         SweepError::Queue(error) => error.is_retryable(),
///         _ => false,
///     }
/// }
/// assert!(is_passing(&QueueError::unavailable("throttled", "429").into()));
/// assert!(!is_passing(&QueueError::unusable("make the queue first", "no such queue").into()));
/// ```
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
/// else, so two passes at once are harmless. Those who watch are told of it; for nobody the store is
/// asked no more.
///
/// # Errors
/// Store or queue did not answer or cannot be used.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    queue: &dyn WakeQueue,
    clock: &Clock,
    grace: Duration,
    watchers: &Watchers,
) -> Result<usize, SweepError> {
    let now = clock.now();
    let overdue = store.overdue(now.before(grace), PASS_MAX).await?;
    // Before it is woken, or it may be overdue no longer.
    let first = match overdue.first().filter(|_| !watchers.is_empty()) {
        Some(first) => store.record(first).await.ok().flatten(),
        None => None,
    };
    for id in &overdue {
        queue.send(&Wake::sweep(id.clone()), Duration::ZERO).await?;
    }
    // One that only has a message has no time of its own.
    let due = first.and_then(|record| record.projection.wake_at);
    watchers.swept(overdue.len(), due.map_or(Duration::ZERO, |due| now.since(due)));
    Ok(overdue.len())
}
