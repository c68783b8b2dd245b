//! The kitchen: load, decide, claim, drive, end. `docs/protocol.md` has each rule with the failure
//! it exists for.
//!
//! ```text
//! wake ─> load ─> decide ─┬─> nothing to do / live claim / closed / blocked ─> delete the wake
//!            ^            └─> drive ─> last commit ─> record ─> inbox again? ─┐
//!            └──────────── lost the fence, or something arrived ──────────────┘
//! ```
//!
//! Invariants:
//!
//! - Decisions rest on the log and the inbox, read consistently in this order; the record is only
//!   ever written from them.
//! - The log changes by conditional appends of this turn's own writer, or of one that a commit with
//!   writes has for itself, and by nothing else. Losing
//!   one ends the turn, not the execution.
//! - An error of store or queue ends the turn and leaves the wake: it comes back. The workflow
//!   never sees it.

mod alarms;
mod bodies;
mod children;
mod decide;
mod desk;
mod drive;
mod end;
#[cfg(test)]
mod fuzz;
mod gaps;
mod log;
mod new_steps;
mod notices;
mod outbox;
mod payloads;
mod pin;
mod recheck;
mod rehearse;
mod sequence;
mod shown;
mod suspects;
mod term;
mod terminate;
mod unreadable;
mod versions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use crate::event::{Event, TurnEnd};
use crate::host::Registry;
use crate::id::{ExecutionId, HostId, WriterId};
use crate::limits::{CLOCK_SKEW, QUEUE_DELAY_MAX, STRIKES_MAX};
use crate::payload::{PayloadError, Payloads};
use crate::replay::{Fault, History};
use crate::store::{EventStore, Loaded, StoreError};
use crate::telemetry::{Meter, TurnTelemetry};
use crate::time::{Clock, Timestamp};
use crate::wake::{QueueError, Wake, WakeKind, WakeQueue};

pub(crate) use desk::Visit;
#[cfg(feature = "lambda-invoke")]
pub(crate) use pin::Versions;
pub(crate) use pin::{HandOnError, Pin};
pub(crate) use rehearse::Rehearsal;
pub(crate) use term::{Lease, Term};

use decide::Decision;
use desk::{Desk, Look};
use drive::{Begin, Driven};
use end::Stand;
use gaps::Gaps;
use outbox::Quiet;
use shown::Shown;
use suspects::Suspects;

/// A process that takes turns.
pub(crate) struct Kitchen {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) queue: Arc<dyn WakeQueue>,
    pub(crate) clock: Clock,
    pub(crate) host: HostId,
    pub(crate) registry: Registry,
    pub(crate) payloads: Payloads,
    /// The turns that this process is taking, and who waits for one. A claim of this process by any
    /// other writer is dead, whatever its lease says.
    desk: Desk,
    suspects: Suspects,
    quiet: Quiet,
    gaps: Gaps,
    /// Which version of a function this process is of, where runs stay with theirs.
    pin: Option<Pin>,
}

/// What is to become of the wake that a turn was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done with.
    Delete,
    /// It must come again after this time.
    Return(Duration),
}

/// How soon a wake comes back whose turn met a store or queue that did not answer: at first, and
/// at last. It doubles with every receipt, so that an outage of an hour does not use up the
/// receipts after which a message goes to the dead-letter queue.
const COME_BACK_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(400)];

/// How soon a wake comes back that another host may know more of.
const ELSEWHERE_AFTER: Duration = Duration::from_secs(5);

/// How soon a wake comes back that was received so often and whose turn ended by an error.
pub(crate) fn come_back_after(receipts: u32) -> Duration {
    let [first, last] = COME_BACK_AFTER;
    first.saturating_mul(1 << receipts.saturating_sub(1).min(20)).min(last)
}

/// Why a turn ended without a verdict. The wake stays and comes back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Queue(#[from] QueueError),
    #[error("{0}")]
    Version(#[from] HandOnError),
    /// What it was that did not answer is not known: stores and queue are asked in between.
    #[error("the time of the turn was up before all that it was to tell others could be sent")]
    OutOfTime,
}

impl TurnError {
    /// Whether what the turn needs did not answer, or may not be used: nobody's code has done that.
    fn is_outage(&self) -> bool {
        match self {
            Self::Store(StoreError::Payload(error)) => !error.is_of_payload(),
            Self::Store(StoreError::Unavailable { .. } | StoreError::Unusable { .. })
            | Self::Queue(_)
            | Self::OutOfTime => true,
            Self::Store(_) | Self::Version(_) => false,
        }
    }
}

impl From<PayloadError> for TurnError {
    fn from(error: PayloadError) -> Self {
        Self::Store(error.into())
    }
}

impl Kitchen {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        queue: Arc<dyn WakeQueue>,
        clock: Clock,
        host: HostId,
        registry: Registry,
    ) -> Self {
        let (payloads, desk) = (Payloads::none(), Desk::default());
        let (suspects, quiet, gaps) = (Suspects::default(), Quiet::default(), Gaps::default());
        let pin = None;
        Self { store, queue, clock, host, registry, payloads, desk, suspects, quiet, gaps, pin }
    }

    pub(crate) fn with_payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = payloads;
        self
    }

    /// Runs stay with the version of the function that took their last turn.
    #[cfg(feature = "lambda-invoke")]
    pub(crate) fn with_pin(self, pin: Option<Pin>) -> Self {
        Self { pin, ..self }
    }

    /// `wake` has come. To be called for all wakes that come together before a turn is taken for any.
    pub(crate) fn visit(&self, wake: Wake) -> Visit {
        self.desk.visit(wake)
    }

    /// Looks at the execution that a wake names and does for it what can be done.
    ///
    /// Dropping the future is a crash: safe at every await.
    pub(crate) async fn take_turn(
        &self,
        visit: Visit,
        receive_count: u32,
        term: &Term,
    ) -> Result<Verdict, TurnError> {
        let handed_on = visit.handed_on;
        let Some((wake, look)) = visit.look().await else { return Ok(Verdict::Delete) };
        let meter = Meter::new(self.registry.watchers(), &wake.execution);
        let verdict = self.serve(wake, look, handed_on, receive_count, term, &meter).await;
        meter.wake(match verdict {
            Ok(Verdict::Delete) => "deleted",
            Ok(Verdict::Return(_)) => "returned",
            Err(_) => "error",
        });
        verdict
    }

    async fn serve(
        &self,
        mut wake: Wake,
        look: Look,
        handed_on: bool,
        receive_count: u32,
        term: &Term,
        meter: &Meter,
    ) -> Result<Verdict, TurnError> {
        let mut look = Some(look);
        let id = &wake.execution.clone();
        // Whether a run has ended and the next one begun.
        let mut continued = false;
        loop {
            let loaded = self.store.load(id).await?;
            look.iter().for_each(Look::loaded);
            let Some(loaded) = loaded else {
                tracing::warn!(everstep.execution.id = %id, "a wake names an execution that does not exist");
                return Ok(Verdict::Delete);
            };
            let read = History::read(&loaded.commits, loaded.from);
            let mut history = match read.and_then(|history| loaded.check_end().map(|()| history)) {
                Ok(history) => history,
                Err(corrupt) => {
                    return self.cannot_read(&loaded, &corrupt, receive_count, term.lease).await;
                }
            };
            let looked_at = self.clock.now();
            match self.decide(&loaded, &history).await? {
                Decision::Closed => {
                    self.close(&loaded, &history, term).await?;
                    return Ok(Verdict::Delete);
                }
                Decision::LiveClaim { lease_end } => {
                    self.substitute(&wake, lease_end).await?;
                    return Ok(Verdict::Delete);
                }
                Decision::Blocked => {
                    self.tell_of_block(&loaded, &history, term.lease).await?;
                    return Ok(Verdict::Delete);
                }
                Decision::Poison => {
                    let stand = Stand::of(&loaded, &history);
                    let fault = Fault::Poison { turns: STRIKES_MAX };
                    let shown = Shown::missing_in(&loaded.record, &history);
                    let outbox = self.outbox(&loaded, &history).await?;
                    self.block(&loaded.record, stand, shown, &fault, outbox, term.lease).await?;
                    return Ok(Verdict::Delete);
                }
                Decision::Terminate(end) => {
                    // Whoever wrote the end: it is found closed when it is looked at again.
                    self.terminate(&loaded, &history, end, meter).await?;
                }
                Decision::Rests { until } => {
                    self.repair(&loaded, &history, term.lease).await?;
                    if wake.kind == WakeKind::Sweep {
                        // It comes again.
                        return Ok(Verdict::Delete);
                    }
                    return Ok(Verdict::Return(until.since(self.clock.now())));
                }
                Decision::Nothing => {
                    self.repair(&loaded, &history, term.lease).await?;
                    self.send_again_if_early(&wake, &history, looked_at, term.lease).await?;
                    return Ok(Verdict::Delete);
                }
                Decision::Go { mut items } => {
                    let (events, lease) = (&history.events, term.lease);
                    let elsewhere =
                        self.elsewhere(&wake, handed_on, events, receive_count, lease).await?;
                    if let Some(verdict) = elsewhere {
                        return Ok(verdict);
                    }
                    let opening = self.open(id, &mut history, &mut items);
                    let Some(opened) = self.unless_stopping(term, opening).await? else {
                        return Ok(Verdict::Return(Duration::ZERO));
                    };
                    if let Some(sealed) = opened {
                        if sealed.elsewhere && receive_count < STRIKES_MAX {
                            return Ok(Verdict::Return(ELSEWHERE_AFTER));
                        }
                        let stand = Stand::of(&loaded, &history);
                        let shown = Shown::missing_in(&loaded.record, &history);
                        let outbox = self.outbox(&loaded, &history).await?;
                        self.block(&loaded.record, stand, shown, &sealed.fault, outbox, term.lease)
                            .await?;
                        return Ok(Verdict::Delete);
                    }
                    let again = receive_count > 1 && !continued;
                    let eager = again || history.open_turn.is_some();
                    if eager || history.turn_end == Some(TurnEnd::GaveUp) {
                        let probe = self.payloads.probe(id);
                        if self.unless_stopping(term, probe).await?.is_none() {
                            return Ok(Verdict::Return(Duration::ZERO));
                        }
                    }
                    let alone =
                        if eager { self.suspects.enter(term, &self.clock).await } else { None };
                    let first = history.first;
                    let outbox = self.outbox(&loaded, &history).await?;
                    let active = self.desk.enter(id, WriterId::random());
                    look = None; // Whoever waits finds a turn to tell.
                    let telemetry = TurnTelemetry::of(meter, &history.events, receive_count);
                    let span = telemetry.span();
                    let begin =
                        Begin { active, items, eager, alone, telemetry: &telemetry, outbox };
                    let driven = self.drive(&wake, &loaded, history, term, begin);
                    let driven = driven.instrument(span.clone()).await;
                    telemetry.ended(driven.as_ref().map_or("error", Driven::outcome));
                    let driven = driven?;
                    if wake.kind == WakeKind::Sweep {
                        // News that it was told of counts on its message from here on.
                        wake.kind = WakeKind::News;
                    }
                    match driven {
                        Driven::Ended(ended) => {
                            if self.finish(id, ended, term).instrument(span).await? {
                                return Ok(Verdict::Delete);
                            }
                            // If it was a timer's wake, that timer has another one by now.
                            wake.kind = WakeKind::News;
                        }
                        Driven::Continued(ended) => {
                            self.go_on(id, ended, term.lease).instrument(span).await?;
                            // The next run has no timers yet.
                            wake.kind = WakeKind::News;
                            continued = true;
                        }
                        Driven::Blocked { last, shown, fault, outbox } => {
                            if let Fault::UnknownWorkflow { .. } = fault
                                && receive_count < STRIKES_MAX
                            {
                                // Perhaps another host knows it: a rolling deploy.
                                return Ok(Verdict::Return(ELSEWHERE_AFTER));
                            }
                            let stand = Stand { last, first, life: loaded.record.life() };
                            let blocking = self.block(
                                &loaded.record,
                                stand,
                                shown,
                                &fault,
                                outbox,
                                term.lease,
                            );
                            let arrivals = blocking.instrument(span).await?;
                            if arrivals <= loaded.record.arrivals {
                                return Ok(Verdict::Delete);
                            }
                            // Rule 14: a terminate, whose wake has found this turn at work.
                            wake.kind = WakeKind::News;
                        }
                        Driven::Stale => {}
                        Driven::NoTime if continued => {
                            // Rule 17. The message would count all the runs as receipts of one.
                            self.queue.send(&Wake::news(id.clone()), Duration::ZERO).await?;
                            return Ok(Verdict::Delete);
                        }
                        Driven::NoTime => return Ok(Verdict::Return(Duration::ZERO)),
                    }
                }
            }
        }
    }

    /// `event` of one of this host's turns is durable: whoever watches hears of it.
    fn note_durable(&self, id: &ExecutionId, event: &Event, meter: &Meter) {
        meter.durable(event);
        self.registry.observe(id, event);
    }

    /// Rule 9: the wake may be all that points at the execution should the claim's owner die. A
    /// substitute comes when the claim is over.
    async fn substitute(&self, wake: &Wake, lease_end: Timestamp) -> Result<(), QueueError> {
        let now = self.clock.now();
        let free = lease_end.after(CLOCK_SKEW);
        let at = match wake.kind {
            WakeKind::Sweep => return Ok(()),
            WakeKind::Timer { due } if due > now => due.min(free),
            WakeKind::Timer { .. } | WakeKind::News => free,
        };
        let delay = at.since(now).clamp(Duration::from_secs(1), QUEUE_DELAY_MAX);
        self.queue.send(wake, delay).await
    }
}

impl fmt::Debug for Kitchen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kitchen").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The inbox items that a turn takes.
pub(crate) type Items = Vec<crate::store::InboxItem>;

/// The inbox items that the log has not taken.
fn fresh_items(loaded: &Loaded, history: &History) -> Items {
    loaded.inbox.iter().filter(|item| !history.taken.contains(&item.id)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::QUEUE_RECEIVES_MAX;

    /// Invariant: what comes back the same however long one waits is a strike, or nobody ever stops.
    #[test]
    fn what_no_waiting_helps_against_is_no_outage() {
        let id = || ExecutionId::new("x").expect("an id");
        let unavailable = StoreError::Unavailable { reason: "silence".to_owned(), source: None };
        let unusable = StoreError::Unusable { remedy: "permit it".to_owned(), source: None };
        for outage in [unavailable, unusable].map(TurnError::from) {
            assert!(outage.is_outage(), "{outage}");
        }
        let what = "the record".to_owned();
        for error in [
            StoreError::TooLarge { what, bytes: 2, bytes_max: 1 },
            StoreError::Corrupt { id: id(), problem: "it ends early".to_owned() },
            StoreError::Buried { id: id() },
        ] {
            let error = TurnError::from(error);
            assert!(!error.is_outage(), "{error}");
        }
    }

    #[test]
    fn an_outage_of_an_hour_does_not_use_up_the_receipts() {
        assert_eq!(come_back_after(0), Duration::from_secs(1));
        assert_eq!(come_back_after(1), Duration::from_secs(1));
        assert_eq!(come_back_after(3), Duration::from_secs(4));
        assert_eq!(come_back_after(u32::MAX), Duration::from_secs(400));
        let all: Duration = (1..QUEUE_RECEIVES_MAX).map(come_back_after).sum();
        assert!(all > Duration::from_secs(3_600), "{all:?}");
    }
}
