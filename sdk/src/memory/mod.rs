//! A store and a queue in memory: for tests, benchmarks and trying things out.
//!
//! What they hold is gone with the process. They keep every promise of their traits but that one,
//! and pass the same suites as the others.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use everstep::id::ExecutionId;
//! # use everstep::prelude::*;
//! # use everstep::wake::{Wake, WakeQueue};
//! use everstep::memory::{MemoryQueue, MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Whoever keeps handles of their own can look into the backend.
//! let (store, queue) = (MemoryStore::new(), MemoryQueue::new());
//! let backend = Backend::new(Arc::new(store.clone()), Arc::new(queue.clone()));
//! backend.queue.send(&Wake::news(ExecutionId::new("sale-7")?), Duration::ZERO).await?;
//! assert_eq!((queue.len(), queue.is_empty()), (1, false));
//!
//! // What is received and not deleted comes again when its time-out is over.
//! let impatient = queue.with_visibility(Duration::ZERO);
//! for count in 1..=2 {
//!     let received = impatient.receive(1, Duration::ZERO).await?;
//!     assert_eq!(received[0].receive_count, count);
//! }
//! # Ok(()) }
//! ```

mod queue;
mod store;

pub use queue::MemoryQueue;
pub use store::MemoryStore;
