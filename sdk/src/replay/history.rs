//! A loaded log, read and checked: where the execution stands and what is to be delivered.

use super::taken::TakenIds;
use std::collections::BTreeMap;

use crate::event::{
    CorruptCommit, Event, Json, StoredCommit, TurnEnd, TurnStarted, WorkflowStarted, child_item_id,
    decode,
};
use crate::id::{CommitNumber, WriterId};
use crate::time::Timestamp;

/// What a log says, up to where it was read.
pub(crate) struct History {
    /// The last commit.
    pub(crate) last: CommitNumber,
    /// Its hash.
    pub(crate) last_hash: [u8; 32],
    /// Where a read of the current run begins: the commit that starts it, or the first of those
    /// that hold what it was handed on.
    pub(crate) first: CommitNumber,
    /// The commit with the start of the current run.
    pub(crate) started_in: CommitNumber,
    /// The events of the current run, the first of them WorkflowStarted, then what it was handed
    /// on.
    pub(crate) events: Vec<Event>,
    /// The ids of the inbox items that were taken, as far as they are known.
    pub(crate) taken: TakenIds,
    /// The last turn's claim and its writer, if its turn has not ended.
    pub(crate) open_turn: Option<OpenTurn>,
    /// How the last turn ended, if none is open.
    pub(crate) turn_end: Option<TurnEnd>,
    /// The earliest time something becomes due, as the last ended turn said.
    pub(crate) wake_at: Option<Timestamp>,
    /// The times the last ended turn had wakes under way for.
    pub(crate) armed: Vec<Armed>,
    /// The latest time that any TurnEnded may have, if there may have been one.
    pub(crate) turn_ended_at: Option<Timestamp>,
    /// What the current run published last.
    pub(crate) view: Option<Json>,
    /// What the execution is found by.
    pub(crate) tags: BTreeMap<String, String>,
    /// Claims since the last progress, but for those of turns that gave up: what they needed was
    /// slow, and they ended in order, so nothing has died of the code.
    pub(crate) strikes: u32,
    /// Turns that gave up since the last progress.
    pub(crate) gave_up: u32,
    /// Whether the current run has ended.
    pub(crate) ended: bool,
    /// The latest event's time.
    pub(crate) time: Timestamp,
    /// What the next run, if one starts here, is handed on, and from which commit on.
    carried: Vec<Event>,
    carried_from: Option<CommitNumber>,
    handed: Option<TakenIds>,
    /// The current run has continued as new: the next one must start in the same commit.
    continues: bool,
}

/// A time that has a wake under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Armed {
    pub(crate) due: Timestamp,
    /// When the turn ended from which on each turn's end has listed it.
    pub(crate) since: Timestamp,
}

/// A claim whose turn has not ended.
#[derive(Debug, Clone)]
pub(crate) struct OpenTurn {
    pub(crate) writer: WriterId,
    pub(crate) claim: TurnStarted,
}

impl History {
    /// Reads and checks a log, or what it has from commit `from` on, where a run begins.
    pub(crate) fn read(
        commits: &[StoredCommit],
        from: CommitNumber,
    ) -> Result<Self, CorruptCommit> {
        let mut history = Self {
            last: 0,
            last_hash: [0; 32],
            first: from,
            started_in: from,
            events: Vec::with_capacity(commits.len() + 8),
            taken: TakenIds::default(),
            open_turn: None,
            turn_end: None,
            wake_at: None,
            armed: Vec::new(),
            turn_ended_at: None,
            view: None,
            tags: BTreeMap::new(),
            strikes: 0,
            gave_up: 0,
            ended: false,
            time: Timestamp::default(),
            carried: Vec::new(),
            carried_from: None,
            handed: None,
            continues: false,
        };
        decode(commits, from, |commit, events| {
            for event in events {
                history.take(commit, event, from)?;
            }
            if history.continues {
                let problem = "it ends a run that continues, and starts no other".to_owned();
                return Err(CorruptCommit::new(commit.number, problem));
            }
            history.last = commit.number;
            history.last_hash = commit.hash;
            Ok(())
        })?;
        if history.events.is_empty() {
            return Err(match commits.first() {
                None => CorruptCommit::missing(from),
                Some(_) => CorruptCommit::new(from, "no run begins there"),
            });
        }
        Ok(history)
    }

    /// The start of the current run.
    pub(crate) fn start(&self) -> &WorkflowStarted {
        match &self.events[0] {
            Event::WorkflowStarted(start) => start,
            _ => unreachable!("read() puts WorkflowStarted first"),
        }
    }

    /// Takes in the next event, which `commit` holds.
    fn take(
        &mut self,
        commit: &StoredCommit,
        event: Event,
        from: CommitNumber,
    ) -> Result<(), CorruptCommit> {
        let between = matches!(event, Event::Carried(_) | Event::ContinuedAsNew(_));
        let problem = match &event {
            Event::WorkflowStarted(start) => self.check_start(start),
            Event::Carried(_) => None,
            _ if !self.events.is_empty() => {
                self.ended.then(|| "it goes on after the execution's end".to_owned())
            }
            _ if from == 0 => Some("a log begins with WorkflowStarted".to_owned()),
            Event::ContinuedAsNew(_) => None,
            // The end of an earlier run, in the commit with which this one begins.
            _ if commit.number == from && self.carried_from.is_none() => return Ok(()),
            _ => Some("no run begins before it".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(CorruptCommit::new(commit.number, problem));
        }
        self.note(commit, &event);
        if !between {
            let starts = matches!(event, Event::WorkflowStarted(_));
            self.events.push(event);
            if starts {
                self.events.append(&mut self.carried);
            }
        }
        Ok(())
    }

    /// What is wrong with a run that starts here.
    fn check_start(&self, start: &WorkflowStarted) -> Option<String> {
        let Some(Event::WorkflowStarted(before)) = self.events.first() else { return None };
        if !self.ended {
            return Some("it starts the execution again before its end".to_owned());
        }
        if start.execution != before.execution {
            return Some(format!("it starts a run of another execution, {}", start.execution));
        }
        let (run, expected) = (start.run, before.run.saturating_add(1));
        (run != expected).then(|| format!("it starts run {run}, and run {expected} is next"))
    }

    fn note(&mut self, commit: &StoredCommit, event: &Event) {
        let writer = commit.writer;
        self.time = self.time.max(event.at());
        if event.is_progress() {
            (self.strikes, self.gave_up) = (0, 0);
        }
        match event {
            Event::WorkflowStarted(start) => {
                self.tags.clone_from(&start.tags);
                self.first = self.carried_from.take().unwrap_or(commit.number);
                self.started_in = commit.number;
                self.events.clear();
                // It knows what it was handed on and no more, wherever reading began.
                if let Some(handed) = self.handed.take() {
                    self.taken = handed;
                }
                if !self.continues {
                    self.view = None;
                }
                self.continues = false;
                self.ended = false;
                self.open_turn = None;
                self.turn_end = None;
                self.wake_at = None;
                self.armed.clear();
                // Reading may have begun behind the ends of the runs before.
                self.turn_ended_at = (start.run > 1).then_some(start.at);
            }
            Event::TurnStarted(claim) => {
                self.strikes += 1;
                self.open_turn = Some(OpenTurn { writer, claim: claim.clone() });
                self.turn_end = None;
            }
            Event::LeaseRenewed(renewed) => {
                if let Some(open) = &mut self.open_turn {
                    open.claim.lease_end = renewed.lease_end;
                }
            }
            Event::TurnEnded(end) => {
                if end.reason == TurnEnd::GaveUp {
                    // Its own claim only: those of turns that died stay counted.
                    self.strikes = self.strikes.saturating_sub(1);
                    self.gave_up += 1;
                }
                self.open_turn = None;
                self.turn_end = Some(end.reason);
                self.turn_ended_at = Some(end.at);
                self.wake_at = end.wake_at;
                self.armed.retain(|armed| end.armed.contains(&armed.due));
                for &due in &end.armed {
                    if !self.armed.iter().any(|armed| armed.due == due) {
                        self.armed.push(Armed { due, since: end.at });
                    }
                }
            }
            // Rule 12: a wake that came while it was blocked is gone.
            Event::Resumed(_) => self.armed.clear(),
            Event::ChildCompleted(child) => {
                let run = self.start().run;
                self.taken.insert(child_item_id(run, child.seq), child.at);
            }
            Event::Carried(carried) => {
                self.carried_from.get_or_insert(commit.number);
                self.carried.extend(carried.messages.iter().cloned());
                self.handed.get_or_insert_default().know(carried);
                return;
            }
            Event::ContinuedAsNew(_) => {
                self.carried_from.get_or_insert(commit.number);
                self.handed.get_or_insert_default();
                self.continues = true;
                self.ended = true;
                return;
            }
            Event::ViewPublished(published) => self.view = Some(published.view.clone()),
            Event::TagSet(tag) => {
                self.tags.insert(tag.name.clone(), tag.value.clone());
            }
            _ => {}
        }
        if let Some(item) = event.item() {
            self.taken.insert(item.to_owned(), event.at());
        }
        if event.is_end() {
            self.ended = true;
            self.open_turn = None;
        }
        if !matches!(event, Event::WorkflowStarted(_)) {
            // A turn died before the run that it was to be carried into.
            self.carried.clear();
            self.carried_from = None;
            self.handed = None;
        }
    }
}
