//! Closed executions are kept for as long as their app says, archived, and deleted whole.

mod children;
mod crashes;
mod hosts;
mod late;
mod passes;
mod starts;

use std::sync::Arc;
use std::time::Duration;

use everstep::archive::{Archive, ArchiveStore, MemoryArchive};
use everstep::client::{HistoryError, OnConflict};
use everstep::event::HistoryLine;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::payload::{Folder, MemoryPayloads, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep::store::EventStore;
use everstep::testing::faults::{Faults, FaultyArchive, FaultyPayloads, FaultyStore};
use everstep::time::{Clock, Timestamp};
use everstep::{Backend, ExecutionId};

/// 2030-01-01.
const BEGINNING: Timestamp = Timestamp(1_893_456_000_000);

/// Payloads of more bytes are blobs here.
const THRESHOLD: usize = 100;

#[step]
async fn fetch(bytes: usize) -> everstep::Result<String> {
    Ok("x".repeat(bytes))
}

/// What was fetched, from one timer to the next.
#[workflow]
async fn order(bytes: usize) -> everstep::Result<String> {
    let whole = fetch(bytes).await?;
    sleep(minutes(5)).await;
    Ok(whole)
}

/// Waits for a signal, for ever.
#[workflow]
async fn waits(_: ()) -> everstep::Result<u64> {
    Ok(signal("go").await?)
}

/// Takes three runs.
#[workflow]
async fn thrice(run: u32) -> everstep::Result<u32> {
    fetch(1).await?;
    if run < 3 { continue_as_new(&(run + 1)).await } else { Ok(run) }
}

/// Code that panics.
#[workflow]
async fn broken(_: ()) -> everstep::Result<()> {
    panic!("on purpose")
}

/// A place where hosts and passes meet, whose calls are counted and fail when told to.
struct Place {
    backend: Backend,
    store: MemoryStore,
    blobs: MemoryPayloads,
    archive: MemoryArchive,
    faults: Faults,
    clock: Clock,
}

impl Place {
    /// With blobs and an archive.
    fn new() -> Self {
        let place = Self::without_archive();
        let archive: Arc<dyn ArchiveStore> = Arc::new(place.archive.clone());
        let archive = Archive::new(FaultyArchive::new(archive, &place.faults));
        Self { backend: place.backend.with_archive(archive), ..place }
    }

    fn without_archive() -> Self {
        let place = Self::bare();
        let blobs: Arc<dyn PayloadStore> = Arc::new(place.blobs.clone());
        let blobs = Payloads::of(Arc::new(FaultyPayloads::new(blobs, &place.faults)));
        Self { backend: place.backend.with_payloads(blobs.threshold(THRESHOLD)), ..place }
    }

    /// With neither.
    fn bare() -> Self {
        let (store, faults) = (MemoryStore::new(), Faults::none());
        let faulty = FaultyStore::new(Arc::new(store.clone()), &faults);
        let backend = Backend::new(Arc::new(faulty), Arc::new(MemoryQueue::new()));
        let (blobs, archive) = (MemoryPayloads::new(), MemoryArchive::new());
        let clock = Clock::virtual_from(BEGINNING);
        Self { backend, store, blobs, archive, faults, clock }
    }

    fn client(&self) -> Client {
        Client::new(&self.backend).clock(self.clock.clone())
    }

    /// Runs a host of `app` until `done`.
    async fn host<T>(&self, app: App, done: impl Future<Output = T>) -> T {
        let worker = app.backend(self.backend.clone()).worker().await.unwrap();
        worker.clock(self.clock.clone()).run_until(done).await.unwrap()
    }

    /// Starts `order` as `id`, and runs it to its end; it is kept for a day.
    async fn ended(&self, id: &str, bytes: usize) -> ExecutionId {
        let handle = self.client().start(order, bytes).id(id).await.unwrap();
        assert_eq!(self.host(app(), handle.result()).await.unwrap().len(), bytes);
        // The result may be seen before the record shows the end.
        self.until_closed(handle.id()).await;
        handle.id().clone()
    }

    async fn until_closed(&self, id: &ExecutionId) {
        let closed = async {
            while !self.store.record(id).await.unwrap().unwrap().projection.status.is_closed() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        self.host(app(), closed).await;
    }

    async fn blobs_of(&self, id: &ExecutionId) -> usize {
        self.blobs.list(&Folder::of(id)).await.unwrap().len()
    }

    /// The lines of its history, as `everstep export` writes them.
    async fn exported(&self, id: &ExecutionId) -> String {
        let log = self.client().history(id).await.unwrap();
        let lines = HistoryLine::of(id, &log).map(|line| line.to_text().unwrap() + "\n");
        lines.collect()
    }

    /// Whether nobody finds anything of it any more, and nothing is left of it.
    async fn is_gone(&self, id: &ExecutionId) -> bool {
        let client = self.client();
        let unknown = |error: HistoryError| matches!(error, HistoryError::Unknown { .. });
        let gone = client.describe(id).await.is_err_and(unknown)
            && client.history(id).await.is_err_and(unknown);
        gone && self.store.grave(id).await.unwrap().is_none() && self.blobs_of(id).await == 0
    }
}

fn app() -> App {
    let app = App::new().workflow(order).workflow(waits).workflow(thrice).workflow(broken);
    app.retention(days(1))
}

async fn pass_by(time: Duration) {
    tokio::time::sleep(time).await;
}
