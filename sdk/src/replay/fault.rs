//! Why an execution cannot go on with this code.

use std::fmt;
use std::ops::RangeInclusive;

use super::call::Kind;
use crate::event::Text;

/// How the reason of a block begins that the replay check found.
pub(crate) const REPLAY_CHECK: &str = "the replay check";

/// The first thing that went wrong between code and log, or in the code itself. It blocks the
/// execution: nothing is appended, nothing is lost, and a fixing deploy goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Code and log disagree.
    Mismatch(Box<Mismatch>),
    /// The workflow's own code panicked.
    Panicked { message: String },
    /// The workflow awaited something that is not durable.
    ForeignAwait(Box<ForeignAwait>),
    /// A value cannot be recorded or read back.
    Value { what: String, problem: String },
    /// Run again over what it was given, the code asked for something else.
    NotRepeatable { problem: String },
    /// The run is on a version of a change that this code does not know.
    VersionGone(Box<VersionGone>),
    /// The code asks for an operation that is new, of a workflow that does not want any.
    NewOperation(Box<NewOperation>),
    /// A step failed in a way its error type has no room for.
    StepGaveUp { key: String, problem: String },
    /// The log says that a step was let end so that it can be undone, and it has no undo.
    NoUndo { call: u32 },
    /// The log says what was undone because the workflow failed, and it ends otherwise.
    OtherEnd { recorded: String, now: String },
    /// Its turns end without progress.
    Poison { turns: u32 },
    /// This program has no workflow of that name.
    UnknownWorkflow { name: String },
    /// What the log or a message carries cannot be read.
    Payload { problem: String },
    /// A newer program has written in the log what this one does not know.
    NewerLog { problem: String },
    /// The log cannot be trusted.
    Corrupt { problem: String },
}

/// Both sides of a disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) seq: u32,
    pub(crate) recorded: Option<Side>,
    pub(crate) asked: Option<Side>,
    pub(crate) detail: String,
}

/// See [`Fault::ForeignAwait`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignAwait {
    /// What it awaits.
    pub(crate) what: String,
    /// Where that is.
    pub(crate) near: Near,
}

/// Where in a workflow something is that has no place in the source of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Near {
    /// Behind this operation: the last one that the workflow has called or had the outcome of.
    After(Side),
    /// Before its first operation. Where the workflow itself stands in the source, if that is known.
    Begin(Option<Text>),
    /// What is said of it names a place.
    Said,
}

/// See [`Fault::VersionGone`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionGone {
    /// The change.
    pub(crate) name: String,
    /// What the run is on.
    pub(crate) version: u32,
    /// Whether the log says so; else it is from before the change.
    pub(crate) recorded: bool,
    /// What the code knows.
    pub(crate) range: RangeInclusive<u32>,
}

/// See [`Fault::NewOperation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewOperation {
    pub(crate) workflow: String,
    pub(crate) asked: Side,
    /// The version of the code that wrote the log's last claim.
    pub(crate) written_by: String,
    /// The version of this code.
    pub(crate) code: String,
}

/// One side: an operation and where it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) site: Text,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.kind, self.key, self.site)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code and log disagree at call {}: the log has ", self.seq + 1)?;
        match &self.recorded {
            Some(side) => side.fmt(f)?,
            None => f.write_str("nothing")?,
        }
        f.write_str(", the code asks for ")?;
        match &self.asked {
            Some(side) => side.fmt(f)?,
            None => f.write_str("nothing there")?,
        }
        if !self.detail.is_empty() {
            write!(f, "; {}", self.detail)?;
        }
        f.write_str(
            ". Common causes: the workflow was changed while this execution was open, or it \
             depends on something that differs between runs (a clock, randomness, the order of a \
             hash map, a global). Put the old order of calls back and deploy: the execution then \
             goes on",
        )
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(side) => write!(f, ". The last operation it came to before is {side}"),
            Self::Begin(None) => f.write_str(". It came to no operation before"),
            Self::Begin(Some(site)) => {
                write!(f, ". It came to no operation before: the workflow begins at {site}")
            }
            Self::Said => Ok(()),
        }
    }
}

impl fmt::Display for VersionGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, recorded, range } = self;
        write!(f, "this execution is on version {version} of change {name:?}")?;
        if !recorded {
            f.write_str(", since it came by there before the code asked for a version")?;
        }
        write!(f, ", and this code knows {range:?}. ")?;
        if version < range.start() {
            write!(f, "Put the branch of version {version} back and deploy")?;
        } else {
            write!(f, "Deploy code that knows version {version} again")?;
        }
        f.write_str(": the execution then goes on")
    }
}

impl fmt::Display for NewOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workflow, asked, written_by, code } = self;
        write!(
            f,
            "the log says that the execution waits, and the code asks there for {asked}, of which \
             the log has nothing (code {written_by:?} wrote it, this is code {code:?}). Workflow \
             {workflow} has new_steps = \"block\". Put what is new behind \
             version(\"a name\", 1..=2), or take it out, and deploy: the execution then goes on"
        )
    }
}

impl Fault {
    /// What is the same for all executions that meet this fault at one place of the code.
    pub(crate) fn in_brief(&self) -> String {
        match self {
            Self::Mismatch(mismatch) => mismatch.sides(),
            other => other.to_string(),
        }
    }

    /// What can be said of it where nobody may read payloads: nothing that may quote one.
    pub(crate) fn without_values(&self) -> String {
        let hidden = || {
            "what is wrong is not said here, for payloads are encrypted; the deploy check says it"
                .to_owned()
        };
        match self {
            Self::Value { what, .. } => {
                Self::Value { what: what.clone(), problem: hidden() }.to_string()
            }
            Self::NotRepeatable { .. } => Self::NotRepeatable { problem: hidden() }.to_string(),
            Self::StepGaveUp { key, .. } => {
                Self::StepGaveUp { key: key.clone(), problem: hidden() }.to_string()
            }
            Self::OtherEnd { .. } => {
                let recorded = "it failed with an error that is encrypted".to_owned();
                Self::OtherEnd { recorded, now: "it ends otherwise".to_owned() }.to_string()
            }
            other => other.in_brief(),
        }
    }
}

impl Mismatch {
    /// What the log has and what the code asks for.
    fn sides(&self) -> String {
        let recorded = self.recorded.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        let asked = self.asked.as_ref().map_or("nothing there".to_owned(), ToString::to_string);
        let other = if self.detail.is_empty() { "" } else { ", but not with the same arguments" };
        format!("the log has {recorded}, the code asks for {asked}{other}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Panicked { message } => write!(
                f,
                "the workflow panicked: {message}. Fix it and deploy: the execution then goes on"
            ),
            Self::ForeignAwait(foreign) => write!(
                f,
                "the workflow awaits something that is not durable: {}{}. Await it inside a step, \
                 or use everstep's own sleep, timeout, signal or race; then deploy, and the \
                 execution goes on",
                foreign.what, foreign.near
            ),
            Self::Value { what, problem } => write!(f, "{what}: {problem}"),
            Self::NotRepeatable { problem } => write!(
                f,
                "{REPLAY_CHECK}: {problem}. The workflow depends on something that differs between \
                 runs (the order of a hash map, a clock, randomness, a global): take that from \
                 everstep (now, random, uuid), from a step or from an ordered map, and start again"
            ),
            Self::VersionGone(gone) => gone.fmt(f),
            Self::NewOperation(new) => new.fmt(f),
            Self::StepGaveUp { key, problem } => write!(
                f,
                "step {key} failed and its error type has no room for it: {problem}. Implement \
                 From<StepFailure> for the error type or fix the step, deploy, and resume"
            ),
            Self::NoUndo { call } => write!(
                f,
                "code and log disagree at call {call}: the log says that it may have to be undone, \
                 and it is no step with an undo. Put the old order of calls and the step's undo \
                 back and deploy: the execution then goes on"
            ),
            Self::OtherEnd { recorded, now } => write!(
                f,
                "code and log disagree about the workflow's end: in the log {recorded}, and what it \
                 did is being undone; now {now}. Put the old code back and deploy: the execution \
                 then goes on"
            ),
            Self::Poison { turns } => write!(
                f,
                "{turns} turns in a row ended without progress: the host probably dies each time \
                 (out of memory, an abort, a time-out). Look at the host's log, fix it, and resume"
            ),
            Self::UnknownWorkflow { name } => write!(
                f,
                "no workflow named {name:?} is registered in the program that was woken for it"
            ),
            Self::Payload { problem } => write!(f, "{problem}. Then resume"),
            Self::NewerLog { problem } => write!(
                f,
                "{problem}. A newer program has written it. Replace this one on all hosts; a worker \
                 of the newer one goes on with the execution when it starts, and any host of it \
                 after a resume"
            ),
            Self::Corrupt { problem } => f.write_str(problem),
        }
    }
}
