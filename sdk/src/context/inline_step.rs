//! Steps without a function of their own: a name and a closure.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use serde::Serialize;

use super::args::{Args, NoArgs};
use super::compensate::NothingToUndo;
use super::step::{Recorded, StepFuture, StepOptions, call, not_zero};
use crate::error::StepFailure;
use crate::limits::{NAME_RULE, is_name};
use crate::retry::Retry;

/// A step without a function of its own: `step("charge", async move || ...)`.
///
/// The closure owns what it uses and is cloned for each attempt. Nothing but its name is recorded
/// as input; [`input`](InlineStep::input) adds to that. A name has 1 to 256 bytes and no control
/// characters; another one blocks the execution.
///
/// Outside a workflow it is the plain closure.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn greet(name: String) -> everstep::Result<String> {
///     let whom = name.clone();
///     let greeting = everstep::step("greet", async move || {
///         Ok::<_, everstep::Error>(format!("hello {whom}")) // here, ask a service
///     });
///     greeting.input("name", &name).await
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(greet));
/// # assert_eq!(env.run(greet, "Ada".to_owned()).unwrap(), "hello Ada");
/// ```
pub fn step<T, E, F, Fut>(name: impl Into<Cow<'static, str>>, body: F) -> InlineStep<E, F>
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Recorded,
    E: Recorded,
{
    InlineStep {
        name: name.into(),
        body,
        options: StepOptions::default(),
        args: Args::default(),
        nothing_to_undo: false,
    }
}

/// A step that has not been called yet; `.await` calls it.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn pay(cents: u64) -> everstep::Result<String> {
///     let charge = everstep::step("charge", async move || {
///         Ok::<_, everstep::Error>(format!("charged {cents}")) // here, ask the bank
///     });
///     charge
///         .input("cents", &cents)
///         .retry(Retry::new().max_attempts(6))
///         .timeout(seconds(20)) // of an attempt
///         .total_timeout(hours(1)) // of all
///         .no_undo()
///         .await
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(pay));
/// assert_eq!(env.run(pay, 500).unwrap(), "charged 500");
/// ```
#[must_use = "a step does nothing unless it is awaited"]
pub struct InlineStep<E, F> {
    name: Cow<'static, str>,
    body: F,
    options: StepOptions<E>,
    args: Args,
    nothing_to_undo: bool,
}

impl<E, F> InlineStep<E, F> {
    /// Records `value` with the step's input under `name`: on replay it must be the same.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.input("of", "the day").await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    pub fn input<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.args.arg(name, value);
        self
    }

    /// Says that there is nothing to undo, or that [`compensate`](crate::compensate) was told how.
    /// Nothing but a test kit takes notice, which reports the steps of a compensated execution that
    /// say nothing, and a worker in development, which warns of them.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.no_undo().await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    pub fn no_undo(mut self) -> Self {
        self.nothing_to_undo = true;
        self
    }

    /// How often and how soon it is tried again; by default [`Retry::new`], and
    /// [`Retry::none`] for an [`at_most_once`](Self::at_most_once) step.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.retry(Retry::new().max_attempts(20)).await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Which errors are worth another attempt; by default all that are not terminal.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.retry_if(|error| !error.to_string().contains("unknown")).await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    pub fn retry_if(mut self, worth_it: fn(&E) -> bool) -> Self {
        self.options.retry_if = Some(worth_it);
        self
    }

    /// How long an attempt may take; by default as long as the host lives.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.timeout(seconds(5)).await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    ///
    /// # Panics
    /// It is zero: no attempt would end in time. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn timeout(mut self, timeout: Duration) -> Self
    where
        E: From<StepFailure>,
    {
        not_zero("step(...).timeout", timeout);
        self.options.timeout = Some(timeout);
        self.options.from_failure = Some(E::from);
        self
    }

    /// How long the step may take, all attempts and the waits between them included; by default for
    /// ever. The time counts from the call, and goes on while no host runs. When it is up, a running
    /// attempt ends and the step has failed as timed out; a failure after which no attempt could
    /// begin in time is the last.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.total_timeout(hours(1)).await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    ///
    /// # Panics
    /// It is zero: no attempt would begin in time. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn total_timeout(mut self, timeout: Duration) -> Self
    where
        E: From<StepFailure>,
    {
        not_zero("step(...).total_timeout", timeout);
        self.options.total_timeout = Some(timeout);
        self.options.from_failure = Some(E::from);
        self
    }

    /// How long an attempt may go on without a [`heartbeat`](super::heartbeat()); then it has failed
    /// as timed out.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.heartbeat_timeout(seconds(30)).await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    ///
    /// # Panics
    /// It is zero: no attempt would live. In a workflow that blocks the execution, with the place.
    #[track_caller]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self
    where
        E: From<StepFailure>,
    {
        not_zero("step(...).heartbeat_timeout", timeout);
        self.options.heartbeat_timeout = Some(timeout);
        self.options.from_failure = Some(E::from);
        self
    }

    /// An attempt that may have run is not run again unless the retry policy allows another.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn ask(_input: ()) -> everstep::Result<u32> {
    /// let answer = everstep::step("fetch", async || Ok::<_, everstep::Error>(7));
    /// let answer = answer.at_most_once().await?;
    /// # Ok(answer) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(ask));
    /// # assert_eq!(env.run(ask, ()).unwrap(), 7);
    /// ```
    pub fn at_most_once(mut self) -> Self
    where
        E: From<StepFailure>,
    {
        self.options.at_most_once = true;
        self.options.from_failure = Some(E::from);
        self
    }
}

impl<T, E, F, Fut> IntoFuture for InlineStep<E, F>
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Recorded,
    E: Recorded,
{
    type Output = Result<T, E>;
    type IntoFuture = StepFuture<T, E>;

    #[track_caller]
    fn into_future(self) -> StepFuture<T, E> {
        let mut args = self.args;
        if !is_name(&self.name) {
            args.refuse(NAME_RULE);
        }
        let record = |slot: &mut Args| *slot = args;
        let undoing = NothingToUndo(self.nothing_to_undo);
        call(self.name, Location::caller(), self.options, record, || self.body, || NoArgs, undoing)
    }
}

impl<E, F> fmt::Debug for InlineStep<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineStep").field("name", &self.name).finish_non_exhaustive()
    }
}
