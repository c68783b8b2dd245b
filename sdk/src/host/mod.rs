//! Hosts: processes that take turns.

mod app;
mod registry;
mod worker;

pub use app::{App, AppError, RunError};
pub use worker::Worker;

pub(crate) use registry::Registry;
