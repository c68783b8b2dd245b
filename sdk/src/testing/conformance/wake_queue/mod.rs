//! The checks of a [`WakeQueue`](crate::wake::WakeQueue), by property.

pub mod deliver;
pub mod redeliver;

mod sample;
