//! From a workflow that failed or is cancelled to what undoes it, and to the execution's end.

use super::{Halt, Turn};
use crate::context::WorkflowEnd;
use crate::event::{
    CompensationCause, CompensationStarted, Event, WorkflowCancelled, WorkflowCompleted,
    WorkflowFailed, error_text, reason_with,
};
use crate::replay::Fault;
use crate::store::Status;
use crate::time::Timestamp;

/// What becomes of a workflow that failed or is cancelled.
pub(super) enum Undoing {
    /// It is undone from here on.
    Started,
    /// There is nothing to undo, and nothing that may have to be: this is its end.
    Nothing(WorkflowEnd),
    /// What was delivered before shows that the execution cannot go on.
    Fault(Fault),
}

impl Turn<'_> {
    /// Starts to undo what the workflow did, if there is anything.
    ///
    /// What has ended is delivered first: a step is undone once its result is. Steps with an undo
    /// that still run, or of which nobody knows whether they ran, are named in the event, so that
    /// every later turn drives the same ones to their ends. All others end here.
    pub(super) async fn start_to_undo(
        &mut self,
        cause: CompensationCause,
    ) -> Result<Undoing, Halt> {
        let nothing = |cause| Undoing::Nothing(WorkflowEnd::Undone { cause, left: Vec::new() });
        if !self.run.engine().uses_undo() {
            return Ok(nothing(cause));
        }
        let kept: Vec<u32> = {
            let mut engine = self.run.engine();
            let running = self.bodies.running().into_iter();
            running.filter(|seq| engine.has_open_undo(*seq)).collect()
        };
        self.let_clean_up(&kept).await;
        self.collect_bodies();
        self.write_together().await?;
        if let Some(fault) = self.deliver_all() {
            return Ok(Undoing::Fault(fault));
        }
        // What the workflow asked for last nobody waits for any more; what it decided, answered and
        // showed stands.
        self.take_chosen();
        let mut asked = std::mem::take(&mut self.asked);
        self.run.engine().take_asked(&mut asked);
        asked.drain(..).for_each(|seq| self.take_note(seq));
        self.asked = asked;
        let running = self.bodies.running();
        let Some(finishing) = self.run.engine().finishing(&running) else {
            return Ok(nothing(cause));
        };
        self.bodies.abort_others(&finishing).await;
        self.ready.clear();
        self.timers.clear();
        self.backoffs.clear();
        let at = self.now();
        self.happened(Event::CompensationStarted(CompensationStarted { at, cause, finishing }));
        Ok(match self.deliver_all() {
            Some(fault) => Undoing::Fault(fault),
            None => Undoing::Started,
        })
    }

    /// Delivers all that has happened.
    pub(super) fn deliver_all(&mut self) -> Option<Fault> {
        while self.deliver_next() {
            let fault = self.run.fault();
            if fault.is_some() {
                return fault;
            }
        }
        None
    }
}

/// How an execution ends whose workflow ended so, with its status and the reason for people.
pub(super) fn end_of(end: WorkflowEnd, at: Timestamp) -> (Event, Status, Option<String>) {
    let (cause, left) = match end {
        WorkflowEnd::Completed(output) => {
            let completed = Event::WorkflowCompleted(WorkflowCompleted { at, output });
            return (completed, Status::Completed, None);
        }
        WorkflowEnd::Failed(error) => (CompensationCause::Failed { error }, Vec::new()),
        WorkflowEnd::Undone { cause, left } => (cause, left),
        WorkflowEnd::Unrecordable(_) | WorkflowEnd::Continued(_) => {
            unreachable!("progress() keeps recordable ends only, and a new run is no end")
        }
    };
    match cause {
        CompensationCause::Cancelled { reason } => {
            let said = reason_with(reason.clone(), &left);
            let end = WorkflowCancelled { at, reason, not_undone: left };
            (Event::WorkflowCancelled(end), Status::Cancelled, Some(said))
        }
        CompensationCause::Failed { error } => {
            let said = reason_with(error_text(&error), &left);
            let end = WorkflowFailed { at, error, not_undone: left };
            (Event::WorkflowFailed(end), Status::Failed, Some(said))
        }
    }
}
