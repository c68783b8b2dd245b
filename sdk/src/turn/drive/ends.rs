//! The ends of a turn, each with its last commit: the execution has ended, waits, is handed over,
//! or is blocked. The one that begins the next run is in `runs`, a terminate's in `terminate`.

use std::time::Duration;

use super::compensate::end_of;
use super::{Armed, Driven, Ended, Halt, Turn};
use crate::context::WorkflowEnd;
use crate::event::{Event, Failure, TurnEnd, TurnEnded, WaitsFor};
use crate::replay::Fault;
use crate::store::Status;
use crate::time::Timestamp;
use crate::turn::log::Written;
use crate::turn::outbox::owing;
use crate::turn::{TurnError, come_back_after};
use crate::wake::Wake;

impl Turn<'_> {
    pub(super) async fn ended(&mut self, end: WorkflowEnd) -> Result<Driven, Halt> {
        self.let_clean_up(&[]).await;
        self.end_with(end).await
    }

    async fn end_with(&mut self, end: WorkflowEnd) -> Result<Driven, Halt> {
        self.bodies.abort().await;
        let (event, status, mut reason) = end_of(end, self.now());
        if status == Status::Failed && self.kitchen.payloads.hides() {
            reason = Some("its error is encrypted: the history has it".to_owned());
        }
        self.last_commit(event, status, None, reason).await
    }

    pub(super) async fn cancelled(&mut self, end: WorkflowEnd) -> Result<Driven, Halt> {
        // What was done to the world by now stands in the log.
        self.let_clean_up(&[]).await;
        self.collect_bodies();
        self.run.drop_future();
        self.end_with(end).await
    }

    /// Nothing moves before a timer, a message or a later attempt.
    pub(super) async fn suspend(&mut self) -> Result<Driven, Halt> {
        let due = self.next_due();
        let waits_for = self.run.engine().waits_for();
        if due.is_none() && !self.run.engine().waits_for_messages() {
            let fault = self.run.engine().foreign(
                "it waits, but for none of its own operations (a channel, a lock or a future that \
                 nothing completes)",
            );
            return self.blocked(fault).await;
        }
        let now = self.kitchen.clock.now();
        let mut at = self.now();
        let mut armed = dues(&self.still_armed());
        if let Some(due) = due
            && !armed.contains(&due)
        {
            if self.turn_ended_at == Some(at) && self.alarm(due, at).is_far() {
                // Rule 33: the time of this end names the alarm, so no end before it has the same.
                at = at.after(Duration::from_millis(1));
                self.time = at;
            }
            // Before the commit: a crash between the two must not lose the timer.
            let alarm = self.alarm(due, at);
            self.kitchen.arm(&alarm, due.since(now), self.term.lease).await?;
            armed.push(due);
        }
        let reason = TurnEnd::Suspended;
        let event = Event::TurnEnded(TurnEnded { at, reason, wake_at: due, armed, waits_for });
        self.last_commit(event, Status::Suspended, due, None).await
    }

    /// No time is left: what is finished is written, what runs is stopped, another turn goes on.
    pub(super) async fn hand_over(&mut self) -> Result<Driven, Halt> {
        self.collect_bodies();
        self.write_together().await?;
        for (seq, attempt) in self.bodies.abort().await {
            // It counts as an attempt, or a step longer than its host lives is tried for ever.
            let message = "the host's time was up".to_owned();
            self.note_failed(seq, attempt, 0, Failure::Interrupted { message }, true);
        }
        if let Some(fault) = self.run.fault() {
            return self.blocked(fault).await;
        }
        if !self.claimed {
            return Ok(Driven::NoTime);
        }
        let at = self.now();
        let armed = dues(&self.still_armed());
        let reason = TurnEnd::Yielded;
        let (wake_at, waits_for) = (Some(at), WaitsFor::default());
        let event = Event::TurnEnded(TurnEnded { at, reason, wake_at, armed, waits_for });
        let driven = self.last_commit(event, Status::Running, Some(at), None).await?;
        let wake = Wake::news(self.wake.execution.clone());
        self.kitchen.queue.send(&wake, Duration::ZERO).await?;
        Ok(driven)
    }

    /// Something that the turn needs has failed it, and it ends in order, with what is durable: its
    /// claim is over, and no strike. To be called once its bodies are gone.
    ///
    /// Invariant: an outage never becomes an outcome of the execution, but of a step that runs at most
    /// once and whose result could not be stored: it is interrupted, as if its host had died. Whoever
    /// comes later has only the log to tell a turn that died of its code from one that was let down;
    /// so the latter says so. It says nothing where an append was not answered: rule 11, its number
    /// may be taken by other bytes of this very writer.
    pub(super) async fn give_up(&mut self, error: &TurnError) {
        if !self.claimed || self.log.unanswered || !error.is_outage() {
            return;
        }
        let at = self.now();
        // Tries of a long outage are as far apart as those of its wake: by the clock, for the log may
        // be ahead of it.
        let wake_at = Some(self.kitchen.clock.now().after(come_back_after(self.gave_up + 1)));
        let (reason, armed) = (TurnEnd::GaveUp, dues(&self.still_armed()));
        let waits_for = WaitsFor::default();
        let ended = [Event::TurnEnded(TurnEnded { at, reason, wake_at, armed, waits_for })];
        let id = &self.wake.execution;
        match self.log.append(&ended).await {
            Ok(Written::Durable) => {}
            Ok(Written::Lost) => {
                tracing::debug!(everstep.execution.id = %id, "another turn has claimed over one that gave up");
                return;
            }
            Err(error) => {
                tracing::debug!(everstep.execution.id = %id, %error, "a claim is left to its end");
                return;
            }
        }
        self.claimed = false;
        self.kitchen.note_durable(id, &ended[0], &self.telemetry.meter);
        if let (Some(outbox), Some(counts)) = (&mut self.outbox, &self.log.counts) {
            outbox.wrote(self.log.last, counts, &ended);
        }
        // Rule 14: what is durable is seen, though the outage may last.
        let (stand, shown) = (self.stand(), self.visible.take());
        let status = Status::Running;
        let projection = self.kitchen.projection_of(stand, status, wake_at, None, shown);
        let projection = owing(projection, self.outbox.as_ref());
        if let Err(error) = self.kitchen.write_record(id, &projection).await {
            tracing::debug!(everstep.execution.id = %id, %error, "a record is left to the next look");
        }
    }

    /// The code cannot go on. What happened before that is kept: results are not lost to a bug
    /// behind them. A disagreement between code and log is found in replay, before any of this.
    pub(super) async fn blocked(&mut self, fault: Fault) -> Result<Driven, Halt> {
        self.collect_bodies();
        self.bodies.abort().await;
        if self.claimed {
            let at = self.now();
            let (reason, armed) = (TurnEnd::Blocked, dues(&self.still_armed()));
            let (wake_at, waits_for) = (None, WaitsFor::default());
            let ended = TurnEnded { at, reason, wake_at, armed, waits_for };
            self.sequence.push(Event::TurnEnded(ended));
            self.write().await?;
        }
        let (last, shown) = (self.log.last, self.visible.take());
        Ok(Driven::Blocked { last, shown, fault, outbox: self.outbox.take() })
    }

    pub(super) async fn last_commit(
        &mut self,
        event: Event,
        status: Status,
        wake_at: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Driven, Halt> {
        let disarm = match &event {
            Event::TurnEnded(end) => self.let_go(&end.armed),
            _ => self.let_go(&[]),
        };
        let wake_at = match status.is_closed() {
            true => {
                let engine = self.run.engine();
                self.kitchen.registry.delete_at(&engine.start().workflow, event.at())
            }
            false => wake_at,
        };
        self.happened(event);
        self.write().await?;
        // It is over with that, whatever comes after.
        self.claimed = false;
        // A wake that this very turn sends to hand over is not for this turn.
        self.active.leave();
        Ok(Driven::Ended(Ended {
            stand: self.stand(),
            family: status.is_closed().then(|| self.family.clone()),
            status,
            wake_at,
            reason,
            shown: self.visible.take(),
            arrivals: self.arrivals,
            seen: std::mem::take(&mut self.seen),
            disarm,
            outbox: self.outbox.take(),
        }))
    }
}

fn dues(armed: &[Armed]) -> Vec<Timestamp> {
    armed.iter().map(|armed| armed.due).collect()
}
