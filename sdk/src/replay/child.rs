//! Calls of children: how they are named, and what a change of the code may not change.

use std::borrow::Cow;
use std::panic::Location;

use super::call::{Detail, Kind};
use super::engine::{Engine, side};
use super::fault::{Fault, Mismatch};
use crate::event::{ChildRequested, ClosePolicy, Json, OperationKey};
use crate::id::ExecutionId;
use crate::limits::EXECUTION_ID_BYTES_MAX;

/// What a call of a child asks for, and how far that has got.
pub(super) struct ChildState {
    asked: Asked,
    /// Whether ChildRequested is in the log or on its way there.
    pub(super) requested: bool,
    /// Whether ChildStarted is.
    pub(super) started: bool,
}

/// A child as the code asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its id.
    pub(crate) child: ExecutionId,
    /// What it is started with.
    pub(crate) input: Json,
    /// Whether the workflow waits for its result.
    pub(crate) waits: bool,
    /// What becomes of it at the end, if the code says.
    pub(crate) on_close: Option<ClosePolicy>,
}

impl ChildState {
    pub(super) fn input(&self) -> &Json {
        &self.asked.input
    }

    pub(super) fn waits(&self) -> bool {
        self.asked.waits
    }
}

impl Asked {
    /// What becomes of it at the end: who awaits a child owns it, who starts and forgets it lets
    /// it go.
    pub(crate) fn on_close(&self) -> ClosePolicy {
        self.on_close.unwrap_or(if self.waits { ClosePolicy::Cancel } else { ClosePolicy::Leave })
    }

    /// How it differs from what the log has; `None` if it does not. The policy may change: the one
    /// that was recorded holds.
    fn differs(&self, recorded: &ChildRequested) -> Option<String> {
        let (was, is) = (&recorded.child, &self.child);
        if was != is {
            return Some(format!("the child was {was} and is now {is}"));
        }
        let how = |waits| if waits { "awaited" } else { "started and not awaited" };
        (recorded.waits != self.waits)
            .then(|| format!("it was {} and is now {}", how(recorded.waits), how(self.waits)))
    }
}

impl Engine {
    /// A child is called. What else it is asked for is known at its first poll.
    pub(crate) fn call_child(
        &mut self,
        workflow: &'static str,
        location: &'static Location<'static>,
        input: Json,
    ) -> u32 {
        let name = Cow::Borrowed(workflow);
        let count = self.count_of_next(Kind::Child, &name);
        let key = OperationKey { name: name.clone(), count };
        let child = self.child_id(&key);
        let asked = Asked { child, input, waits: true, on_close: None };
        let state = ChildState { asked, requested: false, started: false };
        self.call(name, location, Detail::Child(Box::new(state))).0
    }

    /// What call `seq` asks for. It may be changed until the call is polled.
    pub(crate) fn asked_child(&mut self, seq: u32) -> &mut Asked {
        &mut self.child(seq).asked
    }

    pub(super) fn child(&mut self, seq: u32) -> &mut ChildState {
        match self.detail(seq) {
            Detail::Child(child) => child,
            _ => unreachable!("call {seq} is not a child"),
        }
    }

    /// Compares the whole call with the log, at its first poll.
    pub(super) fn check_child(&mut self, seq: u32) {
        let Some((recorded, asked)) = self.child_and_record(seq) else { return };
        if let Some(detail) = asked.asked.differs(recorded) {
            let recorded = self.recorded_side(seq);
            let kind = Kind::Child;
            let asked = Some(side(kind, self.key(seq), self.location(seq)));
            self.fail(Fault::from(Mismatch { seq, recorded, asked, detail }));
        }
    }

    /// Whether the workflow waits for the end of any child.
    pub(crate) fn waits_for_children(&self) -> bool {
        self.waiting().any(|detail| matches!(detail, Detail::Child(child) if child.waits()))
    }

    /// The id that a child has unless the author chooses one.
    fn child_id(&self, key: &OperationKey) -> ExecutionId {
        let (execution, run) = (self.execution(), self.run());
        let id = if run == 1 {
            format!("{execution}/{key}")
        } else {
            format!("{execution}/{key}@{run}")
        };
        if id.len() > EXECUTION_ID_BYTES_MAX {
            // Children of children of children: what names this one stands for the whole path.
            return ExecutionId::of_path(self.key_uuid(key), &key.to_string());
        }
        // A name that no id may hold has been refused, and this id is never used.
        ExecutionId::new(id).unwrap_or_else(|_| ExecutionId::of_path(self.key_uuid(key), "child"))
    }
}
