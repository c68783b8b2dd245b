//! Durable workflows in ordinary async Rust.

#[cfg(feature = "aws")]
pub mod aws;
pub mod event;
pub mod id;
pub mod limits;
pub mod memory;
pub mod store;
pub mod time;
pub mod wake;
