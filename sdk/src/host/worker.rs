//! The local host: many executions at once in one process.

mod beside;
mod serve;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use beside::{delete_forever, resume_blocked, sweep_forever};
use serve::serve;

use super::error::RunError;
use super::registry::Registry;
use crate::backend::Backend;
use crate::limits::{
    FLUSH_WAIT, STOP_GRACE, SWEEP_EVERY, SWEEP_GRACE, WORKER_LEASE, WORKER_LEASE_MIN,
};
use crate::store::StoreError;
use crate::time::Clock;
use crate::turn::{Kitchen, Lease, Term};
use crate::wake::{Delivery, QueueError, Wake};

/// How long one call waits for messages.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// How long after its start a worker first looks for what is overdue.
const SWEEP_FIRST_AFTER: Duration = Duration::from_millis(50);

/// How long a worker waits before it asks a queue again that did not answer.
const RECEIVE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes turns in this process.
///
/// Any number of workers, in any number of processes, may serve one backend.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::host::Worker;
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::memory();
/// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
/// let worker: Worker = App::new().workflow(sell).backend(backend).worker().await?;
/// assert_eq!(worker.run_until(sale.result()).await??, "4242");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Worker {
    backend: Backend,
    registry: Registry,
    clock: Clock,
    concurrency: usize,
    lease: Duration,
    sweep_every: Duration,
    sweep_grace: Duration,
    stop_grace: Duration,
    invocation: Option<[Duration; 2]>,
}

impl Worker {
    pub(crate) fn new(backend: Backend, registry: Registry) -> Self {
        Self {
            backend,
            registry,
            clock: Clock::system(),
            concurrency: 100,
            lease: WORKER_LEASE,
            sweep_every: SWEEP_EVERY,
            sweep_grace: SWEEP_GRACE,
            stop_grace: STOP_GRACE,
            invocation: None,
        }
    }

    /// How many executions it works on at once; 100 by default, at least 1.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = App::new().workflow(sell).backend(Backend::memory()).worker().await?;
    /// let worker = worker.concurrency(10);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn concurrency(mut self, executions: usize) -> Self {
        self.concurrency = executions.max(1);
        self
    }

    /// How long a claim holds before it is renewed; 20 seconds by default, at least 11. If this
    /// process dies, its executions go on elsewhere after at most this and 5 seconds.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = App::new().workflow(sell).backend(Backend::memory()).worker().await?;
    /// let worker = worker.lease(minutes(1));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(WORKER_LEASE_MIN);
        self
    }

    /// How often it looks for overdue executions, every second at most, and how overdue they must
    /// be; every 30 seconds and 60 seconds by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = App::new().workflow(sell).backend(Backend::memory()).worker().await?;
    /// let worker = worker.sweep(minutes(1), minutes(5));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sweep(mut self, every: Duration, grace: Duration) -> Self {
        self.sweep_every = every.max(Duration::from_secs(1));
        self.sweep_grace = grace;
        self
    }

    /// How long running bodies may go on once it is told to stop; 20 seconds by default.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = App::new().workflow(sell).backend(Backend::memory()).worker().await?;
    /// let worker = worker.stop_grace(seconds(5));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.stop_grace = grace;
        self
    }

    /// Takes each turn as an invocation of a function does: it has so much time, and hands over
    /// that long before its end.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::memory();
    /// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
    /// let worker = App::new().workflow(sell).backend(backend).worker().await?;
    /// let worker = worker.as_invocations(seconds(60), seconds(10));
    /// assert_eq!(worker.run_until(sale.result()).await??, "4242");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn as_invocations(mut self, time_out: Duration, hand_over_before: Duration) -> Self {
        self.invocation = Some([time_out, hand_over_before]);
        self
    }

    /// The clock it goes by.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::time::Clock;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::memory();
    /// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
    /// let worker = App::new().workflow(sell).backend(backend).worker().await?;
    /// let worker = worker.clock(Clock::system()); // as it does anyway
    /// assert_eq!(worker.run_until(sale.result()).await??, "4242");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.registry = self.registry.starting_on(&self.backend, &clock);
        self.clock = clock;
        self
    }

    /// Works until `stop` is ready; then starts nothing more, lets running bodies end for the
    /// grace period, hands over what is left and returns `stop`'s output.
    ///
    /// Dropping the future is a crash: nothing is lost, and others go on when the claims end.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = Backend::memory();
    /// let sale = Client::new(&backend).start(sell, "4242".to_owned()).await?;
    /// let worker = App::new().workflow(sell).backend(backend).worker().await?;
    /// assert_eq!(worker.run_until(sale.result()).await??, "4242");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Store or queue cannot be used at all: not set up, not permitted.
    pub async fn run_until<T>(self, stop: impl Future<Output = T>) -> Result<T, RunError> {
        let (stopping, stopped) = watch::channel(None);
        let kitchen = Kitchen::new(
            Arc::clone(&self.backend.store),
            Arc::clone(&self.backend.queue),
            self.clock.clone(),
            self.backend.host()?,
            self.registry,
        );
        let kitchen = Arc::new(kitchen.with_payloads(self.backend.payloads.clone()));
        let term = Term { lease: Lease::Renewed(self.lease), stop: stopped };
        let terms = Terms { term, invocation: self.invocation, clock: self.clock };
        let sweeping = async {
            // The first turns come first: at its start a sweep would open a connection too.
            tokio::time::sleep(SWEEP_FIRST_AFTER).await;
            sweep_forever(&kitchen, self.sweep_every, self.sweep_grace).await
        };
        let deleting = delete_forever(&self.backend, &kitchen);
        // At once: what this very process blocks is not for it to look at again.
        let resuming = resume_blocked(&kitchen);
        let beside = async {
            let (Err(error), (), ()) = tokio::join!(sweeping, resuming, deleting);
            error
        };
        let mut turns = Turns { kitchen: &kitchen, terms, tasks: JoinSet::new() };
        let ended = tokio::select! {
            biased;
            output = stop => Ok(output),
            error = turns.take(self.concurrency) => Err(error),
            error = beside => Err(error),
        };
        if ended.is_ok() {
            stopping.send_replace(Some(kitchen.clock.now().after(self.stop_grace)));
            while turns.tasks.join_next().await.is_some() {}
        } else {
            turns.tasks.abort_all();
        }
        kitchen.registry.watchers().flush(FLUSH_WAIT).await;
        ended
    }
}

/// Ready when the process is told to stop: ctrl-c, and SIGTERM where there is such a thing.
pub(super) async fn stop_signal() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => _ = terminated.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = terminated => {}
        () = interrupted => {}
    }
}

/// The turns under way.
struct Turns<'a> {
    kitchen: &'a Arc<Kitchen>,
    terms: Terms,
    tasks: JoinSet<Result<(), RunError>>,
}

impl Turns<'_> {
    /// Receives wakes and takes a turn for each, `concurrency` at once. Returns when it cannot go
    /// on. A message that was received and not yet given to a turn when this is dropped comes back.
    async fn take(&mut self, concurrency: usize) -> RunError {
        loop {
            while let Some(done) = self.tasks.try_join_next() {
                if let Err(error) = settled(done) {
                    return error;
                }
            }
            let free = concurrency - self.tasks.len();
            if free == 0 {
                if let Some(Err(error)) = self.tasks.join_next().await.map(settled) {
                    return error;
                }
                continue;
            }
            match self.kitchen.queue.receive(free.min(10), RECEIVE_WAIT).await {
                Ok(deliveries) => {
                    let visit = |delivery: Delivery| {
                        let wake = Wake::from_body(&delivery.body);
                        (wake.map(|wake| self.kitchen.visit(wake)), delivery)
                    };
                    let together: Vec<_> = deliveries.into_iter().map(visit).collect();
                    for (wake, delivery) in together {
                        let (kitchen, term) = (Arc::clone(self.kitchen), self.terms.next());
                        let serve = async move { serve(&kitchen, wake, &delivery, &term).await };
                        self.tasks.spawn(serve);
                    }
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "receive again");
                    tokio::time::sleep(RECEIVE_AGAIN_AFTER).await;
                }
                Err(error) => return error.into(),
            }
        }
    }
}

/// How long turns may go on.
struct Terms {
    term: Term,
    invocation: Option<[Duration; 2]>,
    clock: Clock,
}

impl Terms {
    /// The term of a turn that begins now.
    fn next(&self) -> Term {
        let Some([time_out, hand_over_before]) = self.invocation else { return self.term.clone() };
        let deadline = self.clock.now().after(time_out);
        let hand_over = deadline.before(hand_over_before);
        Term { lease: Lease::Invocation { deadline, hand_over }, stop: self.term.stop.clone() }
    }
}

fn settled(done: Result<Result<(), RunError>, tokio::task::JoinError>) -> Result<(), RunError> {
    done.unwrap_or_else(|died| {
        // The wake was not deleted: it comes back, and the claim counts as a strike.
        tracing::error!(%died, "a turn died");
        Ok(())
    })
}

/// Only what makes the whole store unusable stops the worker; what one execution meets does not.
fn store_usable(error: StoreError) -> Result<(), RunError> {
    match error {
        StoreError::Unusable { .. } => Err(error.into()),
        _ => Ok(()),
    }
}

fn usable(result: Result<(), QueueError>) -> Result<(), RunError> {
    match result {
        Err(error) if !error.is_retryable() => Err(error.into()),
        // The message comes again; every wake may come any number of times.
        _ => Ok(()),
    }
}
