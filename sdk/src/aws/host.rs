//! The Lambda host: takes turns for the wakes that an event source mapping delivers, and does what
//! the program's closures say with the events that trigger it. What it needs is in the documentation
//! of [`aws`](super).

mod error;
mod serve;
#[cfg(feature = "lambda-invoke")]
mod versions;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use error::InvocationError;
use serve::{Says, Visitor, serve};

use super::answer::{BatchAnswer, SweepAnswer};
use crate::backend::Backend;
use crate::client::Client;
use crate::error::chain;
use crate::host::{Registry, RunError};
use crate::limits::{FLUSH_WAIT, LAMBDA_SWEEP_GRACE, YIELD_BEFORE_DEADLINE};
use crate::sweep::SweepError;
use crate::telemetry;
use crate::time::{Clock, Timestamp};
use crate::trigger::{
    Content, Done, HttpSource, Invocation, Message, Reading, Trigger, TriggerError, Triggers,
    UnknownEvent,
};
use crate::turn::{Kitchen, Lease, Term, Verdict, come_back_after};
use crate::wake::{HandedBack, HandedOn};

/// How long before the deadline the answer is given, whatever still goes on.
const ANSWER_BEFORE_DEADLINE: Duration = Duration::from_millis(500);

/// Runs until Lambda ends the process.
pub(crate) async fn run(
    backend: Backend,
    registry: Registry,
    triggers: Triggers,
) -> Result<(), RunError> {
    serve_events(backend, registry, triggers, Front::default()).await
}

/// The same, and answers HTTP requests with `router`.
#[cfg(feature = "http")]
pub(crate) async fn run_with(
    backend: Backend,
    registry: Registry,
    triggers: Triggers,
    router: axum::Router,
) -> Result<(), RunError> {
    serve_events(backend, registry, triggers, Front { router: Some(router) }).await
}

/// What answers HTTP requests, if anything does.
#[derive(Default)]
struct Front {
    #[cfg(feature = "http")]
    router: Option<axum::Router>,
}

async fn serve_events(
    backend: Backend,
    registry: Registry,
    triggers: Triggers,
    front: Front,
) -> Result<(), RunError> {
    let clock = Clock::system();
    let client = Client::on(&backend, &clock);
    let host = backend.host()?;
    #[cfg(feature = "lambda-invoke")]
    let pin = versions::pin(&registry).await;
    let kitchen = Kitchen::new(backend.store, backend.queue, clock, host, registry)
        .with_payloads(backend.payloads);
    #[cfg(feature = "lambda-invoke")]
    let kitchen = kitchen.with_pin(pin);
    let kitchen = Arc::new(kitchen);
    let (swept, warm) = (Mutex::default(), AtomicBool::new(false));
    let host = Arc::new(Host { kitchen, client, triggers, swept, warm, front });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let host = Arc::clone(&host);
        async move {
            let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
            let id = &event.context.request_id;
            host.invoke(event.payload.get(), id, Timestamp(deadline)).await
        }
    }))
    .await
    .map_err(RunError::Lambda)
}

/// How long a process is not asked to sweep until it may be another version's turn: of the template's
/// sweeps, one a minute, it would have had five.
const AWAY_AFTER: Duration = Duration::from_secs(300);

/// A process of the function.
struct Host {
    kitchen: Arc<Kitchen>,
    client: Client,
    triggers: Triggers,
    /// When this process swept last.
    swept: Mutex<Option<Timestamp>>,
    /// Whether there was an invocation before.
    warm: AtomicBool,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "nothing is in it then"))]
    front: Front,
}

/// What OpenTelemetry calls such an event: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/faas/>.
fn faas_trigger(invocation: &Invocation) -> &'static str {
    match invocation {
        Invocation::Sqs(_) | Invocation::Sent(_) => "pubsub",
        Invocation::Table(_) => "datasource",
        Invocation::Schedule(_) | Invocation::Sweep => "timer",
        Invocation::Http(_) => "http",
        Invocation::Start(_) | Invocation::Turn(_) | Invocation::Other(_) => "other",
    }
}

impl Host {
    /// An invocation, and after it what those who watch are to get before the process is frozen.
    async fn invoke(
        &self,
        event: &str,
        id: &str,
        deadline: Timestamp,
    ) -> Result<Box<RawValue>, InvocationError> {
        let invocation = Invocation::recognise(event, id)?;
        let is_cold = !self.warm.swap(true, Ordering::Relaxed);
        let span = telemetry::invocation(id, faas_trigger(&invocation), is_cold);
        let answer = self.respond(invocation, event, id, deadline).instrument(span).await;
        let left = deadline.since(self.kitchen.clock.now());
        self.kitchen.registry.watchers().flush(FLUSH_WAIT.min(left / 2)).await;
        answer
    }

    async fn respond(
        &self,
        invocation: Invocation,
        event: &str,
        id: &str,
        deadline: Timestamp,
    ) -> Result<Box<RawValue>, InvocationError> {
        let answer = match invocation {
            Invocation::Sqs(messages) => to_raw_value(&self.batch(messages, deadline).await),
            Invocation::Table(changes) => to_raw_value(&self.changes(changes, deadline).await),
            Invocation::Sent(readings) => to_raw_value(&self.sent(readings).await?),
            Invocation::Schedule(schedule) => {
                match self.triggers.perform(Trigger::Schedule(schedule)).await {
                    Ok(Done::Ignored) | Err(TriggerError::NoHandler { .. }) => {
                        to_raw_value(&self.sweep(deadline).await?)
                    }
                    done => to_raw_value(&done?),
                }
            }
            Invocation::Http(source) => return self.http(source, event, deadline).await,
            Invocation::Start(request) => to_raw_value(&self.triggers.start(request, id).await?),
            Invocation::Sweep => to_raw_value(&self.sweep(deadline).await?),
            Invocation::Turn(turn) => to_raw_value(&self.turn(turn, deadline).await),
            Invocation::Other(invoke) => {
                let unknown = UnknownEvent::other(&invoke.payload);
                match self.triggers.perform(Trigger::Invoke(invoke)).await {
                    Err(TriggerError::NoHandler { .. }) => return Err(unknown.into()),
                    done => to_raw_value(&done?),
                }
            }
        };
        Ok(answer?)
    }

    /// The answer to an HTTP request, if there is a front.
    #[cfg_attr(not(feature = "http"), expect(unused_variables, reason = "there is no front then"))]
    async fn http(
        &self,
        source: HttpSource,
        event: &str,
        deadline: Timestamp,
    ) -> Result<Box<RawValue>, InvocationError> {
        #[cfg(feature = "http")]
        if let Some(router) = &self.front.router {
            let left = deadline.since(self.kitchen.clock.now());
            let answer = crate::http::answer(router, serde_json::from_str(event)?, left).await?;
            return Ok(to_raw_value(&answer)?);
        }
        Err(InvocationError::NoHttpFront(source))
    }

    /// Does what follows from each record, all at once. Whoever sent them can only send all again.
    async fn sent(&self, readings: Vec<Reading>) -> Result<Vec<Done>, InvocationError> {
        let of = readings.len();
        let results = join_all(readings.into_iter().map(|it| self.triggers.read(it))).await;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(more) => done.extend(more),
                Err(error) => failed.push(error),
            }
        }
        for error in &failed {
            tracing::error!(error = chain(error), "a record failed; its event comes again");
        }
        match failed.len() {
            0 => Ok(done),
            _ if of == 1 => Err(failed.remove(0).into()),
            count => Err(InvocationError::Records { failed: count, of, source: failed.remove(0) }),
        }
    }

    /// Does what follows from the changes of a table, one after the other: a later change of an item
    /// is never dealt with before an earlier one. From the first that fails on all come again.
    async fn changes(&self, changes: Vec<(String, Reading)>, deadline: Timestamp) -> BatchAnswer {
        let clock = &self.kitchen.clock;
        let left = deadline.since(clock.now());
        let answer_at = deadline.before(ANSWER_BEFORE_DEADLINE.min(left / 8));
        for (sequence, reading) in changes {
            let result = tokio::select! {
                result = self.triggers.read(reading) => result,
                () = clock.sleep_until(answer_at) => {
                    tracing::error!(sequence, "the deadline is near: what is not done comes back");
                    return [sequence].into_iter().collect();
                }
            };
            if let Err(error) = result {
                tracing::error!(error = chain(&error), sequence, "a change of a table comes again");
                return [sequence].into_iter().collect();
            }
        }
        BatchAnswer::default()
    }

    /// Takes a turn for each wake, and does what follows from each other message, all at once.
    async fn batch(&self, messages: Vec<Message>, deadline: Timestamp) -> BatchAnswer {
        let clock = &self.kitchen.clock;
        let (_stopping, term, answer_at) = self.term(deadline);
        let mut open: Vec<String> = messages.iter().map(|it| it.id.clone()).collect();
        let mut turns = JoinSet::new();
        // The wakes are announced together, before a turn is taken for any.
        let together: Vec<_> = messages.into_iter().map(|it| self.visit(it)).collect();
        for visit in together {
            let (kitchen, triggers) = (Arc::clone(&self.kitchen), self.triggers.clone());
            let term = term.clone();
            let serve = async move { serve(&kitchen, &triggers, visit, &term).await };
            turns.spawn(serve.in_current_span());
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
        open.into_iter().collect()
    }

    /// Takes a turn that another version of this function has handed on, within the time of both.
    async fn turn(&self, turn: HandedOn, deadline: Timestamp) -> HandedBack {
        let HandedOn { wake, receives, deadline: known_by } = turn;
        let (_stopping, term, answer_at) = self.term(deadline.min(known_by));
        let id = wake.execution.clone();
        let visit = self.kitchen.visit(wake).handed_on();
        let taken = tokio::select! {
            taken = Box::pin(self.kitchen.take_turn(visit, receives, &term)) => taken,
            () = self.kitchen.clock.sleep_until(answer_at) => {
                tracing::error!(everstep.execution.id = %id, "the deadline is near: the wake comes back");
                return HandedBack::after(come_back_after(receives));
            }
        };
        match taken {
            Ok(Verdict::Delete) => HandedBack::Done,
            Ok(Verdict::Return(later)) => HandedBack::after(later),
            Err(error) => {
                tracing::warn!(everstep.execution.id = %id, %error, "the turn ended; its wake comes back");
                HandedBack::after(come_back_after(receives))
            }
        }
    }

    /// How long turns of an invocation may go on, and when it must be answered. Dropping the sender would
    /// tell them to stop, which nobody does.
    fn term(&self, deadline: Timestamp) -> (watch::Sender<Option<Timestamp>>, Term, Timestamp) {
        let left = deadline.since(self.kitchen.clock.now());
        // A function with a short time-out keeps a part of it.
        let hand_over = deadline.before(YIELD_BEFORE_DEADLINE.min(left / 4));
        let answer_at = deadline.before(ANSWER_BEFORE_DEADLINE.min(left / 8));
        let (stopping, stop) = watch::channel(None);
        let term = Term { lease: Lease::Invocation { deadline, hand_over }, stop };
        (stopping, term, answer_at)
    }

    fn visit(&self, message: Message) -> Visitor {
        let Message { id, receipt, receive_count, content } = message;
        let says = match content {
            Content::Wake(wake) => Says::Wake(self.kitchen.visit(wake)),
            Content::Newer(error) => Says::Newer(error),
            Content::Business(reading) => Says::Business(reading),
        };
        Visitor { id, receipt, receive_count, says }
    }

    /// Wakes what is overdue, and deletes what is no longer kept. A process that sweeps for the first
    /// time may be the fix that blocked executions wait for: each gets another look. One that has not
    /// swept for a while may be the fix that is back: others may have blocked them meanwhile.
    async fn sweep(&self, deadline: Timestamp) -> Result<SweepAnswer, InvocationError> {
        let now = self.kitchen.clock.now();
        let last = self.swept.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        if last.is_none_or(|last| now.since(last) > AWAY_AFTER) {
            for workflow in self.kitchen.registry.names() {
                if let Err(error) = self.client.resume_blocked(workflow).await {
                    tracing::warn!(%error, workflow, "blocked executions wait for a resume");
                }
            }
        }
        let watchers = self.kitchen.registry.watchers();
        let woken = self.client.sweep_once(Some(LAMBDA_SWEEP_GRACE), watchers).await?;
        if !self.kitchen.registry.deletes() {
            return Ok(SweepAnswer { woken, deleted: None });
        }
        // A large history takes longer than any invocation. What is under way by then is given up: were
        // it killed at the deadline, its file would stay in the folder for temporary files.
        let left = deadline.since(self.kitchen.clock.now());
        let until = deadline.before(YIELD_BEFORE_DEADLINE.min(left / 2));
        let mut deleted = 0;
        loop {
            let pass = self.client.delete_expired().until(until).await.map_err(SweepError::from)?;
            pass.report();
            deleted += pass.deleted.len();
            if !pass.goes_on() || self.kitchen.clock.now() >= until {
                return Ok(SweepAnswer { woken, deleted: Some(deleted) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
