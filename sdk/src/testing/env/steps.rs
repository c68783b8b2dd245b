//! The steps of an environment: what stands in for them, and how often they ran.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;

use super::Env;
use crate::__private::{MockArgs, StepResult};
use crate::context::{Bound, Input, Mock, StepFn, StepSpec};

/// The types that a step's function has in a test.
type ArgsOf<S> = <<S as StepSpec>::Args as MockArgs>::Owned;
type OkOf<S> = <<S as Future>::Output as StepResult>::Ok;
type ErrOf<S> = <<S as Future>::Output as StepResult>::Err;

impl Env {
    /// Lets `mock` do the work of a step, in every call of it that runs from now on. It gets the
    /// step's arguments, also those that are not recorded: one alone as it is, several as a tuple;
    /// of a `&str` the `String`. What it returns is recorded, retried and read back as if the body
    /// had returned it.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// env.mock(charge, |(card, cents)| Ok(format!("{cents} of {card}")));
    /// assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "5 of 4242");
    /// ```
    pub fn mock<C, S, M>(&self, step: S, mock: M)
    where
        S: StepFn<C>,
        <S::Spec as StepSpec>::Args: MockArgs,
        <S::Spec as Future>::Output: StepResult,
        M: Fn(ArgsOf<S::Spec>) -> Result<OkOf<S::Spec>, ErrOf<S::Spec>> + Send + Sync + 'static,
        OkOf<S::Spec>: Send + 'static,
        ErrOf<S::Spec>: Send + 'static,
    {
        let _ = step;
        let mock = made_by(move |args| std::future::ready(mock(args)));
        self.inner.world.stands.mock(<S::Spec as StepSpec>::NAME, mock);
    }

    /// [`mock`](Self::mock) with an async closure: it may take (virtual) time.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// env.mock_async(charge, |(card, cents)| async move {
    ///     tokio::time::sleep(minutes(2)).await; // the bank is slow
    ///     Ok(format!("{cents} of {card}"))
    /// });
    /// assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "5 of 4242");
    /// ```
    pub fn mock_async<C, S, M, F>(&self, step: S, mock: M)
    where
        S: StepFn<C>,
        <S::Spec as StepSpec>::Args: MockArgs,
        <S::Spec as Future>::Output: StepResult,
        M: Fn(ArgsOf<S::Spec>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<OkOf<S::Spec>, ErrOf<S::Spec>>> + Send + 'static,
        OkOf<S::Spec>: Send + 'static,
        ErrOf<S::Spec>: Send + 'static,
    {
        let _ = step;
        self.inner.world.stands.mock(<S::Spec as StepSpec>::NAME, made_by(mock));
    }

    /// Lets `mock` do the work of a step that is known by its name alone: an inline
    /// `step("name", ...)` or a method. It gets the recorded arguments, a JSON object by their
    /// names, as a type that reads them: `serde_json::Value`, or one of your own.
    ///
    /// Its result must be of the step's very type; else the execution is blocked and says so. A
    /// name that no step of an execution had fails [`Execution::result`](super::Execution::result).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// env.mock_named("charge", |args: serde_json::Value| {
    ///     Ok::<_, everstep::Error>(format!("{} of nobody", args["cents"]))
    /// });
    /// assert_eq!(env.run(sell, "4242".to_owned()).unwrap(), "5 of nobody");
    /// ```
    pub fn mock_named<I, T, E, M>(&self, step: &str, mock: M)
    where
        I: DeserializeOwned,
        M: Fn(I) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let name = step.to_owned();
        let mock = made_by(move |Input(input)| {
            let read = input.read().unwrap_or_else(|error| {
                panic!("the mock of step {name} cannot read its arguments {input}: {error}")
            });
            std::future::ready(mock(read))
        });
        self.inner.world.stands.mock(step, mock);
        self.inner.world.stands.by_name(step);
    }

    /// Lets these attempts of each call of a step, counted from 1, fail with `error` before its
    /// body or its mock runs.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// env.fail(charge, 1..=2, everstep::Error::msg("the bank is busy"));
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// assert_eq!(env.runs("charge"), 3);
    /// ```
    pub fn fail<C, S>(&self, step: S, attempts: RangeInclusive<u32>, error: ErrOf<S::Spec>)
    where
        S: StepFn<C>,
        <S::Spec as Future>::Output: StepResult,
        ErrOf<S::Spec>: Clone + Send + Sync + 'static,
    {
        let _ = step;
        self.inner.world.stands.fail(<S::Spec as StepSpec>::NAME, attempts, error);
    }

    /// [`fail`](Self::fail) for a step that is known by its name alone.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// env.fail_named("charge", 1..=2, everstep::Error::msg("the bank is busy"));
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// ```
    ///
    /// # Panics
    /// Other attempts of it were told to fail with an error of another type.
    pub fn fail_named<E: Clone + Send + Sync + 'static>(
        &self,
        step: &str,
        attempts: RangeInclusive<u32>,
        error: E,
    ) {
        self.inner.world.stands.fail(step, attempts, error);
        self.inner.world.stands.by_name(step);
    }

    /// How often bodies of the step with this name (or its mock) began, every attempt of every call
    /// in every execution counted.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// assert_eq!(env.runs("charge"), 1);
    /// ```
    #[must_use]
    pub fn runs(&self, step: &str) -> usize {
        self.inner.world.stands.runs_of(step).begun
    }

    /// How many of those [`runs`](Self::runs) returned `Ok`.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::testing::Env;
    /// # #[step] async fn charge(card: &str, cents: u64) -> everstep::Result<String> { Ok(format!("{cents} from {card}")) }
    /// # #[workflow] async fn sell(card: String) -> everstep::Result<String> {
    /// #     let charged = charge(&card, 5).await?;
    /// #     publish("charged");
    /// #     let _ = timeout(days(10), signal::<bool>("approval")).await;
    /// #     Ok(charged)
    /// # }
    /// # let env = Env::new(App::new().workflow(sell));
    /// assert!(env.run(sell, "4242".to_owned()).is_ok());
    /// assert_eq!(env.completed_runs("charge"), 1);
    /// ```
    #[must_use]
    pub fn completed_runs(&self, step: &str) -> usize {
        self.inner.world.stands.runs_of(step).completed
    }
}

/// A mock that makes each attempt by `make`.
fn made_by<A, T, E, F>(make: impl Fn(A) -> F + Send + Sync + 'static) -> Mock<A, T, E>
where
    A: Clone + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let make = Arc::new(make);
    Mock(Box::new(move |args| -> Bound<T, E> {
        // Arguments need not be `Sync`.
        let (make, args) = (Arc::clone(&make), Mutex::new(args));
        Arc::new(move || {
            let args = args.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            let make = Arc::clone(&make);
            // Called as a body is: when the attempt runs.
            Box::pin(async move { make(args).await })
        })
    }))
}
