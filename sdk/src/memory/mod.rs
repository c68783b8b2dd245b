//! A store and a queue in memory: for tests, benchmarks and trying things out.
//!
//! What they hold is gone with the process. They keep every promise of their traits but that one,
//! and pass the same suites as the others.

mod queue;
mod store;

pub use queue::MemoryQueue;
pub use store::MemoryStore;
