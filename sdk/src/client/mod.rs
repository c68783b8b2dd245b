//! The client: start, signal, update, cancel, terminate, describe, list, history; from any
//! process, without a host.

mod attachment;
mod delete;
mod erase;
mod expired;
mod family;
mod first;
mod handle;
mod object;
mod pages;
mod policy;
mod promise;
mod read;
mod send;
mod start;
mod stop;
mod update;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use delete::{DeleteError, Deleted};
pub use erase::{EraseError, Erased};
pub use expired::{DeleteExpired, Pass};
pub use family::{ChildInfo, Family};
pub use handle::{Handle, ResultError};
pub use object::{Calling, ObjectHandle};
pub use pages::HistoryPages;
pub use promise::{PromiseClient, PromiseSendError, Resolution};
pub use read::{HistoryError, List};
pub use send::{SendError, Sending};
pub use start::{OnConflict, Start, StartError};
pub use stop::Cancelling;
pub use update::{UpdateError, Updating};
pub use view::ViewError;

pub(crate) use policy::Policy;

pub use crate::context::WrongInput;
pub use crate::sweep::SweepError;

use crate::archive::Archive;
use crate::backend::Backend;
use crate::context::Accepts;
use crate::limits::SWEEP_GRACE;
use crate::payload::Payloads;
use crate::store::{EventStore, StoreError};
use crate::sweep::sweep;
use crate::telemetry::Watchers;
use crate::time::Clock;
use crate::wake::{QueueError, Wake, WakeQueue};

/// Starts executions and talks to them. Cheap to clone.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::store::Status;
///
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { signal::<bool>("paid").await?; Ok(card) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let app = App::new().workflow(sell).backend(backend.clone());
/// let client = Client::new(&backend);
/// let sale = client.start(sell, "4242".to_owned()).id("sale-7").tag("customer", "ada").await?;
/// client.signal(sale.id(), "paid", &true).await?; // from any process
/// # app.worker().await?.run_until(sale.result()).await??;
/// assert_eq!(sale.result().await?, "4242");
///
/// let of_ada = client.list().tag("customer", "ada").page().await?;
/// assert_eq!(of_ada.records[0].projection.status, Status::Completed);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn EventStore>,
    queue: Arc<dyn WakeQueue>,
    clock: Clock,
    pub(crate) payloads: Payloads,
    archive: Option<Archive>,
    /// What the program it belongs to can run, if it knows.
    workflows: Option<Arc<Workflows>>,
}

/// A program's workflows by name, and what each can read.
pub(crate) type Workflows = BTreeMap<&'static str, Accepts>;

impl Client {
    /// A client of `backend`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// let client = Client::new(&Backend::memory());
    /// ```
    #[must_use]
    pub fn new(backend: &Backend) -> Self {
        Self::on(backend, &Clock::system())
    }

    pub(crate) fn on(backend: &Backend, clock: &Clock) -> Self {
        let (payloads, archive) = (backend.payloads.clone(), backend.archive.clone());
        Self { payloads, archive, ..Self::of(&backend.store, &backend.queue, clock) }
    }

    pub(crate) fn of(
        store: &Arc<dyn EventStore>,
        queue: &Arc<dyn WakeQueue>,
        clock: &Clock,
    ) -> Self {
        let (store, queue) = (Arc::clone(store), Arc::clone(queue));
        let (clock, payloads) = (clock.clone(), Payloads::none());
        Self { store, queue, clock, payloads, archive: None, workflows: None }
    }

    /// A client that starts by name only what is among `workflows`.
    pub(crate) fn knowing(mut self, workflows: Workflows) -> Self {
        self.workflows = Some(Arc::new(workflows));
        self
    }

    /// Whether it may start this workflow, as far as it knows.
    #[cfg(feature = "schedules")]
    pub(crate) fn may_start(&self, workflow: &str) -> bool {
        self.workflows.as_ref().is_none_or(|known| known.contains_key(workflow))
    }

    /// The clock it goes by.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::time::{Clock, Timestamp};
    ///
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { Ok(card) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = Clock::virtual_from(Timestamp(0)); // it is 1970
    /// let client = Client::new(&Backend::memory()).clock(clock);
    /// let sale = client.start(sell, "4242".to_owned()).await?;
    /// assert!(sale.describe().await?.started_at.to_string().starts_with("1970-01-01"));
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// One pass of the sweeper: wakes every execution that has been overdue for `grace` (by
    /// default, in workers, a minute) and returns how many.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { publish("waits"); signal::<bool>("paid").await?; Ok(card) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(sell));
    /// # let client = env.client();
    /// # env.block_on(async {
    /// # let sale = client.start(sell, "4242".to_owned()).id("sale-7").await?;
    /// // Nothing has been overdue for a minute.
    /// assert_eq!(client.sweep(None).await?, 0);
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Store or queue did not answer or cannot be used.
    pub async fn sweep(&self, grace: Option<Duration>) -> Result<usize, SweepError> {
        self.sweep_once(grace, &Watchers::default()).await
    }

    /// The same, and tells those who watch.
    pub(crate) async fn sweep_once(
        &self,
        grace: Option<Duration>,
        watchers: &Watchers,
    ) -> Result<usize, SweepError> {
        let grace = grace.unwrap_or(SWEEP_GRACE);
        sweep(&*self.store, &*self.queue, &self.clock, grace, watchers).await
    }

    /// Sends a wake, as often as it takes.
    async fn wake(&self, wake: &Wake) -> Result<(), QueueError> {
        again(|| self.queue.send(wake, Duration::ZERO), QueueError::is_retryable).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Makes a call again while it gets no answer: five times over about three seconds.
async fn again<T, E, Fut: Future<Output = Result<T, E>>>(
    mut call: impl FnMut() -> Fut,
    retryable: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let mut tries = 0;
    loop {
        match call().await {
            Err(error) if retryable(&error) && tries < 5 => {
                tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

/// [`again`] for the store.
async fn ask<T, Fut: Future<Output = Result<T, StoreError>>>(
    call: impl FnMut() -> Fut,
) -> Result<T, StoreError> {
    again(call, StoreError::is_retryable).await
}
