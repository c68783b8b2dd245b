//! A store that tells when something was written.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use everstep::event::StoredCommit;
use everstep::id::{CommitNumber, ExecutionId, HostId, Life};
use everstep::store::{
    Appended, AppendedWith, Created, EventStore, ListPage, ListQuery, Loaded, LogPage, NewItem,
    Projection, Record, SeenItem, Sent, StoreError, Writes,
};
use everstep::time::Timestamp;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Start,
    Commit,
    Record,
}

/// What is told of each write.
pub(super) type Tell = dyn Fn(&ExecutionId, Write) + Send + Sync;

/// Calls a hook after each write, and lets other tasks take note before the writer goes on.
pub(super) struct ToldStore {
    pub(super) inner: Arc<dyn EventStore>,
    pub(super) tell: Box<Tell>,
}

impl ToldStore {
    async fn tell(&self, id: &ExecutionId, write: Write) {
        (self.tell)(id, write);
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

impl fmt::Debug for ToldStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl EventStore for ToldStore {
    async fn setup(&self) -> Result<(), StoreError> {
        self.inner.setup().await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        let created = self.inner.create(record, start).await?;
        (self.tell)(&record.id, Write::Start);
        Ok(created)
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

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        let appended = self.inner.append(id, commit).await?;
        self.tell(id, Write::Commit).await;
        Ok(appended)
    }

    fn takes_writes(&self) -> bool {
        self.inner.takes_writes()
    }

    async fn append_with(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
        writes: &Writes,
    ) -> Result<AppendedWith, StoreError> {
        let appended = self.inner.append_with(id, commit, writes).await?;
        self.tell(id, Write::Commit).await;
        Ok(appended)
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        self.inner.record(id).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let record = self.inner.project(id, projection).await?;
        assert_eq!(projection.life, Some(record.life()), "a turn writes of one life of an id");
        self.tell(id, Write::Record).await;
        Ok(record)
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

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        self.inner.is_gone(host).await
    }
}
