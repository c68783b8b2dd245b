//! How long an attempt may take, and how long it may be silent.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::body::with_scope;
use crate::event::Failure;

/// The times of an attempt, in the step's attributes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// For this attempt.
    pub(super) attempt: Option<Duration>,
    /// For all attempts.
    pub(super) total: Option<Duration>,
    /// Between two heartbeats, and before the first.
    pub(super) silence: Option<Duration>,
}

/// Why an attempt was cut short, and whether another makes sense.
pub(super) struct Cut {
    pub(super) failure: Failure,
    pub(super) retryable: bool,
}

impl Times {
    /// What `body` comes to in its time. Polled as an attempt's body.
    pub(super) async fn within<T>(self, body: impl Future<Output = T>) -> Result<T, Cut> {
        let Self { attempt, total, silence } = self;
        if attempt.is_none() && total.is_none() && silence.is_none() {
            return Ok(body.await);
        }
        // Boxed: most steps have no such times, and their attempts need no room for timers.
        Box::pin(self.limited(body)).await
    }

    async fn limited<T>(self, body: impl Future<Output = T>) -> Result<T, Cut> {
        let Self { attempt, total, silence } = self;
        let begun = Instant::now();
        let left = with_scope(|scope| scope.left).flatten();
        // Whichever ends first.
        let (until, cut) = match (attempt, left.zip(total)) {
            (Some(attempt), Some((left, _))) if attempt < left => (Some(attempt), attempt),
            (_, Some((left, total))) => (Some(left), total),
            (attempt, None) => (attempt, attempt.unwrap_or_default()),
        };
        let retryable =
            until == attempt && until.is_some_and(|until| left.is_none_or(|left| until < left));
        tokio::select! {
            biased;
            output = body => Ok(output),
            () = sleep(until) => Err(Cut { failure: timed_out(cut), retryable }),
            silence = silent(begun, silence) => {
                Err(Cut { failure: timed_out(silence), retryable: true })
            }
        }
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Ready with `limit` when the attempt has not beaten for so long.
async fn silent(begun: Instant, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        let last = with_scope(|scope| scope.watch.last_beat(scope.seq, scope.attempt)).flatten();
        let until = last.unwrap_or(begun) + limit;
        if Instant::now() >= until {
            return limit;
        }
        tokio::time::sleep_until(until).await;
    }
}

fn timed_out(after: Duration) -> Failure {
    Failure::TimedOut { after_ms: after.as_millis().try_into().unwrap_or(u64::MAX) }
}
