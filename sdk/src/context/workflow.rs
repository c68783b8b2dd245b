//! Workflows as values: what `#[workflow]` makes, and what a host needs of it.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::record;
use crate::event::{CompensationCause, Json, OperationKey};

/// A workflow's clients, given to the host with `App::state` and to the workflow as an argument:
/// `State(shop): State<Shop>`. Cloned for each turn; not recorded.
///
/// ```
/// use everstep::prelude::*;
///
/// #[derive(Clone)]
/// struct Shop {
///     name: &'static str,
/// }
///
/// #[workflow]
/// async fn welcome(State(shop): State<Shop>, customer: String) -> everstep::Result<String> {
///     Ok(format!("{} welcomes {customer}", shop.name))
/// }
/// # let app = App::new().workflow(welcome).state(Shop { name: "Everstep" });
/// # let welcomed = everstep::testing::Env::new(app).run(welcome, "Ada".to_owned());
/// # assert_eq!(welcomed.unwrap(), "Everstep welcomes Ada");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<T>(pub T);

/// What is known of a workflow at compile time. Implemented by `#[workflow]`.
pub trait WorkflowSpec: Send + Sync + 'static {
    /// The workflow's name.
    const NAME: &'static str;
    /// What it is started with.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// What it fails with.
    type Error: Serialize + DeserializeOwned + Send + 'static;

    /// Whether an open execution is blocked when new code asks for more where it waits.
    const BLOCKS_NEW_STEPS: bool = false;

    /// Where it stands in the source, if that is known.
    const LOCATION: Option<&'static Location<'static>> = None;

    /// Says which states [`run`](Self::run) takes.
    fn needs(needs: &mut Needs);

    /// Calls it.
    fn run(
        states: &States,
        input: Self::Input,
    ) -> BoxFuture<'static, Result<Self::Output, Self::Error>>;
}

/// A function with `#[workflow]`. `Args` is how its arguments are found; nobody writes it.
///
/// A function that takes any workflow of some type:
///
/// ```
/// use everstep::Workflow;
/// use everstep::prelude::*;
///
/// # #[workflow] async fn sell(cents: u64) -> everstep::Result<u64> { Ok(cents) }
/// # #[workflow] async fn refund(cents: u64) -> everstep::Result<u64> { Ok(cents / 2) }
/// fn serve<A, W: Workflow<A>, B, V: Workflow<B>>(first: W, second: V) -> App {
///     App::new().workflow(first).workflow(second)
/// }
///
/// # let env = everstep::testing::Env::new(serve(sell, refund));
/// assert_eq!(env.run(refund, 70).unwrap(), 35);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow",
    label = "not a workflow",
    note = "put #[everstep::workflow] on the async fn and pass its name: `App::new().workflow(fulfil_order)`"
)]
pub trait Workflow<Args>: Send + Sync + 'static {
    /// What `#[workflow]` made of it.
    type Spec: WorkflowSpec;
}

impl<F, M, Fut> Workflow<()> for F
where
    F: Fn() -> WorkflowFuture<M, Fut> + Send + Sync + 'static,
    M: WorkflowSpec,
{
    type Spec = M;
}

macro_rules! workflow_of {
    ($($arg:ident),+) => {
        impl<F, M, Fut, $($arg),+> Workflow<($($arg,)+)> for F
        where
            F: Fn($($arg),+) -> WorkflowFuture<M, Fut> + Send + Sync + 'static,
            M: WorkflowSpec,
        {
            type Spec = M;
        }
    };
}

workflow_of!(A);
workflow_of!(A, B);
workflow_of!(A, B, C);
workflow_of!(A, B, C, D);
workflow_of!(A, B, C, D, E);

/// What calling a workflow's function returns: its future, with its spec in the type.
#[must_use = "a workflow called directly is a plain future and does nothing unless it is awaited"]
pub struct WorkflowFuture<M, F> {
    future: F,
    spec: std::marker::PhantomData<fn() -> M>,
}

impl<M, F> WorkflowFuture<M, F> {
    /// Used by `#[workflow]`.
    pub fn new(future: F) -> Self {
        Self { future, spec: std::marker::PhantomData }
    }

    /// Used by `#[workflow]`.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<M, F: Future> IntoFuture for WorkflowFuture<M, F> {
    type Output = F::Output;
    type IntoFuture = Plain<F>;

    fn into_future(self) -> Plain<F> {
        Plain(Box::pin(self.future))
    }
}

impl<M, F> fmt::Debug for WorkflowFuture<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkflowFuture")
    }
}

/// A workflow called directly: its plain future.
pub struct Plain<F>(Pin<Box<F>>);

impl<F: Future> Future for Plain<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for Plain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}

/// What a workflow returns.
#[diagnostic::on_unimplemented(
    message = "a workflow returns a `Result`, and `{Self}` is none",
    label = "return `Result<T, E>` here: `everstep::Result<T>` takes any error by `?`"
)]
pub trait WorkflowResult {
    /// The `T` of `Result<T, E>`.
    type Output;
    /// The `E`.
    type Error;
}

impl<T, E> WorkflowResult for Result<T, E> {
    type Output = T;
    type Error = E;
}

/// The states a host has, by type.
#[derive(Clone, Default)]
pub struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn put<S: Clone + Send + Sync + 'static>(&mut self, state: S) {
        self.0.insert(TypeId::of::<S>(), Arc::new(state));
    }

    /// The state of this type, if there is one.
    #[cfg(feature = "aws")]
    pub(crate) fn find<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        Arc::clone(self.0.get(&TypeId::of::<S>())?).downcast().ok()
    }

    /// The state of this type.
    ///
    /// # Panics
    /// There is none. A host checks [`WorkflowSpec::needs`] before it takes turns.
    #[must_use]
    pub fn get<S: Clone + Send + Sync + 'static>(&self) -> State<S> {
        let state = self.0.get(&TypeId::of::<S>()).and_then(|state| state.downcast_ref::<S>());
        State(state.unwrap_or_else(|| panic!("no state of type {}", type_name::<S>())).clone())
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

/// Collects which states a workflow takes.
#[derive(Debug, Clone, Default)]
pub struct Needs(Vec<(TypeId, &'static str)>);

impl Needs {
    /// The workflow takes a `State<S>`.
    pub fn state<S: Clone + Send + Sync + 'static>(&mut self) {
        self.0.push((TypeId::of::<S>(), type_name::<S>()));
    }
}

/// A workflow takes a state that the host was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workflow {workflow} takes State<{state}>: give it with App::state(...)")]
#[non_exhaustive]
pub struct MissingState {
    /// The workflow.
    pub workflow: &'static str,
    /// The missing type.
    pub state: &'static str,
}

/// How a workflow returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkflowEnd {
    Completed(Json),
    Failed(Json),
    /// It goes on as a new run with this input.
    Continued(Json),
    /// It returned something that cannot be recorded.
    Unrecordable(String),
    /// It failed or was cancelled, and what it did is undone, but for what is left: what these
    /// undo steps should have done.
    Undone {
        cause: CompensationCause,
        left: Vec<OperationKey>,
    },
}

/// A workflow without its types: recorded input in, recorded end out.
#[derive(Clone)]
pub(crate) struct Erased {
    pub(crate) name: &'static str,
    /// Reads the input and makes the future; `Err` says why the input cannot be read.
    #[expect(clippy::type_complexity, reason = "a closure's whole type")]
    pub(crate) make: Arc<
        dyn Fn(&States, &Json) -> Result<BoxFuture<'static, WorkflowEnd>, String> + Send + Sync,
    >,
    /// Checks that the workflow can read this input.
    pub(crate) accepts: Accepts,
    /// See [`WorkflowSpec::BLOCKS_NEW_STEPS`].
    pub(crate) blocks_new_steps: bool,
    /// Where it stands in the source, if that is known.
    pub(crate) location: Option<&'static Location<'static>>,
    needs: Needs,
}

/// Whether a workflow can read an input.
pub(crate) type Accepts = fn(&Json) -> Result<(), WrongInput>;

/// An input that a workflow cannot read.
///
/// ```
/// use everstep::client::StartError;
/// use everstep::event::Json;
/// use everstep::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Item {
///     name: String,
///     count: u32,
/// }
///
/// #[workflow]
/// async fn order(items: Vec<Item>) -> everstep::Result<()> {
/// #   let _ = items.iter().map(|item| (&item.name, item.count)).count();
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut app = App::new().workflow(order).backend(Backend::memory());
/// let client = app.client().await?;
/// let input = Json::parse(r#"[{"name": "cup", "count": "three"}]"#.to_owned())?;
/// match client.start_named("order", input).await {
///     Err(StartError::WrongInput { source, .. }) => assert_eq!(source.field, "[0].count"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", at(.field))]
#[non_exhaustive]
pub struct WrongInput {
    /// Where in the input, as a path: `items[0].count`. Empty if it is the input as a whole.
    pub field: String,
    /// What is wrong there.
    pub problem: String,
}

fn at(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

impl Erased {
    /// Checks that `states` has all the workflow takes.
    pub(crate) fn check(&self, states: &States) -> Result<(), MissingState> {
        match self.needs.0.iter().find(|(id, _)| !states.0.contains_key(id)) {
            Some((_, state)) => Err(MissingState { workflow: self.name, state }),
            None => Ok(()),
        }
    }

    /// Lets `probe` see every step that the workflow calls from now on.
    #[cfg(feature = "testing")]
    pub(crate) fn probe(&mut self, probe: &Arc<dyn super::Probe>) {
        let (make, probe) = (Arc::clone(&self.make), Arc::clone(probe));
        self.make = Arc::new(move |states, input| {
            let future = make(states, input)?;
            Ok(super::probe::under(Arc::clone(&probe), future).boxed())
        });
    }
}

/// The workflow of a spec, without its types.
pub(crate) fn erase<W: WorkflowSpec>() -> Erased {
    let mut needs = Needs::default();
    W::needs(&mut needs);
    Erased {
        name: W::NAME,
        make: Arc::new(|states, input| {
            let input = read::<W::Input>(input).map_err(|wrong| wrong.to_string())?;
            let states = states.clone();
            // The function itself is called in the first poll: it is workflow code.
            Ok(async move { end::<W>(W::run(&states, input).await) }.boxed())
        }),
        accepts: |input| read::<W::Input>(input).map(drop),
        blocks_new_steps: W::BLOCKS_NEW_STEPS,
        location: W::LOCATION,
        needs,
    }
}

/// Reads an input. Only one that cannot be read is read again, slowly, to find the place.
fn read<T: serde::de::DeserializeOwned>(input: &Json) -> Result<T, WrongInput> {
    input.read().map_err(|error| {
        let mut text = serde_json::Deserializer::from_str(input.as_str());
        match serde_path_to_error::deserialize::<_, T>(&mut text) {
            Ok(_) => WrongInput { field: String::new(), problem: error.to_string() },
            Err(error) => {
                let path = error.path().to_string();
                let field = if path == "." { String::new() } else { path };
                WrongInput { field, problem: error.into_inner().to_string() }
            }
        }
    })
}

fn end<W: WorkflowSpec>(result: Result<W::Output, W::Error>) -> WorkflowEnd {
    let unrecordable = |what: &str, problem| {
        WorkflowEnd::Unrecordable(format!("{what} of workflow {}: {problem}", W::NAME))
    };
    match result {
        Ok(output) => match record(&output) {
            Ok(output) => WorkflowEnd::Completed(output),
            Err(problem) => unrecordable("the output", problem),
        },
        Err(error) => match record(&error) {
            Ok(error) => WorkflowEnd::Failed(error),
            Err(problem) => unrecordable("the error", problem),
        },
    }
}
