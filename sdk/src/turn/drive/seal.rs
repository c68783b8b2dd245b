//! Payloads while a claim is held: a blob may take longer to write or read than the claim holds.

use std::pin::pin;

use futures::FutureExt;

use super::{Halt, Kitchen, Lease, LogEnd, Term, Turn, Written};
use crate::event::{Event, LeaseRenewed};
use crate::id::ExecutionId;
use crate::payload::PayloadError;
use crate::store::InboxItem;
use crate::telemetry::Meter;
use crate::time::Timestamp;
use crate::turn::term::out_of_time;

impl Turn<'_> {
    /// What is unwritten, as it is to be written: sealed once, so that what is tried again is the
    /// same, and what the record shows is what the log has.
    pub(super) async fn seal_unwritten(&mut self) -> Result<Vec<Event>, Halt> {
        let events = self.sequence.unwritten();
        let claim = Claim {
            log: &mut self.log,
            kitchen: self.kitchen,
            execution: &self.wake.execution,
            meter: &self.telemetry.meter,
            end: &mut self.lease_end,
            term: &self.term,
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
            kitchen: self.kitchen,
            execution: &self.wake.execution,
            meter: &self.telemetry.meter,
            end: &mut self.lease_end,
            term: &self.term,
            claimed: self.claimed,
            time: self.sequence.unwritten().first().map_or(self.time, Event::at),
        };
        let opening = payloads.open_arrived(&self.wake.execution, items);
        claim.held_during(opening).boxed().await
    }
}

/// A turn's claim, if it has written one.
struct Claim<'t, 's> {
    log: &'t mut LogEnd<'s>,
    kitchen: &'t Kitchen,
    execution: &'t ExecutionId,
    meter: &'t Meter,
    end: &'t mut Timestamp,
    term: &'t Term,
    claimed: bool,
    /// What no event may be younger than that is written now.
    time: Timestamp,
}

impl Claim<'_, '_> {
    /// Does something slow to payloads, and renews the claim as often as half of it is over: the
    /// turn's events cannot do that, for they are what it is done to.
    ///
    /// A claim that is not written yet is made longer instead: it is written with what is sealed. A
    /// function's lasts as long as its invocation, and nobody can renew it.
    ///
    /// Invariant: this ends when the turn's time is up, whatever the payload store does. So a host
    /// that is told to stop does not wait for it, and an invocation is not killed in here: the turn
    /// ends in order, and its claim is no strike.
    async fn held_during<T>(
        self,
        slow: impl Future<Output = Result<T, PayloadError>>,
    ) -> Result<T, Halt> {
        let clock = &self.kitchen.clock;
        let mut slow = pin!(slow);
        let mut time_is_up = pin!(self.term.is_up(clock));
        loop {
            let over = async {
                match self.term.lease {
                    Lease::Renewed(lease) => {
                        clock.sleep_until(self.end.before(lease / 2)).await;
                        lease
                    }
                    Lease::Invocation { .. } => std::future::pending().await,
                }
            };
            let lease = tokio::select! {
                biased;
                done = &mut slow => return Ok(done?),
                () = &mut time_is_up => return Err(out_of_time().into()),
                lease = over => lease,
            };
            let (at, lease_end) = (self.time, clock.now().after(lease));
            if self.claimed {
                let renewed = [Event::LeaseRenewed(LeaseRenewed { at, lease_end, ahead: true })];
                let Written::Durable = self.log.append(&renewed).await? else {
                    return Err(Halt::Lost);
                };
                self.kitchen.note_durable(self.execution, &renewed[0], self.meter);
            }
            *self.end = lease_end;
        }
    }
}
