//! Everything a scenario is given.

use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everstep::client::{Handle, ResultError};
use everstep::event::{Commit, Event};
use everstep::id::ExecutionId;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::store::{EventStore, Record, Status};
use everstep::testing::faults::{Fate, Faults, FaultyQueue, FaultyStore, Rates};
use everstep::time::{Clock, Timestamp};
use everstep::wake::WakeQueue;
use everstep::{App, Backend, Client};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::queue::WorldQueue;
use super::store::{ToldStore, Write};
use super::{Effects, Profile, log};

/// When virtual time begins: 2024-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp(1_704_067_200_000);

/// How often calls fail under [`Profile::Faults`], before and after they are made.
const RATES: Rates = Rates { before_per_million: 80_000, after_per_million: 80_000 };

/// A backend, a clock, and hosts that work on it.
pub struct World {
    pub(super) profile: Profile,
    number: u64,
    pub(super) app: Rc<dyn Fn() -> App>,
    store: Arc<dyn EventStore>,
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
    faults: Faults,
    effects: Effects,
    /// A commit was written.
    pub(super) committed: Arc<Notify>,
    /// A record was written.
    projected: Arc<Notify>,
    pub(super) killed: Arc<Notify>,
    dead: Arc<AtomicBool>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl World {
    /// An empty world. `number` is the seed of its faults, or the call at which its first host is
    /// killed: after it for an odd number, before it for an even one.
    pub(super) fn in_memory(profile: Profile, number: u64, app: Rc<dyn Fn() -> App>) -> Self {
        let clock = Clock::virtual_from(BEGINNING);
        let queue = WorldQueue {
            inner: Arc::new(MemoryQueue::new()),
            twice: matches!(profile, Profile::Twice | Profile::TwoHosts),
        };
        let mut world = Self::on(Arc::new(MemoryStore::new()), Arc::new(queue), clock, app);
        (world.profile, world.number) = (profile, number);
        match profile {
            Profile::Faults => world.faults = Faults::seeded(number, RATES),
            Profile::Killed => world.faults = world.kill_at(number),
            _ => {}
        }
        world
    }

    /// A world on any store and queue, with one warm host.
    pub fn on(
        store: Arc<dyn EventStore>,
        queue: Arc<dyn WakeQueue>,
        clock: Clock,
        app: Rc<dyn Fn() -> App>,
    ) -> Self {
        let (committed, projected) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let tell = {
            let (committed, projected) = (Arc::clone(&committed), Arc::clone(&projected));
            move |write| match write {
                Write::Commit => committed.notify_one(),
                Write::Record => projected.notify_waiters(),
            }
        };
        Self {
            profile: Profile::Warm,
            number: 0,
            app,
            store: Arc::new(ToldStore { inner: store, tell: Box::new(tell) }),
            queue,
            clock,
            faults: Faults::none(),
            effects: Effects::default(),
            committed,
            projected,
            killed: Arc::default(),
            dead: Arc::default(),
        }
    }

    fn kill_at(&self, number: u64) -> Faults {
        let (killed, dead) = (Arc::clone(&self.killed), Arc::clone(&self.dead));
        Faults::by(move |call| {
            if call.index != number / 2 {
                return Fate::Proceed;
            }
            dead.store(true, Ordering::SeqCst);
            killed.notify_one();
            if number.is_multiple_of(2) { Fate::Hang } else { Fate::HangAfter }
        })
    }

    pub(super) fn name(&self) -> String {
        format!("{:?} {}", self.profile, self.number)
    }

    pub(super) fn was_killed(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// What this world's hosts work on, with the profile's faults.
    pub(super) fn hosts(&self) -> Backend {
        Backend::new(
            Arc::new(FaultyStore::new(Arc::clone(&self.store), &self.faults)),
            Arc::new(FaultyQueue::new(Arc::clone(&self.queue), &self.faults)),
        )
    }

    /// The backend without faults.
    #[must_use]
    pub fn plain(&self) -> Backend {
        Backend::new(Arc::clone(&self.store), Arc::clone(&self.queue))
    }

    /// A client, which meets no faults.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.plain()).clock(self.clock())
    }

    /// The clock of all hosts and clients.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What steps did.
    #[must_use]
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Whether no host dies and no call fails.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        !matches!(self.profile, Profile::Faults | Profile::Killed)
    }

    /// `what` was done `times` times: exactly, unless hosts die or calls fail, when an unfinished
    /// body may have run again.
    #[track_caller]
    pub fn did(&self, what: &str, times: usize) {
        let did = self.effects.count(what);
        if self.is_calm() {
            assert_eq!(did, times, "{what} was done {did} times: {:?}", self.effects.all());
        } else {
            assert!(did >= times, "{what} was done {did} times: {:?}", self.effects.all());
        }
    }

    /// Waits (it takes hosts) until the execution's record satisfies `what`.
    pub async fn record_is(&self, id: &ExecutionId, what: impl Fn(&Record) -> bool) -> Record {
        loop {
            let mut changed = pin!(self.projected.notified());
            changed.as_mut().enable();
            let record = self.client().describe(id).await.expect("it is there");
            if what(&record) {
                return record;
            }
            changed.await;
        }
    }

    /// Waits (it takes hosts) until the execution has this status.
    pub async fn status_is(&self, id: &ExecutionId, status: Status) -> Record {
        self.record_is(id, |record| record.projection.status == status).await
    }

    /// Waits (it takes hosts) until the execution has ended or is blocked.
    pub async fn settled(&self, id: &ExecutionId) -> Record {
        let moves = |status| matches!(status, Status::Running | Status::Suspended);
        self.record_is(id, |record| !moves(record.projection.status)).await
    }

    /// Lets hosts work until the execution has ended or is blocked, and returns its result.
    pub async fn result<T, E>(&self, handle: &Handle<T, E>) -> Result<T, ResultError<E>>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
    {
        self.until(self.settled(handle.id())).await;
        handle.result().await
    }

    /// The log's events.
    pub async fn events(&self, id: &ExecutionId) -> Vec<Event> {
        self.log(id).await.into_iter().flat_map(|commit| commit.events).collect()
    }

    /// The log.
    pub async fn log(&self, id: &ExecutionId) -> Vec<Commit> {
        self.client().history(id).await.expect("a log that can be read")
    }

    /// The keys of the log's events that are of this kind, such as `StepCompleted`.
    pub async fn keys(&self, id: &ExecutionId, kind: &str) -> Vec<String> {
        let events = self.events(id).await;
        let of_kind = events.iter().filter(|event| event.kind() == kind);
        of_kind.filter_map(|event| event.key().map(ToString::to_string)).collect()
    }

    /// How many events of this kind the log has.
    pub async fn number_of(&self, id: &ExecutionId, kind: &str) -> usize {
        self.events(id).await.iter().filter(|event| event.kind() == kind).count()
    }

    /// Checks every log of this world.
    pub(super) async fn verify(&self) {
        let mut after: Option<String> = None;
        loop {
            let client = self.client();
            let mut list = client.list();
            if let Some(after) = after {
                list = list.after(after);
            }
            let page = list.page().await.expect("a page");
            for record in &page.records {
                if let Ok(commits) = client.history(&record.id).await {
                    log::verify(&commits);
                }
            }
            after = page.next;
            if after.is_none() {
                return;
            }
        }
    }
}
