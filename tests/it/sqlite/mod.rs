//! The SQLite store and queue: the suites, files that cannot be used, hosts, and crashes.

mod child;
mod crash;
mod files;
mod groups;
mod long;
mod many;
mod wakes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::EventStore;
use everstep::testing::conformance::{QueueFactory, StoreFactory};
use everstep::wake::WakeQueue;
use tempfile::TempDir;

/// A folder of new files.
struct Files {
    folder: TempDir,
    made: AtomicU32,
}

impl Files {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), made: AtomicU32::new(0) }
    }

    fn open(&self, options: &SqliteOptions) -> SqliteBackend {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        SqliteBackend::open(self.folder.path().join(format!("{number}.db")), options).unwrap()
    }
}

#[async_trait]
impl StoreFactory for Files {
    async fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(self.open(&SqliteOptions::new()).store())
    }
}

#[async_trait]
impl QueueFactory for Files {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        Arc::new(self.open(&SqliteOptions::new().visibility(visibility)).queue())
    }
}

everstep::event_store_suite!(store, Files::new());
everstep::wake_queue_suite!(queue, Files::new());
