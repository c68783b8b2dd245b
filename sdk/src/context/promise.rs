//! Promises: results that somebody outside gives.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::execution::{Execution, expect_current};
use super::step::not_zero;
use crate::event::PromiseResult;
use crate::id::PromiseToken;
use crate::payload::read_arrived;
use crate::replay::Outcome;

/// Makes a promise: a result that somebody outside gives, by the promise's
/// [token](Promise::token). Hand that out in a step and await the promise:
///
/// ```
/// use everstep::prelude::*;
///
/// # #[step] async fn ask_by_mail(who: &str, answer_to: &PromiseToken) -> everstep::Result<()> { let _ = (who, answer_to); Ok(()) }
/// #[workflow]
/// async fn approved_by(boss: String) -> everstep::Result<bool> {
///     let approval = promise::<bool>("approval").timeout(days(2));
///     ask_by_mail(&boss, &approval.token()).await?;
///     Ok(approval.await?)
/// }
/// ```
///
/// [`Client::promise`](crate::Client::promise) completes or fails it, from any process, before or
/// after the workflow awaits it; so does the command `everstep promise`. The first result counts.
/// [`callback`](super::callback()) is the two lines above in one.
///
/// A name has 1 to 256 bytes and no control characters; another one blocks the execution. Dropping
/// the future gives the promise up, and who would complete it is told so; `&mut` of it can be
/// awaited to give it up only later.
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn promise<T: DeserializeOwned>(name: impl Into<Cow<'static, str>>) -> Promise<T> {
    let execution = expect_current("everstep::promise()");
    let name = name.into();
    execution.check_name("promise", &name);
    let seq = execution.engine().call_promise(name, Location::caller());
    Promise { execution, seq, result: PhantomData }
}

/// A result that somebody outside gives; see [`promise`].
///
/// ```
/// use everstep::Promise;
/// use everstep::prelude::*;
///
/// # #[step] async fn mail(who: String, answer_to: PromiseToken) -> everstep::Result<()> { let _ = (who, answer_to); Ok(()) }
/// /// An answer of somebody who has two days, and says once a day that it is being looked at.
/// fn answer() -> Promise<bool> {
///     promise("answer").timeout(days(2)).heartbeat(days(1))
/// }
///
/// #[workflow]
/// async fn approved(by: String) -> everstep::Result<bool> {
///     let answer = answer();
///     mail(by, answer.token()).await?; // by this token it is completed
///     Ok(answer.await?)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(approved));
/// let approval = env.start(approved, "Ada".to_owned());
/// approval.complete_after(hours(3), "answer", &true);
/// assert!(approval.result().unwrap());
/// ```
#[must_use = "a promise that is dropped is given up"]
pub struct Promise<T> {
    execution: Arc<Execution>,
    seq: u32,
    result: PhantomData<fn() -> T>,
}

/// Why a promise has no result. It can be part of an error type that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::PromiseError;
///
/// #[workflow]
/// async fn answer(_question: String) -> everstep::Result<String> {
///     match promise::<String>("answer").timeout(days(2)).await {
///         Err(PromiseError::TimedOut { .. }) => Ok("nobody said anything".to_owned()),
///         answer => Ok(answer?),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(answer));
/// # assert_eq!(env.run(answer, "why".to_owned()).unwrap(), "nobody said anything");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PromiseError {
    /// Somebody failed it.
    #[error("promise {name:?} was failed: {reason}")]
    Failed {
        /// The promise's name.
        name: String,
        /// Why, in the words of who did.
        reason: String,
    },
    /// Its time was up.
    #[error("promise {name:?} timed out after {}", humantime::format_duration(*.after))]
    TimedOut {
        /// The promise's name.
        name: String,
        /// The time it had.
        after: Duration,
    },
    /// No heartbeat came in time.
    #[error("promise {name:?} had no heartbeat for {}", humantime::format_duration(*.after))]
    HeartbeatMissed {
        /// The promise's name.
        name: String,
        /// The time each heartbeat had.
        after: Duration,
    },
    /// It was completed with something else than the workflow waits for. What it was is in the log.
    #[error("promise {name:?} was completed with what is not a {expected}: {problem}")]
    WrongType {
        /// The promise's name.
        name: String,
        /// The type it should have been.
        expected: String,
        /// What does not fit.
        problem: String,
    },
}

impl<T> Promise<T> {
    /// What names this promise to others.
    ///
    /// It is the same in every replay, and everything that the workflow did before is durable when
    /// a step has it; so is the promise itself.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[step] async fn mail(to: &str, answer_to: &PromiseToken) -> everstep::Result<()> { let _ = (to, answer_to); Ok(()) }
    /// #[workflow]
    /// async fn agrees(who: String) -> everstep::Result<bool> {
    ///     let answer = promise::<bool>("answer");
    ///     mail(&who, &answer.token()).await?;
    ///     Ok(answer.await?)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(agrees));
    /// # let asked = env.start(agrees, "Ada".to_owned());
    /// # asked.complete_after(hours(1), "answer", &true);
    /// # assert!(asked.result().unwrap());
    /// ```
    #[must_use]
    pub fn token(&self) -> PromiseToken {
        // A workflow's only way to the world is the body of a step, and no body starts before the
        // event that makes the promise known is durable: the barrier, in `turn::drive`.
        self.execution.engine().token(self.seq)
    }

    /// Fails the promise by itself when so much time has passed since it was made. Whole
    /// milliseconds, rounded up. By default it waits for ever.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn agrees(_input: ()) -> everstep::Result<bool> {
    ///     let answer = promise::<bool>("answer").timeout(days(2)).await;
    ///     Ok(answer.unwrap_or(false))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(agrees));
    /// # assert!(!env.run(agrees, ()).unwrap());
    /// ```
    ///
    /// # Panics
    /// The workflow has awaited something since it made the promise: its limits are in the log. Or
    /// the limit is zero.
    #[track_caller]
    pub fn timeout(self, limit: Duration) -> Self {
        not_zero("promise(...).timeout", limit);
        self.limit("timeout", |promise| promise.timeout = Some(limit))
    }

    /// Fails the promise by itself when so much time has passed without a
    /// [heartbeat](crate::client::PromiseClient::heartbeat), the first counted from its making.
    /// By default none are needed. A heartbeat costs about as much as a signal: let it be minutes.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// #[workflow]
    /// async fn is_done(_input: ()) -> everstep::Result<bool> {
    ///     let done = promise::<bool>("done").heartbeat(minutes(10)).await;
    ///     Ok(done.unwrap_or(false)) // who works on it was silent for ten minutes
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_done));
    /// # assert!(!env.run(is_done, ()).unwrap());
    /// # let works = env.start(is_done, ());
    /// # works.heartbeat_after(minutes(8), "done");
    /// # works.complete_after(minutes(15), "done", &true);
    /// # assert!(works.result().unwrap());
    /// ```
    ///
    /// # Panics
    /// The workflow has awaited something since it made the promise: its limits are in the log. Or
    /// the limit is zero.
    #[track_caller]
    pub fn heartbeat(self, limit: Duration) -> Self {
        not_zero("promise(...).heartbeat", limit);
        self.limit("heartbeat", |promise| promise.heartbeat = Some(limit))
    }

    #[track_caller]
    fn limit(self, what: &str, set: impl FnOnce(&mut crate::replay::PromiseState)) -> Self {
        let in_time = self.execution.engine().limit_promise(self.seq, set);
        assert!(in_time, "Promise::{what}() comes too late: say it where the promise is made");
        self
    }
}

impl<T: DeserializeOwned> Future for Promise<T> {
    type Output = Result<T, PromiseError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.execution.poll_call(self.seq, cx));
        let Outcome::Promise(result) = outcome else {
            unreachable!("the engine matches outcomes with kinds")
        };
        let name = self.execution.engine().key(self.seq).name.to_string();
        Poll::Ready(match result {
            PromiseResult::Completed { value } => read_arrived(&value).map_err(|error| {
                let (expected, problem) =
                    (std::any::type_name::<T>().to_owned(), error.to_string());
                PromiseError::WrongType { name, expected, problem }
            }),
            PromiseResult::Failed { reason } => Err(PromiseError::Failed { name, reason }),
            PromiseResult::TimedOut { after_ms } => {
                Err(PromiseError::TimedOut { name, after: Duration::from_millis(after_ms) })
            }
            PromiseResult::HeartbeatMissed { after_ms } => {
                Err(PromiseError::HeartbeatMissed { name, after: Duration::from_millis(after_ms) })
            }
            PromiseResult::GivenUp => unreachable!("a promise that is given up has no future"),
        })
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.execution.drop_call(self.seq);
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.seq).finish()
    }
}
