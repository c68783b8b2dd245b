//! Durable workflows in ordinary async Rust.

pub mod event;
pub mod id;
pub mod limits;
pub mod memory;
pub mod store;
pub mod time;
pub mod wake;
