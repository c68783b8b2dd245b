//! The store in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::store::{
    Appended, Buried, Created, EventStore, Grave, InboxItem, ListCursor, ListPage, ListQuery,
    Loaded, LogPage, NewItem, PageSize, Projection, Record, SeenItem, Sent, StoreError,
};
use crate::time::Timestamp;

/// An [`EventStore`] in memory. A clone is another handle to the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    /// A tree: with few executions, as in most tests, a look-up is quicker than a hash of the id.
    executions: Arc<Mutex<BTreeMap<ExecutionId, Execution>>>,
    /// Of executions that are not among the others. Whoever locks both locks the others first.
    graves: Arc<Mutex<BTreeMap<ExecutionId, Grave>>>,
}

struct Execution {
    record: Record,
    /// The commit at index n has number n.
    log: Vec<StoredCommit>,
    /// By item id.
    inbox: BTreeMap<String, InboxItem>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No method panics while it holds the lock with a change half made, so what a poisoned lock
    /// guards is whole.
    fn executions(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Execution>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn graves(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Grave>> {
        self.graves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution {
    fn commit(&self, number: u64) -> Option<&StoredCommit> {
        self.log.get(usize::try_from(number).ok()?)
    }

    fn load(&self, from: CommitNumber) -> Loaded {
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(self.log.len());
        let (record, commits) = (self.record.clone(), self.log[start..].to_vec());
        Loaded { record, from, commits, inbox: self.inbox() }
    }

    fn page(&self, from: CommitNumber, limit: usize) -> LogPage {
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(self.log.len());
        let (rest, mut size) = (&self.log[start..], PageSize::of(limit));
        let commits: Vec<_> =
            rest.iter().take_while(|commit| size.takes(commit.body.len())).cloned().collect();
        let next = (commits.len() < rest.len()).then_some(from + commits.len() as CommitNumber);
        LogPage { record: self.record.clone(), from, commits, next }
    }

    fn inbox(&self) -> Vec<InboxItem> {
        let mut items: Vec<_> = self.inbox.values().cloned().collect();
        InboxItem::sort(&mut items);
        items
    }

    fn is_overdue(&self, before: Timestamp) -> bool {
        let projection = &self.record.projection;
        let is_due = projection.wake_at.is_some_and(|at| at < before);
        let has_old_item = || self.inbox.values().any(|item| item.arrived_at < before);
        (projection.is_swept() && is_due) || (projection.status.is_swept() && has_old_item())
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn setup(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        StoreError::check_commit(start)?;
        let mut executions = self.executions();
        let Some(there) = executions.get_mut(&record.id) else {
            if self.graves().contains_key(&record.id) {
                return Err(StoreError::Buried { id: record.id.clone() });
            }
            if start.number != 0 {
                return Err(StoreError::missing(&record.id));
            }
            let log = vec![start.clone()];
            let execution = Execution { record: record.clone(), log, inbox: BTreeMap::new() };
            executions.insert(record.id.clone(), execution);
            return Ok(Created::New);
        };
        let ended = &there.record.projection;
        if ended.status.is_closed()
            && ended.commit.checked_add(1) == Some(start.number)
            && there.log.len() as u64 == start.number
            && there.record.born == record.born
        {
            there.record = Record { arrivals: there.record.arrivals, ..record.clone() };
            there.log.push(start.clone());
            return Ok(Created::New);
        }
        let by = there.commit(start.number).map(|commit| commit.writer);
        Ok(Created::Exists { by, record: Box::new(there.record.clone()) })
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        let executions = self.executions();
        Ok(executions.get(id).map(|execution| execution.load(execution.record.projection.first)))
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        Ok(self.executions().get(id).map(|execution| execution.load(0)))
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        Ok(self.executions().get(id).map(|execution| execution.page(from, limit)))
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        StoreError::check_commit(commit)?;
        let mut commit = commit.clone(); // before the lock: others need not wait for the copy
        let life = commit.life.take();
        let mut executions = self.executions();
        let execution = match executions.get_mut(id) {
            Some(there) if life.is_none_or(|life| life == there.record.life()) => there,
            None if life.is_none() => return Err(StoreError::missing(id)),
            _ => return Ok(Appended::Gone),
        };
        if let Some(taken) = execution.commit(commit.number) {
            return Ok(Appended::Taken { by: taken.writer });
        }
        if commit.number != execution.log.len() as u64 {
            return Err(StoreError::gap(id, commit.number));
        }
        execution.log.push(commit);
        Ok(Appended::Done)
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        Ok(self.executions().get(id).map(|execution| execution.record.clone()))
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let mut executions = self.executions();
        let record = &mut executions.get_mut(id).ok_or_else(|| StoreError::missing(id))?.record;
        if projection.replaces(record) {
            *record = record.clone().with(projection);
        }
        Ok(record.clone())
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        StoreError::check_item(item)?;
        let mut executions = self.executions();
        let Some(execution) = executions.get_mut(id) else {
            return Ok(Sent::NoExecution);
        };
        let status = execution.record.projection.status;
        if status.is_closed() {
            return Ok(Sent::Closed { status });
        }
        if execution.inbox.contains_key(&item.id) {
            return Ok(Sent::Known);
        }
        execution.record.arrivals += 1;
        let item = item.clone().arrived(execution.record.arrivals);
        execution.inbox.insert(item.id.clone(), item);
        Ok(Sent::New)
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        let mut executions = self.executions();
        if let Some(execution) = executions.get_mut(id).filter(|it| it.record.life() == life) {
            for item in items {
                if execution.inbox.get(&item.id).is_some_and(|there| there.arrival == item.arrival)
                {
                    execution.inbox.remove(&item.id);
                }
            }
        }
        Ok(())
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let executions = self.executions();
        let overdue = executions.iter().filter(|(_, execution)| execution.is_overdue(before));
        Ok(overdue.map(|(id, _)| id.clone()).take(limit).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let (after, until) = (query.begins_after()?, query.ends_before());
        let executions = self.executions();
        let mut found: Vec<&Record> = executions
            .values()
            .map(|execution| &execution.record)
            .filter(|record| query.workflow.as_ref().is_none_or(|it| *it == record.workflow))
            .filter(|record| query.status.is_none_or(|it| it == record.projection.status))
            .filter(|record| query.tags.iter().all(|(name, it)| record.tags.get(name) == Some(it)))
            .filter(|record| after.as_ref().is_none_or(|after| after.is_before(record)))
            .filter(|record| until.as_ref().is_none_or(|until| !until.is_before(record)))
            .collect();
        found.sort_by_key(|record| (Reverse(record.started_at), &record.id));
        let more = found.len() > query.page_size();
        found.truncate(query.page_size());
        let records: Vec<_> = found.into_iter().map(Record::listed).collect();
        Ok(ListPage { next: records.last().filter(|_| more).map(ListCursor::text_of), records })
    }

    async fn bury(&self, record: &Record, grave: &Grave) -> Result<Buried, StoreError> {
        let id = &record.id;
        let mut executions = self.executions();
        let mut graves = self.graves();
        let Some(there) = executions.get(id) else {
            let mine = graves.get(id) == Some(grave);
            return Ok(if mine { Buried::Done } else { Buried::NoExecution });
        };
        let Projection { commit, status, .. } = there.record.projection;
        let is_same = commit == record.projection.commit && there.record.life() == record.life();
        if !status.is_closed() || !is_same {
            return Ok(Buried::Refused { record: Box::new(there.record.clone()) });
        }
        executions.remove(id);
        graves.insert(id.clone(), *grave);
        Ok(Buried::Done)
    }

    async fn grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        Ok(self.graves().get(id).copied())
    }

    async fn rebury(&self, id: &ExecutionId, old: &Grave, new: &Grave) -> Result<bool, StoreError> {
        let mut graves = self.graves();
        let Some(there) = graves.get_mut(id).filter(|there| *there == old || *there == new) else {
            return Ok(false);
        };
        *there = *new;
        Ok(true)
    }

    async fn remove(&self, id: &ExecutionId, grave: &Grave) -> Result<(), StoreError> {
        let mut graves = self.graves();
        if graves.get(id) == Some(grave) {
            graves.remove(id);
        }
        Ok(())
    }

    async fn expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        let executions = self.executions();
        let graves = self.graves();
        let closed = executions.iter().filter_map(|(id, execution)| {
            let projection = &execution.record.projection;
            Some((projection.wake_at.filter(|_| projection.expires())?, id))
        });
        let buried = graves.iter().map(|(id, grave)| (grave.look_at, id));
        let mut expired: Vec<_> =
            closed.chain(buried).filter(|(at, _)| (from..before).contains(at)).collect();
        expired.sort_unstable();
        Ok(expired.into_iter().map(|(at, id)| (at, id.clone())).take(limit).collect())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("executions", &self.executions().len()).finish()
    }
}
