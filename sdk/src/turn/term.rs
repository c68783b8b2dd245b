//! How long a turn may go on, and what may wait no longer than that.

use std::time::Duration;

use tokio::sync::watch;

use super::{Kitchen, TurnError};
use crate::limits::SEAL_GRACE;
use crate::payload::PayloadError;
use crate::time::{Clock, Timestamp};

/// How long a turn may go on.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) lease: Lease,
    /// `Some(time)`: start no more bodies, and hand over at `time` at the latest.
    pub(crate) stop: watch::Receiver<Option<Timestamp>>,
}

/// How long a claim holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lease {
    /// So long, and then renewed.
    Renewed(Duration),
    /// Until this invocation's deadline (to which the skew is added), never renewed. Bodies are
    /// stopped at `hand_over`.
    Invocation { deadline: Timestamp, hand_over: Timestamp },
}

impl Term {
    /// When it is time to hand over, whatever the host is told.
    fn hand_over(&self) -> Option<Timestamp> {
        match self.lease {
            Lease::Invocation { hand_over, .. } => Some(hand_over),
            Lease::Renewed(_) => None,
        }
    }

    /// Ready when what has begun must be given up. What is finished when it is time to hand over may
    /// still be sealed until then; after it there is time left to write that the turn is over.
    pub(super) async fn is_up(&self, clock: &Clock) {
        let own_end = match self.lease {
            // The host answers in the last half of what is left.
            Lease::Invocation { deadline, hand_over } => {
                Some(hand_over.after(deadline.since(hand_over) / 3))
            }
            Lease::Renewed(_) => None,
        };
        let stopped = async {
            let hand_over = self.told_to_stop().await;
            clock.sleep_until(hand_over.after(SEAL_GRACE)).await;
        };
        tokio::select! {
            () = stopped => {}
            () = until(clock, own_end) => {}
        }
    }

    /// Ready when the host is told to stop: with the time to hand over.
    async fn told_to_stop(&self) -> Timestamp {
        let mut stop = self.stop.clone();
        let told = stop.wait_for(Option::is_some).await.ok().and_then(|told| *told);
        match told {
            Some(hand_over) => hand_over,
            // The host is gone, and so is this turn, soon.
            None => std::future::pending().await,
        }
    }
}

impl Kitchen {
    /// Does something slow before the turn has a claim: a host that stops does not wait for it.
    /// `None` if it is told to stop: nothing has failed, and others may begin at once.
    pub(super) async fn unless_stopping<T, E: Into<TurnError>>(
        &self,
        term: &Term,
        slow: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<T>, TurnError> {
        tokio::select! {
            biased;
            done = slow => done.map(Some).map_err(Into::into),
            _ = term.told_to_stop() => Ok(None),
            () = until(&self.clock, term.hand_over()) => Err(out_of_time().into()),
        }
    }

    /// Says something slow to others, for as long as the turn may go on.
    pub(super) async fn in_term<T>(
        &self,
        term: &Term,
        slow: impl Future<Output = Result<T, TurnError>>,
    ) -> Result<T, TurnError> {
        tokio::select! {
            biased;
            done = slow => done,
            () = term.is_up(&self.clock) => Err(TurnError::OutOfTime),
        }
    }
}

async fn until(clock: &Clock, time: Option<Timestamp>) {
    match time {
        Some(time) => clock.sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// A turn's time was up while it waited for payloads.
pub(super) fn out_of_time() -> PayloadError {
    let reason = "the time of the turn was up before it did".to_owned();
    PayloadError::Unavailable { reason, source: None }
}
