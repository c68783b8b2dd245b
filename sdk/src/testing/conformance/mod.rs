//! What every store, every queue and every limiter must do, as checks written against the traits alone.
//!
//! Each check is a named async function; [`event_store_suite!`](crate::event_store_suite),
//! [`wake_queue_suite!`](crate::wake_queue_suite),
//! [`payload_store_suite!`](crate::payload_store_suite) and
//! [`limiter_suite!`](crate::limiter_suite) make one test of each:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use async_trait::async_trait;
//! use everstep::limiter::{InProcessLimiter, Limiter};
//! use everstep::memory::{MemoryQueue, MemoryStore};
//! use everstep::payload::{MemoryPayloads, PayloadStore};
//! use everstep::store::EventStore;
//! use everstep::testing::conformance::{
//!     LimiterFactory, PayloadStoreFactory, QueueFactory, StoreFactory, event_store,
//! };
//! use everstep::wake::WakeQueue;
//!
//! struct Memory;
//!
//! #[async_trait]
//! impl StoreFactory for Memory {
//!     async fn store(&self) -> Arc<dyn EventStore> {
//!         Arc::new(MemoryStore::new())
//!     }
//! }
//!
//! #[async_trait]
//! impl QueueFactory for Memory {
//!     async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
//!         Arc::new(MemoryQueue::new().with_visibility(visibility))
//!     }
//!     fn unit(&self) -> Duration {
//!         Duration::from_millis(100)
//!     }
//! }
//!
//! #[async_trait]
//! impl PayloadStoreFactory for Memory {
//!     async fn store(&self) -> Arc<dyn PayloadStore> {
//!         Arc::new(MemoryPayloads::new())
//!     }
//! }
//!
//! #[async_trait]
//! impl LimiterFactory for Memory {
//!     async fn limiter(&self) -> Arc<dyn Limiter> {
//!         Arc::new(InProcessLimiter::new())
//!     }
//! }
//!
//! // In a test of yours: each check is a test, such as `stores::setup_may_be_repeated`.
//! everstep::event_store_suite!(stores, Memory);
//! everstep::wake_queue_suite!(queues, Memory);
//! everstep::payload_store_suite!(payloads, Memory);
//! everstep::limiter_suite!(limiters, Memory);
//!
//! // Or one of them by hand:
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let store = StoreFactory::store(&Memory).await;
//!     event_store::create::setup_may_be_repeated(store).await;
//! }
//! ```
//!
//! A crash of the process is beyond these checks: a store has to test its own durability.

pub mod event_store;
pub mod limiter;
pub mod payload_store;
pub mod wake_queue;

mod suite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::limiter::Limiter;
use crate::payload::PayloadStore;
use crate::store::EventStore;
use crate::wake::WakeQueue;

/// Makes stores for the checks of [`event_store`]. Each check has a factory of its own.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A store that is set up and empty. It is used no longer than the factory lives.
    async fn store(&self) -> Arc<dyn EventStore>;
}

/// Makes payload stores for the checks of [`payload_store`]. Each check has a factory of its own.
#[async_trait]
pub trait PayloadStoreFactory: Send + Sync {
    /// A payload store that is empty. It is used no longer than the factory lives.
    async fn store(&self) -> Arc<dyn PayloadStore>;
}

/// Makes queues for the checks of [`wake_queue`]. Each check has a factory of its own.
#[async_trait]
pub trait QueueFactory: Send + Sync {
    /// A queue that is set up and empty, with this visibility time-out, a multiple of
    /// [`unit`](Self::unit). It is used no longer than the factory lives.
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue>;

    /// The unit of delays and time-outs in the checks: long enough for several calls, and one the
    /// queue can count. SQS counts whole seconds.
    fn unit(&self) -> Duration {
        Duration::from_millis(200)
    }
}

/// Makes limiters for the checks of [`limiter`]. Each check has a factory of its own.
#[async_trait]
pub trait LimiterFactory: Send + Sync {
    /// A limiter that has counted nothing. It is used no longer than the factory lives.
    async fn limiter(&self) -> Arc<dyn Limiter>;
}

/// Waits for what a store may show late, for ten seconds at most.
async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    for _ in 0..200 {
        if look().await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(look().await, expected);
}
