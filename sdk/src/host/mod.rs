//! Hosts: processes that take turns.

mod app;
mod check;
#[cfg(feature = "http")]
mod front;
mod registry;
mod retention;
mod worker;

pub use app::{App, AppError, RunError};
pub use check::{Broken, Check, CheckError, CheckReport, Checked};
pub use retention::{InvalidRetention, RETENTION_VARIABLE, Retention};
pub use worker::Worker;

pub(crate) use registry::Registry;
