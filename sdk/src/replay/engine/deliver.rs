//! The delivery of events: what each does to the calls that the workflow has made.

use std::task::Waker;

use super::{Engine, side};
use crate::event::{Event, LeaseRenewed, OperationKey};
use crate::replay::call::{Detail, Kind, Outcome, State};
use crate::replay::fault::{Fault, Mismatch, Side};

/// How long a run's log is, as far as it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSize {
    pub(crate) events: u64,
    /// By [`Event::weight`].
    pub(crate) bytes: u64,
}

/// What a delivered event means for the workflow.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Poll it, after waking the operation that has its outcome now, if one has.
    Moves(Option<Waker>),
    /// Nothing: bookkeeping.
    Quiet,
}

impl Engine {
    /// Delivers one event: from the log or, with the very same effect, live.
    pub(crate) fn deliver(&mut self, event: &Event) -> Result<Delivered, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if !matches!(event, Event::LeaseRenewed(LeaseRenewed { ahead: true, .. })) {
            self.size.events += 1;
            self.size.bytes += weight(Some(event));
        }
        self.see_asked();
        let moved = match event {
            Event::StepCompleted(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.undoable_settled(e.seq, Some(&e.output));
                self.settle(e.seq, Outcome::Value(e.output.clone()))
            }
            Event::StepFailed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.undoable_settled(e.seq, None);
                self.settle(e.seq, Outcome::Failed(e.failure.clone()))
            }
            Event::TimerFired(e) => {
                self.check(Kind::Timer, e.seq, &e.key, "fired")?;
                self.settle(e.seq, Outcome::Fired)
            }
            Event::ChildStarted(e) => {
                self.check(Kind::Child, e.seq, &e.key, "started")?;
                let child = self.child(e.seq);
                child.started = true;
                if child.waits() {
                    return Ok(Delivered::Quiet);
                }
                self.settle(e.seq, Outcome::Started(e.child.clone()))
            }
            Event::ChildCompleted(e) => {
                self.check(Kind::Child, e.seq, &e.key, "completed")?;
                self.settle(e.seq, Outcome::Child(e.child.clone(), e.outcome.clone()))
            }
            Event::SignalReceived(e) => {
                let taker = self.signals.arrive(self.received, e);
                self.received += 1;
                taker.and_then(|(seq, kept)| self.settle(seq, Outcome::Signal(kept)))
            }
            Event::CompensationStarted(e) => {
                self.start_compensation(e)?;
                None
            }
            Event::StepAttemptFailed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                let step = self.step(e.seq);
                step.attempts = e.attempt;
                step.retry_at = Some(e.retry_at);
                step.begun = None;
                if !self.attempt_of_undoable_failed(e.seq, &e.failure) {
                    return Ok(Delivered::Quiet);
                }
                None
            }
            Event::StepPostponed(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                let step = self.step(e.seq);
                step.retry_at = Some(e.retry_at);
                step.begun = None;
                if !self.attempt_of_undoable_postponed(e.seq) {
                    return Ok(Delivered::Quiet);
                }
                None
            }
            Event::PromiseResolved(e) => return Ok(self.promise_resolved(e)),
            Event::UpdateReceived(e) => {
                let taker = self.updates.arrive(self.received, e);
                self.received += 1;
                taker.and_then(|(seq, kept)| self.settle(seq, Outcome::Update(kept)))
            }
            other => return self.note(other).map(|()| Delivered::Quiet),
        };
        self.now = event.at();
        Ok(Delivered::Moves(moved))
    }

    /// Takes in an event that the workflow itself does not see.
    fn note(&mut self, event: &Event) -> Result<(), Fault> {
        self.note_undoables(event);
        match event {
            Event::StepStarted(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.step(e.seq).begun = Some(e.attempt);
            }
            Event::StepHeartbeat(e) => {
                self.check(Kind::Step, e.seq, &e.key, &e.site)?;
                self.step(e.seq).heartbeat = Some(e.details.clone());
            }
            Event::TimerStarted(e) => self.check(Kind::Timer, e.seq, &e.key, &e.site)?,
            Event::ChildRequested(e) => {
                self.check(Kind::Child, e.seq, &e.key, &e.site)?;
                self.child(e.seq).requested = true;
            }
            Event::PromiseCreated(e) => self.promise_created(e)?,
            Event::PromiseHeartbeat(e) => self.promise_heartbeat(e),
            Event::UpdateReplied(e) => self.check(Kind::Reply, e.seq, &e.key, &e.site)?,
            Event::ViewPublished(e) => self.check(Kind::View, e.seq, &e.key, &e.site)?,
            Event::TagSet(e) => self.check(Kind::Tag, e.seq, &e.key, &e.site)?,
            Event::CancelRequested(e) => {
                self.cancel.get_or_insert_with(|| e.reason.clone());
            }
            Event::Resumed(_) => {
                for call in &mut self.calls {
                    if let Detail::Step(step) = &mut call.detail {
                        step.attempts = 0;
                        step.retry_at = None;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(in crate::replay) fn settle(&mut self, seq: u32, outcome: Outcome) -> Option<Waker> {
        let call = &mut self.calls[seq as usize];
        match call.state {
            State::Called | State::Wanted => {
                call.state = State::Ready(outcome);
                call.waker.take()
            }
            State::Ready(_) | State::Taken | State::Dropped => None,
        }
    }

    /// The log is about call `seq`: the code must have made that call, and the same one.
    pub(in crate::replay) fn check(
        &mut self,
        kind: Kind,
        seq: u32,
        key: &OperationKey,
        at: &str,
    ) -> Result<(), Fault> {
        let asked = self.calls.get(seq as usize);
        if asked.is_some_and(|call| call.detail.kind() == kind && call.key == *key) {
            return Ok(());
        }
        let fault = Fault::from(Mismatch {
            seq,
            recorded: Some(Side { kind, key: key.to_string(), site: at.into() }),
            asked: asked.map(|call| side(call.detail.kind(), &call.key, call.location)),
            detail: String::new(),
        });
        self.fail(fault.clone());
        Err(fault)
    }
}

pub(super) fn weight(event: Option<&Event>) -> u64 {
    event.map_or(0, Event::weight) as u64
}
