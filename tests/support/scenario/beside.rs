//! Stores that need real time and real sockets, in a world whose time is neither.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, mpsc};

use async_trait::async_trait;
use aws_config::SdkConfig;
use everstep::aws::DynamoStore;
use everstep::event::StoredCommit;
use everstep::id::{CommitNumber, ExecutionId, HostId, Life};
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::memory::MemoryStore;
use everstep::store::{
    Appended, AppendedWith, Created, EventStore, ListPage, ListQuery, Loaded, LogPage, NewItem,
    Projection, Record, SeenItem, Sent, StoreError, Writes,
};
use everstep::time::Timestamp;
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

use crate::dynamodb::{DynamoDb, FEW_SHARDS, config_at, new_table};

/// Which store a world has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backing {
    /// Memory.
    #[default]
    Memory,
    /// A file of its own.
    Sqlite,
    /// A table of its own in the emulator of this process.
    DynamoDb,
    /// DynamoDB, one commit or inbox item a page.
    OneItemPages,
}

/// The stores that need real time, real files and real sockets.
pub const ELSEWHERE: &[Backing] = &[Backing::Sqlite, Backing::DynamoDb];

impl Backing {
    /// Where worlds live whose profile names no store: in memory, or as `EVERSTEP_TEST_STORE` says.
    pub(super) fn of_env() -> Self {
        match std::env::var("EVERSTEP_TEST_STORE").as_deref() {
            Err(_) | Ok("memory") => Self::Memory,
            Ok("sqlite") => Self::Sqlite,
            Ok("dynamodb") => Self::DynamoDb,
            Ok(other) => panic!("EVERSTEP_TEST_STORE names no store: {other:?}"),
        }
    }

    /// A new, empty store. Its calls take no virtual time.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn store(self) -> Arc<dyn EventStore> {
        match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let file = folder.path().join("everstep.db");
                let opened = SqliteBackend::open(file, &SqliteOptions::new()).expect("a new file");
                Arc::new(Beside { inner: Arc::new(opened.store()), _folder: Some(folder) })
            }
            Self::DynamoDb => dynamodb(None),
            Self::OneItemPages => dynamodb(Some(1)),
        }
    }
}

/// The one emulator of this process: worlds come and go, it and its connections serve all of them.
///
/// # Panics
/// It does not start.
pub fn emulator() -> &'static SdkConfig {
    static DATABASE: OnceLock<(DynamoDb, SdkConfig)> = OnceLock::new();
    let (_, config) = DATABASE.get_or_init(|| {
        let database = DynamoDb::start();
        let url = database.url().to_owned();
        (database, finished(async move { config_at(&url).await }))
    });
    config
}

/// A table of its own in the emulator.
fn dynamodb(page_items: Option<i32>) -> Arc<dyn EventStore> {
    let store = DynamoStore::new(emulator(), &new_table()).expect("a table's name");
    let store = store.with_shards(FEW_SHARDS);
    let made = store.clone();
    finished(async move { made.setup().await }).expect("setup");
    let store = match page_items {
        Some(items) => store.with_page_items(items),
        None => store,
    };
    beside(store)
}

/// The runtime beside the tests' own, in real time.
fn runtime() -> &'static Handle {
    static BESIDE: OnceLock<Runtime> = OnceLock::new();
    let runtime = BESIDE.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    });
    runtime.handle()
}

/// What `future` comes to, in real time. The caller's thread stands still meanwhile, and with it
/// its virtual time: a call takes no time, as in memory, so that the same things happen at the
/// same moments on every store.
///
/// # Panics
/// So does `future`.
pub fn finished<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime().spawn(async move { sender.send(future.await) });
    receiver.recv().expect("a store does not panic")
}

/// `store`, whose calls are made in the runtime beside.
pub fn beside(store: impl EventStore) -> Arc<dyn EventStore> {
    Arc::new(Beside { inner: Arc::new(store), _folder: None })
}

/// A store whose calls are made in the runtime beside.
struct Beside {
    inner: Arc<dyn EventStore>,
    _folder: Option<TempDir>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl EventStore for Beside {
    async fn setup(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        finished(async move { inner.setup().await })
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        let (inner, record, start) = (Arc::clone(&self.inner), record.clone(), start.clone());
        finished(async move { inner.create(&record, &start).await })
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        finished(async move { inner.load(&id).await })
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        finished(async move { inner.load_all(&id).await })
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        finished(async move { inner.load_page(&id, from, limit).await })
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        let (inner, id, commit) = (Arc::clone(&self.inner), id.clone(), commit.clone());
        finished(async move { inner.append(&id, &commit).await })
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
        let (inner, id, commit) = (Arc::clone(&self.inner), id.clone(), commit.clone());
        let writes = writes.clone();
        finished(async move { inner.append_with(&id, &commit, &writes).await })
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        finished(async move { inner.record(&id).await })
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let (inner, id, projection) = (Arc::clone(&self.inner), id.clone(), projection.clone());
        finished(async move { inner.project(&id, &projection).await })
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        let (inner, id, item) = (Arc::clone(&self.inner), id.clone(), item.clone());
        finished(async move { inner.send(&id, &item).await })
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        let (inner, id, items) = (Arc::clone(&self.inner), id.clone(), items.to_vec());
        finished(async move { inner.remove_items(&id, life, &items).await })
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let inner = Arc::clone(&self.inner);
        finished(async move { inner.overdue(before, limit).await })
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let (inner, query) = (Arc::clone(&self.inner), query.clone());
        finished(async move { inner.list(&query).await })
    }

    async fn is_gone(&self, host: &HostId) -> Result<bool, StoreError> {
        let (inner, host) = (Arc::clone(&self.inner), host.clone());
        finished(async move { inner.is_gone(&host).await })
    }
}
