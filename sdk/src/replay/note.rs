//! Notes: calls that only leave an event. They are compared with the log like operations, and
//! nothing comes back.

use super::call::{Call, Detail, Kind, State};
use super::engine::{Engine, site};
use crate::event::{Event, Json, OperationKey, Reply, UpdateReplied, ViewPublished};
use crate::time::Timestamp;

/// What such a call leaves.
#[derive(Debug)]
pub(crate) enum Note {
    /// The answer to the update with this id.
    Reply { update: String, reply: Reply },
    /// What the execution shows.
    View(Json),
}

impl Note {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Reply { .. } => Kind::Reply,
            Self::View(_) => Kind::View,
        }
    }

    /// How this differs from what the log has in its place, if it does.
    pub(super) fn differs(&self, recorded: &Event) -> Option<String> {
        match (self, recorded) {
            (Self::Reply { update, reply }, Event::UpdateReplied(e)) if e.update == *update => {
                (!e.reply.same(reply))
                    .then(|| format!("it was answered {} and is now answered {reply}", e.reply))
            }
            (Self::Reply { update, .. }, Event::UpdateReplied(e)) => {
                Some(format!("it answered {} and now answers {update}", e.update))
            }
            (Self::View(view), Event::ViewPublished(e)) => {
                (!e.view.same(view)).then(|| format!("it showed {} and now shows {view}", e.view))
            }
            _ => None,
        }
    }

    fn event(self, at: Timestamp, seq: u32, key: OperationKey, site: String) -> Event {
        match self {
            Self::Reply { update, reply } => {
                Event::UpdateReplied(UpdateReplied { at, seq, key, site, update, reply })
            }
            Self::View(view) => Event::ViewPublished(ViewPublished { at, seq, key, site, view }),
        }
    }
}

impl Engine {
    /// Whether the workflow shows `view` already.
    pub(crate) fn shows(&self, view: &Json) -> bool {
        self.view.as_ref().is_some_and(|shown| shown.same(view))
    }

    /// The event of call `seq`, which a turn has found to be [a note](super::Request::Note). It is
    /// the turn's to record from here on.
    pub(crate) fn take_note(&mut self, seq: u32, at: Timestamp) -> Option<Event> {
        let Call { key, location, state, detail, .. } = self.call_mut(seq);
        let Detail::Note { note, .. } = detail else { return None };
        *state = State::Taken;
        Some(note.take()?.event(at, seq, key.clone(), site(location)))
    }
}
