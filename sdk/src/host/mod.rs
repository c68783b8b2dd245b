//! Hosts: processes that take turns.

mod app;
mod check;
mod error;
#[cfg(feature = "http")]
mod front;
mod registry;
mod retention;
mod worker;

pub use app::App;
pub use check::{Broken, Check, CheckError, CheckReport, Checked};
pub use error::{AppError, RunError};
pub use retention::{InvalidRetention, RETENTION_VARIABLE, Retention};
pub use worker::Worker;

pub(crate) use registry::Registry;
