//! One operation the workflow has asked for.

use std::fmt;
use std::panic::Location;
use std::task::Waker;

use super::body::Body;
use super::channels::Kept;
use super::child::ChildState;
use super::compensate::Undoable;
use super::note::Note;
use super::promises::PromiseState;
use crate::event::{
    ChildOutcome, Failure, Json, OperationKey, PromiseResult, SignalReceived, UpdateReceived,
};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// What kind of operation a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Step,
    Timer,
    Signal,
    Child,
    Promise,
    Reply,
    Update,
    View,
    Tag,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::Timer => "timer",
            Self::Signal => "signal wait",
            Self::Child => "child",
            Self::Promise => "promise",
            Self::Update => "update wait",
            Self::Reply => "reply",
            Self::View => "publish",
            Self::Tag => "set_tag",
        })
    }
}

/// A call and how far it has got.
pub(super) struct Call {
    pub(super) key: OperationKey,
    pub(super) location: &'static Location<'static>,
    /// What its future finds at its next poll.
    pub(super) state: State,
    /// Whom to wake when `state` gets ready.
    pub(super) waker: Option<Waker>,
    /// What only this kind has.
    pub(super) detail: Detail,
}

pub(super) enum Detail {
    Step(StepState),
    Timer {
        due: Timestamp,
        /// Whether TimerStarted is in the log or on its way there.
        started: bool,
    },
    Signal,
    Child(Box<ChildState>),
    Promise(PromiseState),
    Update,
    Note {
        kind: Kind,
        /// What is to be recorded; `None` once it is on its way into the log.
        note: Option<Note>,
    },
}

/// What a turn needs to run a step.
pub(crate) struct StepState {
    pub(crate) input: Json,
    /// How to run an attempt. `None` where the log has the result or nobody waits for it.
    pub(crate) body: Option<Box<dyn Body>>,
    /// Attempts that have failed.
    pub(crate) attempts: u32,
    /// When the next attempt may start; `None` before the first.
    pub(crate) retry_at: Option<Timestamp>,
    /// When the step was called, by the time of the last event before: its total time counts from
    /// here.
    pub(crate) asked_at: Timestamp,
    /// What its attempts said last.
    pub(crate) heartbeat: Option<Json>,
    /// An at-most-once attempt whose start is recorded and whose end is not.
    pub(crate) begun: Option<u32>,
    /// Whether it says something of its undoing, be it that there is nothing to undo.
    pub(super) covered: bool,
    /// Only of a step with an undo.
    pub(super) undoable: Option<Box<Undoable>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Called, never polled: nothing is to be done for it yet.
    Called,
    /// Polled: the workflow waits for it.
    Wanted,
    /// Its outcome was delivered and waits for the next poll.
    Ready(Outcome),
    /// Its future has the outcome.
    Taken,
    /// Its future was dropped; what still comes changes nothing.
    Dropped,
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A step's result.
    Value(Json),
    /// A signal.
    Signal(Box<Kept<SignalReceived>>),
    /// A step failed for good.
    Failed(Failure),
    /// A timer fired.
    Fired,
    /// A child that nobody waits for is started.
    Started(ExecutionId),
    /// What became of a child.
    Child(ExecutionId, ChildOutcome),
    /// A promise ended.
    Promise(PromiseResult),
    /// An update has come.
    Update(Box<Kept<UpdateReceived>>),
}

impl Detail {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Step(_) => Kind::Step,
            Self::Timer { .. } => Kind::Timer,
            Self::Signal => Kind::Signal,
            Self::Child(_) => Kind::Child,
            Self::Promise(_) => Kind::Promise,
            Self::Update => Kind::Update,
            Self::Note { kind, .. } => *kind,
        }
    }
}
