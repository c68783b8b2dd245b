//! Where in a workflow it awaits what is not durable. Such an await has no place in the source that
//! could be known; the operations around it have.

use super::{Engine, side, site};
use crate::replay::call::{Call, State};
use crate::replay::fault::{Fault, ForeignAwait, Near, Side};

impl Engine {
    /// The workflow awaits something that is not durable, behind the operation it came to last.
    pub(crate) fn foreign(&self, what: impl Into<String>) -> Fault {
        let near = match self.last {
            Some(seq) => Near::After(self.side(seq)),
            None => Near::Begin(self.declared.map(site)),
        };
        Fault::ForeignAwait(Box::new(ForeignAwait { what: what.into(), near }))
    }

    /// The workflow spawned a task: perhaps with the operation that it called last and has not
    /// awaited.
    pub(crate) fn foreign_task(&self) -> Fault {
        let what = "it spawned a task on tokio's runtime".to_owned();
        let moved = self.calls.iter().rfind(|call| matches!(call.state, State::Called));
        let Some(call) = moved else { return self.foreign(what) };
        let what = format!("{what}, perhaps with {}, which it called and does not await", of(call));
        Fault::ForeignAwait(Box::new(ForeignAwait { what, near: Near::Said }))
    }

    /// Operation `seq` was polled where its workflow is not.
    pub(crate) fn polled_elsewhere(&self, seq: u32) -> Fault {
        let what = elsewhere(&self.side(seq).to_string());
        Fault::ForeignAwait(Box::new(ForeignAwait { what, near: Near::Said }))
    }

    /// The same of `what`, which has no place among the calls.
    pub(crate) fn something_polled_elsewhere(&self, what: &str) -> Fault {
        self.foreign(elsewhere(what))
    }

    fn side(&self, seq: u32) -> Side {
        of(&self.calls[seq as usize])
    }
}

fn of(call: &Call) -> Side {
    side(call.detail.kind(), &call.key, call.location)
}

fn elsewhere(what: &str) -> String {
    format!("{what} was polled outside its workflow, in a task or thread of its own")
}
