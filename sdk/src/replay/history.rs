//! A loaded log, read and checked: where the execution stands and what is to be delivered.

use std::collections::HashSet;

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
    /// The events of the current run, the first of them WorkflowStarted.
    pub(crate) events: Vec<Event>,
    /// The ids of all inbox items ever taken.
    pub(crate) taken: HashSet<String>,
    /// The last turn's claim and its writer, if its turn has not ended.
    pub(crate) open_turn: Option<OpenTurn>,
    /// How the last turn ended, if none is open.
    pub(crate) turn_end: Option<TurnEnd>,
    /// The earliest time something becomes due, as the last ended turn said.
    pub(crate) wake_at: Option<Timestamp>,
    /// The times the last ended turn had wakes under way for.
    pub(crate) armed: Vec<Timestamp>,
    /// What the current run published last.
    pub(crate) view: Option<Json>,
    /// Claims since the last progress.
    pub(crate) strikes: u32,
    /// Whether the current run has ended.
    pub(crate) ended: bool,
    /// The latest event's time.
    pub(crate) time: Timestamp,
}

/// A claim whose turn has not ended.
#[derive(Debug, Clone)]
pub(crate) struct OpenTurn {
    pub(crate) writer: WriterId,
    pub(crate) claim: TurnStarted,
}

impl History {
    /// Reads and checks a log.
    pub(crate) fn read(commits: &[StoredCommit]) -> Result<Self, CorruptCommit> {
        let mut history = Self {
            last: 0,
            last_hash: [0; 32],
            events: Vec::with_capacity(commits.len() + 8),
            taken: HashSet::new(),
            open_turn: None,
            turn_end: None,
            wake_at: None,
            armed: Vec::new(),
            view: None,
            strikes: 0,
            ended: false,
            time: Timestamp::default(),
        };
        let mut stored = commits.iter();
        for decoded in decode(commits) {
            let mut events = decoded.events.into_iter();
            // The counts first: `zip` takes from its left side before it sees that the right is over.
            for (count, commit) in decoded.counts.into_iter().zip(stored.by_ref()) {
                for event in events.by_ref().take(count) {
                    history.take(commit, event)?;
                }
                history.last = commit.number;
                history.last_hash = commit.hash;
            }
            if let Some(corrupt) = decoded.corrupt {
                return Err(corrupt);
            }
        }
        if history.events.is_empty() {
            return Err(CorruptCommit { number: 0, problem: "it is missing".into() });
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
    fn take(&mut self, commit: &StoredCommit, event: Event) -> Result<(), CorruptCommit> {
        let starts = matches!(event, Event::WorkflowStarted(_));
        let problem = if self.events.is_empty() && !starts {
            "a log begins with WorkflowStarted"
        } else if starts && !self.events.is_empty() && !self.ended {
            "it starts the execution again before its end"
        } else if self.ended && !starts {
            "it goes on after the execution's end"
        } else {
            self.note(commit.writer, &event);
            self.events.push(event);
            return Ok(());
        };
        Err(CorruptCommit { number: commit.number, problem: problem.to_owned() })
    }

    fn note(&mut self, writer: WriterId, event: &Event) {
        self.time = self.time.max(event.at());
        if event.is_progress() {
            self.strikes = 0;
        }
        match event {
            Event::WorkflowStarted(_) => {
                self.events.clear();
                self.ended = false;
                self.turn_end = None;
                self.wake_at = None;
                self.armed.clear();
                self.view = None;
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
                self.open_turn = None;
                self.turn_end = Some(end.reason);
                self.wake_at = end.wake_at;
                self.armed.clone_from(&end.armed);
            }
            Event::ChildCompleted(child) => {
                let run = self.start().run;
                self.taken.insert(child_item_id(run, child.seq));
            }
            Event::ViewPublished(published) => self.view = Some(published.view.clone()),
            _ => {}
        }
        if let Some(item) = event.item() {
            self.taken.insert(item.to_owned());
        }
        if event.is_end() {
            self.ended = true;
            self.open_turn = None;
        }
    }
}
