//! A store whose calls take time, before they happen and after.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use everstep::event::StoredCommit;
use everstep::id::{CommitNumber, ExecutionId, HostId, Life};
use everstep::store::{
    Appended, AppendedWith, Created, EventStore, ListPage, ListQuery, Loaded, LogPage, NewItem,
    Projection, Record, SeenItem, Sent, StoreError, Writes,
};
use everstep::time::Timestamp;

use super::Dice;

/// The store as a slow host sees it: some of its calls reach the store late, and some of the
/// answers reach the host late.
#[derive(Clone)]
pub struct SlowStore {
    inner: Arc<dyn EventStore>,
    lag: Arc<Lag>,
}

/// By the call's name, how late it reaches the store, and how late its answer the host.
type Lag = dyn Fn(&'static str) -> [Duration; 2] + Send + Sync;

impl SlowStore {
    /// A store that makes its caller wait, up to `longest` each way, in `per_mille` of a thousand
    /// cases.
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>, dice: Dice, per_mille: u64, longest: Duration) -> Self {
        let dice = Mutex::new(dice);
        Self::by(inner, move |_| {
            let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lag =
                || if dice.chance(per_mille) { dice.time(longest) } else { Duration::ZERO };
            [lag(), lag()]
        })
    }

    /// A store that makes its caller wait as long as `lag` says: before the call with this name is
    /// made, and before it is answered.
    #[must_use]
    pub fn by(
        inner: Arc<dyn EventStore>,
        lag: impl Fn(&'static str) -> [Duration; 2] + Send + Sync + 'static,
    ) -> Self {
        Self { inner, lag: Arc::new(lag) }
    }

    async fn slowly<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let [before, after] = (self.lag)(name);
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

impl fmt::Debug for SlowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl EventStore for SlowStore {
    async fn setup(&self) -> Result<(), StoreError> {
        self.slowly("setup", self.inner.setup()).await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        self.slowly("create", self.inner.create(record, start)).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.slowly("load", self.inner.load(id)).await
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.slowly("load_all", self.inner.load_all(id)).await
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        self.slowly("load_page", self.inner.load_page(id, from, limit)).await
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        self.slowly("append", self.inner.append(id, commit)).await
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
        self.slowly("append_with", self.inner.append_with(id, commit, writes)).await
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        self.slowly("record", self.inner.record(id)).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        self.slowly("project", self.inner.project(id, projection)).await
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        self.slowly("send", self.inner.send(id, item)).await
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        self.slowly("remove_items", self.inner.remove_items(id, life, items)).await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.slowly("overdue", self.inner.overdue(before, limit)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.slowly("list", self.inner.list(query)).await
    }

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        self.slowly("is_gone", self.inner.is_gone(host)).await
    }
}
