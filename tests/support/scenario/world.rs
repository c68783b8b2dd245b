//! Everything a scenario is given.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everstep::__private::WorkflowSpec;
use everstep::client::{Handle, ResultError};
use everstep::event::{Commit, Event};
use everstep::id::ExecutionId;
use everstep::memory::MemoryQueue;
use everstep::store::{EventStore, Projection, Record, Status};
use everstep::testing::faults::{Counts, Faults, FaultyQueue, FaultyStore, Rates};
use everstep::time::{Clock, Timestamp};
use everstep::wake::WakeQueue;
use everstep::{App, Backend, Client, Workflow};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::kills::Kills;
use super::queue::WorldQueue;
use super::store::{ToldStore, Write};
use super::{Effects, Fate, Logs, Plan, Profile, log};

/// When virtual time begins: 2024-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp(1_704_067_200_000);

/// How often calls fail under [`Profile::Faults`], before and after they are made.
const RATES: Rates = Rates { before_per_million: 80_000, after_per_million: 80_000 };

/// How long (in virtual time) a scenario may let hosts work for one goal.
const GOAL_WITHIN: Duration = Duration::from_secs(40 * 86_400);

/// A backend, a clock, and hosts that work on it.
pub struct World {
    pub(super) profile: Profile,
    pub(super) app: Rc<dyn Fn() -> App>,
    store: Arc<dyn EventStore>,
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
    faults: Faults,
    effects: Effects,
    /// Every execution there is.
    ids: Ids,
    started: Cell<u32>,
    /// A commit was written.
    pub(super) committed: Arc<Notify>,
    /// A record was written.
    projected: Arc<Notify>,
    pub(super) kills: Kills,
}

type Ids = Arc<Mutex<BTreeSet<ExecutionId>>>;

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl World {
    /// An empty world.
    pub(super) fn new(plan: Plan, app: Rc<dyn Fn() -> App>) -> Self {
        let (committed, projected) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let ids: Ids = Arc::default();
        let tell = {
            let (committed, projected) = (Arc::clone(&committed), Arc::clone(&projected));
            let ids = Arc::clone(&ids);
            move |id: &ExecutionId, write| match write {
                Write::Start => _ = ids.lock().expect("no panic with it").insert(id.clone()),
                Write::Commit => committed.notify_one(),
                Write::Record => projected.notify_waiters(),
            }
        };
        let queue = WorldQueue {
            inner: Arc::new(MemoryQueue::new()),
            twice: matches!(plan.profile, Profile::Twice | Profile::TwoHosts),
        };
        let kills = Kills::default();
        let faults = match plan.fate {
            Fate::Seed(seed) => Faults::seeded(seed, RATES),
            Fate::Kill(moment) => kills.faults(Some(moment)),
            Fate::Nothing => kills.faults(None),
        };
        Self {
            profile: plan.profile,
            app,
            store: Arc::new(ToldStore { inner: plan.backing.store(), tell: Box::new(tell) }),
            queue: Arc::new(queue),
            clock: Clock::virtual_from(BEGINNING),
            faults,
            effects: Effects::default(),
            ids,
            started: Cell::new(0),
            committed,
            projected,
            kills,
        }
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

    /// Starts an execution; the first has the id `e-1`, the next `e-2`.
    pub async fn start<A, W: Workflow<A>>(
        &self,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Handle<<W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
        self.started.set(self.started.get() + 1);
        let id = format!("e-{}", self.started.get());
        self.client().start(workflow, input).id(id).await.expect("it starts")
    }

    /// The clock of all hosts and clients.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What hosts have asked store and queue for.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.faults.counts()
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

    /// Waits (it takes hosts) until the log has `count` events of this kind.
    pub async fn has(&self, id: &ExecutionId, kind: &str, count: usize) {
        loop {
            let mut changed = pin!(self.projected.notified());
            changed.as_mut().enable();
            if self.number_of(id, kind).await >= count {
                return;
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

    /// What `goal` comes to, if it does in a time that a scenario could take.
    pub(super) async fn in_time<T>(&self, goal: impl Future<Output = T>) -> T {
        match tokio::time::timeout(GOAL_WITHIN, goal).await {
            Ok(output) => output,
            Err(_) => panic!("nothing more happens:\n{}", self.report().await),
        }
    }

    /// Every execution that has not ended, and what its log says.
    async fn report(&self) -> String {
        let mut report = String::new();
        for id in self.ids() {
            let record = self.client().describe(&id).await.expect("it is there");
            let Projection { status, wake_at, .. } = &record.projection;
            if status.is_closed() {
                continue;
            }
            report += &format!("{id} is {status}, wakes at {wake_at:?}\n");
            for event in self.events(&id).await {
                report += &format!("  {} {event:?}\n", event.at());
            }
        }
        report
    }

    fn ids(&self) -> BTreeSet<ExecutionId> {
        self.ids.lock().expect("no panic with it").clone()
    }

    /// Checks every log of this world, and returns those that can be read.
    pub(super) async fn verify(&self) -> Logs {
        let mut logs = Logs::new();
        for id in self.ids() {
            if let Ok(commits) = self.client().history(&id).await {
                log::verify(&commits);
                logs.insert(id.to_string(), log::comparable(&commits));
            }
        }
        logs
    }
}
