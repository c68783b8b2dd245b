//! Steps under observation: what a test kit sees of their bodies, and what it puts in their place.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};

use super::body::attempt;
use super::output::StepOutput;
use super::step::{Recorded, StepBody, StepOptions};
use crate::event::{Json, OperationKey};
use crate::replay::{Attempt, Body, Policy};

thread_local! {
    /// Set while a workflow that is observed is polled.
    static CURRENT: RefCell<Option<Arc<dyn Probe>>> = const { RefCell::new(None) };
}

/// Sees the steps of workflows, and knows what stands in for which.
pub(crate) trait Probe: Send + Sync {
    /// Step `name` was called.
    fn called(&self, name: &str);
    /// Step `name` says how it is undone, or that there is nothing to undo.
    fn covers(&self, name: &str);
    /// What stands in for the bodies of step `name`: a [`Mock`].
    fn mock(&self, name: &str) -> Option<Stand>;
    /// What makes attempts of step `name` fail before their body runs: a [`Failing`].
    fn failing(&self, name: &str) -> Option<Stand>;
    /// A body, or what stands in for it, begins.
    fn begins(&self, key: &OperationKey, attempt: u32);
    /// It has ended and returned `Ok`.
    fn completes(&self, key: &OperationKey, attempt: u32);
}

/// A [`Mock`] or a [`Failing`], without its types.
pub(crate) type Stand = Arc<dyn Any + Send + Sync>;

/// Stands in for the bodies of a step with arguments `A` that returns `Result<T, E>`.
pub(crate) struct Mock<A, T, E>(pub(crate) Box<dyn Fn(A) -> Bound<T, E> + Send + Sync>);

/// Makes an attempt of a mocked call.
pub(crate) type Bound<T, E> = Arc<dyn Fn() -> BoxFuture<'static, Result<T, E>> + Send + Sync>;

/// The error of an attempt that is to fail, by its number.
pub(crate) struct Failing<E>(pub(crate) Arc<dyn Fn(u32) -> Option<E> + Send + Sync>);

/// The arguments of a mock by name: what is recorded of the step's.
#[derive(Clone)]
pub(crate) struct Input(pub(crate) Json);

/// `future`, whose steps `probe` sees.
pub(super) fn under<F: Future + Send>(probe: Arc<dyn Probe>, future: F) -> Under<F> {
    Under { probe, future: Box::pin(future) }
}

/// The future of [`under`].
pub(super) struct Under<F> {
    probe: Arc<dyn Probe>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Under<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        struct Restore(Option<Arc<dyn Probe>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let probe = Arc::clone(&self.probe);
        let _restore = Restore(CURRENT.replace(Some(probe)));
        self.future.as_mut().poll(cx)
    }
}

/// Who sees the steps that are called here and now.
pub(super) fn current() -> Option<Arc<dyn Probe>> {
    CURRENT.with_borrow(Clone::clone)
}

/// How to run the step `key`, as `probe` will have it. `Err` says what is wrong with what stands in
/// for it.
pub(super) fn body<A, O, E, F, Fut>(
    probe: Arc<dyn Probe>,
    key: OperationKey,
    input: Json,
    args: impl FnOnce() -> A,
    options: StepOptions<E>,
    make: impl FnOnce() -> F,
) -> Result<Box<dyn Body>, String>
where
    A: 'static,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: Recorded,
{
    probe.called(&key.name);
    let failing = match probe.failing(&key.name) {
        None => None,
        Some(failing) => match failing.downcast_ref::<Failing<E>>() {
            Some(failing) => Some(Arc::clone(&failing.0)),
            None => return Err(format!("the step's error is a {}", type_name::<E>())),
        },
    };
    let mocked = match probe.mock(&key.name) {
        None => None,
        Some(mock) => {
            if let Some(mock) = mock.downcast_ref::<Mock<A, O::Value, E>>() {
                Some((mock.0)(args()))
            } else if let Some(mock) = mock.downcast_ref::<Mock<Input, O::Value, E>>() {
                Some((mock.0)(Input(input)))
            } else {
                let result = type_name::<Result<O::Value, E>>();
                return Err(format!("the step returns {result}, and what stands in does not"));
            }
        }
    };
    let body: Box<dyn Body> = match mocked {
        Some(bound) => Box::new(StepBody { make: unless(failing, move || bound()), options }),
        None => Box::new(StepBody { make: unless(failing, make()), options }),
    };
    Ok(Box::new(Observed { body, probe, key }))
}

/// `make`, unless the attempt is to fail.
fn unless<O, E, F, Fut>(
    failing: Option<Arc<dyn Fn(u32) -> Option<E> + Send + Sync>>,
    make: F,
) -> impl FnOnce() -> BoxFuture<'static, Result<O, E>> + Clone + Send + 'static
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    E: Recorded,
{
    move || {
        async move {
            match failing.and_then(|failing| failing(attempt())) {
                Some(error) => Err(error),
                None => make().await,
            }
        }
        .boxed()
    }
}

/// A step's body whose runs are told.
struct Observed {
    body: Box<dyn Body>,
    probe: Arc<dyn Probe>,
    key: OperationKey,
}

impl Body for Observed {
    fn attempt(&self) -> BoxFuture<'static, Attempt> {
        let (body, probe, key) = (self.body.attempt(), Arc::clone(&self.probe), self.key.clone());
        async move {
            let number = attempt();
            probe.begins(&key, number);
            let ended = body.await;
            if let Attempt::Completed(_) | Attempt::Together(_) = ended {
                probe.completes(&key, number);
            }
            ended
        }
        .boxed()
    }

    fn policy(&self) -> Policy {
        self.body.policy()
    }
}
