//! Child workflows: executions that another one starts, and may wait for.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::execution::{Execution, expect_current};
use super::record::record;
use super::workflow::{Workflow, WorkflowSpec};
use crate::event::{ChildOutcome, ClosePolicy, Json};
use crate::id::{ExecutionId, InvalidExecutionId};
use crate::limits::{NAME_RULE, is_name};
use crate::replay::{Fault, Outcome};

/// Starts an execution of `workflow` as a child of this one, and waits for its result.
///
/// The child is an execution like any other, with a log, turns and retries of its own, on whatever
/// host; this program need not be one that can run it. It exists exactly once, however often hosts
/// die: it is asked for in this execution's log before it is made, and its id follows from that.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn pack(article: String) -> everstep::Result<u32> {
///     Ok(article.len() as u32)
/// }
///
/// #[workflow]
/// async fn fulfil(articles: Vec<String>) -> everstep::Result<u32> {
///     let parcels = join_all(articles.into_iter().map(|article| child(pack, article))).await;
///     let mut weight = 0;
///     for parcel in parcels {
///         weight += parcel?; // the child's error, or how else it ended
///     }
///     Ok(weight)
/// }
/// # use everstep::testing::Env;
/// # let env = Env::new(App::new().workflow(pack).workflow(fulfil));
/// # assert_eq!(env.run(fulfil, vec!["cup".to_owned(), "pot".to_owned()]).unwrap(), 6);
/// ```
///
/// Dropping the future gives the result up. The child goes on, until its
/// [close policy](Child::close_policy) says otherwise when this execution ends; one that was never
/// polled is never started.
///
/// An input that cannot be recorded blocks the execution.
///
/// # Errors
/// How the child ended, if not by `Ok`; see [`ChildError`].
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn child<A, W: Workflow<A>>(
    workflow: W,
    input: <W::Spec as WorkflowSpec>::Input,
) -> Child<<W::Spec as WorkflowSpec>::Output, <W::Spec as WorkflowSpec>::Error> {
    let _ = workflow;
    let execution = expect_current("everstep::child()");
    let name = <W::Spec as WorkflowSpec>::NAME;
    // The input's own code: outside the engine's lock.
    let input = record(&input);
    let seq = {
        let mut engine = execution.engine();
        let mut refuse = |problem: String| {
            engine.fail(Fault::Value {
                what: format!("child {name:.64} cannot be started"),
                problem,
            });
            Json::null()
        };
        let input = input.unwrap_or_else(&mut refuse);
        if !is_name(name) {
            refuse(NAME_RULE.to_owned());
        }
        engine.call_child(name, Location::caller(), input)
    };
    Child { call: Call { execution, seq }, result: PhantomData }
}

/// The future of [`child`], and what may be said about the child before it is awaited.
///
/// ```
/// use everstep::Child;
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn pack(article: String) -> everstep::Result<usize> {
///     Ok(article.len())
/// }
///
/// /// How this program has things packed, whoever asks.
/// fn packed(order: &str, article: String) -> Child<usize, everstep::Error> {
///     let id = format!("{order}/{article}");
///     child(pack, article).id(id).close_policy(ClosePolicy::Leave)
/// }
///
/// #[workflow]
/// async fn fulfil(article: String) -> everstep::Result<usize> {
///     Ok(packed("order-7", article).await?)
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(fulfil));
/// assert_eq!(env.run(fulfil, "cup".to_owned()).unwrap(), 3);
/// ```
#[must_use = "a child is started only if the future is awaited"]
pub struct Child<T, E> {
    call: Call,
    result: PhantomData<fn() -> Result<T, E>>,
}

/// The future of [`Child::start`].
///
/// ```
/// use everstep::StartedChild;
/// use everstep::prelude::*;
///
/// # #[workflow] async fn survey(order: String) -> everstep::Result<()> { sleep(days(7)).await; drop(order); Ok(()) }
/// fn ask_later(order: &str) -> StartedChild<everstep::Error> {
///     child(survey, order.to_owned()).id(format!("survey-{order}")).start()
/// }
///
/// #[workflow]
/// async fn deliver(order: String) -> everstep::Result<ExecutionId> {
///     Ok(ask_later(&order).await?) // it is there, and nobody waits for its end
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(survey).workflow(deliver));
/// assert_eq!(env.run(deliver, "7".to_owned()).unwrap().as_str(), "survey-7");
/// ```
#[must_use = "a child is started only if the future is awaited"]
pub struct StartedChild<E> {
    call: Call,
    error: PhantomData<fn() -> E>,
}

/// A call of a child. Dropping it gives up what it waits for.
struct Call {
    execution: Arc<Execution>,
    seq: u32,
}

/// How a child ended, if not by `Ok`. It can be part of an error type that is recorded.
///
/// ```
/// # use everstep::prelude::*;
/// # #[workflow] async fn pack(what: String) -> everstep::Result<u32> { Err(everstep::Error::msg(format!("no box for {what}"))) }
/// #[workflow]
/// async fn order(what: String) -> everstep::Result<Option<u32>> {
///     match child(pack, what).await {
///         Err(ChildError::Failed(_)) => Ok(None), // whatever the child returned
///         packed => Ok(Some(packed?)),
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(order));
/// # assert_eq!(env.run(order, "sofa".to_owned()).unwrap(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChildError<E> {
    /// It returned this error.
    #[error("the child workflow failed: {0:?}")]
    Failed(E),
    /// It was cancelled.
    #[error("the child {child} was cancelled: {reason}")]
    Cancelled {
        /// Its id.
        child: ExecutionId,
        /// Why, in the words of who asked.
        reason: String,
    },
    /// It was terminated: ended without its code.
    #[error("the child {child} was terminated: {reason}")]
    Terminated {
        /// Its id.
        child: ExecutionId,
        /// Why, in the words of who asked.
        reason: String,
    },
    /// It was never started: another execution has its id.
    #[error("the child {child} could not be started: {problem}")]
    NotStarted {
        /// The id.
        child: ExecutionId,
        /// Why.
        problem: String,
    },
}

impl<T, E> Child<T, E> {
    /// The child's id. By default it follows from the parent's id and the call:
    /// `order-7/pack#1`, and `order-7/pack#1@2` in the parent's second run.
    ///
    /// If any other execution has this id, open or closed, the child is not started, and the error
    /// is [`ChildError::NotStarted`]. A text that is no [`ExecutionId`] blocks the execution.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn pack(what: String) -> everstep::Result<usize> { Ok(what.len()) }
    /// #[workflow]
    /// async fn order(what: String) -> everstep::Result<usize> {
    ///     Ok(child(pack, what).id("parcel-7").await?)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(order));
    /// # assert_eq!(env.run(order, "cup".to_owned()).unwrap(), 3);
    /// ```
    pub fn id<I: TryInto<ExecutionId, Error = X>, X: Into<InvalidExecutionId>>(
        self,
        id: I,
    ) -> Self {
        // The conversion may be the caller's own code: outside the engine's lock.
        let id = id.try_into().map_err(|problem| problem.into().to_string());
        let mut engine = self.call.execution.engine();
        match id {
            Ok(id) => engine.asked_child(self.call.seq).child = id,
            Err(problem) => {
                let what = format!("child {} cannot be started", engine.key(self.call.seq));
                engine.fail(Fault::Value { what, problem });
            }
        }
        drop(engine);
        self
    }

    /// What becomes of the child if it is still open when this execution ends, by whatever end. By
    /// default a child that is awaited is cancelled and one that is [started](Self::start) and
    /// forgotten goes on.
    ///
    /// A run that [continues as new](super::continue_as_new()) is no end: the children of that run
    /// go on whatever their policy, and the execution's later end does not reach them.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn pack(what: String) -> everstep::Result<usize> { Ok(what.len()) }
    /// #[workflow]
    /// async fn order(what: String) -> everstep::Result<usize> {
    ///     // A cancel of the order does not reach the parcel.
    ///     Ok(child(pack, what).close_policy(ClosePolicy::Leave).await?)
    /// }
    /// # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(order));
    /// # assert_eq!(env.run(order, "cup".to_owned()).unwrap(), 3);
    /// ```
    pub fn close_policy(self, policy: ClosePolicy) -> Self {
        self.call.execution.engine().asked_child(self.call.seq).on_close = Some(policy);
        self
    }

    /// Starts the child and does not wait for it: the future is ready, with the child's id, as soon
    /// as it is durable that the child exists. What becomes of the child this execution is not told.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[workflow] async fn survey(order: String) -> everstep::Result<()> { sleep(days(7)).await; drop(order); Ok(()) }
    /// #[workflow]
    /// async fn deliver(order: String) -> everstep::Result<ExecutionId> {
    ///     let survey = child(survey, order).start().await?; // goes on after this execution's end
    ///     Ok(survey)
    /// }
    /// # use everstep::testing::Env;
    /// # let env = Env::new(App::new().workflow(survey).workflow(deliver));
    /// # assert_eq!(env.run(deliver, "7".to_owned()).unwrap().as_str(), "e-1/survey#1");
    /// ```
    ///
    /// # Errors
    /// [`ChildError::NotStarted`], and no other.
    pub fn start(self) -> StartedChild<E> {
        self.call.execution.engine().asked_child(self.call.seq).waits = false;
        StartedChild { call: self.call, error: PhantomData }
    }
}

impl<T: DeserializeOwned, E: DeserializeOwned> Future for Child<T, E> {
    type Output = Result<T, ChildError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(outcome) = self.call.poll(cx) else { return Poll::Pending };
        let Outcome::Child(child, outcome) = outcome else {
            unreachable!("a child that is waited for has an end, and no other outcome")
        };
        let read = match outcome {
            ChildOutcome::Completed { output } => output.read().map(Ok),
            ChildOutcome::Failed { error } => {
                error.read().map(|error| Err(ChildError::Failed(error)))
            }
            other => Ok(Err(not_by_itself(child, other))),
        };
        match read {
            Ok(result) => Poll::Ready(result),
            Err(problem) => {
                let mut engine = self.call.execution.engine();
                let what = format!("the recorded result of child {}", engine.key(self.call.seq));
                let expected = std::any::type_name::<Result<T, E>>();
                engine.fail(Fault::Value {
                    what,
                    problem: format!("it is no {expected}: {problem}"),
                });
                Poll::Pending
            }
        }
    }
}

impl<E> Future for StartedChild<E> {
    type Output = Result<ExecutionId, ChildError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.call.poll(cx).map(|outcome| match outcome {
            Outcome::Started(child) => Ok(child),
            Outcome::Child(child, outcome) => Err(not_by_itself(child, outcome)),
            _ => unreachable!("the engine matches outcomes with kinds"),
        })
    }
}

/// An end that has no value of the child's own types.
fn not_by_itself<E>(child: ExecutionId, outcome: ChildOutcome) -> ChildError<E> {
    match outcome {
        ChildOutcome::Cancelled { reason } => ChildError::Cancelled { child, reason },
        ChildOutcome::Terminated { reason } => ChildError::Terminated { child, reason },
        ChildOutcome::NotStarted { problem } => ChildError::NotStarted { child, problem },
        ChildOutcome::Completed { .. } | ChildOutcome::Failed { .. } => {
            unreachable!("nobody waits for the result of a child that is only started")
        }
    }
}

impl Call {
    fn poll(&self, cx: &Context<'_>) -> Poll<Outcome> {
        self.execution.poll_call(self.seq, cx)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.execution.drop_call(self.seq);
    }
}

impl<T, E> fmt::Debug for Child<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("call", &self.call.seq).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for StartedChild<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedChild").field("call", &self.call.seq).finish_non_exhaustive()
    }
}
