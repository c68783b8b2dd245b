//! The memory store and queue against the suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::store::EventStore;
use everstep::testing::conformance::{QueueFactory, StoreFactory};
use everstep::wake::WakeQueue;

struct Memory;

#[async_trait]
impl StoreFactory for Memory {
    async fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(MemoryStore::new())
    }
}

#[async_trait]
impl QueueFactory for Memory {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        Arc::new(MemoryQueue::new().with_visibility(visibility))
    }
}

everstep::event_store_suite!(store, Memory);
everstep::wake_queue_suite!(queue, Memory);
