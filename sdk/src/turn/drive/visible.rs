//! What others wait to see of an execution while its turn goes on: answers and views.

use super::{Halt, Turn};
use crate::event::{Event, Json};
use crate::limits::SHOW_EVERY;
use crate::store::Status;
use crate::time::Timestamp;

/// What the turn has written that others look for in the record, and when it last showed it.
pub(super) struct Visible {
    /// The log holds something that somebody may wait to see and the record does not show.
    behind: bool,
    /// The view that the record does not show.
    view: Option<Json>,
    shown_at: Option<Timestamp>,
}

impl Visible {
    /// `view` is in the log already, and the record does not show it.
    pub(super) fn new(view: Option<Json>) -> Self {
        Self { behind: false, view, shown_at: None }
    }

    /// `event` is in the log.
    pub(super) fn written(&mut self, event: &Event) {
        match event {
            Event::ViewPublished(published) => self.view = Some(published.view.clone()),
            Event::UpdateReplied(_) => {}
            _ => return,
        }
        self.behind = true;
    }

    /// The view, which the caller is about to put into the record.
    pub(super) fn take(&mut self) -> Option<Json> {
        self.view.take()
    }

    /// When it is to be shown; `None` if it is.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let due = || self.shown_at.map(|at| at.after(SHOW_EVERY)).unwrap_or_default();
        self.behind.then(due)
    }
}

impl Turn<'_> {
    /// Shows in the record what the log has by now, if something waits to be seen: whoever asked
    /// for it need not wait for the end of a turn with long steps. The turn's own end writes the
    /// record once more, so nothing depends on this.
    pub(super) async fn show(&mut self) -> Result<(), Halt> {
        let Some(due) = self.visible.due() else { return Ok(()) };
        let now = self.kitchen.clock.now();
        if now < due {
            return Ok(());
        }
        // As whoever repairs the record of a turn under way would write it.
        let (status, until) = (Status::Running, Some(self.lease_end));
        let view = self.visible.view.clone();
        let at = [self.log.last, self.first];
        let projection = self.kitchen.projection_of(at, status, until, None, view);
        match self.kitchen.store.project(&self.wake.execution, &projection).await {
            Ok(_) => self.visible.view = None,
            // The turn's end writes it.
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
        (self.visible.behind, self.visible.shown_at) = (false, Some(now));
        Ok(())
    }
}
