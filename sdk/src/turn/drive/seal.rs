//! Payloads while a claim is held: a blob may take longer to write or read than the claim holds.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;

use super::{Halt, Lease, LogEnd, Turn, Written};
use crate::event::{Event, LeaseRenewed};
use crate::payload::PayloadError;
use crate::store::InboxItem;
use crate::time::{Clock, Timestamp};

impl Turn<'_> {
    /// What is unwritten, as it is to be written: sealed once, so that what is tried again is the
    /// same, and what the record shows is what the log has.
    pub(super) async fn seal_unwritten(&mut self) -> Result<Vec<Event>, Halt> {
        let events = self.sequence.unwritten();
        let claim = Claim {
            log: &mut self.log,
            clock: &self.kitchen.clock,
            end: &mut self.lease_end,
            renewed_by: renewed_by(self.term.lease),
            claimed: self.claimed,
            time: events.first().map_or(self.time, Event::at),
        };
        let sealing = self.kitchen.payloads.seal_events(&self.wake.execution, events);
        // Boxed: a turn's future has no room for what it rarely does.
        let mut sealed = claim.held_during(sealing).boxed().await?.into_owned();
        for event in &mut sealed {
            match event {
                Event::TurnStarted(claim) => claim.lease_end = self.lease_end,
                // It was due before those that were written ahead of it, and takes nothing back.
                Event::LeaseRenewed(renewed) => {
                    renewed.lease_end = renewed.lease_end.max(self.lease_end);
                }
                _ => {}
            }
        }
        Ok(sealed)
    }

    /// Opens what has arrived. What cannot be opened is said, see `Payloads::open_arrived`.
    pub(super) async fn open_arrived(
        &mut self,
        items: &mut [InboxItem],
    ) -> Result<Option<PayloadError>, Halt> {
        let payloads = &self.kitchen.payloads;
        let claim = Claim {
            log: &mut self.log,
            clock: &self.kitchen.clock,
            end: &mut self.lease_end,
            renewed_by: renewed_by(self.term.lease),
            claimed: self.claimed,
            time: self.sequence.unwritten().first().map_or(self.time, Event::at),
        };
        let opening = payloads.open_arrived(&self.wake.execution, items);
        claim.held_during(opening).boxed().await
    }
}

/// A function's claim lasts as long as its invocation, and nobody can renew it.
fn renewed_by(lease: Lease) -> Option<Duration> {
    match lease {
        Lease::Renewed(lease) => Some(lease),
        Lease::Invocation { .. } => None,
    }
}

/// A turn's claim, if it has written one.
struct Claim<'t, 's> {
    log: &'t mut LogEnd<'s>,
    clock: &'t Clock,
    end: &'t mut Timestamp,
    renewed_by: Option<Duration>,
    claimed: bool,
    /// What no event may be younger than that is written now.
    time: Timestamp,
}

impl Claim<'_, '_> {
    /// Does something slow to payloads, and renews the claim as often as half of it is over: the
    /// turn's events cannot do that, for they are what it is done to.
    ///
    /// A claim that is not written yet is made longer instead: it is written with what is sealed.
    async fn held_during<T>(
        self,
        slow: impl Future<Output = Result<T, PayloadError>>,
    ) -> Result<T, Halt> {
        let Some(lease) = self.renewed_by else { return Ok(slow.await?) };
        let mut slow = pin!(slow);
        loop {
            let half = self.end.before(lease / 2);
            tokio::select! {
                biased;
                done = &mut slow => return Ok(done?),
                () = self.clock.sleep_until(half) => {}
            }
            let (at, lease_end) = (self.time, self.clock.now().after(lease));
            if self.claimed {
                let renewed = LeaseRenewed { at, lease_end, ahead: true };
                let Written::Durable = self.log.append(&[Event::LeaseRenewed(renewed)]).await?
                else {
                    return Err(Halt::Lost);
                };
            }
            *self.end = lease_end;
        }
    }
}
