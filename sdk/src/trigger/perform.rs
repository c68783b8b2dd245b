//! Doing what follows from a trigger.

use serde::{Serialize, Serializer};

use super::action::{Action, Kind, NewSignal, SignalAction, StartAction};
use super::handlers::Handlers;
use super::invocation::{Content, HttpSource, Invocation, Reading, StartRequest, UnknownEvent};
use super::{Malformed, Trigger, digest};
use crate::client::{Client, PromiseSendError, Resolution, SendError, StartError, SweepError};
use crate::context::catch_panic;
use crate::error::Error;
use crate::event::UnrecordableValue;
use crate::id::{ExecutionId, InvalidExecutionId, PromiseToken};
use crate::limits::{LAMBDA_SWEEP_GRACE, NAME_BYTES_MAX};

/// A program's closures and a client to do what they say: what the Lambda host does with events,
/// for programs that get them otherwise, and for tests.
#[derive(Debug, Clone)]
pub struct Triggers {
    client: Client,
    handlers: Handlers,
}

/// What was done for a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Done {
    /// An execution was started, or is there from an earlier delivery.
    Started {
        /// Its id.
        id: ExecutionId,
        /// Whether this delivery has started it.
        new: bool,
    },
    /// A signal was sent, or was sent by an earlier delivery.
    Signaled {
        /// The execution.
        id: ExecutionId,
    },
    /// A promise was completed or failed, or was so by an earlier delivery.
    Resolved {
        /// The promise.
        promise: PromiseToken,
    },
    /// Overdue executions were woken.
    Swept {
        /// How many.
        woken: usize,
    },
    /// Nothing followed from it.
    #[serde(serialize_with = "ignored")]
    Ignored,
}

fn ignored<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("ignored")
}

/// Why nothing was done for one trigger. What delivers it tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No closure takes it.
    #[error("nobody takes {what}: {known}")]
    NoHandler {
        /// What it is.
        what: &'static str,
        /// What the program's closures take.
        known: String,
    },
    /// The closure has refused it, or panicked.
    #[error("{what} was refused: {error:#}")]
    Refused {
        /// What it is.
        what: &'static str,
        /// The closure's error.
        error: Error,
    },
    /// The signal's execution cannot have such an id.
    #[error(transparent)]
    InvalidId(#[from] InvalidExecutionId),
    /// A value cannot be recorded.
    #[error("the payload cannot be recorded: {0}")]
    Payload(#[from] UnrecordableValue),
    /// The execution was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The signal was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The promise was not completed.
    #[error(transparent)]
    Promise(#[from] PromiseSendError),
}

/// Why an event was not dealt with as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// It is no event of AWS, and no closure takes any other.
    #[error(transparent)]
    Unknown(#[from] UnknownEvent),
    /// It is a request over HTTP, and this is no front for such.
    #[error("this is a request from {0}, and this program answers none")]
    Http(HttpSource),
    /// It has a wake in it, which is for a host.
    #[error("a wake is for a host, not for triggers: {what}")]
    Wake {
        /// Of which execution, or what keeps this program from reading it.
        what: String,
    },
    /// A part of it failed; all the other parts were done, of a table's changes those before it.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// The sweep failed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

impl Triggers {
    pub(crate) fn new(client: Client, handlers: Handlers) -> Self {
        Self { client, handlers }
    }

    /// Does with an event, as AWS hands it to a function, what the closures say. `id` names this
    /// delivery: an event without an id of its own is known again by it.
    ///
    /// Each part of the event is tried, whatever becomes of the others; only the changes of a table
    /// wait for the first that fails, so that they stay in their order. What was done is not undone.
    /// Deliver an event that failed again: nothing is started or sent twice.
    ///
    /// # Errors
    /// The event is unknown, is not for closures, or a part of it failed: the first that did.
    pub async fn deliver(&self, event: &str, id: &str) -> Result<Vec<Done>, DeliverError> {
        match Invocation::recognise(event, id)? {
            Invocation::Sqs(messages) => {
                let mut readings = Vec::new();
                for message in messages {
                    match message.content {
                        Content::Business(reading) => readings.push(reading),
                        Content::Wake(wake) => {
                            return Err(DeliverError::Wake { what: wake.execution.to_string() });
                        }
                        Content::Newer(newer) => {
                            return Err(DeliverError::Wake { what: newer.to_string() });
                        }
                    }
                }
                self.all(readings).await
            }
            Invocation::Table(changes) => {
                let mut done = Vec::new();
                for (_, reading) in changes {
                    done.extend(self.read(reading).await?);
                }
                Ok(done)
            }
            Invocation::Sent(readings) => self.all(readings).await,
            Invocation::Schedule(schedule) => {
                match self.perform(Trigger::Schedule(schedule)).await {
                    Ok(Done::Ignored) | Err(TriggerError::NoHandler { .. }) => self.sweep().await,
                    done => Ok(vec![done?]),
                }
            }
            Invocation::Sweep => self.sweep().await,
            Invocation::Turn(turn) => {
                Err(DeliverError::Wake { what: turn.wake.execution.to_string() })
            }
            Invocation::Http(front) => Err(DeliverError::Http(front)),
            Invocation::Start(request) => Ok(vec![self.start(request, id).await?]),
            Invocation::Other(invoke) => {
                let unknown = UnknownEvent::other(&invoke.payload);
                match self.perform(Trigger::Invoke(invoke)).await {
                    Err(TriggerError::NoHandler { .. }) => Err(unknown.into()),
                    done => Ok(vec![done?]),
                }
            }
        }
    }

    async fn sweep(&self) -> Result<Vec<Done>, DeliverError> {
        let woken = self.client.sweep(Some(LAMBDA_SWEEP_GRACE)).await?;
        Ok(vec![Done::Swept { woken }])
    }

    async fn all(
        &self,
        readings: impl IntoIterator<Item = Reading>,
    ) -> Result<Vec<Done>, DeliverError> {
        let (mut done, mut failed) = (Vec::new(), None);
        for reading in readings {
            match self.read(reading).await {
                Ok(more) => done.extend(more),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(done), |error| Err(error.into()))
    }

    /// Does what follows from one record, which may tell of several things. Each is tried.
    pub(crate) async fn read(&self, reading: Reading) -> Result<Vec<Done>, TriggerError> {
        let (mut malformed, mut nobody) = (None, None);
        for read in reading.0 {
            let triggers = match read {
                Ok(triggers) => triggers,
                Err(error) => {
                    malformed = malformed.or(Some(error));
                    continue;
                }
            };
            if let Some(trigger) = triggers.iter().find(|it| self.handlers.of(it).is_none()) {
                nobody = nobody.or(Some(trigger.what()));
                continue;
            }
            let (mut done, mut failed) = (Vec::new(), None);
            for trigger in triggers {
                match self.perform(trigger).await {
                    Ok(one) => done.push(one),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            return failed.map_or(Ok(done), Err);
        }
        match (malformed, nobody) {
            (Some(malformed), _) => Err(malformed.into()),
            (None, what) => Err(TriggerError::NoHandler {
                what: what.unwrap_or("an empty record"),
                known: self.handlers.known(),
            }),
        }
    }

    /// Asks the closure, and does what it says.
    pub(crate) async fn perform(&self, trigger: Trigger) -> Result<Done, TriggerError> {
        let (what, identity) = (trigger.what(), trigger.identity());
        let Some(decide) = self.handlers.of(&trigger) else {
            return Err(TriggerError::NoHandler { what, known: self.handlers.known() });
        };
        // In here, so that what else is in the event is done all the same.
        let decided = catch_panic(|| decide(trigger))
            .unwrap_or_else(|panic| Err(Error::msg(format_args!("the closure panicked: {panic}"))));
        let Action(action) = decided.map_err(|error| TriggerError::Refused { what, error })?;
        match action {
            Kind::Ignore => Ok(Done::Ignored),
            Kind::Start(start) => self.start_action(*start, &identity).await,
            Kind::Signal(signal) => self.signal_action(signal, &identity).await,
            Kind::Complete { token, value } => {
                let sent = self.client.promise(&token).complete(&value?).await;
                resolved(sent, token)
            }
            Kind::Fail { token, reason } => {
                let sent = self.client.promise(&token).fail(reason).await;
                resolved(sent, token)
            }
        }
    }

    async fn start_action(
        &self,
        action: StartAction,
        identity: &str,
    ) -> Result<Done, TriggerError> {
        let StartAction { workflow, input, id, on_conflict, tags, signals } = action;
        let id = match id {
            Some(id) => id?,
            None => execution_id(&workflow, identity),
        };
        let mut start = self.client.start_named(workflow, input?).id(id).on_conflict(on_conflict);
        for (name, value) in tags {
            start = start.tag(name, value);
        }
        for (index, NewSignal { id, name, payload }) in signals.into_iter().enumerate() {
            let id = id.unwrap_or_else(|| match index {
                0 => signal_id(identity),
                _ => signal_id(&format!("{identity}/{index}")),
            });
            start = start.signal(name, &payload?).signal_id(id);
        }
        let handle = start.await?;
        Ok(Done::Started { id: handle.id().clone(), new: handle.is_new() })
    }

    async fn signal_action(
        &self,
        SignalAction { to, signal: NewSignal { id, name, payload } }: SignalAction,
        identity: &str,
    ) -> Result<Done, TriggerError> {
        let to = to?;
        let id = id.unwrap_or_else(|| signal_id(identity));
        match self.client.signal(&to, name, &payload?).id(&*id).await {
            // An earlier delivery may have sent it before the end.
            Err(SendError::Closed { .. }) if self.client.has_signal(&to, &id).await? => {}
            sent => sent?,
        }
        Ok(Done::Signaled { id: to })
    }

    /// Starts what a direct invocation asks for. `invocation` is its id: Lambda tries an asynchronous
    /// one again.
    pub(crate) async fn start(
        &self,
        request: StartRequest,
        invocation: &str,
    ) -> Result<Done, TriggerError> {
        let on_conflict = request.on_conflict();
        let made = execution_id(&request.workflow, &format!("invoke/{invocation}"));
        let start = self.client.start_named(request.workflow, request.input);
        let start = match request.id {
            Some(id) => start.id(id),
            None => start.id(made),
        };
        let handle = start.on_conflict(on_conflict).await?;
        Ok(Done::Started { id: handle.id().clone(), new: handle.is_new() })
    }
}

fn resolved(
    sent: Result<Resolution, PromiseSendError>,
    promise: PromiseToken,
) -> Result<Done, TriggerError> {
    match sent? {
        Resolution::First | Resolution::Repeated => Ok(Done::Resolved { promise }),
    }
}

/// The id of what an event starts: readable, or what stands for it where an id cannot say it.
fn execution_id(workflow: &str, identity: &str) -> ExecutionId {
    let source = identity.split('/').next().unwrap_or_default();
    ExecutionId::new(format!("{workflow}/{identity}"))
        .or_else(|_| ExecutionId::new(format!("{workflow}/{source}/{}", digest(identity))))
        // The name of no workflow: the start says so.
        .unwrap_or_else(|_| ExecutionId::random())
}

/// The same for a signal.
fn signal_id(identity: &str) -> String {
    let fits = identity.len() <= NAME_BYTES_MAX && !identity.chars().any(char::is_control);
    if fits { identity.to_owned() } else { digest(identity).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EXECUTION_ID_BYTES_MAX;

    #[test]
    fn an_id_says_what_it_is_of_if_it_can() {
        let id = execution_id("resize", "s3/pictures/a b.jpg#0055AE");
        assert_eq!(id.as_str(), "resize/s3/pictures/a b.jpg#0055AE");
    }

    #[test]
    fn what_no_id_can_say_is_hashed_and_stays_the_same_and_its_own() {
        let long = |last: char| format!("s3/pictures/{}{last}", "k".repeat(EXECUTION_ID_BYTES_MAX));
        let odd = "s3/pictures/a\u{0}b#1".to_owned();
        for identity in [long('a'), odd] {
            let id = execution_id("resize", &identity);
            assert_eq!(id, execution_id("resize", &identity));
            assert!(id.as_str().starts_with("resize/s3/"), "{id}");
        }
        assert_ne!(execution_id("resize", &long('a')), execution_id("resize", &long('b')));
        assert_ne!(execution_id("resize", &long('a')), execution_id("count", &long('a')));
        assert_eq!(signal_id("sqs/m-1"), "sqs/m-1");
        assert_eq!(signal_id(&long('a')).len(), 36);
    }
}
