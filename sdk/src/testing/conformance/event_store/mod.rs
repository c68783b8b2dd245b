//! The checks of an [`EventStore`](crate::store::EventStore), by property.

pub mod append;
pub mod arrival;
pub mod create;
pub mod delete;
pub mod inbox;
pub mod indexes;
pub mod lives;
pub mod load;
pub mod pages;
pub mod project;
pub mod runs;

mod sample;
