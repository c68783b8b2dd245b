//! Durable workflows in ordinary async Rust.

#[cfg(feature = "aws")]
pub mod aws;
pub mod event;
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

pub use context::{
    Either, Elapsed, InlineStep, Random, Signal, SignalError, Sleep, State, StepFuture, Timeout,
    Workflow, attempt, days, execution_id, hours, idempotency_key, join_all, minutes, now, race,
    random, seconds, signal, sleep, sleep_until, step, timeout, uuid,
};
pub use error::{Error, Result, StepFailure, Terminal};
pub use everstep_macros::{step, workflow};
pub use retry::Retry;
