//! The stairs: history and calls in, decisions out. Pure: no I/O, no clock, no randomness.
//!
//! ```text
//! log ──> History ──> Engine <── calls of the workflow (through `context`)
//!                       │
//!                       └──> outcomes for its futures, requests for the turn, or a Fault
//! ```
//!
//! Three invariants everything here serves:
//!
//! 1. An operation's identity is its place in the order of calls, taken when it is *called*, not
//!    when it is first polled.
//! 2. Outcomes reach the workflow one event at a time, in the order of the log, live and on
//!    replay alike. Nothing else moves it.
//! 3. The first difference between code and log is a [`Fault`]; from then on no operation makes
//!    progress and the turn appends nothing.

mod body;
mod call;
mod channels;
mod child;
mod compensate;
mod engine;
mod fault;
mod history;
mod note;
mod promises;
mod recorded;
mod seed;
mod taken;
mod twice;
mod versions;

pub(crate) use body::{Attempt, Body, Policy, Together};
pub(crate) use call::Outcome;
pub(crate) use compensate::{NextUndo, Undo};
pub(crate) use engine::{Delivered, Engine, Request, site};
pub(crate) use fault::Fault;
#[cfg(feature = "testing")]
pub(crate) use fault::REPLAY_CHECK;
pub(crate) use history::{Armed, History, OpenTurn};
pub(crate) use note::Note;
pub(crate) use promises::PromiseState;
pub(crate) use seed::{IdempotencyKey, child_writer};
pub(crate) use taken::TakenIds;
pub(crate) use twice::compare;
#[cfg(test)]
pub(crate) use versions::Chosen;

#[cfg(test)]
mod tests;
