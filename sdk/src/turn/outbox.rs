//! What is to be told of an execution and has not been: rule 34. `docs/guide/notifications.md` says
//! what users see of it.
//!
//! How far it has been told stands in the record, but not as a number of its own: all that the record
//! takes into account has been told, unless it says what is [untold](Projection::untold); and the
//! beginning of a run, which its client writes, is told by the first turn.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use tokio::time::Instant;

use super::notices::{Reader, end_of};
use super::{Kitchen, Lease};
use crate::event::{Event, Previous, TurnEnd};
use crate::id::CommitNumber;
use crate::limits::{
    NOTIFY_AGAIN_AFTER, NOTIFY_AGAIN_AFTER_MAX, NOTIFY_LINGER, NOTIFY_PAUSE, NOTIFY_WAIT,
};
use crate::notify::{Notification, Notifications};
use crate::replay::History;
use crate::store::{Loaded, Projection, Record, Status, StoreError};
use crate::time::Timestamp;

/// How many notifications are given to the notifier at a time.
const SENT_AT_ONCE: usize = 100;

/// The notifications of one execution that are to be sent, in order.
pub(super) struct Outbox {
    reader: Reader,
    waiting: VecDeque<Notification>,
    /// From which commit on it was untold before.
    before: Option<CommitNumber>,
    /// Nothing more is sent before the turn's end.
    failed: bool,
}

impl Outbox {
    /// These events, as they are stored, are in the log: so many of them in each commit, in order, the
    /// last of which is `last`.
    pub(super) fn wrote(&mut self, last: CommitNumber, counts: &[usize], events: &[Event]) {
        let mut rest = events;
        let first = last + 1 - counts.len() as CommitNumber;
        for (commit, count) in (first..).zip(counts) {
            let (events, others) = rest.split_at(*count);
            self.waiting.extend(self.reader.read(commit, events));
            rest = others;
        }
    }

    /// The execution is blocked behind `commit`.
    pub(super) fn blocked(&mut self, commit: CommitNumber, at: Timestamp, reason: Option<String>) {
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
        let oldest = self.waiting.front().filter(|_| !self.failed)?;
        Some(oldest.at.after(NOTIFY_LINGER))
    }

    /// What the record has to say of it: how much is untold, and when to try again at the latest.
    fn owe(&self, now: Timestamp, projection: &mut Projection) {
        let Some(untold) = self.waiting.iter().map(|it| it.commit).min() else { return };
        let oldest = self.waiting.iter().map(|it| it.at).min().unwrap_or(now);
        let later = match self.before {
            // The notifier answers again, and there was more than there was time for.
            Some(before) if untold > before => NOTIFY_AGAIN_AFTER,
            _ => now.since(oldest).clamp(NOTIFY_AGAIN_AFTER, NOTIFY_AGAIN_AFTER_MAX),
        };
        let again = now.after(later);
        projection.untold = Some(untold);
        // What has ended has nothing else to be looked at for: it may be deleted once this is told.
        let due = projection.wake_at.filter(|_| !projection.status.is_closed());
        projection.wake_at = Some(due.map_or(again, |at| at.min(again)));
    }
}

/// What a turn owes, put into what it says in the record.
pub(super) fn owing(mut projection: Projection, outbox: Option<&Outbox>) -> Projection {
    if let Some(outbox) = outbox {
        outbox.owe(projection.updated_at, &mut projection);
    }
    projection
}

/// Whether a notifier answers: one that does not is left alone for a while, by all turns of a process.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<Option<Instant>>);

impl Quiet {
    fn lasts(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, failed: bool) {
        let until = failed.then(|| Instant::now() + NOTIFY_PAUSE);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Kitchen {
    /// What is untold of an execution as it was loaded. `None` if nobody is to be told anything.
    pub(super) async fn outbox(
        &self,
        loaded: &Loaded,
        history: &History,
    ) -> Result<Option<Outbox>, StoreError> {
        let Some(notifications) = self.registry.notifications() else { return Ok(None) };
        let stored = &loaded.record.projection;
        // Nobody has taken a turn in this run, or told of its block.
        let is_new = stored.commit == history.started_in && stored.status == Status::Running;
        let from = stored.untold.unwrap_or(stored.commit + 1);
        if from > history.last && !is_new {
            let status = match stored.status {
                Status::Blocked => Status::Blocked,
                _ => status_of(history),
            };
            return Ok(Some(self.outbox_of(notifications, &loaded.record, Some(history), status)));
        }
        let older = match stored.untold {
            Some(untold) if untold < loaded.from => self.store.load_all(&loaded.record.id).await?,
            _ => None,
        };
        let read = older.as_ref().unwrap_or(loaded);
        let mut outbox =
            self.outbox_of(notifications, &loaded.record, Some(history), Status::Running);
        for stored_commit in &read.commits {
            let number = stored_commit.number;
            if number > history.last {
                break;
            }
            // They have been read before.
            let Ok(commit) = stored_commit.decode_after(Previous::Unread) else { continue };
            let resumed = commit.events.iter().find(|event| matches!(event, Event::Resumed(_)));
            if let Some(resumed) = resumed.filter(|_| number > from)
                && stored.commit >= number
            {
                // A block that was never told, and of which the record says nothing any more.
                let why = "why is not known any more: it was resumed before this could be told";
                outbox.blocked(number - 1, resumed.at(), Some(why.to_owned()));
            }
            let told = outbox.reader.read(number, &commit.events);
            let is_start = is_new && number == history.started_in;
            if number >= from {
                outbox.waiting.extend(told);
            } else if is_start {
                // The run before has told of its end, if it is in the same commit.
                outbox.waiting.extend(told.into_iter().next_back());
            }
            if number == stored.commit && stored.status == Status::Blocked {
                let reason = stored.reason.clone();
                outbox.blocked(number, stored.updated_at, reason);
                if stored.untold.is_none() {
                    outbox.waiting.pop_back();
                }
            }
        }
        Ok(Some(outbox))
    }

    /// The same of an execution whose log, up to `commit`, cannot be read: nothing but what comes.
    /// `None` also if it is blocked for that and all is told.
    pub(super) fn outbox_of_unreadable(
        &self,
        record: &Record,
        commit: CommitNumber,
    ) -> Option<Outbox> {
        let notifications = self.registry.notifications()?;
        let stored = &record.projection;
        if stored.status == Status::Blocked && stored.commit == commit && stored.untold.is_none() {
            return None;
        }
        Some(self.outbox_of(notifications, record, None, record.projection.status))
    }

    fn outbox_of(
        &self,
        notifications: &Notifications,
        record: &Record,
        history: Option<&History>,
        status: Status,
    ) -> Outbox {
        let run = history.map(|history| history.start().run);
        let (id, workflow) = (record.id.clone(), record.workflow.clone());
        let reader = Reader::new(notifications.choice.clone(), id, workflow, run, status);
        let before = record.projection.untold;
        Outbox { reader, waiting: VecDeque::new(), before, failed: false }
    }

    /// Sends what waits, for [`NOTIFY_WAIT`] at most. What is not sent stays, and is never the
    /// execution's trouble.
    pub(super) async fn tell(&self, outbox: Option<&mut Outbox>, lease: Lease) {
        let Some(outbox) = outbox.filter(|outbox| !outbox.waiting.is_empty()) else { return };
        let Some(notifications) = self.registry.notifications() else { return };
        let wait = match lease {
            Lease::Invocation { deadline, .. } => {
                NOTIFY_WAIT.min(deadline.since(self.clock.now()) / 2)
            }
            Lease::Renewed(_) => NOTIFY_WAIT,
        };
        outbox.failed = wait.is_zero() || self.quiet.lasts();
        let until = Instant::now() + wait;
        let mut kept = VecDeque::new();
        while !outbox.waiting.is_empty() && !outbox.failed {
            let count = outbox.waiting.len().min(SENT_AT_ONCE);
            let batch = &outbox.waiting.make_contiguous()[..count];
            // What it panics of is its own affair, and no strike of the execution.
            let sending = AssertUnwindSafe(notifications.notifier.send(batch)).catch_unwind();
            let answer = tokio::time::timeout_at(until, sending).await;
            let Ok(Ok(not_sent)) = answer else {
                let problem = match answer {
                    Ok(_) => "the notifier panicked".to_owned(),
                    Err(_) => format!("no answer within {} s", wait.as_secs_f32()),
                };
                self.not_told(&outbox.waiting[0], count, notifications, &problem);
                outbox.failed = true;
                break;
            };
            let mut problems: Vec<Option<String>> = vec![None; count];
            for failed in not_sent {
                if failed.error.is_final() {
                    let told = outbox.waiting.get(failed.index);
                    tracing::error!(
                        everstep.execution.id = %outbox.reader.execution(),
                        id = told.map(|told| tracing::field::display(&told.id)),
                        notifier = notifications.kind(),
                        error = %failed.error,
                        "a notification is dropped"
                    );
                } else if let Some(problem) = problems.get_mut(failed.index) {
                    *problem = Some(failed.error.to_string());
                }
            }
            let all = problems.iter().all(Option::is_some);
            let failed = outbox.waiting.iter().zip(&problems);
            let mut failed = failed.filter_map(|(told, problem)| Some((told, problem.as_ref()?)));
            if let Some((first, problem)) = failed.next() {
                if all {
                    self.not_told(first, count, notifications, problem);
                } else {
                    // It may be only this one that never goes through: whoever reads it must know
                    // which it is.
                    tracing::warn!(
                        everstep.execution.id = %first.execution,
                        id = %first.id,
                        notifier = notifications.kind(),
                        error = %problem,
                        failed = failed.count() + 1,
                        of = count,
                        "notifications are sent again later, this one first"
                    );
                }
                outbox.failed = true;
            } else {
                self.quiet.set(false);
            }
            let sent = outbox.waiting.drain(..count).zip(problems);
            kept.extend(sent.filter_map(|(told, problem)| problem.map(|_| told)));
        }
        kept.append(&mut outbox.waiting);
        outbox.waiting = kept;
    }

    /// Nothing of a batch could be sent.
    fn not_told(
        &self,
        first: &Notification,
        count: usize,
        notifications: &Notifications,
        problem: &str,
    ) {
        self.quiet.set(true);
        tracing::error!(
            everstep.execution.id = %first.execution,
            id = %first.id,
            notifier = notifications.kind(),
            error = %problem,
            count,
            "notifications are not sent; they are tried again, and executions go on meanwhile"
        );
    }

    /// Tells what is untold of a blocked execution, and says in the record how far that came.
    pub(super) async fn tell_of_block(
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
