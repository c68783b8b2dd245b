//! The hall: everything workflow code can call.
//!
//! No context is threaded through. An operation finds its execution by the poll it is called in:
//! [`current`] is set while the workflow is polled, on that thread, and at no other time. Outside
//! of it a step is the plain function; the other operations say that they belong in a workflow.

mod args;
mod attachment;
mod body;
mod callback;
mod child;
mod combine;
mod compensate;
mod continue_as_new;
mod execution;
mod first_ok;
mod info;
mod inline_step;
mod map;
mod object;
mod outcomes;
mod output;
mod panics;
#[cfg(any(feature = "aws", feature = "postgres"))]
mod part;
mod poll_until;
mod postpone;
#[cfg(feature = "testing")]
mod probe;
mod promise;
mod publish;
mod record;
mod signal;
mod signals;
mod step;
mod step_fn;
mod tag;
mod timer;
mod update;
mod values;
mod version;
mod watch;
mod within;
mod workflow;

pub use args::Args;
pub use body::{attempt, idempotency_header, idempotency_key};
pub use callback::{Callback, CallbackError, Calling, callback};
pub use child::{Child, ChildError, StartedChild, child};
pub use combine::{Either, JoinAll, Race, join_all, race};
pub use compensate::{Compensation, NothingToUndo, Undoing, UndoneBy, Unsaid, compensate};
pub use continue_as_new::{ContinueAsNew, continue_as_new};
pub use first_ok::{AllFailed, FirstOk, first_ok};
pub use info::{ExecutionInfo, execution_info};
pub use inline_step::{InlineStep, step};
pub use map::{EachItem, FailFast, Map, MapAll, MapEach, map};
pub use object::{Commands, Object, Served};
pub use outcomes::{Outcome, Outcomes, TooManyFailed};
pub use output::StepOutput;
pub use poll_until::{PollError, PollUntil, Polling, poll_until};
pub use postpone::{Postpone, Postponed, postpone};
pub use promise::{Promise, PromiseError, promise};
pub use publish::publish;
pub use signal::{Signal, SignalError, signal};
pub use signals::{Signals, signals};
pub use step::{StepFuture, StepOptions};
pub use step_fn::{Step, StepFn, StepName, StepSpec};
pub use tag::set_tag;
pub use timer::{
    Elapsed, Sleep, Timeout, days, hours, minutes, seconds, sleep, sleep_until, timeout,
};
pub use update::{NextUpdate, Update, Updates, update, updates};
pub use values::{Random, execution_id, now, random, uuid};
pub use version::{Versions, version, version_of};
pub use watch::{cancelled, heartbeat, last_heartbeat};
pub use workflow::{
    Needs, State, States, Workflow, WorkflowFuture, WorkflowResult, WorkflowSpec, WrongInput,
};

#[cfg(feature = "aws")]
pub(crate) use body::writes_go;
pub(crate) use body::{StepScope, WritesGo, in_body};
pub(crate) use execution::{Progress, Run, expect_step};
pub(crate) use object::COMMAND;
#[cfg(feature = "aws")]
pub(crate) use output::{Over, completed, failed};
pub(crate) use panics::catch as catch_panic;
#[cfg(any(feature = "aws", feature = "postgres"))]
pub(crate) use part::{NoPart, begin_part, pause, read_back};
#[cfg(feature = "testing")]
pub(crate) use probe::{Bound, Failing, Input, Mock, Probe, Stand};
#[cfg(feature = "aws")]
pub(crate) use step::Recorded;
pub(crate) use step::call as call_step;
pub(crate) use watch::Watch;
pub(crate) use workflow::{Accepts, Erased, MissingState, WorkflowEnd, erase};

#[cfg(test)]
mod tests;
