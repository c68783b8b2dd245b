//! A store whose calls take time, before they happen and after.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use everstep::event::StoredCommit;
use everstep::id::{ExecutionId, HostId};
use everstep::store::{
    Appended, Created, EventStore, InboxItem, ListPage, ListQuery, Loaded, Projection, Record,
    Sent, StoreError,
};
use everstep::time::Timestamp;

use super::Dice;

/// The store as a slow host sees it: some of its calls reach the store late, and some of the
/// answers reach the host late.
#[derive(Debug, Clone)]
pub struct SlowStore {
    inner: Arc<dyn EventStore>,
    dice: Arc<Mutex<Dice>>,
    per_mille: u64,
    longest: Duration,
}

impl SlowStore {
    /// A store that makes its caller wait, up to `longest` each way, in `per_mille` of a thousand
    /// cases.
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>, dice: Dice, per_mille: u64, longest: Duration) -> Self {
        Self { inner, dice: Arc::new(Mutex::new(dice)), per_mille, longest }
    }

    fn lag(&self) -> Duration {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if dice.chance(self.per_mille) { dice.time(self.longest) } else { Duration::ZERO }
    }

    async fn slowly<T>(&self, call: impl Future<Output = T>) -> T {
        let (before, after) = (self.lag(), self.lag());
        if !before.is_zero() {
            tokio::time::sleep(before).await;
        }
        let answer = call.await;
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        answer
    }
}

#[async_trait]
impl EventStore for SlowStore {
    async fn setup(&self) -> Result<(), StoreError> {
        self.slowly(self.inner.setup()).await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        self.slowly(self.inner.create(record, start)).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.slowly(self.inner.load(id)).await
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        self.slowly(self.inner.append(id, commit)).await
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        self.slowly(self.inner.record(id)).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        self.slowly(self.inner.project(id, projection)).await
    }

    async fn send(&self, id: &ExecutionId, item: &InboxItem) -> Result<Sent, StoreError> {
        self.slowly(self.inner.send(id, item)).await
    }

    async fn remove_items(&self, id: &ExecutionId, item_ids: &[String]) -> Result<(), StoreError> {
        self.slowly(self.inner.remove_items(id, item_ids)).await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.slowly(self.inner.overdue(before, limit)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.slowly(self.inner.list(query)).await
    }

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        self.slowly(self.inner.is_gone(host)).await
    }
}
