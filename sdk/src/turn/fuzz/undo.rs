//! Undoing in the driver without a store: what `drive/compensate.rs` does.

use super::world::World;
use crate::context::WorkflowEnd;
use crate::event::{CompensationCause, CompensationStarted, Event};

impl World {
    /// Whether the workflow failed, and there is something to undo.
    pub(super) fn must_undo(&self) -> bool {
        let mut engine = self.run.engine();
        matches!(self.end, Some(WorkflowEnd::Failed(_)))
            && !engine.compensates()
            && engine.finishing(&self.bodies()).is_some()
    }

    /// Whether there is something that a cancel would undo.
    pub(super) fn may_be_cancelled(&self) -> bool {
        let engine = self.run.engine();
        self.end.is_none() && engine.uses_undo() && !engine.compensates()
    }

    pub(super) fn undo_after_failure(&mut self) {
        if let Some(WorkflowEnd::Failed(error)) = self.end.take() {
            self.undo(CompensationCause::Failed { error });
        }
    }

    pub(super) fn undo_after_cancel(&mut self) {
        self.undo(CompensationCause::Cancelled { reason: "by chance".to_owned() });
    }

    /// Whether call `seq` is one of the steps with an undo.
    #[cfg(feature = "testing")]
    pub(super) fn has_undo(&self, seq: u32) -> bool {
        self.run.engine().key(seq).name == "u"
    }

    fn bodies(&self) -> Vec<u32> {
        self.running.keys().copied().collect()
    }

    fn undo(&mut self, cause: CompensationCause) {
        let met = self.meet_all();
        let running = self.bodies();
        let finishing = self.run.engine().finishing(&running);
        let Some(finishing) = finishing else {
            // Nothing to undo: here nobody has cancelled it then, and all goes on.
            met.iter().for_each(|event| self.go_again(event));
            return self.look();
        };
        self.running.retain(|seq, _| finishing.contains(seq));
        self.ready.clear();
        self.timers.clear();
        // What was asked for last nobody waits for.
        self.looked_at = self.asked.len();
        let at = self.time;
        self.happened(Event::CompensationStarted(CompensationStarted { at, cause, finishing }));
        self.meet_all();
        self.look();
    }

    fn meet_all(&mut self) -> Vec<Event> {
        let mut met = Vec::new();
        while let Some(event) = self.sequence.next_undelivered().cloned() {
            self.sequence.mark_delivered();
            self.meet(&event);
            met.push(event);
        }
        met
    }
}
