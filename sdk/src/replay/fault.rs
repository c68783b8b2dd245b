//! Why an execution cannot go on with this code.

use std::fmt;

use super::call::Kind;

/// The first thing that went wrong between code and log, or in the code itself. It blocks the
/// execution: nothing is appended, nothing is lost, and a fixing deploy goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Code and log disagree.
    Mismatch(Box<Mismatch>),
    /// The workflow's own code panicked.
    Panicked { message: String },
    /// The workflow awaited something that is not durable.
    ForeignAwait { what: String },
    /// A value cannot be recorded or read back.
    Value { what: String, problem: String },
    /// A step failed in a way its error type has no room for.
    StepGaveUp { key: String, problem: String },
    /// Its turns end without progress.
    Poison { turns: u32 },
    /// This program has no workflow of that name.
    UnknownWorkflow { name: String },
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

/// One side: an operation and where it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) site: String,
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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Panicked { message } => write!(
                f,
                "the workflow panicked: {message}. Fix it and deploy: the execution then goes on"
            ),
            Self::ForeignAwait { what } => write!(
                f,
                "the workflow awaits something that is not durable: {what}. Await it inside a \
                 step, or use everstep's own sleep, timeout, signal or race; then deploy, and the \
                 execution goes on"
            ),
            Self::Value { what, problem } => write!(f, "{what}: {problem}"),
            Self::StepGaveUp { key, problem } => write!(
                f,
                "step {key} failed and its error type has no room for it: {problem}. Implement \
                 From<StepFailure> for the error type or fix the step, deploy, and resume"
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
            Self::Corrupt { problem } => f.write_str(problem),
        }
    }
}
