//! One file, opened by one process: its writer, its readers and the process's presence.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::checkpoint::Checkpointer;
use super::presence::{Hosts, Presence};
use super::readers::Readers;
use super::schema::{self, Mode};
use super::store::SqliteStore;
use super::wake::SqliteQueue;
use super::writer::Writer;
use crate::id::HostId;
use crate::limits::WORKER_VISIBILITY;
use crate::store::StoreError;
use crate::time::Clock;

/// The store and the queue in one SQLite file. A clone is another handle to the same.
#[derive(Debug, Clone)]
pub struct SqliteBackend {
    store: SqliteStore,
    queue: SqliteQueue,
    database: Arc<Database>,
}

/// How to open a [`SqliteBackend`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    create: bool,
    sync_every_commit: bool,
    busy_timeout: Duration,
    visibility: Duration,
    clock: Clock,
}

impl SqliteOptions {
    /// The file is made if it is missing, writes are not flushed to the disk one by one, a lock of
    /// another process is waited for for 5 s, and the queue has the visibility time-out of a
    /// worker, [`WORKER_VISIBILITY`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            create: true,
            sync_every_commit: false,
            busy_timeout: Duration::from_secs(5),
            visibility: WORKER_VISIBILITY,
            clock: Clock::system(),
        }
    }

    /// Whether to make the file and its tables if they are missing. Without, opening a file that
    /// is not there is an error.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether every commit is flushed to the disk before it is acknowledged (SQLite's
    /// `synchronous=FULL`), so that a power cut takes back nothing. Costs a disk flush a write.
    #[must_use]
    pub fn sync_every_commit(mut self, sync: bool) -> Self {
        self.sync_every_commit = sync;
        self
    }

    /// How long a write waits for a lock of another process before it is
    /// [`Unavailable`](StoreError::Unavailable).
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The queue's visibility time-out.
    #[must_use]
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// The clock by which delays and visibility are counted. All processes on the file must have
    /// the same one.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SqliteBackend {
    /// Opens the file at `path`. Blocks for some milliseconds; longer if another process locks it.
    ///
    /// # Errors
    /// [`Unusable`](StoreError::Unusable), with what to do, if the file is missing and not to be
    /// made, is damaged, belongs to another program or a newer version of this one, or cannot be
    /// written; [`Unavailable`](StoreError::Unavailable) if another process locks it too long.
    pub fn open(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let mode = Mode {
            busy_timeout: options.busy_timeout,
            sync_every_commit: options.sync_every_commit,
        };
        let connection = schema::open(path.as_ref(), mode, options.create)?;
        // By one name, whatever links lead to it: the hosts' folder stands beside the file itself.
        let path = path.as_ref().canonicalize().map_err(|error| {
            StoreError::unusable(format!("{} cannot be found", path.as_ref().display()), error)
        })?;
        let second = schema::reopen_to_write(&path, mode)?;
        let writer = Checkpointer::start(second)
            .and_then(|checkpointer| Writer::start(connection, checkpointer))
            .map_err(|error| StoreError::unavailable("the system starts no more threads", error))?;
        let database = Arc::new(Database {
            writer,
            readers: Arc::new(Readers::new(path.clone(), mode)),
            hosts: Hosts::of(&path),
            path,
            presence: Mutex::default(),
            wake_sent: Notify::new(),
        });
        Ok(Self {
            store: SqliteStore::new(Arc::clone(&database)),
            queue: SqliteQueue::new(
                Arc::clone(&database),
                options.visibility,
                options.clock.clone(),
            ),
            database,
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> SqliteStore {
        self.store.clone()
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> SqliteQueue {
        self.queue.clone()
    }

    /// The id under which this process takes turns on this file. The first call registers it; from
    /// then until the last handle to this backend is dropped or the process ends, everybody who
    /// has the file open can see that it lives. A program that only reads need not call this.
    ///
    /// # Errors
    /// [`Unusable`](StoreError::Unusable) if the folder beside the file cannot be written.
    pub fn host(&self) -> Result<HostId, StoreError> {
        self.database.host()
    }
}

/// What store and queue share.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    pub(super) writer: Writer,
    pub(super) readers: Arc<Readers>,
    pub(super) hosts: Hosts,
    /// From the first need on.
    presence: Mutex<Option<Presence>>,
    /// A wake of this process has become visible, or will earlier than its receivers know.
    pub(super) wake_sent: Notify,
}

impl Database {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn host(&self) -> Result<HostId, StoreError> {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(presence) = &*presence {
            return Ok(presence.id().clone());
        }
        let new = self.hosts.register().map_err(|error| {
            let remedy = format!(
                "this process cannot be registered beside {}: the folder there must be writable",
                self.path.display()
            );
            StoreError::unusable(remedy, error)
        })?;
        Ok(presence.insert(new).id().clone())
    }
}
