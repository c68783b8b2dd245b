//! Whose code kills its host is found out one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Lease, Term};
use crate::time::Clock;

/// How long a suspect waits for the one before it, at most; less where there is less than four times
/// as much left. Code that kills its host as soon as it runs has done so long before.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The executions of this process that may have killed another one: their wakes were received
/// before, or their last turns never ended.
///
/// A host that dies takes all its turns along. Had each of them claimed by then, each would count the
/// death as its own, and after five deaths the innocent would be blocked together with the one that
/// did it. So a suspect claims only once the suspect before it has got further than that: to its next
/// commit, or to the end of its turn.
#[derive(Debug)]
pub(super) struct Suspects(Arc<Semaphore>);

impl Default for Suspects {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Suspects {
    /// Waits until no other suspect has just begun, or for as long as that is worth while.
    pub(super) async fn enter(&self, term: &Term, clock: &Clock) -> Option<OwnedSemaphorePermit> {
        let wait = match term.lease {
            Lease::Renewed(lease) => WAIT_MAX.min(lease / 4),
            Lease::Invocation { hand_over, .. } => WAIT_MAX.min(hand_over.since(clock.now()) / 4),
        };
        let mut stop = term.stop.clone();
        let told_to_stop = async { stop.wait_for(Option::is_some).await.is_ok() };
        tokio::select! {
            biased;
            permit = Arc::clone(&self.0).acquire_owned() => permit.ok(),
            // Nothing begins any more: its wake must not wait for that.
            true = told_to_stop => None,
            () = tokio::time::sleep(wait) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;
    use crate::time::Timestamp;

    fn term(lease: Lease) -> Term {
        let (_, stop) = watch::channel(None);
        Term { lease, stop }
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspect_waits_for_the_one_before_it_and_for_no_longer_than_that_is_worth() {
        let clock = Clock::virtual_from(Timestamp(0));
        let worker = term(Lease::Renewed(Duration::from_secs(20)));
        let suspects = Suspects::default();
        let first = suspects.enter(&worker, &clock).await;
        assert!(first.is_some());
        let began = Instant::now();
        assert!(suspects.enter(&worker, &clock).await.is_none());
        assert_eq!(began.elapsed(), WAIT_MAX);

        let brief = term(Lease::Renewed(Duration::from_secs(4)));
        let began = Instant::now();
        assert!(suspects.enter(&brief, &clock).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(1));

        let hand_over = clock.now().after(Duration::from_secs(4));
        let deadline = hand_over.after(Duration::from_secs(1));
        let function = term(Lease::Invocation { deadline, hand_over });
        let began = Instant::now();
        assert!(suspects.enter(&function, &clock).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(1));

        let second = suspects.enter(&worker, &clock);
        let further = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        };
        let began = Instant::now();
        let (second, ()) = tokio::join!(second, further);
        assert!(second.is_some());
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_stop_waits_for_nobody() {
        let clock = Clock::virtual_from(Timestamp(0));
        let (stopping, stop) = watch::channel(None);
        let worker = Term { lease: Lease::Renewed(Duration::from_secs(20)), stop };
        let suspects = Suspects::default();
        let _first = suspects.enter(&worker, &clock).await;
        let began = Instant::now();
        let told = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stopping.send_replace(Some(clock.now()));
        };
        let (second, ()) = tokio::join!(suspects.enter(&worker, &clock), told);
        assert!(second.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
