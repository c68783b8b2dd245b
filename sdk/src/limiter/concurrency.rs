//! So many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::acquire::{AcquireError, Options, later, named};
use super::{Leased, Limiter};
use crate::context::expect_step;
use crate::limits::{LIMITER_LEASE, LIMITER_LEASE_MAX, LIMITER_PAUSE};

/// A limit of so many permits at once, for each key of its own.
///
/// A clone is the same limiter. Its name keeps its keys apart from those of others that are counted
/// in the same place.
///
/// ```
/// use everstep::limiter::{ConcurrencyLimiter, InProcessLimiter};
/// use everstep::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let renderers = ConcurrencyLimiter::new(InProcessLimiter::new(), "renderers", 1)
///     .lease(minutes(1))
///     .wait_at_most(seconds(5))
///     .fail_open();
/// let permit = renderers.acquire("farm").await?;
/// assert!(renderers.acquire("farm").await.is_err()); // it is taken
/// permit.release().await?;
/// assert!(renderers.acquire("farm").await.is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimiter {
    limiter: Arc<dyn Limiter>,
    name: Arc<str>,
    at_once: u32,
    lease: Duration,
    options: Options,
}

impl ConcurrencyLimiter {
    /// A limit of `at_once` permits, counted by `limiter` under `name`.
    ///
    /// # Panics
    /// `at_once` is zero: nobody would ever get one. Or `name` has a `/`: what is behind it would be
    /// taken for a key.
    #[track_caller]
    pub fn new(limiter: impl Limiter + 'static, name: impl Into<Arc<str>>, at_once: u32) -> Self {
        assert!(at_once > 0, "ConcurrencyLimiter::new(.., 0) would never let anything through");
        let (lease, options) = (LIMITER_LEASE, Options::DEFAULT);
        Self { limiter: Arc::new(limiter), name: named(name), at_once, lease, options }
    }

    /// For how long a permit is lent; 30 seconds without it. A permit that is held is renewed every
    /// third of it, so a body may take longer; one whose host has died is free again after it.
    ///
    /// # Panics
    /// It is less than a second, as a renewal that is late would lose the permit; or more than a day,
    /// for which the permit would be missing after its host has died.
    #[track_caller]
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        assert!(
            lease >= Duration::from_secs(1),
            "ConcurrencyLimiter::lease(): at least a second, or a late renewal loses the permit"
        );
        assert!(
            lease <= LIMITER_LEASE_MAX,
            "ConcurrencyLimiter::lease(): at most a day, for which a dead host's permit is missing"
        );
        self.lease = lease;
        self
    }

    /// How long [`acquire`](Self::acquire) waits where it is; 2 seconds without it. What is free
    /// later is waited for by a suspended execution, which costs two writes each time it asks.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// Where the limiter does not answer, `acquire` succeeds: the limit matters less than the work.
    /// Without it the attempt fails with [`AcquireError::Unavailable`], to be tried again.
    #[must_use]
    pub fn fail_open(mut self) -> Self {
        self.options.fail_open = true;
        self
    }

    /// Takes a permit for `key`, which holds as long as it is kept: `let _permit = ...`, not
    /// `let _ = ...`.
    ///
    /// To be called in a step's body, before it does anything. If no permit is free soon
    /// ([`wait_at_most`](Self::wait_at_most)) the attempt ends here as [`postpone`]d: the execution
    /// is suspended until there may be one, the body runs again from its start, and
    /// `retry(max_attempts)` does not count it. The step's `total_timeout` ends that. Who asks first
    /// is not always served first.
    ///
    /// Dropped while it waits, it gives back what it may have got.
    ///
    /// # Errors
    /// The limiter does not answer; or there is no permit soon, and no attempt that could wait.
    ///
    /// # Panics
    /// In a workflow's own code, or outside a tokio runtime.
    ///
    /// [`postpone`]: crate::postpone
    pub async fn acquire(&self, key: &str) -> Result<Permit, AcquireError> {
        expect_step("ConcurrencyLimiter::acquire()");
        let what = format!("{}/{key}", self.name);
        let begun = Instant::now();
        // Gives back, when dropped, what an unanswered call may have taken.
        let mut permit = Permit::new(self, what.clone());
        loop {
            let asked = Instant::now();
            let answer = permit.place.lease().await;
            match self.options.answer(&what, answer)? {
                Some(Leased::Granted) => {
                    permit.keep(asked);
                    return Ok(permit);
                }
                None => return Ok(permit),
                Some(Leased::Refused { retry_after }) => {
                    permit.place.taken = false;
                    if begun.elapsed().saturating_add(retry_after) > self.options.wait {
                        return Err(later(what, retry_after.saturating_add(LIMITER_PAUSE)).await);
                    }
                    tokio::time::sleep(retry_after).await;
                    permit.place.taken = true;
                }
            }
        }
    }
}

/// A permit that is held; [`ConcurrencyLimiter::acquire`] gives it.
///
/// It is renewed by a task of its own. Dropping it gives it back, by a task as well: if the process
/// ends or is frozen first (a Lambda function between two invocations), the permit is free when its
/// lease is over. [`release`](Self::release) waits until it is given back.
///
/// ```
/// use everstep::limiter::{ConcurrencyLimiter, InProcessLimiter, Permit};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let renderers = ConcurrencyLimiter::new(InProcessLimiter::new(), "renderers", 1);
/// let permit: Permit = renderers.acquire("farm").await?;
/// // here, render
/// permit.release().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped is given back: keep it, `let _permit = ...`"]
pub struct Permit {
    place: Place,
    since: Instant,
    renewal: Option<JoinHandle<()>>,
    /// Told by the task that renews it.
    lost: watch::Receiver<bool>,
}

/// What a permit's tasks need to know.
#[derive(Debug, Clone)]
struct Place {
    limiter: Arc<dyn Limiter>,
    what: String,
    at_once: u32,
    lease: Duration,
    token: Uuid,
    /// Whether there is anything to give back.
    taken: bool,
}

impl Permit {
    fn new(limiter: &ConcurrencyLimiter, what: String) -> Self {
        let place = Place {
            limiter: Arc::clone(&limiter.limiter),
            what,
            at_once: limiter.at_once,
            lease: limiter.lease,
            token: Uuid::new_v4(),
            taken: true,
        };
        let (_, lost) = watch::channel(false);
        Self { place, since: Instant::now(), renewal: None, lost }
    }

    /// Keeps the lease that was asked for at `asked` from running out.
    fn keep(&mut self, asked: Instant) {
        self.since = asked;
        let (told, lost) = watch::channel(false);
        self.lost = lost;
        self.renewal = Some(tokio::spawn(renew(self.place.clone(), asked, told)));
    }

    /// Ready when the permit is lost: it could not be renewed in time, and somebody else may have
    /// it. For bodies that must not go on then:
    ///
    /// ```
    /// use everstep::limiter::{ConcurrencyLimiter, InProcessLimiter, Permit};
    ///
    /// # async fn render() -> everstep::Result<u32> { Ok(24) }
    /// async fn frames(permit: &Permit) -> everstep::Result<u32> {
    ///     tokio::select! {
    ///         result = render() => result,
    ///         () = permit.lost() => Err(everstep::Error::msg("the permit is lost")),
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let renderers = ConcurrencyLimiter::new(InProcessLimiter::new(), "renderers", 1);
    /// let permit = renderers.acquire("farm").await?;
    /// assert_eq!(frames(&permit).await.unwrap(), 24);
    /// # Ok(()) }
    /// ```
    ///
    /// A permit that was not needed ([`fail_open`](ConcurrencyLimiter::fail_open)) is never lost.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // Nobody renews it, so nobody can fail to.
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    /// Gives it back, and waits until that is done. Dropped before, it may have been given back.
    ///
    /// # Errors
    /// The limiter does not answer. The permit is free when its lease is over.
    pub async fn release(mut self) -> Result<(), AcquireError> {
        let Some(giving) = self.give_back() else { return Ok(()) };
        let what = self.place.what.clone();
        giving.await.map_err(|source| AcquireError::Unavailable { what, source })
    }

    /// What gives it back, if there is anything to give.
    fn give_back(
        &mut self,
    ) -> Option<impl Future<Output = Result<(), super::Unavailable>> + Send + 'static> {
        let renewal = self.renewal.take();
        if let Some(renewal) = &renewal {
            renewal.abort();
        }
        let held = self.since.elapsed();
        std::mem::take(&mut self.place.taken).then(|| {
            let place = self.place.clone();
            async move {
                if let Some(renewal) = renewal {
                    // It may just be asking, and an answer after the release takes the place again.
                    let _ = renewal.await;
                }
                place.limiter.release(&place.what, place.token, held).await
            }
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let giving = self.give_back();
        // Without a runtime, at the end of the process, its lease runs out.
        if let (Some(giving), Ok(runtime)) = (giving, Handle::try_current()) {
            drop(runtime.spawn(giving));
        }
    }
}

impl Place {
    async fn lease(&self) -> Result<Leased, super::Unavailable> {
        self.limiter.lease(&self.what, self.at_once, self.lease, self.token).await
    }
}

/// Renews a place until it is lost, which it tells.
async fn renew(place: Place, asked: Instant, lost: watch::Sender<bool>) {
    let mut until = asked + place.lease;
    let every = place.lease / 3;
    let mut next = asked + every;
    loop {
        tokio::time::sleep_until(next.min(until)).await;
        let asked = Instant::now();
        if asked >= until {
            // Also where the place is free still, or again: others may have had it meanwhile.
            break;
        }
        match tokio::time::timeout_at(until, place.lease()).await {
            Ok(Ok(Leased::Granted)) => {
                until = asked + place.lease;
                next = asked + every;
            }
            Ok(Ok(Leased::Refused { .. })) => break,
            // Asked again soon, as long as nobody else can have it.
            Ok(Err(_)) => next = Instant::now() + every / 4,
            Err(_) => {}
        }
    }
    tracing::warn!(what = place.what, "a permit was lost: it could not be renewed in time");
    // Nobody listens any more: then nobody minds.
    let _ = lost.send(true);
}

impl fmt::Debug for ConcurrencyLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimiter")
            .field("name", &self.name)
            .field("at_once", &self.at_once)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
