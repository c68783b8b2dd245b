//! A step's function as a value: what `#[step]` says of it in the type of its future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::step::{Recorded, StepFuture};

/// A step's name, in a type.
pub trait StepName {
    /// The name.
    const NAME: &'static str;
}

/// What is known at compile time of the step whose future this is.
pub trait StepSpec {
    /// The step's name.
    const NAME: &'static str;
    /// Its arguments, as a tuple of how each is taken.
    type Args;
}

/// The future of step `N`, which takes `A`.
#[must_use = "a step does nothing unless it is awaited"]
pub struct Step<N, A, T, E> {
    future: StepFuture<T, E>,
    of: PhantomData<fn() -> (N, A)>,
}

impl<N, A, T, E> Step<N, A, T, E> {
    pub(crate) fn new(future: StepFuture<T, E>) -> Self {
        Self { future, of: PhantomData }
    }
}

impl<N, A, T: Recorded, E: Recorded> Future for Step<N, A, T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.future).poll(cx)
    }
}

impl<N: StepName, A, T, E> StepSpec for Step<N, A, T, E> {
    const NAME: &'static str = N::NAME;
    type Args = A;
}

impl<N, A, T, E> fmt::Debug for Step<N, A, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}

/// A function with `#[step]`. `Call` is how its arguments are found; nobody writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that is known to be a step",
    label = "not a step's function",
    note = "put #[everstep::step] on the async fn and pass its name. Of methods, of functions with more than eight arguments and of those with `impl Trait`, a lifetime or a #[cfg] among them the name is all there is: mock_named(\"...\", ...)"
)]
pub trait StepFn<Call> {
    /// What `#[step]` made of it.
    type Spec: StepSpec + Future;
}

macro_rules! step_fn {
    ($($arg:ident),*) => {
        impl<F, Fut, $($arg),*> StepFn<($($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut,
            Fut: StepSpec + Future,
        {
            type Spec = Fut;
        }
    };
}

step_fn!();
step_fn!(A);
step_fn!(A, B);
step_fn!(A, B, C);
step_fn!(A, B, C, D);
step_fn!(A, B, C, D, E);
step_fn!(A, B, C, D, E, G);
step_fn!(A, B, C, D, E, G, H);
step_fn!(A, B, C, D, E, G, H, I);
