//! What both limiters do with the answer: wait here, wait elsewhere, or go on without.

use std::sync::Arc;
use std::time::Duration;

use super::Unavailable;
use crate::context::postpone;
use crate::limits::LIMITER_WAIT;

/// Why there is no permit.
///
/// ```
/// use everstep::limiter::{AcquireError, InProcessLimiter, Rate, RateLimiter};
/// use everstep::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stripe = RateLimiter::new(InProcessLimiter::new(), "stripe", Rate::new(1, minutes(1)));
/// stripe.acquire("acct-1").await?;
/// // In a step's body the execution would be suspended here.
/// match stripe.acquire("acct-1").await {
///     Err(AcquireError::Limited { what, .. }) => assert_eq!(what, "stripe/acct-1"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// None becomes free soon. A step's body does not see it, as it is suspended: only code
    /// outside of an attempt does, a task that a body started or a step called by hand.
    #[error("{what} is at its limit, try again in {}", humantime::format_duration(*.retry_after))]
    Limited {
        /// The limiter's name and the key.
        what: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The limiter did not answer. Nothing was done: try again.
    #[error("no permit of {what}")]
    Unavailable {
        /// The limiter's name and the key.
        what: String,
        /// Why.
        source: Unavailable,
    },
}

/// The options that all limiters have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) wait: Duration,
    pub(super) fail_open: bool,
}

impl Options {
    pub(super) const DEFAULT: Self = Self { wait: LIMITER_WAIT, fail_open: false };

    /// An answer, or none where that is no reason to stop.
    pub(super) fn answer<T>(
        self,
        what: &str,
        answer: Result<T, Unavailable>,
    ) -> Result<Option<T>, AcquireError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(source) if self.fail_open => {
                tracing::warn!(what, error = %source.source, "going on without a permit");
                Ok(None)
            }
            Err(source) => Err(AcquireError::Unavailable { what: what.to_owned(), source }),
        }
    }
}

/// A limiter's name. The first `/` of what is counted is where it ends and the key begins.
#[track_caller]
pub(super) fn named(name: impl Into<Arc<str>>) -> Arc<str> {
    let name = name.into();
    assert!(!name.contains('/'), "a limiter's name has no '/': what is behind it is the key");
    name
}

/// Ends the attempt that this is, until it is worth asking again; or says so, where there is none.
pub(super) async fn later(what: String, retry_after: Duration) -> AcquireError {
    let reason = format!("{what} is at its limit");
    let _ = postpone(retry_after, reason).await;
    AcquireError::Limited { what, retry_after }
}
