//! The built `everstep` command as its users meet it.

mod commands;
mod damaged;
mod documented;
mod failures;
mod payloads;
mod promises;
mod retention;
mod schedules;
mod support;
mod text;
