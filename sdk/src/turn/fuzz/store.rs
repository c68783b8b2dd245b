//! A store whose appends take their time, so that bodies end while a commit is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::rng::Rng;
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::store::{
    Appended, Created, EventStore, ListPage, ListQuery, Loaded, LogPage, NewItem, Projection,
    Record, SeenItem, Sent, StoreError,
};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Slow {
    inner: Arc<dyn EventStore>,
    rng: Mutex<Rng>,
}

impl Slow {
    pub(super) fn new(inner: Arc<dyn EventStore>, seed: u64) -> Self {
        Self { inner, rng: Mutex::new(Rng::new(seed ^ 2)) }
    }

    async fn wait(&self) {
        let millis = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            if rng.below(2) == 0 { 0 } else { rng.below(25) }
        };
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }
}

#[async_trait]
impl EventStore for Slow {
    async fn setup(&self) -> Result<(), StoreError> {
        self.inner.setup().await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        self.inner.create(record, start).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(id).await
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.inner.load_all(id).await
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        self.inner.load_page(id, from, limit).await
    }

    /// Takes its time before the write and after it.
    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        self.wait().await;
        let appended = self.inner.append(id, commit).await;
        self.wait().await;
        appended
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        self.inner.record(id).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        self.inner.project(id, projection).await
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        self.inner.send(id, item).await
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        self.inner.remove_items(id, life, items).await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.inner.overdue(before, limit).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.inner.list(query).await
    }
}
