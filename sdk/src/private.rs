//! What the macros expand to. Not for people: no promise is made about any of it.

use std::borrow::Borrow;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

pub use futures::future::BoxFuture;

pub use crate::context::{
    Args, Needs, NothingToUndo, States, Step, StepFn, StepFuture, StepName, StepOptions,
    StepOutput, StepSpec, Undoing, UndoneBy, Unsaid, WorkflowFuture, WorkflowResult, WorkflowSpec,
};
pub use crate::error::StepFailure;
pub use crate::retry::Retry;

/// A step's compile-time facts.
#[derive(Debug)]
pub struct Site {
    /// The step's name.
    pub name: &'static str,
}

/// Calls a step.
pub fn step<T, E, F, Fut>(
    site: &'static Site,
    location: &'static Location<'static>,
    options: StepOptions<E>,
    record: impl FnOnce(&mut Args),
    body: impl FnOnce() -> F,
    undoing: impl Undoing<T>,
) -> StepFuture<T, E>
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    E: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    crate::context::call_step(site.name.into(), location, options, record, body, || (), undoing)
}

/// Calls a step whose function can be mocked: it is `N`, takes `A`, and `args` makes the arguments
/// a mock gets.
pub fn step_of<N, A, T, E, F, Fut, O>(
    location: &'static Location<'static>,
    options: StepOptions<E>,
    record: impl FnOnce(&mut Args),
    body: impl FnOnce() -> F,
    args: impl FnOnce() -> O,
    undoing: impl Undoing<T>,
) -> Step<N, A, T, E>
where
    N: StepName,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    E: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    O: 'static,
{
    let name = N::NAME.into();
    Step::new(crate::context::call_step(name, location, options, record, body, args, undoing))
}

/// [`step`], whose body may return writes with its result. Apart, so that what the compiler says of
/// other steps stays as short as it is.
pub fn step_with<O, E, F, Fut>(
    site: &'static Site,
    location: &'static Location<'static>,
    options: StepOptions<E>,
    record: impl FnOnce(&mut Args),
    body: impl FnOnce() -> F,
    undoing: impl Undoing<O::Value>,
) -> StepFuture<O::Value, E>
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    crate::context::call_step(site.name.into(), location, options, record, body, || (), undoing)
}

/// The same of [`step_of`].
pub fn step_of_with<N, A, O, E, F, Fut, G>(
    location: &'static Location<'static>,
    options: StepOptions<E>,
    record: impl FnOnce(&mut Args),
    body: impl FnOnce() -> F,
    args: impl FnOnce() -> G,
    undoing: impl Undoing<O::Value>,
) -> Step<N, A, O::Value, E>
where
    N: StepName,
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    O: StepOutput<E>,
    E: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
    G: 'static,
{
    let name = N::NAME.into();
    Step::new(crate::context::call_step(name, location, options, record, body, args, undoing))
}

/// What a step returns.
#[diagnostic::on_unimplemented(
    message = "a step returns a `Result`, and `{Self}` is none",
    label = "return `Result<T, E>` here: `everstep::Result<T>` takes any error by `?`"
)]
pub trait StepResult {
    /// The `T` of `Result<T, E>`.
    type Ok;
    /// The `E`.
    type Err;
}

impl<T, E> StepResult for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// An error type that takes failures which are not its own errors.
#[diagnostic::on_unimplemented(
    message = "a step with a time-out or `at_most_once` can fail without an error of its own, and `{Self}` has no room for that",
    label = "implement `From<everstep::StepFailure>` for this type, or return `everstep::Result`"
)]
pub trait TakesFailures: From<StepFailure> {}
impl<E: From<StepFailure>> TakesFailures for E {}

/// How `E` takes failures, where it must.
#[must_use]
pub fn require_from_failure<E: TakesFailures>() -> fn(StepFailure) -> E {
    E::from
}

/// Finds out whether `E` takes failures: `(&&FromFailure::<E>::new()).get()`. Method look-up
/// prefers the first trait below where its bound holds.
#[derive(Debug)]
pub struct FromFailure<E>(PhantomData<fn() -> E>);

impl<E> FromFailure<E> {
    /// A question.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only macros call it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The answer for types that do.
pub trait FromFailureYes<E> {
    /// How.
    fn get(&self) -> Option<fn(StepFailure) -> E>;
}

impl<E: From<StepFailure>> FromFailureYes<E> for &FromFailure<E> {
    fn get(&self) -> Option<fn(StepFailure) -> E> {
        Some(E::from)
    }
}

/// The answer for types that do not.
pub trait FromFailureNo<E> {
    /// Not at all.
    fn get(&self) -> Option<fn(StepFailure) -> E>;
}

impl<E> FromFailureNo<E> for FromFailure<E> {
    fn get(&self) -> Option<fn(StepFailure) -> E> {
        None
    }
}

/// What a step may take by value: each attempt gets a clone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a step",
    label = "a step owns its arguments, and each attempt gets a clone: this must be `Clone + Send + 'static`",
    note = "derive `Clone` for it, or put it behind an `Arc` (no `Rc`: a body may run on any thread)"
)]
pub trait OwnedArgument: Clone + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + 'static> OwnedArgument for T {}

/// What a step may take by reference: it is cloned when the body is about to run.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be an argument of a step",
    label = "a step owns what its body needs, so a clone is made of this: it must be `Clone + Send + Sync + 'static`",
    note = "derive `Clone` for it, or put it behind an `Arc`: `&Arc<dyn Trait>` for `&dyn Trait`"
)]
pub trait BorrowedArgument: Sync {
    /// What the step owns: `String` for `str`.
    type Owned: Borrow<Self> + Clone + Send + 'static;
    /// The step's own copy.
    fn own(&self) -> Self::Owned;
}

#[diagnostic::do_not_recommend]
impl<T> BorrowedArgument for T
where
    T: ToOwned<Owned: Clone + Send + 'static> + Sync + ?Sized,
{
    type Owned = T::Owned;
    fn own(&self) -> T::Owned {
        self.to_owned()
    }
}

/// A step's own copy of what it took by reference.
pub struct Borrowed<O, T: ?Sized>(O, PhantomData<fn(&T)>);

impl<O: Clone, T: ?Sized> Clone for Borrowed<O, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<O: Borrow<T>, T: ?Sized> Deref for Borrowed<O, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.borrow()
    }
}

impl<O, T: ?Sized> std::fmt::Debug for Borrowed<O, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Borrowed")
    }
}

/// How a step takes an argument: by value.
pub struct ByValue<T>(PhantomData<fn() -> T>);

/// How a step takes an argument: by reference.
pub struct ByReference<T: ?Sized>(PhantomData<fn() -> Box<T>>);

/// What a mock gets for an argument.
pub trait MockArg {
    /// Its type.
    type Owned: Clone + Send + 'static;
}

impl<T: OwnedArgument> MockArg for ByValue<T> {
    type Owned = T;
}

impl<T: BorrowedArgument + ?Sized> MockArg for ByReference<T> {
    type Owned = T::Owned;
}

/// What a mock gets for a step's arguments: one alone as it is, several as a tuple.
pub trait MockArgs {
    /// Its type.
    type Owned: Clone + Send + 'static;
}

impl MockArgs for () {
    type Owned = ();
}

impl<A: MockArg> MockArgs for (A,) {
    type Owned = A::Owned;
}

macro_rules! mock_args {
    ($($arg:ident),+) => {
        impl<$($arg: MockArg),+> MockArgs for ($($arg,)+) {
            type Owned = ($($arg::Owned,)+);
        }
    };
}

mock_args!(A, B);
mock_args!(A, B, C);
mock_args!(A, B, C, D);
mock_args!(A, B, C, D, E);
mock_args!(A, B, C, D, E, F);
mock_args!(A, B, C, D, E, F, G);
mock_args!(A, B, C, D, E, F, G, H);

/// What the step's own copy holds.
#[must_use]
pub fn unborrowed<O, T: ?Sized>(value: Borrowed<O, T>) -> O {
    value.0
}

/// Makes a step's own copy of an argument taken by value.
#[must_use]
pub fn owned<T: OwnedArgument>(value: &T) -> T {
    value.clone()
}

/// Makes a step's own copy of an argument taken by reference.
#[must_use]
pub fn borrowed<T: BorrowedArgument + ?Sized>(value: &T) -> Borrowed<T::Owned, T> {
    Borrowed(value.own(), PhantomData)
}

/// What a step took by value, as its undo takes it: by reference, or by value where it is `Clone`.
#[diagnostic::on_unimplemented(
    message = "an undo cannot take the step's `{Self}` as `{P}`",
    label = "the undo gets the step's arguments as the step takes them (those taken by value also by reference), and then the step's result by reference",
    note = "give it the arguments of the step in their order, and `&T` of the step's `Result<T, E>` last: `async fn refund(card: &Card, amount: Cents, charge: &ChargeId) -> Result<(), E>`"
)]
pub trait Pass<'a, P> {
    /// The argument.
    fn pass(&'a self) -> P;
}

#[diagnostic::do_not_recommend]
impl<'a, T> Pass<'a, &'a T> for T {
    fn pass(&'a self) -> &'a T {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Clone> Pass<'a, T> for T {
    fn pass(&'a self) -> T {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl<'a> Pass<'a, &'a str> for String {
    fn pass(&'a self) -> &'a str {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T> Pass<'a, &'a [T]> for Vec<T> {
    fn pass(&'a self) -> &'a [T] {
        self
    }
}

/// An argument as the undo takes it.
pub fn pass<'a, P, T: Pass<'a, P>>(value: &'a T) -> P {
    value.pass()
}

/// What an undo returns.
#[diagnostic::on_unimplemented(
    message = "an undo returns a `Result`, and `{Self}` is none",
    label = "return `Result<(), E>` from it: `everstep::Result<()>` takes any error by `?`"
)]
pub trait UndoResult {
    /// The `T` of `Result<T, E>`.
    type Ok;
    /// The `E`.
    type Err;
    /// The result.
    fn undone(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> UndoResult for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn undone(self) -> Self {
        self
    }
}

/// What an undo returned.
pub fn undone<R: UndoResult>(result: R) -> Result<R::Ok, R::Err> {
    result.undone()
}

/// A value that is never made: what generated code returns where it is never run, so that the
/// compiler knows a block's type.
#[must_use]
pub fn never<T>() -> T {
    unreachable!("only the type of this call is used")
}
