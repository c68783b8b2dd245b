//! What is to be told of an execution and has not been: rule 34. `docs/guide/notifications.md` says
//! what users see of it.
//!
//! How far it has been told stands in the record: all that the record takes into account has been
//! told, unless it says what is [untold](Projection::untold), and what of that is told
//! [all the same](Projection::telling); and the beginning of a run, which its client writes, is told by
//! the first turn. [`read`] finds what is untold, [`send`] sends it:
//!
//! ```text
//!   told, but what is stuck │ next: nothing from here on is told │ what this turn writes
//!   ────────x───────x───────┼────────────────────────────────────┼──────────────────────>
//!           each by itself    waits, in order                      waits, in order
//! ```

mod read;
mod send;

use std::collections::{BTreeMap, VecDeque};

pub(super) use send::Quiet;

use super::notices::{Reader, end_of};
use crate::event::{Event, TurnEnd};
use crate::id::CommitNumber;
use crate::limits::{NOTIFY_AGAIN_AFTER, NOTIFY_AGAIN_AFTER_MAX, NOTIFY_LINGER, NOTIFY_STUCK_MAX};
use crate::notify::Notification;
use crate::replay::History;
use crate::store::{BLOCK, Next, Place, Position, Projection, Status, Telling};
use crate::time::Timestamp;

/// The notifications of one execution that are to be sent.
pub(super) struct Outbox {
    reader: Reader,
    /// What nobody has been told, in order: nothing behind the first of it is told.
    waiting: VecDeque<Notification>,
    /// The execution's status before each commit of which something waits.
    stood: BTreeMap<CommitNumber, Status>,
    /// What did not go through while others behind it did, in order: it is sent by itself.
    stuck: Vec<Notification>,
    /// What else is stuck, all of it before that. Its time has not come, and it is not even read.
    held: Vec<Place>,
    held_until: Option<Timestamp>,
    /// From where on it was untold before.
    before: Option<Position>,
    /// Nothing more is sent before the turn's end.
    failed: bool,
}

impl Outbox {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            waiting: VecDeque::new(),
            stood: BTreeMap::new(),
            stuck: Vec::new(),
            held: Vec::new(),
            held_until: None,
            before: None,
            failed: false,
        }
    }

    /// These events, as they are stored, are in the log: so many of them in each commit, in order, the
    /// last of which is `last`.
    pub(super) fn wrote(&mut self, last: CommitNumber, counts: &[usize], events: &[Event]) {
        let mut rest = events;
        let first = last + 1 - counts.len() as CommitNumber;
        for (commit, count) in (first..).zip(counts) {
            let (events, others) = rest.split_at(*count);
            self.take(commit, events, |_| true);
            rest = others;
        }
    }

    /// Reads a commit; those of its notifications wait that are `wanted`.
    fn take(&mut self, commit: CommitNumber, events: &[Event], wanted: impl Fn(Position) -> bool) {
        let stood = self.reader.status();
        let told = self.reader.read(commit, events);
        let count = self.waiting.len();
        self.waiting.extend(told.into_iter().filter(|told| wanted(position(told))));
        if self.waiting.len() > count {
            self.stood.insert(commit, stood);
        }
    }

    /// The execution is blocked behind `commit`.
    pub(super) fn blocked(&mut self, commit: CommitNumber, at: Timestamp, reason: Option<String>) {
        // After the commit, that is; but read again from there on it is the same.
        self.stood.entry(commit).or_insert(self.reader.status());
        let block = self.reader.blocked(commit, at, reason);
        self.waiting.push_back(block);
    }

    /// The run that begins with `commit` is told by its own first turn.
    pub(super) fn leave_start(&mut self, commit: CommitNumber) {
        if self.waiting.back().is_some_and(|last| last.commit == commit) {
            self.waiting.pop_back();
        }
    }

    /// When the turn, while it goes on, sends what waits; `None` if nothing does.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let oldest = self.waiting.front().filter(|_| !self.failed && !self.is_full())?;
        Some(oldest.at.after(NOTIFY_LINGER))
    }

    /// So much is stuck that no more could be noted: what waits is not sent before some of it is.
    fn is_full(&self) -> bool {
        self.stuck.len() + self.held.len() >= NOTIFY_STUCK_MAX
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.stuck.is_empty()
    }

    /// What the record has to say of it: how much is untold, and when to try again at the latest.
    fn owe(&self, now: Timestamp, projection: &mut Projection) {
        let later = |oldest: Timestamp| {
            now.after(now.since(oldest).clamp(NOTIFY_AGAIN_AFTER, NOTIFY_AGAIN_AFTER_MAX))
        };
        let stuck: Vec<Place> =
            self.held.iter().cloned().chain(self.stuck.iter().map(place_of)).collect();
        let oldest = self.stuck.iter().map(|told| told.at).min();
        let stuck_again = self.held_until.into_iter().chain(oldest.map(later)).min();
        let first = self.waiting.front();
        let waiting_again = first.map(|first| match self.before {
            // The notifier answers again, and there was more than there was time for.
            Some(before) if position(first) > before => now.after(NOTIFY_AGAIN_AFTER),
            _ => later(first.at),
        });
        let next = first.map(|first| Next {
            place: place_of(first),
            status: self.stood.get(&first.commit).copied().unwrap_or(Status::Running),
        });
        let telling = Telling { next, stuck, again: stuck_again };
        let Some(untold) = telling.untold() else { return };
        (projection.untold, projection.telling) = (Some(untold), Some(telling));
        // What has ended has nothing else to be looked at for: it may be deleted once this is told.
        let due = projection.wake_at.filter(|_| !projection.status.is_closed());
        projection.wake_at = due.into_iter().chain(waiting_again).chain(stuck_again).min();
    }
}

/// Where in the order a notification is.
fn position(told: &Notification) -> Position {
    (told.commit, told.index.unwrap_or(BLOCK))
}

fn place_of(told: &Notification) -> Place {
    let Notification { commit, index, run, workflow, .. } = told;
    Place { commit: *commit, index: *index, run: *run, workflow: workflow.clone() }
}

/// What a turn owes, put into what it says in the record.
pub(super) fn owing(mut projection: Projection, outbox: Option<&Outbox>) -> Projection {
    if let Some(outbox) = outbox {
        outbox.owe(projection.updated_at, &mut projection);
    }
    projection
}

/// Where an execution stands by its log.
pub(super) fn status_of(history: &History) -> Status {
    if let Some((status, _)) = history.events.last().and_then(end_of) {
        return status;
    }
    match (&history.open_turn, history.turn_end) {
        (None, Some(TurnEnd::Suspended)) => Status::Suspended,
        _ => Status::Running,
    }
}
