//! Notes: calls that only leave an event. They are compared with the log like operations, and
//! nothing comes back.

use std::collections::BTreeMap;

use super::call::{Call, Detail, Kind, State};
use super::engine::{Engine, site};
use crate::event::{Event, Json, OperationKey, Reply, TagSet, Text, UpdateReplied, ViewPublished};
use crate::limits::TAGS_MAX;
use crate::time::Timestamp;

/// What such a call leaves.
#[derive(Debug)]
pub(crate) enum Note {
    /// The answer to the update with this id.
    Reply { update: String, reply: Reply },
    /// What the execution shows.
    View(Json),
    /// What it is found by.
    Tag { name: String, value: String },
}

impl Note {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Reply { .. } => Kind::Reply,
            Self::View(_) => Kind::View,
            Self::Tag { .. } => Kind::Tag,
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
            (Self::Tag { name, value }, Event::TagSet(e)) => (e.name != *name || e.value != *value)
                .then(|| format!("it set {}={} and now sets {name}={value}", e.name, e.value)),
            _ => None,
        }
    }

    fn event(self, at: Timestamp, seq: u32, key: OperationKey, site: Text) -> Event {
        match self {
            Self::Reply { update, reply } => {
                Event::UpdateReplied(UpdateReplied { at, seq, key, site, update, reply })
            }
            Self::View(view) => Event::ViewPublished(ViewPublished { at, seq, key, site, view }),
            Self::Tag { name, value } => Event::TagSet(TagSet { at, seq, key, site, name, value }),
        }
    }
}

impl Engine {
    /// Whether the workflow shows `view` already.
    pub(crate) fn shows(&self, view: &Json) -> bool {
        self.view.as_ref().is_some_and(|shown| shown.same(view))
    }

    /// The execution's tags, as the workflow has set them by now.
    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        self.tags.as_ref().unwrap_or(&self.start().tags)
    }

    /// Whether the execution has this tag already.
    pub(crate) fn is_tagged(&self, name: &str, value: &str) -> bool {
        self.tags().get(name).is_some_and(|set| set == value)
    }

    /// Whether a tag of this name may be set.
    pub(crate) fn has_room_for_tag(&self, name: &str) -> bool {
        self.tags().len() < TAGS_MAX || self.tags().contains_key(name)
    }

    /// The workflow has said `note`.
    pub(super) fn see_note(&mut self, note: &Note) {
        match note {
            Note::View(view) => self.view = Some(view.clone()),
            Note::Tag { name, value } => {
                let mut tags = self.tags.take().unwrap_or_else(|| self.start().tags.clone());
                tags.insert(name.clone(), value.clone());
                self.tags = Some(tags);
            }
            Note::Reply { .. } => {}
        }
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
