//! Handing out a promise and waiting for it, in one.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::args::{Args, NoArgs};
use super::compensate::NothingToUndo;
use super::promise::{Promise, PromiseError, promise};
use super::step::{Recorded, StepFuture, StepOptions, call, not_zero};
use crate::error::StepFailure;
use crate::id::PromiseToken;
use crate::limits::{NAME_RULE, is_name};
use crate::retry::Retry;

/// Makes a [`promise`](super::promise()), gives its token to somebody, and waits for the answer:
///
/// ```
/// use everstep::prelude::*;
///
/// # async fn post(to: String, answer_to: PromiseToken) -> everstep::Result<()> { let _ = (to, answer_to); Ok(()) }
/// #[workflow]
/// async fn scan(document: String) -> everstep::Result<bool> {
///     let clean = callback("scan", async move |token| post(document, token).await)
///         .timeout(hours(1))
///         .await?;
///     Ok(clean)
/// }
/// ```
///
/// `submit` is a step: it owns what it uses, is cloned for each attempt, retried, and recorded
/// under the promise's name with the token as its input. The time of a
/// [`timeout`](Callback::timeout) counts from its making, so the step's attempts are in it; it ends
/// the wait, not the step. A name has 1 to 256 bytes and no control characters; another one blocks
/// the execution.
///
/// # Errors
/// The step failed, or the promise was failed or its time was up; see [`CallbackError`].
///
/// # Panics
/// It is awaited outside a workflow.
pub fn callback<T, E, F, Fut>(name: impl Into<Cow<'static, str>>, submit: F) -> Callback<T, E, F>
where
    F: FnOnce(PromiseToken) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    T: DeserializeOwned,
    E: Recorded,
{
    let (timeout, heartbeat, options) = (None, None, StepOptions::default());
    let (nothing_to_undo, result) = (false, PhantomData);
    Callback { name: name.into(), submit, timeout, heartbeat, options, nothing_to_undo, result }
}

/// A [`callback`] that has not been asked for; `.await` asks.
///
/// ```
/// use everstep::prelude::*;
///
/// # async fn post(_document: u64, _answer_to: PromiseToken) -> everstep::Result<()> { Ok(()) }
/// #[workflow]
/// async fn scan(document: u64) -> everstep::Result<bool> {
///     let clean = callback("scan", async move |token| post(document, token).await)
///         .retry(Retry::new().max_attempts(5)) // of handing the token out
///         .submit_timeout(seconds(20))
///         .timeout(days(1)) // of the answer
///         .heartbeat(hours(1))
///         .await?;
///     Ok(clean)
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(scan));
/// let document = env.start(scan, 7);
/// document.complete_after(minutes(30), "scan", &true);
/// assert!(document.result().unwrap());
/// ```
#[must_use = "nobody is asked unless it is awaited"]
pub struct Callback<T, E, F> {
    name: Cow<'static, str>,
    submit: F,
    timeout: Option<Duration>,
    heartbeat: Option<Duration>,
    options: StepOptions<E>,
    nothing_to_undo: bool,
    result: PhantomData<fn() -> T>,
}

/// Why a [`callback`] has no result. It can be part of an error type that is recorded.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::{CallbackError, PromiseError};
///
/// # async fn post(_answer_to: PromiseToken) -> everstep::Result<()> { Ok(()) }
/// #[workflow]
/// async fn is_clean(_document: u64) -> everstep::Result<Option<bool>> {
///     match callback("scan", async move |token| post(token).await).timeout(hours(1)).await {
///         Err(CallbackError::Promise(PromiseError::TimedOut { .. })) => Ok(None), // nobody answered
///         answer => Ok(Some(answer?)),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
/// assert_eq!(env.run(is_clean, 7).unwrap(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallbackError<E> {
    /// The step that hands the token out failed, retries included. The promise is given up.
    #[error("the token could not be handed out: {0:?}")]
    Submit(E),
    /// The promise was failed, or its time was up.
    #[error(transparent)]
    Promise(#[from] PromiseError),
}

impl<T, E, F> Callback<T, E, F> {
    /// See [`Promise::timeout`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn post(to: PromiseToken) -> everstep::Result<()> { drop(to); Ok(()) }
    /// #[workflow]
    /// async fn is_clean(_document: u64) -> everstep::Result<bool> {
    ///     let scan = callback("scan", async move |token| post(token).await);
    ///     let clean: Result<bool, _> = scan.timeout(hours(1)).await;
    ///     Ok(clean.unwrap_or(false))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
    /// # let scan = env.start(is_clean, 7);
    /// # scan.complete_after(minutes(1), "scan", &true);
    /// # assert!(scan.result().unwrap());
    /// ```
    ///
    /// # Panics
    /// It is zero. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn timeout(self, limit: Duration) -> Self {
        not_zero("callback(...).timeout", limit);
        Self { timeout: Some(limit), ..self }
    }

    /// See [`Promise::heartbeat`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn post(to: PromiseToken) -> everstep::Result<()> { drop(to); Ok(()) }
    /// #[workflow]
    /// async fn is_clean(_document: u64) -> everstep::Result<bool> {
    ///     let scan = callback("scan", async move |token| post(token).await);
    ///     let clean: Result<bool, _> = scan.heartbeat(minutes(10)).await;
    ///     Ok(clean.unwrap_or(false))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
    /// # let scan = env.start(is_clean, 7);
    /// # scan.complete_after(minutes(1), "scan", &true);
    /// # assert!(scan.result().unwrap());
    /// ```
    ///
    /// # Panics
    /// It is zero. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn heartbeat(self, limit: Duration) -> Self {
        not_zero("callback(...).heartbeat", limit);
        Self { heartbeat: Some(limit), ..self }
    }

    /// How often and how soon handing the token out is tried again; by default [`Retry::new`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn post(to: PromiseToken) -> everstep::Result<()> { drop(to); Ok(()) }
    /// #[workflow]
    /// async fn is_clean(_document: u64) -> everstep::Result<bool> {
    ///     let scan = callback("scan", async move |token| post(token).await);
    ///     let clean: Result<bool, _> = scan.retry(Retry::new().max_attempts(20)).await;
    ///     Ok(clean.unwrap_or(false))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
    /// # let scan = env.start(is_clean, 7);
    /// # scan.complete_after(minutes(1), "scan", &true);
    /// # assert!(scan.result().unwrap());
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Says that there is nothing to undo where the token was handed out, or that
    /// [`compensate`](crate::compensate) was told how: see
    /// [`InlineStep::no_undo`](crate::InlineStep::no_undo).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn post(to: PromiseToken) -> everstep::Result<()> { drop(to); Ok(()) }
    /// # async fn release() -> everstep::Result<()> { Ok(()) }
    /// #[workflow]
    /// async fn is_clean(_document: u64) -> everstep::Result<()> {
    ///     compensate("room", async || release().await);
    ///     let _: bool = callback("scan", async move |token| post(token).await).no_undo().await?;
    ///     Err(everstep::Error::msg("nobody wants it any more"))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_clean)).deny_gaps();
    /// # let scan = env.start(is_clean, 7);
    /// # scan.complete_after(minutes(1), "scan", &true);
    /// assert!(scan.result().is_err());
    /// assert!(scan.gaps().is_empty());
    /// ```
    pub fn no_undo(self) -> Self {
        Self { nothing_to_undo: true, ..self }
    }

    /// How long one attempt to hand the token out may take; by default as long as the host lives.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # async fn post(to: PromiseToken) -> everstep::Result<()> { drop(to); Ok(()) }
    /// #[workflow]
    /// async fn is_clean(_document: u64) -> everstep::Result<bool> {
    ///     let scan = callback("scan", async move |token| post(token).await);
    ///     let clean: Result<bool, _> = scan.submit_timeout(seconds(5)).await;
    ///     Ok(clean.unwrap_or(false))
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
    /// # let scan = env.start(is_clean, 7);
    /// # scan.complete_after(minutes(1), "scan", &true);
    /// # assert!(scan.result().unwrap());
    /// ```
    ///
    /// # Panics
    /// It is zero. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn submit_timeout(mut self, timeout: Duration) -> Self
    where
        E: From<StepFailure>,
    {
        not_zero("callback(...).submit_timeout", timeout);
        self.options.timeout = Some(timeout);
        self.options.from_failure = Some(E::from);
        self
    }
}

impl<T, E, F, Fut> IntoFuture for Callback<T, E, F>
where
    F: FnOnce(PromiseToken) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    T: DeserializeOwned,
    E: Recorded,
{
    type Output = Result<T, CallbackError<E>>;
    type IntoFuture = Calling<T, E>;

    #[track_caller]
    fn into_future(self) -> Calling<T, E> {
        let mut promise = promise(self.name.clone());
        if let Some(limit) = self.timeout {
            promise = promise.timeout(limit);
        }
        if let Some(limit) = self.heartbeat {
            promise = promise.heartbeat(limit);
        }
        let (token, submit) = (promise.token(), self.submit);
        let record = |args: &mut Args| {
            args.arg("token", &token);
            if !is_name(&self.name) {
                args.refuse(NAME_RULE);
            }
        };
        let body = || {
            let token = token.clone();
            move || submit(token)
        };
        let name = self.name.clone();
        let (here, undoing) = (Location::caller(), NothingToUndo(self.nothing_to_undo));
        let submit = call(name, here, self.options, record, body, || NoArgs, undoing);
        Calling { submit: Some(submit), promise }
    }
}

/// The future of [`callback`]. Dropping it gives the promise up, as dropping a [`Promise`] does.
///
/// Two scanners, and the one that answers first:
///
/// ```
/// use everstep::prelude::*;
/// use everstep::Calling;
///
/// # async fn post(_scanner: &str, _answer_to: PromiseToken) -> everstep::Result<()> { Ok(()) }
/// fn scan(scanner: &'static str) -> Calling<bool, everstep::Error> {
///     callback(scanner, async move |token| post(scanner, token).await).into_future()
/// }
///
/// #[workflow]
/// async fn is_clean(_document: u64) -> everstep::Result<bool> {
///     match race(scan("near"), scan("far")).await {
///         Either::Left(clean) | Either::Right(clean) => Ok(clean?),
///     }
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(is_clean));
/// let document = env.start(is_clean, 7);
/// document.complete_after(minutes(1), "far", &true);
/// assert!(document.result().unwrap());
/// ```
#[must_use = "nobody is asked unless it is awaited"]
pub struct Calling<T, E> {
    /// Until the token is handed out.
    submit: Option<StepFuture<(), E>>,
    promise: Promise<T>,
}

impl<T: DeserializeOwned, E: Recorded> Future for Calling<T, E> {
    type Output = Result<T, CallbackError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(submit) = &mut self.submit {
            if let Err(error) = ready!(Pin::new(submit).poll(cx)) {
                return Poll::Ready(Err(CallbackError::Submit(error)));
            }
            self.submit = None;
        }
        Pin::new(&mut self.promise).poll(cx).map_err(CallbackError::Promise)
    }
}

impl<T, E, F> fmt::Debug for Callback<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T, E> fmt::Debug for Calling<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("promise", &self.promise).finish_non_exhaustive()
    }
}
