//! The event store in the file.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::count::Count;
use super::database::Database;
use super::error::{Fault, stopped};
use super::graves;
use super::list;
use super::readers::Readers;
use super::rows;
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId, HostId, Life};
use crate::store::{
    Appended, Buried, Created, EventStore, Grave, ListPage, ListQuery, Loaded, LogPage, NewItem,
    Projection, Record, SeenItem, Sent, StoreError,
};
use crate::time::Timestamp;

/// An [`EventStore`] in an SQLite file; see [`SqliteBackend`](super::SqliteBackend).
#[derive(Clone)]
pub struct SqliteStore {
    database: Arc<Database>,
}

impl SqliteStore {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        Ok(self.database.writer.run(work).await?)
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        Ok(self.database.readers.read(work).await?)
    }
}

/// Above this a log is read on two connections; a commit takes about a microsecond, another
/// connection a few hundred.
const COMMITS_ALONE_MAX: u64 = 2_000;

/// The log of `id` from commit `from` on.
///
/// `record` is of the same moment as `db`, so every commit it knows of is there, and a commit never
/// changes: it may as well be read at another moment, by somebody else.
fn log(
    db: &Connection,
    readers: &Readers,
    id: &ExecutionId,
    record: Option<&Record>,
    from: CommitNumber,
) -> Result<Vec<StoredCommit>, Fault> {
    let known = record.map_or(0, |record| record.projection.commit);
    let half = from + known.saturating_sub(from) / 2;
    if known.saturating_sub(from) <= COMMITS_ALONE_MAX {
        return rows::commits(db, id, from..rows::NO_END);
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(|| readers.read_here(|db| rows::commits(db, id, from..half)));
        let mut rest = rows::commits(db, id, half..rows::NO_END)?;
        let mut log = first.join().unwrap_or_else(|_| Err(stopped()))?;
        log.append(&mut rest);
        Ok(log)
    })
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn setup(&self) -> Result<(), StoreError> {
        Ok(()) // opening the file was it
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        StoreError::check_commit(start)?;
        let (record, start) = (record.clone(), start.clone());
        self.write(move |db| create(db, &record, &start)).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        let (id, readers) = (id.clone(), Arc::clone(&self.database.readers));
        self.read(move |db| load(db, &readers, &id, |record| record.projection.first)).await
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        let (id, readers) = (id.clone(), Arc::clone(&self.database.readers));
        self.read(move |db| load(db, &readers, &id, |_| 0)).await
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        let id = id.clone();
        self.read(move |db| match rows::find_record(db, &id)? {
            Some(record) => rows::page(db, record, from, limit).map(Some),
            None if rows::find_writer(db, &id, 0)?.is_some() => {
                Err(StoreError::lost_record(&id).into())
            }
            None => Ok(None),
        })
        .await
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        StoreError::check_commit(commit)?;
        let (id, commit) = (id.clone(), commit.clone());
        self.write(move |db| {
            if rows::append_commit(db, &id, &commit)? {
                return Ok(Appended::Done);
            }
            match (rows::find_life(db, &id)?, commit.life) {
                (None, None) => return Err(StoreError::missing(&id).into()),
                (there, Some(_)) if there != commit.life => return Ok(Appended::Gone),
                _ => {}
            }
            match rows::find_writer(db, &id, commit.number)? {
                Some(by) => Ok(Appended::Taken { by }),
                None => Err(StoreError::gap(&id, commit.number).into()),
            }
        })
        .await
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        let id = id.clone();
        self.read(move |db| Ok(rows::find_record(db, &id)?)).await
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let (id, projection) = (id.clone(), projection.clone());
        self.write(move |db| {
            let record = rows::find_record(db, &id)?.ok_or_else(|| StoreError::missing(&id))?;
            if !projection.replaces(&record) {
                return Ok(record);
            }
            rows::put_projection(db, &id, &projection)?;
            Ok(record.with(&projection))
        })
        .await
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        StoreError::check_item(item)?;
        let message = serde_json::to_string(&item.message)
            .map_err(|error| StoreError::unusable("the message is not JSON", error))?;
        let (id, item_id, arrived_at) = (id.clone(), item.id.clone(), item.arrived_at);
        self.write(move |db| Ok(send(db, &id, &item_id, arrived_at, &message)?)).await
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        let (id, items) = (id.clone(), items.to_vec());
        self.write(move |db| {
            if rows::find_life(db, &id)? != Some(life) {
                return Ok(());
            }
            let mut delete = db.prepare_cached(
                "DELETE FROM inbox WHERE execution = ?1 AND id = ?2 AND arrival = ?3",
            )?;
            for item in &items {
                delete.execute(params![id.as_str(), item.id, Count(item.arrival)])?;
            }
            Ok(())
        })
        .await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.read(move |db| Ok(overdue(db, before, limit)?)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let query = query.clone();
        self.read(move |db| list::page(db, &query)).await
    }

    async fn bury(&self, record: &Record, grave: &Grave) -> Result<Buried, StoreError> {
        let (id, commit, life) = (record.id.clone(), record.projection.commit, record.life());
        let grave = *grave;
        self.write(move |db| Ok(graves::bury(db, &id, commit, life, &grave)?)).await
    }

    async fn grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        let id = id.clone();
        self.read(move |db| Ok(graves::find(db, &id)?)).await
    }

    async fn rebury(&self, id: &ExecutionId, old: &Grave, new: &Grave) -> Result<bool, StoreError> {
        let (id, old, new) = (id.clone(), *old, *new);
        self.write(move |db| Ok(graves::replace(db, &id, &old, &new)?)).await
    }

    async fn remove(&self, id: &ExecutionId, grave: &Grave) -> Result<(), StoreError> {
        let (id, grave) = (id.clone(), *grave);
        self.write(move |db| Ok(graves::remove(db, &id, &grave)?)).await
    }

    async fn expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        self.read(move |db| Ok(graves::expired(db, from, before, limit)?)).await
    }

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        // Three calls of the system on local files: not worth a thread of their own.
        Ok(self.database.hosts.is_gone(host))
    }
}

/// Record, log and inbox: a connection reads in a transaction, and sees one moment.
fn load(
    db: &Connection,
    readers: &Readers,
    id: &ExecutionId,
    from: impl Fn(&Record) -> CommitNumber,
) -> Result<Option<Loaded>, Fault> {
    let record = rows::find_record(db, id)?;
    let from = record.as_ref().map_or(0, from);
    let commits = log(db, readers, id, record.as_ref(), from)?;
    let Some(record) = record else {
        return if commits.is_empty() { Ok(None) } else { Err(StoreError::lost_record(id).into()) };
    };
    let inbox = rows::all_items(db, id)?;
    Ok(Some(Loaded { record, from, commits, inbox }))
}

fn create(db: &Connection, record: &Record, start: &StoredCommit) -> Result<Created, Fault> {
    let Some(there) = rows::find_record(db, &record.id)? else {
        if graves::find(db, &record.id)?.is_some() {
            return Err(StoreError::Buried { id: record.id.clone() }.into());
        }
        if start.number != 0 {
            return Err(StoreError::missing(&record.id).into());
        }
        rows::put_record(db, record)?;
        rows::put_commit(db, &record.id, start)?;
        return Ok(Created::New);
    };
    let by = rows::find_writer(db, &record.id, start.number)?;
    let ended = &there.projection;
    if ended.status.is_closed()
        && ended.commit.checked_add(1) == Some(start.number)
        && by.is_none()
        && there.born == record.born
    {
        rows::put_record(db, &Record { arrivals: there.arrivals, ..record.clone() })?;
        rows::put_commit(db, &record.id, start)?;
        return Ok(Created::New);
    }
    Ok(Created::Exists { by, record: Box::new(there) })
}

fn send(
    db: &Connection,
    id: &ExecutionId,
    item_id: &str,
    arrived_at: Timestamp,
    message: &str,
) -> rusqlite::Result<Sent> {
    let Some(record) = rows::find_record(db, id)? else { return Ok(Sent::NoExecution) };
    let status = record.projection.status;
    if status.is_closed() {
        return Ok(Sent::Closed { status });
    }
    let put = db
        .prepare_cached(
            "INSERT INTO inbox (execution, id, arrival, arrived_at, message) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            id.as_str(),
            item_id,
            Count(record.arrivals + 1),
            arrived_at.0,
            message
        ])?;
    if put == 0 {
        return Ok(Sent::Known);
    }
    db.prepare_cached("UPDATE executions SET arrivals = arrivals + 1 WHERE id = ?1")?
        .execute([id.as_str()])?;
    Ok(Sent::New)
}

fn overdue(db: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<Vec<ExecutionId>> {
    let mut overdue: Vec<ExecutionId> = Vec::new();
    for sql in [
        "SELECT id FROM executions \
         WHERE wake_at < ?1 AND status IN ('running', 'suspended') ORDER BY wake_at LIMIT ?2",
        "SELECT id FROM executions \
         WHERE wake_at < ?1 AND untold IS NOT NULL ORDER BY wake_at LIMIT ?2",
        "SELECT execution FROM inbox JOIN executions ON executions.id = execution \
         WHERE arrived_at < ?1 AND status IN ('running', 'suspended') \
         GROUP BY execution ORDER BY min(arrived_at) LIMIT ?2",
    ] {
        let mut statement = db.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([before.0, limit], |row| row.get::<_, String>(0))?;
        for id in ids {
            // Ids were checked when they were written.
            overdue.extend(ExecutionId::new(id?));
        }
    }
    let mut seen = std::collections::HashSet::new();
    overdue.retain(|id| seen.insert(id.clone()));
    overdue.truncate(limit);
    Ok(overdue)
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.database.path()).finish()
    }
}
