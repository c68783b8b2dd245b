//! The built `everstep` command as its users meet it.

mod commands;
mod damaged;
mod documented;
mod failures;
mod payloads;
mod promises;
mod schedules;
mod support;
mod text;
