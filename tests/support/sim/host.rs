//! Hosts that die at a chosen call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everstep::store::EventStore;
use everstep::testing::faults::{Call, Fate, Faults, FaultyQueue, FaultyStore};
use everstep::wake::WakeQueue;
use everstep::{App, Backend};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::World;

/// When a process dies: at its call with this index, before or after the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The call.
    pub at: u64,
    /// Whether the call is still made.
    pub after: bool,
}

/// Decides what becomes of the calls of one process, which is over at the first call that hangs.
#[derive(Clone)]
pub struct Fates {
    faults: Faults,
    died: Arc<Notify>,
}

/// How a host differs from the next.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// How much its clock is ahead, in milliseconds.
    pub skew_millis: i64,
    /// How long its claims hold; `None`: as long as any worker's.
    pub lease: Option<Duration>,
    /// Whether each turn is one invocation of a function that has so much time.
    pub invocation: Option<Duration>,
    /// Whether it sweeps.
    pub sweeps: bool,
    /// How many executions it works on at once.
    pub concurrency: usize,
}

/// A host that runs.
#[derive(Debug)]
pub struct Host {
    task: JoinHandle<bool>,
    faults: Faults,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self { skew_millis: 0, lease: None, invocation: None, sweeps: true, concurrency: 100 }
    }
}

impl Fates {
    /// The process `name` lives on: every call is made.
    #[must_use]
    pub fn good(world: &World, name: &str) -> Self {
        Self::by(world, name, |_| Fate::Proceed)
    }

    /// The process `name` dies as planned.
    #[must_use]
    pub fn dying(world: &World, name: &str, death: Option<Death>) -> Self {
        Self::by(world, name, move |call| match death {
            Some(death) if death.at == call.index && death.after => Fate::HangAfter,
            Some(death) if death.at == call.index => Fate::Hang,
            _ => Fate::Proceed,
        })
    }

    /// Each call of this kind that the process `name` makes has this fate.
    #[must_use]
    pub fn each(world: &World, name: &str, kind: &'static str, fate: Fate) -> Self {
        Self::by(world, name, move |call| if call.name == kind { fate } else { Fate::Proceed })
    }

    /// `hook` decides about the calls of process `name`, until it hangs one.
    #[must_use]
    pub fn by(
        world: &World,
        name: &str,
        hook: impl Fn(&Call) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let died = Arc::new(Notify::new());
        let (world, name, dead) = (world.clone(), name.to_owned(), AtomicBool::new(false));
        let faults = Faults::by({
            let died = Arc::clone(&died);
            move |call| {
                if dead.load(Ordering::SeqCst) {
                    return Fate::Hang;
                }
                let fate = hook(call);
                world.note(format_args!("{name} {}#{} {fate:?}", call.name, call.index));
                if matches!(fate, Fate::Hang | Fate::HangAfter) {
                    dead.store(true, Ordering::SeqCst);
                    died.notify_one();
                }
                fate
            }
        });
        Self { faults, died }
    }

    /// The backend as this process sees it.
    #[must_use]
    pub fn backend(&self, store: Arc<dyn EventStore>, queue: Arc<dyn WakeQueue>) -> Backend {
        let store = FaultyStore::new(store, &self.faults);
        let queue = FaultyQueue::new(queue, &self.faults);
        Backend::new(Arc::new(store), Arc::new(queue))
    }

    /// How many calls the process has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.faults.counts().total()
    }

    /// The calls, to count or to decide anew.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Runs a process until it ends or dies. `None` if it died.
    pub async fn run<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died.notified() => None,
            output = process => Some(output),
        }
    }
}

impl Host {
    /// Starts a host of `app` on `backend`.
    pub fn start(
        world: &World,
        app: App,
        backend: Backend,
        fates: &Fates,
        options: &HostOptions,
    ) -> Self {
        let clock = world.clock.skewed(options.skew_millis);
        let (process, options) = (fates.clone(), options.clone());
        let task = tokio::spawn(async move {
            let worker = async {
                let app = app.backend(backend);
                let mut worker = app.worker().await.expect("a worker").clock(clock);
                worker = worker.concurrency(options.concurrency);
                if let Some(lease) = options.lease {
                    worker = worker.lease(lease);
                }
                if let Some(time_out) = options.invocation {
                    worker = worker.as_invocations(time_out, Duration::from_secs(10));
                }
                if !options.sweeps {
                    let never = Duration::from_secs(60 * 60 * 24 * 365);
                    worker = worker.sweep(never, never);
                }
                worker.run_until(std::future::pending::<()>()).await.expect("a worker that works");
            };
            process.run(worker).await.is_none()
        });
        Self { task, faults: fates.faults.clone() }
    }

    /// How many calls it has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.faults.counts().total()
    }

    /// Waits until it is dead.
    ///
    /// # Panics
    /// The host panicked.
    pub async fn dies(&mut self) {
        let died = (&mut self.task).await.expect("a host that does not panic");
        assert!(died, "a host ended that should not");
    }

    /// Kills it where it stands.
    ///
    /// # Panics
    /// The host panicked.
    pub async fn kill(self) {
        self.task.abort();
        match self.task.await {
            Err(error) if error.is_cancelled() => {}
            ended => _ = ended.expect("a host that does not panic"),
        }
    }
}

impl std::fmt::Debug for Fates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fates").field(&self.faults).finish()
    }
}
