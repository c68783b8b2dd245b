//! One world: what all hosts and clients of a run share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use everstep::event::Commit;
use everstep::id::ExecutionId;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::store::{EventStore, Record};
use everstep::time::{Clock, Timestamp};
use everstep::wake::WakeQueue;
use everstep::{Backend, Client};

use super::Ledger;

/// When every run begins: 2030-01-01.
const BEGINNING: Timestamp = Timestamp(1_893_456_000_000);

/// A store, a queue and a clock, and what was seen of them.
#[derive(Debug, Clone)]
pub struct World {
    /// The store, without faults.
    pub store: Arc<dyn EventStore>,
    /// The queue, without faults.
    pub queue: Arc<dyn WakeQueue>,
    /// The right time.
    pub clock: Clock,
    /// What bodies did.
    pub ledger: Ledger,
    trace: Arc<Mutex<Vec<String>>>,
    waiting: Waiting,
    look_every: Duration,
}

/// How many messages the queue holds.
#[derive(Clone)]
struct Waiting(Arc<dyn Fn() -> usize + Send + Sync>);

impl World {
    /// An empty world in memory. Its clock is tokio's.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Arc::new(MemoryStore::new()))
    }

    /// A world with this store, and a queue in memory.
    #[must_use]
    pub fn with(store: Arc<dyn EventStore>) -> Self {
        let queue = MemoryQueue::new();
        let waiting = queue.clone();
        Self::on(store, Arc::new(queue), move || waiting.len())
    }

    /// The same, where [`until`](Self::until) looks once in so much time.
    #[must_use]
    pub fn looking_every(self, look_every: Duration) -> Self {
        Self { look_every, ..self }
    }

    /// A world on this store and this queue, which holds `waiting` messages.
    #[must_use]
    pub fn on(
        store: Arc<dyn EventStore>,
        queue: Arc<dyn WakeQueue>,
        waiting: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        let ledger = Ledger::new(Arc::clone(&store));
        let clock = Clock::virtual_from(BEGINNING);
        let waiting = Waiting(Arc::new(waiting));
        let look_every = Duration::from_millis(500);
        Self { store, queue, clock, ledger, trace: Arc::default(), waiting, look_every }
    }

    /// Its backend, without faults.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend::new(Arc::clone(&self.store), Arc::clone(&self.queue))
    }

    /// A client without faults.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.backend()).clock(self.clock.clone())
    }

    /// Time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.now().since(BEGINNING)
    }

    /// Notes what somebody did.
    pub fn note(&self, what: impl std::fmt::Display) {
        let line = format!("{} {what}", self.elapsed().as_millis());
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// What everybody did, in order.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls the process with this name has begun.
    #[must_use]
    pub fn calls_of(&self, name: &str) -> u64 {
        let name = format!(" {name} ");
        self.trace().iter().filter(|line| line.contains(&name)).count() as u64
    }

    /// How many wakes the queue holds, received or not.
    #[must_use]
    pub fn wakes(&self) -> usize {
        (self.waiting.0)()
    }

    /// Waits until no wake is left.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn until_no_wake_is_left(&self, limit: Duration) {
        let end = self.clock.now().after(limit);
        while self.wakes() > 0 {
            assert!(self.clock.now() < end, "wakes go round for ever:\n{}", self.tail());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn tail(&self) -> String {
        let trace = self.trace();
        trace[trace.len().saturating_sub(80)..].join("\n")
    }

    /// The record of an execution, if it exists.
    ///
    /// # Panics
    /// The store does not answer.
    pub async fn record(&self, id: &str) -> Option<Record> {
        self.store.record(&execution(id)).await.expect("a store without faults")
    }

    /// The log of an execution, every hash verified.
    ///
    /// # Panics
    /// It cannot be read.
    pub async fn log(&self, id: &str) -> Vec<Commit> {
        self.client().history(&execution(id)).await.expect("an intact log")
    }

    /// Waits until `done` of the record.
    ///
    /// # Panics
    /// After `limit`, with the trace's end.
    pub async fn until(&self, id: &str, limit: Duration, done: impl Fn(&Record) -> bool) {
        let end = self.clock.now().after(limit);
        loop {
            let record = self.record(id).await;
            if record.as_ref().is_some_and(&done) {
                return;
            }
            if self.clock.now() > end {
                panic!("stuck after {limit:?}: {record:#?}\n{}", self.tail());
            }
            tokio::time::sleep(self.look_every).await;
        }
    }

    /// Fails unless an execution that has ended left nothing behind but its log.
    ///
    /// # Panics
    /// Its record is behind or its inbox is not empty.
    pub async fn check_closed(&self, id: &str) {
        let loaded = self.store.load(&execution(id)).await.expect("a store without faults");
        let loaded = loaded.expect("the execution");
        assert!(loaded.inbox.is_empty(), "left in the inbox: {:#?}", loaded.inbox);
        let record = loaded.record.projection;
        assert!(record.status.is_closed(), "{record:#?}");
        assert_eq!(Some(record.commit), loaded.commits.last().map(|commit| commit.number));
        assert_eq!(record.wake_at, None);
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", (self.0)())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The id of a test's execution.
pub(super) fn execution(id: &str) -> ExecutionId {
    ExecutionId::new(id).expect("an id of a test")
}
