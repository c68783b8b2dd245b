//! A recorded history, read back from [lines](super::HistoryLine): the events of its runs.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::{Event, Json};
use crate::id::CommitNumber;

/// The runs of an execution's history. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Arc<Vec<Event>>>);

/// Why a text is no history.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// Which line, from 1.
    pub(crate) line: usize,
    pub(crate) why: Why,
}

/// What is wrong with a line.
#[derive(Debug)]
pub(crate) enum Why {
    /// It is no event.
    NoEvent(serde_json::Error),
    /// The history begins elsewhere than at its start.
    NoStart { with: &'static str },
    /// It does not follow the line before.
    OutOfPlace(String),
}

/// A line of which only the event is needed, and by the rest it is seen whether any are missing.
#[derive(Deserialize)]
struct Line {
    execution: Option<String>,
    commit: Option<CommitNumber>,
    event: Event,
}

/// The events that the lines of `text` hold, of which the first is the start of a run. Empty lines
/// are passed over.
pub(crate) fn read_lines(text: &str) -> Result<Vec<Event>, Unreadable> {
    let mut events: Vec<Event> = Vec::new();
    let mut before: Option<(Option<String>, Option<CommitNumber>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let refused = |why| Unreadable { line: number, why };
        let read: Line =
            serde_json::from_str(line).map_err(|error| refused(Why::NoEvent(error)))?;
        if events.is_empty() && !matches!(read.event, Event::WorkflowStarted(_)) {
            return Err(refused(Why::NoStart { with: read.event.kind() }));
        }
        if let Some((execution, commit)) = &before
            && let Some(problem) = read.out_of_place(execution.as_deref(), *commit)
        {
            return Err(refused(Why::OutOfPlace(problem)));
        }
        before = Some((read.execution, read.commit));
        events.push(read.event);
    }
    if events.is_empty() {
        return Err(Unreadable { line: 1, why: Why::NoStart { with: "nothing" } });
    }
    Ok(events)
}

impl Line {
    /// Why it does not follow a line of this execution and commit.
    fn out_of_place(
        &self,
        execution: Option<&str>,
        commit: Option<CommitNumber>,
    ) -> Option<String> {
        if let (Some(own), Some(other)) = (self.execution.as_deref(), execution)
            && own != other
        {
            return Some(format!(
                "it is of execution {own}, and the line before it of {other}: a file holds one history"
            ));
        }
        let (own, before) = (self.commit?, commit?);
        let follows = own == before || own.checked_sub(1) == Some(before);
        (!follows).then(|| {
            format!("it is of commit {own}, and the line before it of {before}: lines are missing")
        })
    }
}

impl Runs {
    /// The runs that `events` are of.
    ///
    /// # Errors
    /// What they begin with instead of a start.
    pub(crate) fn of(events: Vec<Event>) -> Result<Self, &'static str> {
        let mut runs: Vec<Vec<Event>> = Vec::new();
        let mut carried = Vec::new();
        for event in events {
            match (event, runs.last_mut()) {
                (start @ Event::WorkflowStarted(_), _) => {
                    runs.push(std::iter::once(start).chain(carried.drain(..)).collect());
                }
                (event, None) => return Err(event.kind()),
                (Event::Carried(next), Some(_)) => carried.extend(next.messages),
                (end @ Event::ContinuedAsNew(_), Some(run)) => run.push(end),
                (event, Some(run)) => {
                    // A turn died before it could carry them into another run.
                    carried.clear();
                    run.push(event);
                }
            }
        }
        if runs.is_empty() {
            return Err("nothing");
        }
        Ok(Self(runs.into_iter().map(Arc::new).collect()))
    }

    /// The events of each run, the first of them its start, with the input of the run behind it.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Arc<Vec<Event>>, Option<&Json>)> {
        let next = self.0.iter().skip(1).map(|run| match run.first() {
            Some(Event::WorkflowStarted(start)) => Some(&start.input),
            _ => None,
        });
        self.0.iter().zip(next.chain([None]))
    }

    /// The events of the last run.
    pub(crate) fn last(&self) -> &[Event] {
        self.0.last().map_or(&[], |run| run)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEvent(error) => write!(
                f,
                "this is no event of a history that this program can read ({error}): export the \
                 execution again, with a program of this version or an older one"
            ),
            Self::NoStart { with } => write!(
                f,
                "a history begins with WorkflowStarted, and this one with {with}: export the \
                 execution whole"
            ),
            Self::OutOfPlace(problem) => write!(f, "{problem}. Export the execution again"),
        }
    }
}
