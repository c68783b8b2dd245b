//! Where executions of a test live: a store, a queue, a clock, and a host after the other.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::queue::PatientQueue;
use super::stands::Stands;
use super::weather::{Restless, Weather};
use crate::backend::Backend;
use crate::client::Client;
use crate::event::Event;
use crate::host::App;
use crate::id::ExecutionId;
use crate::memory::{MemoryQueue, MemoryStore};
use crate::payload::Payloads;
use crate::store::{Record, Status};
use crate::testing::faults::{Call, Fate, Faults, FaultyPayloads, FaultyQueue, FaultyStore};
use crate::time::{Clock, Timestamp};
use crate::wake::WakeQueue;

/// When virtual time begins: 2024-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp(1_704_067_200_000);

/// Rare enough for years of virtual time.
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 3_600);
const SWEEP_GRACE: Duration = Duration::from_secs(60);

/// When the first host dies: at its call with this index, before or after the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::testing) struct Death {
    pub(in crate::testing) at: usize,
    pub(in crate::testing) after: bool,
}

pub(in crate::testing) struct World {
    pub(in crate::testing) app: App,
    pub(in crate::testing) stands: Arc<Stands>,
    /// What clients and hosts share; it counts.
    backend: Backend,
    pub(super) counts: Faults,
    pub(super) clock: Clock,
    /// A commit or a record was written.
    pub(super) changed: Arc<Notify>,
    first_host: Mutex<FirstHost>,
    weather: Mutex<Option<Weather>>,
}

/// What the first host does, and when it dies.
#[derive(Default)]
struct FirstHost {
    death: Option<Death>,
    calls: Vec<&'static str>,
    /// It has made a call that never answered.
    dead: bool,
}

impl World {
    /// An empty world. In a runtime, whose time is its own.
    pub(super) fn new(app: App, stands: Arc<Stands>) -> Self {
        let changed = Arc::new(Notify::new());
        let counts = Faults::by({
            let changed = Arc::clone(&changed);
            move |call| {
                if matches!(call.name, "append" | "project") {
                    // Nobody looks before it is written: the store in memory does not wait.
                    changed.notify_waiters();
                }
                Fate::Proceed
            }
        });
        let clock = Clock::virtual_from(BEGINNING);
        let inner = Arc::new(MemoryQueue::new());
        let queue = Arc::new(PatientQueue { inner, clock: clock.clone() });
        Self {
            app,
            stands,
            backend: Backend::new(
                Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()), &counts)),
                Arc::new(FaultyQueue::new(queue, &counts)),
            ),
            counts,
            clock,
            changed,
            first_host: Mutex::default(),
            weather: Mutex::default(),
        }
    }

    pub(super) fn client(&self) -> Client {
        let backend = Backend::new(Arc::clone(&self.backend.store), self.queue());
        let backend = backend.with_payloads(self.payloads(&self.counts));
        Client::new(&backend).clock(self.clock.clone())
    }

    /// The payloads of the app, whose store counts and has these faults.
    fn payloads(&self, faults: &Faults) -> Payloads {
        self.app.given_payloads().in_store(|store| Arc::new(FaultyPayloads::new(store, faults)))
    }

    /// From now on wakes come as this weather has it, and hosts that begin live in it.
    pub(in crate::testing) fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = Some(weather);
    }

    fn weather(&self) -> Option<Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The queue in this weather.
    fn queue(&self) -> Arc<dyn WakeQueue> {
        let inner = Arc::clone(&self.backend.queue);
        match self.weather() {
            Some(weather) => Arc::new(Restless { inner, weather }),
            None => inner,
        }
    }

    /// One host, and another one when it is dead; in weather, two at a time.
    pub(super) async fn hosts(self: Arc<Self>) {
        if let Some(weather) = self.weather() {
            tokio::join!(self.hosts_in(&weather), self.hosts_in(&weather));
        }
        let first = Arc::new(Notify::new());
        self.host(Some(&first)).await;
        self.host(None).await;
    }

    async fn host(self: &Arc<Self>, dies: Option<&Arc<Notify>>) {
        let faults = match dies {
            Some(dies) => {
                let (this, dies) = (Arc::clone(self), Arc::clone(dies));
                Faults::by(move |call| this.fate(call, &dies))
            }
            None => Faults::none(),
        };
        let died = async {
            match dies {
                Some(dies) => dies.notified().await,
                None => std::future::pending().await,
            }
        };
        self.work(&faults, self.clock.clone(), died).await;
    }

    /// One host after the other in this weather.
    async fn hosts_in(&self, weather: &Weather) {
        for number in 0.. {
            let dies = Arc::new(Notify::new());
            let faults = weather.host(number, &dies);
            let clock = self.clock.skewed(weather.skew_millis());
            self.work(&faults, clock, dies.notified()).await;
        }
    }

    /// A host works until it has died.
    async fn work(&self, faults: &Faults, clock: Clock, died: impl Future<Output = ()>) {
        let backend = Backend::new(
            Arc::new(FaultyStore::new(Arc::clone(&self.backend.store), faults)),
            Arc::new(FaultyQueue::new(self.queue(), faults)),
        );
        let app = self.app.clone().payloads(self.payloads(faults));
        let worker = app.backend(backend).worker().await;
        let worker = worker.expect("Env::new has checked the app").clock(clock);
        let worker = worker.sweep(SWEEP_EVERY, SWEEP_GRACE);
        tokio::select! {
            biased;
            () = died => {}
            ended = worker.run_until(std::future::pending::<()>()) => {
                unreachable!("a worker in memory goes on for ever: {ended:?}")
            }
        }
    }

    /// What becomes of a call of the first host.
    fn fate(&self, call: &Call, dies: &Notify) -> Fate {
        let mut first = self.first_host();
        if first.dead {
            return Fate::Hang;
        }
        let at = first.calls.len();
        first.calls.push(call.name);
        let fate = match first.death {
            Some(death) if death.at == at && death.after => Fate::HangAfter,
            Some(death) if death.at == at => Fate::Hang,
            _ => return Fate::Proceed,
        };
        first.dead = true;
        dies.notify_one();
        fate
    }

    fn first_host(&self) -> MutexGuard<'_, FirstHost> {
        self.first_host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::testing) fn let_die(&self, death: Death) {
        self.first_host().death = Some(death);
    }

    /// The calls of the first host so far, and whether it has died.
    pub(in crate::testing) fn first_host_calls(&self) -> (Vec<&'static str>, bool) {
        let first = self.first_host();
        (first.calls.clone(), first.dead)
    }

    /// Waits until the execution has ended or is blocked. `Err` is a text that says where it
    /// stands after `limit`.
    pub(super) async fn settled(&self, id: &ExecutionId, limit: Duration) -> Result<(), String> {
        let settled = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                let status = self.record(id).await.projection.status;
                if status.is_closed() || status == Status::Blocked {
                    return;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(limit, settled).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.report(id, limit).await),
        }
    }

    async fn record(&self, id: &ExecutionId) -> Record {
        self.client().describe(id).await.expect("it was started here, in memory")
    }

    async fn report(&self, id: &ExecutionId, limit: Duration) -> String {
        let at = self.record(id).await.projection;
        let waits = match at.wake_at {
            Some(wake_at) => format!("until {wake_at}"),
            None => "for a message that nobody sends".to_owned(),
        };
        let limit = humantime::format_duration(limit);
        let mut report =
            format!("after {limit} execution {id} is {}, {waits}. Its log:", at.status);
        let log = self.client().history(id).await.unwrap_or_default();
        for event in log.iter().flat_map(|commit| &commit.events) {
            report += &format!("\n  {}", line(event));
        }
        report
    }
}

/// An event in a line: when, what, of which operation.
fn line(event: &Event) -> String {
    let key = event.key().map(|key| format!(" {key}")).unwrap_or_default();
    format!("{} {}{key}", event.at(), event.kind())
}
