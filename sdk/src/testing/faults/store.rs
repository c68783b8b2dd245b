//! The store that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::event::{ChildOutcome, PromiseResult, StoredCommit};
use crate::id::{CommitNumber, ExecutionId, HostId, Life};
use crate::store::{
    Appended, AppendedWith, Buried, Created, EventStore, Grave, ListPage, ListQuery, Loaded,
    LogPage, Message, NewItem, Projection, Record, SeenItem, Sent, StoreError, Writes,
};
use crate::time::Timestamp;

/// A store around another one, with [`Faults`].
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn EventStore>,
    faults: Faults,
}

impl FaultyStore {
    /// A store that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        written: Written,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.faults
            .call(name, written, call)
            .await
            .unwrap_or_else(|| Err(StoreError::Unavailable { reason: LOST.into(), source: None }))
    }
}

fn read() -> Written {
    Written::default()
}

fn bytes(item: &NewItem) -> usize {
    let message = match &item.message {
        Message::Signal { name, payload } => name.len() + payload.as_str().len(),
        Message::Promise { key, result: PromiseResult::Completed { value }, .. } => {
            key.name.len() + value.as_str().len()
        }
        Message::Promise { key, result: PromiseResult::Failed { reason }, .. } => {
            key.name.len() + reason.len()
        }
        Message::Promise { key, .. } | Message::Heartbeat { key, .. } => key.name.len(),
        Message::Cancel { reason } => reason.len(),
        Message::Update { name, request } => name.len() + request.as_str().len(),
        Message::Resume => 0,
        Message::Terminate { reason } => reason.len(),
        Message::ChildEnded { outcome, .. } => match outcome {
            ChildOutcome::Completed { output: value } | ChildOutcome::Failed { error: value } => {
                value.as_str().len()
            }
            ChildOutcome::Cancelled { reason: text }
            | ChildOutcome::Terminated { reason: text }
            | ChildOutcome::NotStarted { problem: text } => text.len(),
        },
    };
    item.id.len() + message
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn setup(&self) -> Result<(), StoreError> {
        self.call("setup", read(), self.inner.setup()).await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        let written = Written { items: 2, bytes: start.body.len() };
        self.call("create", written, self.inner.create(record, start)).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.call("load", read(), self.inner.load(id)).await
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.call("load_all", read(), self.inner.load_all(id)).await
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        self.call("load_page", read(), self.inner.load_page(id, from, limit)).await
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        let written = Written { items: 1, bytes: commit.body.len() };
        self.call("append", written, self.inner.append(id, commit)).await
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
        let written = Written { items: 1, bytes: commit.body.len() };
        self.call("append_with", written, self.inner.append_with(id, commit, writes)).await
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        self.call("record", read(), self.inner.record(id)).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let written = Written { items: 1, bytes: 0 };
        self.call("project", written, self.inner.project(id, projection)).await
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        let written = Written { items: 2, bytes: bytes(item) };
        self.call("send", written, self.inner.send(id, item)).await
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        let written = Written { items: items.len(), bytes: 0 };
        self.call("remove_items", written, self.inner.remove_items(id, life, items)).await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.call("overdue", read(), self.inner.overdue(before, limit)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.call("list", read(), self.inner.list(query)).await
    }

    async fn bury(&self, record: &Record, grave: &Grave) -> Result<Buried, StoreError> {
        let written = Written { items: 1, bytes: 0 };
        self.call("bury", written, self.inner.bury(record, grave)).await
    }

    async fn grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        self.call("grave", read(), self.inner.grave(id)).await
    }

    async fn rebury(&self, id: &ExecutionId, old: &Grave, new: &Grave) -> Result<bool, StoreError> {
        let written = Written { items: 1, bytes: 0 };
        self.call("rebury", written, self.inner.rebury(id, old, new)).await
    }

    async fn remove(&self, id: &ExecutionId, grave: &Grave) -> Result<(), StoreError> {
        let written = Written { items: 1, bytes: 0 };
        self.call("remove", written, self.inner.remove(id, grave)).await
    }

    async fn expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        self.call("expired", read(), self.inner.expired(from, before, limit)).await
    }

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        self.call("is_gone", read(), self.inner.is_gone(host)).await
    }
}
