//! Durable workflows in ordinary async Rust.

#[cfg(feature = "aws")]
pub mod aws;
pub mod backend;
pub mod client;
pub mod event;
pub mod host;
pub mod id;
pub mod limits;
#[cfg(feature = "sqlite")]
pub mod local;
pub mod memory;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod wake;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod context;
mod error;
mod replay;
mod retry;
mod sweep;
mod turn;

pub use backend::Backend;
pub use client::Client;
pub use context::{
    Either, Elapsed, InlineStep, Random, Signal, SignalError, Sleep, State, StepFuture, Timeout,
    Workflow, attempt, days, execution_id, hours, idempotency_key, join_all, minutes, now, race,
    random, seconds, signal, sleep, sleep_until, step, timeout, uuid,
};
pub use error::{Error, Result, StepFailure, Terminal};
pub use everstep_macros::{step, workflow};
pub use host::{App, Worker};
pub use id::ExecutionId;
pub use retry::Retry;
pub use sweep::SweepError;

/// What a workflow file needs.
pub mod prelude {
    pub use crate::{
        App, Backend, Client, Either, ExecutionId, State, Terminal, days, hours, idempotency_key,
        join_all, minutes, now, race, random, seconds, signal, sleep, sleep_until, step, timeout,
        uuid, workflow,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
