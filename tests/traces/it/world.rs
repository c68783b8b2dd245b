//! A store, a queue and a clock in memory, and hosts that die when they are told to.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::EventStore;
use everstep::testing::faults::{Fate, Faults, FaultyQueue, FaultyStore};
use everstep::time::{Clock, Timestamp};
use everstep::wake::WakeQueue;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// When a host dies: at its call with this index, before or after the call is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) at: u64,
    pub(crate) after: bool,
}

pub(crate) struct World {
    store: Arc<dyn EventStore>,
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
}

/// A host that runs until it is dropped or dies.
pub(crate) struct Host {
    task: JoinHandle<()>,
    faults: Faults,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::virtual_from(Timestamp(1_700_000_000_000));
        Self { store: Arc::new(MemoryStore::new()), queue: Arc::new(MemoryQueue::new()), clock }
    }

    pub(crate) fn client(&self) -> Client {
        let backend = Backend::new(Arc::clone(&self.store), Arc::clone(&self.queue));
        Client::new(&backend).clock(self.clock.clone())
    }

    pub(crate) fn host(&self, app: App, death: Option<Death>) -> Host {
        let (died, dead) = (Arc::new(Notify::new()), AtomicBool::new(false));
        let faults = Faults::by({
            let died = Arc::clone(&died);
            move |call| {
                let fate = match death {
                    _ if dead.load(Ordering::SeqCst) => Fate::Hang,
                    Some(death) if death.at == call.index && death.after => Fate::HangAfter,
                    Some(death) if death.at == call.index => Fate::Hang,
                    _ => Fate::Proceed,
                };
                if !matches!(fate, Fate::Proceed) {
                    dead.store(true, Ordering::SeqCst);
                    died.notify_one();
                }
                fate
            }
        });
        let store = FaultyStore::new(Arc::clone(&self.store), &faults);
        let queue = FaultyQueue::new(Arc::clone(&self.queue), &faults);
        let backend = Backend::new(Arc::new(store), Arc::new(queue));
        let clock = self.clock.clone();
        let task = tokio::spawn(async move {
            let worker = app.backend(backend).worker().await.unwrap().clock(clock);
            tokio::select! {
                biased;
                () = died.notified() => {}
                ended = worker.run_until(std::future::pending::<()>()) => ended.unwrap(),
            }
        });
        Host { task, faults }
    }
}

impl Host {
    /// How many calls it has made.
    pub(crate) fn calls(&self) -> u64 {
        self.faults.counts().total()
    }

    /// Kills it where it stands, if it still does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        // What it held on to is dropped by now.
        tokio::task::yield_now().await;
    }
}

/// Runs `story` in virtual time, on this thread.
pub(crate) fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(story)
}
