//! What others wait to see of an execution while its turn goes on: answers, views and tags.

use std::collections::BTreeMap;

use super::{Halt, Turn};
use crate::event::Event;
use crate::limits::SHOW_EVERY;
use crate::store::Status;
use crate::time::Timestamp;
use crate::turn::outbox::{Outbox, owing};
use crate::turn::shown::Shown;

/// What the turn has written that others look for in the record, and when it last showed it.
pub(super) struct Visible {
    /// The log holds something that somebody may wait to see and the record does not show.
    behind: bool,
    /// What the record does not show.
    shown: Shown,
    /// All tags, as they are in the log.
    tags: BTreeMap<String, String>,
    shown_at: Option<Timestamp>,
}

impl Visible {
    /// `shown` is in the log already, and the record does not show it.
    pub(super) fn new(shown: Shown, tags: BTreeMap<String, String>) -> Self {
        Self { behind: false, shown, tags, shown_at: None }
    }

    /// `event` is in the log.
    pub(super) fn written(&mut self, event: &Event) {
        match event {
            Event::ViewPublished(published) => self.shown.view = Some(published.view.clone()),
            Event::TagSet(tag) => {
                self.tags.insert(tag.name.clone(), tag.value.clone());
                self.shown.tags = Some(self.tags.clone());
            }
            Event::UpdateReplied(_) => {}
            _ => return,
        }
        self.behind = true;
    }

    /// What the caller is about to put into the record.
    pub(super) fn take(&mut self) -> Shown {
        std::mem::take(&mut self.shown)
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
    /// record once more, so nothing depends on this. What others are to be told is sent, too.
    pub(super) async fn show(&mut self) -> Result<(), Halt> {
        let (to_show, to_tell) = (self.visible.due(), self.outbox.as_ref().and_then(Outbox::due));
        if to_show.is_none() && to_tell.is_none() {
            return Ok(());
        }
        let now = self.kitchen.clock.now();
        let is_past = |due: Option<Timestamp>| due.is_some_and(|due| now >= due);
        if is_past(to_tell) || (is_past(to_show) && to_tell.is_some()) {
            self.kitchen.tell_meanwhile(self.outbox.as_mut(), self.term.lease).await;
        }
        if !is_past(to_show) {
            return Ok(());
        }
        // As whoever repairs the record of a turn under way would write it.
        let (status, until) = (Status::Running, Some(self.lease_end));
        let shown = self.visible.shown.clone();
        let projection = self.kitchen.projection_of(self.stand(), status, until, None, shown);
        let projection = owing(projection, self.outbox.as_ref());
        match self.kitchen.store.project(&self.wake.execution, &projection).await {
            Ok(_) => self.visible.shown = Shown::default(),
            // The turn's end writes it.
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
        (self.visible.behind, self.visible.shown_at) = (false, Some(now));
        Ok(())
    }
}
