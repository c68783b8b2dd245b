//! Children, as a turn sees them: asked for, started behind the barrier, ended.

use std::sync::Arc;

use super::Turn;
use crate::event::{ChildCompleted, ChildOutcome, ChildRequested, ChildStarted, Event};
use crate::id::ExecutionId;
use crate::turn::TurnError;
use crate::turn::children::ChildStarted as Started;

impl Turn<'_> {
    /// The workflow waits for child `seq`. That it was asked for is in the log before it can exist:
    /// whoever ends this execution knows of every child that there may be.
    pub(super) fn ask_for_child(&mut self, seq: u32, requested: bool, started: bool) {
        if !requested {
            let at = self.now();
            let event = {
                let mut engine = self.run.engine();
                let (key, site) = engine.place(seq);
                let asked = engine.asked_child(seq);
                let (child, input) = (asked.child.clone(), asked.input.clone());
                let (waits, on_close) = (asked.waits, asked.on_close());
                ChildRequested { at, seq, key, site, child, input, waits, on_close }
            };
            self.happened(Event::ChildRequested(event));
        }
        if !started {
            self.ready.push_back(seq);
        }
    }

    /// Starts child `seq`, behind the barrier.
    pub(super) fn start_child(&mut self, seq: u32) {
        let Some(request) = self.family.request(seq) else { return };
        let start = self.family.start_of(request);
        let (store, queue) = (Arc::clone(&self.kitchen.store), Arc::clone(&self.kitchen.queue));
        let payloads = self.kitchen.payloads.clone();
        self.bodies.send(seq, start.send(store, queue, payloads, Arc::clone(&self.send_turns)));
    }

    /// A child's start is over.
    pub(super) fn child_sent(&mut self, seq: u32, sent: Result<Started, TurnError>) {
        let Some(request) = self.family.request(seq) else { return };
        let (key, child) = (request.key.clone(), request.child.clone());
        let at = self.now();
        match sent {
            Ok(Started::Yes) => {
                self.happened(Event::ChildStarted(ChildStarted { at, seq, key, child }));
            }
            Ok(Started::Refused { problem }) => {
                let outcome = ChildOutcome::NotStarted { problem };
                let event = ChildCompleted { at, seq, key, child, outcome };
                self.happened(Event::ChildCompleted(event));
            }
            Err(error) => self.broken = Some(error),
        }
    }

    /// A child says that it has ended.
    pub(super) fn child_ended(
        &mut self,
        run: u32,
        seq: u32,
        child: ExecutionId,
        outcome: ChildOutcome,
    ) {
        if !self.family.waits_for(run, seq, &child) {
            tracing::info!(
                everstep.execution.id = %self.wake.execution,
                everstep.child.id = %child,
                "the result of a child is dropped: this run has not asked for it"
            );
            return;
        }
        let at = self.now();
        let key = self.family.request(seq).map(|request| request.key.clone());
        let Some(key) = key else { return };
        let event = ChildCompleted { at, seq, key, child, outcome };
        self.happened(Event::ChildCompleted(event));
    }
}
