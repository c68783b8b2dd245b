//! Undoing what a workflow did: what steps say of it, what is registered by hand, and the future
//! that takes the workflow's place.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::execution::{Execution, expect_current};
use super::output::StepOutput;
#[cfg(feature = "testing")]
use super::probe;
use super::step::{Recorded, StepBody, StepOptions};
use super::workflow::WorkflowEnd;
use crate::event::{CompensationCause, Json, OperationKey};
use crate::limits::{NAME_RULE, is_name};
use crate::replay::{Attempt, Body, Fault, NextUndo, Outcome, Policy, Undo};
use crate::retry::Retry;

/// What a step that returns `T` says of its undoing.
pub trait Undoing<T> {
    /// Whether it says anything, be it that there is nothing to undo.
    fn is_covered(&self) -> bool;
    /// How to undo it, if it can be.
    fn undo(self) -> Option<Declared>;
}

/// How a step is undone, without its types.
pub struct Declared(Box<dyn Undo>);

/// A step that says nothing of its undoing.
#[derive(Debug)]
pub struct Unsaid;

/// A step with nothing to undo, if `true`.
#[derive(Debug)]
pub struct NothingToUndo(pub bool);

/// A step that is undone by what `own` makes: a function of its result.
pub struct UndoneBy<O> {
    own: O,
    retry: Option<Retry>,
}

impl<O> UndoneBy<O> {
    /// `own` is called here and now, where the step is called in a workflow.
    pub fn new(own: O, retry: Option<Retry>) -> Self {
        Self { own, retry }
    }
}

impl<T> Undoing<T> for Unsaid {
    fn is_covered(&self) -> bool {
        false
    }
    fn undo(self) -> Option<Declared> {
        None
    }
}

impl<T> Undoing<T> for NothingToUndo {
    fn is_covered(&self) -> bool {
        self.0
    }
    fn undo(self) -> Option<Declared> {
        None
    }
}

impl<T, O, F, Fut, U, X> Undoing<T> for UndoneBy<O>
where
    O: FnOnce() -> F,
    F: FnOnce(T) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<U, X>> + Send + 'static,
    T: Recorded,
    U: StepOutput<X>,
    X: Recorded,
{
    fn is_covered(&self) -> bool {
        true
    }
    fn undo(self) -> Option<Declared> {
        Some(Declared(Box::new(UndoOf::<T, F>::new((self.own)(), self.retry))))
    }
}

impl<O> fmt::Debug for UndoneBy<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UndoneBy")
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Declared")
    }
}

/// Tells the engine, and a test kit, what step `seq` says of its undoing.
pub(super) fn declare<T>(execution: &Execution, seq: u32, undoing: impl Undoing<T>) {
    let covered = undoing.is_covered();
    #[cfg(feature = "testing")]
    if covered && let Some(probe) = probe::current() {
        let name = execution.engine().key(seq).name.clone();
        probe.covers(&name);
    }
    // Clones the user's arguments: their code, so outside the engine's lock.
    match undoing.undo() {
        Some(Declared(undo)) => execution.engine().set_undo(seq, undo),
        None if covered => execution.engine().set_nothing_to_undo(seq),
        None => {}
    }
}

/// An undo that gets a `T`.
struct UndoOf<T, F> {
    f: F,
    retry: Option<Retry>,
    #[cfg(feature = "testing")]
    probe: Option<Arc<dyn probe::Probe>>,
    of: PhantomData<fn(T)>,
}

impl<T, F> UndoOf<T, F> {
    fn new(f: F, retry: Option<Retry>) -> Self {
        Self {
            f,
            retry,
            #[cfg(feature = "testing")]
            probe: probe::current(),
            of: PhantomData,
        }
    }
}

impl<T, F, Fut, U, X> Undo for UndoOf<T, F>
where
    F: FnOnce(T) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<U, X>> + Send + 'static,
    T: Recorded,
    U: StepOutput<X>,
    X: Recorded,
{
    fn body(
        self: Box<Self>,
        key: &OperationKey,
        input: Json,
        output: &Json,
        retry: Option<Retry>,
    ) -> Result<Box<dyn Body>, String> {
        #[cfg(feature = "testing")]
        let probe = self.probe.clone();
        let read = |output: &Json| {
            output.read::<T>().map_err(|error| {
                format!("it is not a {} any more: {error}", std::any::type_name::<T>())
            })
        };
        read(output)?;
        let Self { f, retry: own_retry, .. } = *self;
        let output = output.clone();
        let make = move || {
            // Read for each attempt: a result need not be `Clone`.
            let result = read(&output).map(f);
            async move {
                match result {
                    Ok(undoing) => undoing.await,
                    Err(problem) => panic!("the result to undo was read before, and now {problem}"),
                }
            }
        };
        let options = StepOptions { retry: retry.or(own_retry), ..StepOptions::<X>::default() };
        #[cfg(feature = "testing")]
        if let Some(probe) = probe {
            let body = probe::body(probe, key.clone(), input, || (), options, || make)?;
            return Ok(Box::new(UndoBody(body)));
        }
        let _ = (key, input);
        Ok(Box::new(UndoBody(Box::new(StepBody { make, options }))))
    }
}

/// The body of an undo step: nobody reads its error, so whatever its failure is, it is recorded.
struct UndoBody(Box<dyn Body>);

impl Body for UndoBody {
    fn attempt(&self) -> BoxFuture<'static, Attempt> {
        self.0.attempt()
    }

    fn policy(&self) -> Policy {
        Policy { takes_failures: true, ..self.0.policy() }
    }
}

/// Registers what undoes something that the workflow is about to do, or has done: if the workflow
/// returns `Err` or is cancelled from here on, `undo` runs as a step named `undo NAME`, after
/// everything that was registered later, and before everything that was registered earlier.
///
/// For a step with a function, `#[step(undo = ...)]` is shorter, and knows the step's result. By
/// hand is for everything else: an undo for several steps at once, or one whose step may fail
/// halfway. Register it before such a step; then it runs whether or not the step had any effect,
/// and must bear that.
///
/// The closure owns what it uses and is cloned for each attempt. It runs at least once, like every
/// step, and is tried again by its own [retry policy](Compensation::retry); it is shielded from
/// the cancel that caused it, and from later ones. If it fails for good the others run all the
/// same, and the execution's end names it. What it returns besides is recorded and not read.
///
/// A name has 1 to 256 bytes and no control characters; another one blocks the execution.
///
/// ```
/// # use everstep::prelude::*;
/// # #[derive(Clone)] struct Hotel;
/// # impl Hotel {
/// #     async fn hold(&self, nights: u32) -> everstep::Result<String> { Ok("h".into()) }
/// #     async fn release_all(&self, trip: &str) -> everstep::Result<()> { Ok(()) }
/// # }
/// #[workflow]
/// async fn stay(State(hotel): State<Hotel>, trip: String) -> everstep::Result<String> {
///     let undoing = hotel.clone();
///     everstep::compensate("rooms", async move || undoing.release_all(&trip).await);
///     let rooms = hotel.clone();
///     everstep::step("hold", async move || rooms.hold(3).await).no_undo().await
/// }
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn compensate<T, E, F, Fut>(name: impl Into<Cow<'static, str>>, undo: F) -> Compensation
where
    F: FnOnce() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: StepOutput<E>,
    E: Recorded,
{
    let execution = expect_current("everstep::compensate()");
    let (name, location) = (name.into(), Location::caller());
    let undo = Box::new(UndoOf::<(), _>::new(move |()| undo(), None));
    let place = {
        let mut engine = execution.engine();
        if !is_name(&name) {
            let what = format!("what undoes {name:.64} cannot be registered");
            engine.fail(Fault::Value { what, problem: NAME_RULE.to_owned() });
        }
        engine.register_undo(&name, location, undo)
    };
    Compensation { execution, place }
}

/// What [`compensate`] has registered. Dropping it changes nothing.
///
/// ```
/// use everstep::prelude::*;
///
/// # async fn release(_room: &str) -> everstep::Result<()> { Ok(()) }
/// #[workflow]
/// async fn stay(room: String) -> everstep::Result<()> {
///     let undoing: everstep::Compensation =
///         compensate("room", async move || release(&room).await);
///     undoing.retry(Retry::new().max_attempts(20)); // until the hotel hears of it
///     Err(everstep::Error::msg("the guest does not come"))
/// }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(stay));
/// # let stay = env.start(stay, "12".to_owned());
/// stay.result().unwrap_err();
/// assert!(stay.events().iter().any(|event| event.key().is_some_and(|key| key.name == "undo room")));
/// ```
#[derive(Debug)]
pub struct Compensation {
    execution: Arc<Execution>,
    place: usize,
}

impl Compensation {
    /// How often and how soon the undo is tried again; by default [`Retry::new`].
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn outing(_input: ()) -> everstep::Result<()> {
    /// compensate("seats", async || Ok::<_, everstep::Error>(())).retry(Retry::new().max_attempts(20));
    /// # Err(everstep::Error::msg("it rains")) }
    /// # let env = everstep::testing::Env::new(App::new().workflow(outing));
    /// # let outing = env.start(outing, ());
    /// # assert!(outing.result().is_err());
    /// # assert!(outing.events().iter().any(|event| event.kind() == "CompensationStarted"));
    /// ```
    #[expect(clippy::must_use_candidate, reason = "it has done what it is for")]
    pub fn retry(self, retry: Retry) -> Self {
        self.execution.engine().retry_of_undo(self.place, retry);
        self
    }
}

/// Undoes all there is to be undone, last in, first out. It takes the workflow's place and is
/// polled in its stead.
pub(super) async fn undo_all(execution: Arc<Execution>, cause: CompensationCause) -> WorkflowEnd {
    let mut left = Vec::new();
    while let Some(seq) = (Next { execution: &execution }).await {
        let key = execution.engine().key(seq).clone();
        if let Outcome::Failed(_) = (UndoStep { execution: &execution, seq }).await {
            left.push(key);
        }
    }
    WorkflowEnd::Undone { cause, left }
}

/// The next undo step, once no step is driven to its end any more; `None` after the last.
struct Next<'a> {
    execution: &'a Execution,
}

impl Future for Next<'_> {
    type Output = Option<u32>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        let (next, registered) = self.execution.engine().next_undo();
        let seq = match next {
            // Whatever is delivered polls the whole.
            NextUndo::Waits => return Poll::Pending,
            NextUndo::Done => return Poll::Ready(None),
            NextUndo::Called(seq) => seq,
        };
        if let Some(registered) = registered {
            let key = self.execution.engine().key(seq).clone();
            let body = registered.body(&key);
            let mut engine = self.execution.engine();
            match body {
                Ok(body) => engine.set_body(seq, body),
                Err(problem) => {
                    let what = format!("what step {key} is to undo");
                    engine.fail(Fault::Value { what, problem });
                }
            }
        }
        Poll::Ready(Some(seq))
    }
}

/// An undo step's future.
struct UndoStep<'a> {
    execution: &'a Execution,
    seq: u32,
}

impl Future for UndoStep<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.execution.poll_call(self.seq, cx)
    }
}
