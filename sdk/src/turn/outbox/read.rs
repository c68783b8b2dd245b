//! What is untold of an execution, found by its record and its log.

use std::borrow::Cow;

use super::{Outbox, status_of};
use crate::event::{Event, Previous, StoredCommit};
use crate::id::CommitNumber;
use crate::notify::{Notification, Notifications};
use crate::replay::History;
use crate::store::{
    BLOCK, Loaded, Place, Position, Projection, Record, Status, StoreError, commits,
};
use crate::turn::notices::Reader;
use crate::turn::{Kitchen, Lease};

/// Of a block that is over before anybody was told of it.
const WHY_IS_LOST: &str = "why is not known any more: it was over before this could be told";

impl Kitchen {
    /// What is untold of an execution as it was loaded. `None` if nobody is to be told anything.
    pub(in crate::turn) async fn outbox(
        &self,
        loaded: &Loaded,
        history: &History,
    ) -> Result<Option<Outbox>, StoreError> {
        let Some(notifications) = self.registry.notifications() else { return Ok(None) };
        let stored = &loaded.record.projection;
        // Nobody has taken a turn in this run, or told of its block.
        let is_new = stored.commit == history.started_in && stored.status == Status::Running;
        let telling = stored.known_telling();
        let next = telling.and_then(|telling| telling.next.as_ref());
        let from: Position = match (telling, next) {
            (_, Some(next)) => next.place.position(),
            (None, None) if stored.untold.is_some() => (stored.untold.unwrap_or_default(), 0),
            _ => (stored.commit + 1, 0),
        };
        let mut outbox = Outbox::new(reader(notifications, &loaded.record, Some(history)));
        if from <= (stored.commit, BLOCK) {
            outbox.before = Some(from);
        }
        if from.0 > history.last && !is_new {
            let status = match stored.status {
                Status::Blocked => Status::Blocked,
                _ => status_of(history),
            };
            outbox.reader.stands(status);
        } else {
            let begin = match next {
                Some(next) => {
                    outbox.reader.go_to(&next.place, next.status);
                    next.place.commit
                }
                // Where an earlier run is untold, and its status and name are not known.
                None if from.0 < loaded.from => 0,
                None => loaded.from,
            };
            self.read_from(begin, from, &mut outbox, loaded, history, is_new).await?;
        }
        let Some(telling) = telling.filter(|telling| !telling.stuck.is_empty()) else {
            return Ok(Some(outbox));
        };
        if telling.again.is_some_and(|again| self.clock.now() < again) {
            (outbox.held, outbox.held_until) = (telling.stuck.clone(), telling.again);
        } else {
            for place in &telling.stuck {
                let told = self.read_stuck(place, &outbox, loaded).await?;
                outbox.stuck.extend(told);
            }
        }
        Ok(Some(outbox))
    }

    /// Reads the log from commit `begin` on: what waits is what stands at `from` or behind it.
    async fn read_from(
        &self,
        begin: CommitNumber,
        from: Position,
        outbox: &mut Outbox,
        loaded: &Loaded,
        history: &History,
        is_new: bool,
    ) -> Result<(), StoreError> {
        let stored = &loaded.record.projection;
        let older = if begin < loaded.from {
            let (id, life) = (&loaded.record.id, loaded.record.life());
            commits(&*self.store, id, life, begin..loaded.from).await?
        } else {
            Vec::new()
        };
        let is_stuck = |at: Position| {
            let telling = stored.known_telling();
            telling.is_some_and(|it| it.stuck.iter().any(|place| place.position() == at))
        };
        for stored_commit in older.iter().chain(&loaded.commits) {
            let number = stored_commit.number;
            if number < begin {
                continue;
            }
            if number > history.last {
                break;
            }
            let Some(events) = events_of(stored_commit) else { continue };
            if let Some(resumed) = events.iter().find(|event| matches!(event, Event::Resumed(_)))
                && let Some(blocked) = number.checked_sub(1).filter(|it| (*it, BLOCK) >= from)
                && stored.commit >= number
            {
                // A block that was never told, and of which the record says nothing any more.
                outbox.blocked(blocked, resumed.at(), Some(WHY_IS_LOST.to_owned()));
            }
            // The run before has told of its end, if it is in the same commit.
            let is_start = |index: u32| {
                is_new
                    && number == history.started_in
                    && matches!(events.get(index as usize), Some(Event::WorkflowStarted(_)))
            };
            outbox.take(number, &events, |at| at >= from || (is_start(at.1) && !is_stuck(at)));
            if stored.blocks(number) {
                outbox.blocked(number, stored.updated_at, stored.reason.clone());
                if (number, BLOCK) < from {
                    outbox.waiting.pop_back();
                }
            }
        }
        Ok(())
    }

    /// The notification that is stuck at `place`. `None` if it cannot be made any more.
    async fn read_stuck(
        &self,
        place: &Place,
        outbox: &Outbox,
        loaded: &Loaded,
    ) -> Result<Option<Notification>, StoreError> {
        let record = &loaded.record;
        let stored = &record.projection;
        let mut reader = outbox.reader.clone();
        reader.go_to(place, Status::Running);
        if place.index.is_none() && stored.blocks(place.commit) {
            return Ok(Some(reader.blocked(
                place.commit,
                stored.updated_at,
                stored.reason.clone(),
            )));
        }
        // Of a block that is over the log says when, with what followed it.
        let number = place.commit + CommitNumber::from(place.index.is_none());
        let commit = match loaded.commits.iter().find(|commit| commit.number == number) {
            Some(commit) => Some(Cow::Borrowed(commit)),
            None => {
                let (id, life) = (&record.id, record.life());
                let mut found = commits(&*self.store, id, life, number..number + 1).await?;
                found.pop().map(Cow::Owned)
            }
        };
        let Some(events) = commit.and_then(|commit| events_of(&commit)) else { return Ok(None) };
        let Some(index) = place.index else {
            let why = Some(WHY_IS_LOST.to_owned());
            return Ok(events.first().map(|next| reader.blocked(place.commit, next.at(), why)));
        };
        let event = events.get(index as usize);
        Ok(event.and_then(|event| reader.read_one(number, index as usize, event)))
    }

    /// What is to be told of an execution whose log, up to `commit`, cannot be read: nothing but its
    /// block, and what comes. `None` also if it is blocked for that and all is told.
    pub(in crate::turn) fn outbox_of_unreadable(
        &self,
        record: &Record,
        commit: CommitNumber,
    ) -> Option<Outbox> {
        let notifications = self.registry.notifications()?;
        let stored = &record.projection;
        let is_blocked = stored.blocks(commit);
        if is_blocked && stored.untold.is_none() {
            return None;
        }
        let mut reader = reader(notifications, record, None);
        reader.stands(stored.status);
        let before = stored.untold.map(|untold| (untold, 0));
        let mut outbox = Outbox { before, ..Outbox::new(reader) };
        if is_blocked {
            outbox.blocked(commit, stored.updated_at, stored.reason.clone());
        }
        Some(outbox)
    }

    /// Tells what is untold of a blocked execution, and says in the record how far that came.
    pub(in crate::turn) async fn tell_of_block(
        &self,
        loaded: &Loaded,
        history: &History,
        lease: Lease,
    ) -> Result<(), StoreError> {
        if loaded.record.projection.untold.is_none() {
            return Ok(());
        }
        let mut outbox = self.outbox(loaded, history).await?;
        self.tell(outbox.as_mut(), lease).await;
        // Of a block the record alone knows, its time too: told again it is the same.
        let mut projection = Projection {
            wake_at: None,
            untold: None,
            telling: None,
            view: None,
            life: Some(loaded.record.life()),
            ..loaded.record.projection.clone()
        };
        if let Some(outbox) = &outbox {
            outbox.owe(self.clock.now(), &mut projection);
        }
        self.store.project(&loaded.record.id, &projection).await?;
        Ok(())
    }
}

fn reader(notifications: &Notifications, record: &Record, history: Option<&History>) -> Reader {
    let run = history.map(|history| history.start().run);
    let (id, workflow) = (record.id.clone(), record.workflow.clone());
    Reader::new(notifications.choice.clone(), id, workflow, run, Status::Running)
}

/// The events of a commit. `None` if it cannot be read: whoever reads the log has said so.
fn events_of(commit: &StoredCommit) -> Option<Vec<Event>> {
    commit.decode_after(Previous::Unread).ok().map(|commit| commit.events)
}
