//! The Lambda host: takes turns for the wakes that an event source mapping delivers.
//! What it needs is in the documentation of [`aws`](super).

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use super::invocation::{
    BatchAnswer, BatchItemFailure, Invocation, SqsRecord, StartAnswer, StartRequest, SweepAnswer,
    UnknownEvent,
};
use crate::backend::Backend;
use crate::client::{Client, StartError};
use crate::host::{Registry, RunError};
use crate::limits::{LAMBDA_SWEEP_GRACE, YIELD_BEFORE_DEADLINE};
use crate::store::BoxError;
use crate::sweep::SweepError;
use crate::time::{Clock, Timestamp};
use crate::turn::{Kitchen, Lease, Term, Verdict, Visit, come_back_after};
use crate::wake::{NotAWake, Wake};

/// How long before the deadline the answer is given, whatever still goes on.
const ANSWER_BEFORE_DEADLINE: Duration = Duration::from_millis(500);

/// Runs until Lambda ends the process.
pub(crate) async fn run(backend: Backend, registry: Registry) -> Result<(), RunError> {
    serve_events(backend, registry, Front::default()).await
}

/// The same, and answers HTTP requests with `router`.
#[cfg(feature = "http")]
pub(crate) async fn run_with(
    backend: Backend,
    registry: Registry,
    router: axum::Router,
) -> Result<(), RunError> {
    serve_events(backend, registry, Front { router: Some(router) }).await
}

/// What answers HTTP requests, if anything does.
#[derive(Default)]
struct Front {
    #[cfg(feature = "http")]
    router: Option<axum::Router>,
}

async fn serve_events(backend: Backend, registry: Registry, front: Front) -> Result<(), RunError> {
    let clock = Clock::system();
    let client = Client::of(&backend.store, &backend.queue, &clock);
    let host = backend.host()?;
    let kitchen = Kitchen::new(backend.store, backend.queue, clock, host, registry);
    let host =
        Arc::new(Host { kitchen: Arc::new(kitchen), client, resumed: OnceCell::new(), front });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let host = Arc::clone(&host);
        async move {
            let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
            host.invoke(event.payload.get(), Timestamp(deadline)).await
        }
    }))
    .await
    .map_err(RunError::Lambda)
}

/// A process of the function.
struct Host {
    kitchen: Arc<Kitchen>,
    client: Client,
    /// Whether blocked executions have been asked to go on.
    resumed: OnceCell<()>,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "nothing is in it then"))]
    front: Front,
}

/// Why an invocation failed. Lambda tells the caller the name and the text.
#[derive(Debug, thiserror::Error)]
enum InvocationError {
    #[error(transparent)]
    UnknownEvent(#[from] UnknownEvent),
    #[error("this function has no workflow {name:?}; it has {known}")]
    UnknownWorkflow { name: String, known: String },
    #[error("the input of workflow {workflow} cannot be read: {problem}")]
    Input { workflow: String, problem: String },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[cfg(feature = "http")]
    #[error(transparent)]
    NotHttp(#[from] crate::http::NotHttp),
    #[error("the answer is no JSON")]
    Answer(#[from] serde_json::Error),
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        let error_type = match &error {
            InvocationError::UnknownEvent(_) => "Everstep.UnknownEvent",
            InvocationError::UnknownWorkflow { .. } => "Everstep.UnknownWorkflow",
            InvocationError::Input { .. } => "Everstep.InvalidInput",
            InvocationError::Start(StartError::Exists { .. }) => "Everstep.Exists",
            InvocationError::Start(_) => "Everstep.NotStarted",
            InvocationError::Sweep(_) => "Everstep.NotSwept",
            #[cfg(feature = "http")]
            InvocationError::NotHttp(_) => "Everstep.UnknownEvent",
            InvocationError::Answer(_) => "Everstep.Answer",
        };
        let error: BoxError = error.into();
        let chain = std::iter::successors(error.source(), |error| error.source());
        let error_message = chain.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self { error_type: error_type.to_owned(), error_message }
    }
}

impl Host {
    async fn invoke(
        &self,
        event: &str,
        deadline: Timestamp,
    ) -> Result<Box<RawValue>, InvocationError> {
        #[cfg(feature = "http")]
        if let Some(answer) = self.http(event, deadline).await? {
            return Ok(answer);
        }
        let answer = match Invocation::parse(event)? {
            Invocation::Batch(records) => to_raw_value(&self.batch(records, deadline).await),
            Invocation::Start(request) => to_raw_value(&self.start(request).await?),
            Invocation::Sweep => to_raw_value(&self.sweep().await?),
        };
        Ok(answer?)
    }

    /// The answer to an HTTP request, if the event is one and there is a front.
    #[cfg(feature = "http")]
    async fn http(
        &self,
        event: &str,
        deadline: Timestamp,
    ) -> Result<Option<Box<RawValue>>, InvocationError> {
        let Some(router) = &self.front.router else { return Ok(None) };
        let Ok(event) = serde_json::from_str::<serde_json::Value>(event) else { return Ok(None) };
        if !crate::http::is_http(&event) {
            return Ok(None);
        }
        let left = deadline.since(self.kitchen.clock.now());
        let answer = crate::http::answer(router, event, left).await?;
        Ok(Some(to_raw_value(&answer)?))
    }

    /// Takes a turn for each message, all at once.
    async fn batch(&self, records: Vec<SqsRecord>, deadline: Timestamp) -> BatchAnswer {
        let clock = &self.kitchen.clock;
        let left = deadline.since(clock.now());
        // A function with a short time-out keeps a part of it.
        let hand_over = deadline.before(YIELD_BEFORE_DEADLINE.min(left / 4));
        let answer_at = deadline.before(ANSWER_BEFORE_DEADLINE.min(left / 8));
        // Nobody tells a function to stop; dropping the sender would be that.
        let (_stopping, stop) = watch::channel(None);
        let term = Term { lease: Lease::Invocation { deadline, hand_over }, stop };
        let mut open: Vec<String> = records.iter().map(|it| it.message_id.clone()).collect();
        let mut turns = JoinSet::new();
        let visit = |record: SqsRecord| {
            let wake = Wake::from_body(&record.body);
            (wake.map(|wake| self.kitchen.visit(wake)), record)
        };
        let together: Vec<_> = records.into_iter().map(visit).collect();
        for (wake, record) in together {
            let (kitchen, term) = (Arc::clone(&self.kitchen), term.clone());
            turns.spawn(async move { serve(&kitchen, wake, record, &term).await });
        }
        let all = async {
            while let Some(turn) = turns.join_next().await {
                match turn {
                    Ok(Some(done)) => open.retain(|id| *id != done),
                    Ok(None) => {}
                    Err(died) => tracing::error!(%died, "a turn died"),
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = clock.sleep_until(answer_at) => {
                tracing::error!("the deadline is near: what is not done comes back");
            }
        }
        // A thawed function must not go on with what another host has taken over.
        turns.shutdown().await;
        let failures = open.into_iter().map(|id| BatchItemFailure { item_identifier: id });
        BatchAnswer { batch_item_failures: failures.collect() }
    }

    async fn start(&self, request: StartRequest) -> Result<StartAnswer, InvocationError> {
        let registry = &self.kitchen.registry;
        let Some(workflow) = registry.workflow(&request.workflow) else {
            let known = registry.names().collect::<Vec<_>>().join(", ");
            return Err(InvocationError::UnknownWorkflow { name: request.workflow, known });
        };
        // Made and not polled: nothing of it runs.
        if let Err(problem) = (workflow.make)(registry.states(), &request.input) {
            return Err(InvocationError::Input { workflow: request.workflow, problem });
        }
        let on_conflict = request.on_conflict();
        let mut start = self.client.start_named(request.workflow, request.input);
        if let Some(id) = request.id {
            start = start.id(id);
        }
        let handle = start.on_conflict(on_conflict).await?;
        Ok(StartAnswer { id: handle.id().to_string(), new: handle.is_new() })
    }

    /// Wakes what is overdue. A process that sweeps for the first time may be the fix that
    /// blocked executions wait for: each gets another look.
    async fn sweep(&self) -> Result<SweepAnswer, InvocationError> {
        let resume = || async {
            for workflow in self.kitchen.registry.names() {
                if let Err(error) = self.client.resume_blocked(workflow).await {
                    tracing::warn!(%error, workflow, "blocked executions wait for a resume");
                }
            }
        };
        self.resumed.get_or_init(resume).await;
        let woken = self.client.sweep(Some(LAMBDA_SWEEP_GRACE)).await?;
        Ok(SweepAnswer { woken })
    }
}

/// One message. The id of the message if it is done with.
async fn serve(
    kitchen: &Kitchen,
    wake: Result<Visit, NotAWake>,
    record: SqsRecord,
    term: &Term,
) -> Option<String> {
    let visit = match wake {
        Ok(visit) => visit,
        Err(error @ NotAWake::Newer { .. }) => {
            // A rolling deploy: the next to receive it may be new.
            tracing::warn!(%error, body = record.body, "a wake is given back");
            let later = come_back_after(record.receive_count());
            return come_back(kitchen, &record, later).await;
        }
        Err(error) => {
            let body = record.body;
            tracing::error!(%error, body, "a message on the wake queue is dropped");
            return Some(record.message_id);
        }
    };
    let receipts = record.receive_count();
    let id = visit.execution().clone();
    let later = match kitchen.take_turn(visit, receipts, term).await {
        Ok(Verdict::Delete) => return Some(record.message_id),
        Ok(Verdict::Return(after)) => after,
        Err(error) => {
            tracing::warn!(everstep.execution.id = %id, %error, "the turn ended; its wake comes back");
            come_back_after(receipts)
        }
    };
    come_back(kitchen, &record, later).await
}

/// The message is not done with and is to be seen again so soon.
async fn come_back(kitchen: &Kitchen, record: &SqsRecord, later: Duration) -> Option<String> {
    // Without it the message comes back after the queue's visibility time-out.
    if let Err(error) = kitchen.queue.keep(&record.receipt_handle, later).await {
        tracing::debug!(%error, "a wake comes back later");
    }
    None
}

#[cfg(test)]
mod tests;
