//! Limits for what steps do to others: so many calls a second, so many at once, over all hosts.
//!
//! A [`Limiter`] is where the counting is done: an [`InProcessLimiter`], or, with the feature
//! `redis`, a `RedisLimiter`, which all hosts share. A [`RateLimiter`] and a [`ConcurrencyLimiter`]
//! are made of one, and go to the steps as [`State`](crate::State). `docs/guide/limiters.md` is the
//! guide.
//!
//! ```
//! use everstep::limiter::{InProcessLimiter, Rate, RateLimiter};
//! use everstep::prelude::*;
//!
//! #[step(skip(stripe), total_timeout = "1d")]
//! async fn charge(stripe: &RateLimiter, account: &str, cents: u64) -> everstep::Result<String> {
//!     stripe.acquire(account).await?; // here or in a day, with nothing running meanwhile
//!     Ok(format!("{cents} from {account}"))
//! }
//!
//! #[workflow]
//! async fn sell(State(stripe): State<RateLimiter>, account: String) -> everstep::Result<String> {
//!     charge(&stripe, &account, 69_80).await
//! }
//!
//! let stripe = RateLimiter::new(InProcessLimiter::new(), "stripe", Rate::per_second(100));
//! let app = App::new().state(stripe).workflow(sell);
//! # let env = everstep::testing::Env::new(app);
//! # assert_eq!(env.run(sell, "acct-1".to_owned()).unwrap(), "6980 from acct-1");
//! ```

mod acquire;
mod concurrency;
mod in_process;
mod rate;
#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

pub use acquire::AcquireError;
pub use concurrency::{ConcurrencyLimiter, Permit};
pub use in_process::InProcessLimiter;
pub use rate::{Rate, RateLimiter};
#[cfg(feature = "redis")]
pub use redis::RedisLimiter;

/// Where permits are counted, by key and by one clock.
///
/// What uses the same key must ask for the same kind of limit. Callers that ask for different
/// numbers under one key (a deploy that changes a limit) each get theirs: the largest counts.
///
/// Whoever implements it has a suite of checks in `testing::conformance`.
///
/// ```
/// use everstep::limiter::{InProcessLimiter, Leased, Limiter, Rate, Taken};
/// use everstep::prelude::*;
/// use uuid::Uuid;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = InProcessLimiter::new();
/// let (rate, soon) = (Rate::new(1, minutes(1)), seconds(1));
/// assert!(matches!(limiter.take("stripe", rate, soon).await?, Taken::Granted { .. }));
/// assert!(matches!(limiter.take("stripe", rate, soon).await?, Taken::Refused { .. }));
///
/// let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
/// assert_eq!(limiter.lease("farm", 1, minutes(1), one).await?, Leased::Granted);
/// assert!(matches!(limiter.lease("farm", 1, minutes(1), other).await?, Leased::Refused { .. }));
/// limiter.release("farm", one, seconds(1)).await?;
/// assert_eq!(limiter.lease("farm", 1, minutes(1), other).await?, Leased::Granted);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Limiter: Send + Sync + fmt::Debug {
    /// Takes a permit of `rate`, if it becomes due in `within` or sooner. It is due after the
    /// returned wait, and taken for good, used or not.
    ///
    /// The permits of a key are due at times that keep to its rate, as [`Rate`] says exactly. If
    /// none is due in time nothing is taken, and the answer is when to ask again. Callers that are
    /// refused are told different times, a permit apart, so that they do not come all at once.
    ///
    /// # Errors
    /// There was no answer. A permit may have been taken.
    async fn take(&self, key: &str, rate: Rate, within: Duration) -> Result<Taken, Unavailable>;

    /// Takes one of `at_once` places for `lease`, under the name `token`; or keeps the one that
    /// `token` has, for `lease` from now. At no time more than `at_once` tokens have a place.
    ///
    /// A place whose lease is over is free. Repeating a call takes no second place.
    ///
    /// # Errors
    /// There was no answer. The place may have been taken.
    async fn lease(
        &self,
        key: &str,
        at_once: u32,
        lease: Duration,
        token: Uuid,
    ) -> Result<Leased, Unavailable>;

    /// Gives back the place that `token` has, if it has one; nobody else's. `held` is for how long
    /// it was held: by that callers which wait are told when to ask again.
    ///
    /// # Errors
    /// There was no answer.
    async fn release(&self, key: &str, token: Uuid, held: Duration) -> Result<(), Unavailable>;
}

/// The answer of [`Limiter::take`].
///
/// ```
/// use everstep::limiter::{InProcessLimiter, Limiter, Rate, Taken};
/// use everstep::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = InProcessLimiter::new();
/// match limiter.take("stripe", Rate::per_second(100), seconds(2)).await? {
///     Taken::Granted { wait } => tokio::time::sleep(wait).await,
///     Taken::Refused { retry_after } => println!("not before {retry_after:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A permit is taken, and due after this wait.
    Granted {
        /// Zero for now.
        wait: Duration,
    },
    /// None is due in time.
    Refused {
        /// When to ask again: a minute after the next permit at most.
        retry_after: Duration,
    },
}

/// The answer of [`Limiter::lease`].
///
/// ```
/// use everstep::limiter::{InProcessLimiter, Leased, Limiter};
/// use everstep::prelude::*;
/// use uuid::Uuid;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (limiter, token) = (InProcessLimiter::new(), Uuid::new_v4());
/// match limiter.lease("farm", 3, minutes(1), token).await? {
///     Leased::Granted => limiter.release("farm", token, seconds(7)).await?,
///     Leased::Refused { retry_after } => println!("not before {retry_after:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// The token has a place.
    Granted,
    /// All are taken by others.
    Refused {
        /// When to ask again: in a minute at most.
        retry_after: Duration,
    },
}

/// A limiter did not answer.
///
/// ```
/// use everstep::limiter::Unavailable;
///
/// let error = Unavailable::new("the connection was reset");
/// assert_eq!(error.to_string(), "the limiter does not answer");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the limiter does not answer")]
pub struct Unavailable {
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Unavailable {
    /// No answer, for this reason.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

#[async_trait]
impl<L: Limiter + ?Sized> Limiter for Arc<L> {
    async fn take(&self, key: &str, rate: Rate, within: Duration) -> Result<Taken, Unavailable> {
        (**self).take(key, rate, within).await
    }

    async fn lease(
        &self,
        key: &str,
        at_once: u32,
        lease: Duration,
        token: Uuid,
    ) -> Result<Leased, Unavailable> {
        (**self).lease(key, at_once, lease, token).await
    }

    async fn release(&self, key: &str, token: Uuid, held: Duration) -> Result<(), Unavailable> {
        (**self).release(key, token, held).await
    }
}
