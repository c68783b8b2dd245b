//! Parent and children: what a turn sends to other executions, and what is said at the end.
//!
//! Everything sent here may be sent any number of times: a child's start names its writer, an item
//! its id. So a crash anywhere is healed by doing it again, from the log alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use super::{Kitchen, TurnError};
use crate::event::{
    ChildOutcome, ChildRequested, ClosePolicy, Event, Json, Parent, StoredCommit, WorkflowStarted,
    child_item_id,
};
use crate::id::{Born, ExecutionId, WriterId};
use crate::limits::{SEND_AGAIN_AFTER, SEND_AGAIN_AFTER_MAX, SENDS_AT_ONCE, WRITE_TRIES_MAX};
use crate::payload::Payloads;
use crate::replay::child_writer;
use crate::store::{
    Created, EventStore, Message, NewItem, ParentRun, Projection, Record, Sent, StoreError,
};
use crate::time::Timestamp;
use crate::wake::{Wake, WakeQueue};

/// A run's parent and its open children, as its log has them.
#[derive(Clone)]
pub(super) struct Family {
    execution: ExecutionId,
    run: u32,
    parent: Option<Parent>,
    /// By the call that asked for them.
    children: BTreeMap<u32, Open>,
    outcome: Option<ChildOutcome>,
}

/// A child whose end the log does not have.
#[derive(Clone)]
struct Open {
    request: ChildRequested,
    started: bool,
}

impl Open {
    /// Whether it is asked to cancel when its parent ends.
    fn is_cancelled(&self) -> bool {
        self.request.on_close == ClosePolicy::Cancel
    }
}

impl Family {
    /// The family of the run whose events these are.
    pub(super) fn of(start: &WorkflowStarted, events: &[Event]) -> Self {
        let mut family = Self {
            execution: start.execution.clone(),
            run: start.run,
            parent: start.parent.clone(),
            children: BTreeMap::new(),
            outcome: None,
        };
        events.iter().for_each(|event| family.note(event));
        family
    }

    /// Takes in the next event of the log.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::ChildRequested(request) => {
                let open = Open { request: request.clone(), started: false };
                self.children.insert(request.seq, open);
            }
            Event::ChildStarted(child) => {
                if let Some(open) = self.children.get_mut(&child.seq) {
                    open.started = true;
                }
            }
            Event::ChildCompleted(child) => _ = self.children.remove(&child.seq),
            Event::WorkflowCompleted(end) => {
                self.outcome = Some(ChildOutcome::Completed { output: end.output.clone() });
            }
            Event::WorkflowFailed(end) => {
                self.outcome = Some(ChildOutcome::Failed { error: end.error.clone() });
            }
            Event::WorkflowCancelled(end) => {
                self.outcome = Some(ChildOutcome::Cancelled { reason: end.reason.clone() });
            }
            Event::WorkflowTerminated(end) => {
                self.outcome = Some(ChildOutcome::Terminated { reason: end.reason.clone() });
            }
            _ => {}
        }
    }

    /// The payloads that [`say_end`](Kitchen::say_end) sends.
    pub(super) fn said_at_end(&mut self) -> Vec<&mut Json> {
        let waits = self.parent.as_ref().is_some_and(|parent| parent.waits);
        let outcome = self.outcome.as_mut().filter(|_| waits).and_then(|outcome| match outcome {
            ChildOutcome::Completed { output: value } | ChildOutcome::Failed { error: value } => {
                Some(value)
            }
            _ => None,
        });
        // Of the others nothing is said: what they are started with may be lost.
        let unstarted =
            self.children.values_mut().filter(|open| !open.started && open.is_cancelled());
        outcome.into_iter().chain(unstarted.map(|open| &mut open.request.input)).collect()
    }

    /// Whether call `seq` of run `run` waits for the end of this child.
    pub(super) fn waits_for(&self, run: u32, seq: u32, child: &ExecutionId) -> bool {
        run == self.run && self.children.get(&seq).is_some_and(|open| open.request.child == *child)
    }

    /// The call that asked for this child.
    pub(super) fn request(&self, seq: u32) -> Option<&ChildRequested> {
        self.children.get(&seq).map(|open| &open.request)
    }

    /// What starts the child of `request`.
    pub(super) fn start_of(&self, request: &ChildRequested) -> ChildStart {
        let writer = child_writer(&self.execution, self.run, &request.key);
        let ChildRequested { at, child, input, key, .. } = request;
        let parent =
            Parent::new(self.execution.clone(), self.run, request.seq, key.clone(), request.waits);
        let event = Event::WorkflowStarted(WorkflowStarted {
            at: *at,
            execution: child.clone(),
            workflow: key.name.to_string(),
            run: 1,
            input: input.clone(),
            parent: Some(parent),
            tags: BTreeMap::new(),
            first_input: None,
        });
        let record = Record {
            id: child.clone(),
            workflow: key.name.to_string(),
            started_at: *at,
            born: Some(Born::random()),
            arrivals: 0,
            tags: BTreeMap::new(),
            parent: Some(ParentRun { execution: self.execution.clone(), run: self.run }),
            projection: Projection::of_start(0, *at),
        };
        ChildStart { record, writer, event }
    }
}

/// A child's first commit and record: the same whoever makes them, and whenever, but for how what
/// is encrypted looks, and for the number of its life, which is that of whose make is there first.
pub(super) struct ChildStart {
    record: Record,
    writer: WriterId,
    event: Event,
}

/// What became of a child's start.
pub(super) enum ChildStarted {
    /// It exists and is this call's; open, or ended already.
    Yes,
    /// Another execution has its id.
    Refused { problem: String },
}

impl ChildStart {
    /// Makes the child, unless it is there.
    async fn create(
        &self,
        tries: u32,
        store: &dyn EventStore,
        payloads: &Payloads,
    ) -> Result<ChildStarted, TurnError> {
        let (id, event) = (&self.record.id, std::slice::from_ref(&self.event));
        let created = loop {
            let sealed = again(tries, || payloads.seal_events(id, event)).await?;
            let commit = StoredCommit::encode(0, self.writer, None, &sealed);
            match again(tries, || store.create(&self.record, &commit)).await {
                // One of this id is being deleted, and what was sealed may be removed with it. Some
                // minutes later the id is free: no outcome either, and no strike of the parent.
                Err(TurnError::Store(StoreError::Buried { .. }))
                    if tries == UNTIL_THE_TURN_ENDS =>
                {
                    payloads.forget(id);
                    tokio::time::sleep(SEND_AGAIN_AFTER_MAX).await;
                }
                created => break created?,
            }
        };
        Ok(match created {
            Created::New => ChildStarted::Yes,
            Created::Exists { by, record } if by == Some(self.writer) => {
                match self.is_own(tries, &record, store).await? {
                    true => ChildStarted::Yes,
                    false => ChildStarted::Refused { problem: another(&record) },
                }
            }
            Created::Exists { record, .. } => ChildStarted::Refused { problem: another(&record) },
        })
    }

    /// Whether the child that is there is of this call. Its writer says so, unless the parent was
    /// deleted and started again while that child stayed: then an earlier parent of this name made it,
    /// at another time.
    async fn is_own(
        &self,
        tries: u32,
        there: &Record,
        store: &dyn EventStore,
    ) -> Result<bool, TurnError> {
        let at = self.event.at();
        if there.started_at == at {
            return Ok(true);
        }
        // It has been started again since: its log has when it was at first.
        let Some(all) = again(tries, || store.load_all(&self.record.id)).await? else {
            return Ok(false);
        };
        let first = all.commits.first().and_then(|first| first.decode(None).ok());
        Ok(first.is_some_and(|first| first.events.first().is_some_and(|event| event.at() == at)))
    }

    /// Makes the child and wakes it. Repeated as long as it gets no answer, and harmless however
    /// often it is done.
    pub(super) async fn send(
        self,
        store: Arc<dyn EventStore>,
        queue: Arc<dyn WakeQueue>,
        payloads: Payloads,
        turns: Arc<Semaphore>,
    ) -> Result<ChildStarted, TurnError> {
        let _turn = turns.acquire().await;
        let started = self.create(UNTIL_THE_TURN_ENDS, &*store, &payloads).await?;
        if let ChildStarted::Yes = started {
            wake(UNTIL_THE_TURN_ENDS, &*queue, &self.record.id).await?;
        }
        Ok(started)
    }
}

/// Why a child is not started whose id another execution has.
fn another(record: &Record) -> String {
    let (workflow, status) = (&record.workflow, record.projection.status);
    format!("another execution has this id (of workflow {workflow}, {status})")
}

/// How many sends of a turn go on at once.
pub(super) fn send_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(SENDS_AT_ONCE))
}

impl Kitchen {
    /// What an execution that has ended says to others, before its record shows that it has: as
    /// long as the record shows it open, somebody comes back and says it again.
    pub(super) async fn say_end(&self, family: &Family) -> Result<(), TurnError> {
        self.tell_parent(family).await?;
        let to_cancel = family.children.values().filter(|open| open.is_cancelled());
        let cancels: Vec<_> =
            to_cancel.map(|open| self.cancel_child(family, open).boxed()).collect();
        stream::iter(cancels).buffer_unordered(SENDS_AT_ONCE).try_collect().await
    }

    async fn tell_parent(&self, family: &Family) -> Result<(), TurnError> {
        let Some(parent) = family.parent.as_ref().filter(|parent| parent.waits) else {
            return Ok(());
        };
        let Some(outcome) = family.outcome.clone() else { return Ok(()) };
        let mut item = NewItem {
            id: child_item_id(parent.run, parent.seq),
            arrived_at: self.clock.now(),
            message: Message::ChildEnded {
                run: parent.run,
                seq: parent.seq,
                child: family.execution.clone(),
                outcome,
            },
        };
        if self.payloads.seals_message(&item.message) {
            // Nothing is put where it may have been erased.
            let there = again(WRITE_TRIES_MAX, || self.store.record(&parent.execution)).await?;
            if there.is_none_or(|record| record.projection.status.is_closed()) {
                nobody_takes_it(family, parent);
                return Ok(());
            }
        }
        self.payloads.seal_message(&parent.execution, &mut item.message).await?;
        match again(WRITE_TRIES_MAX, || self.store.send(&parent.execution, &item)).await? {
            Sent::New | Sent::Known => wake(WRITE_TRIES_MAX, &*self.queue, &parent.execution).await,
            Sent::Closed { .. } | Sent::NoExecution => {
                nobody_takes_it(family, parent);
                Ok(())
            }
        }
    }

    async fn cancel_child(&self, family: &Family, open: &Open) -> Result<(), TurnError> {
        let child = &open.request.child;
        if !open.started {
            // A start that is still on its way must find the child there, or it would land after
            // this cancel and nobody would ever look after that child.
            let start = family.start_of(&open.request);
            if let ChildStarted::Refused { .. } =
                start.create(WRITE_TRIES_MAX, &*self.store, &self.payloads).await?
            {
                return Ok(());
            }
        }
        let record = again(WRITE_TRIES_MAX, || self.store.record(child)).await?;
        // A later run of that id is another one's.
        if record.is_none_or(|record| record.started_at != open.request.at) {
            return Ok(());
        }
        let item = NewItem {
            id: cancel_id(open.request.at),
            arrived_at: self.clock.now(),
            message: Message::Cancel {
                reason: format!("the execution that started it, {}, has ended", family.execution),
            },
        };
        match again(WRITE_TRIES_MAX, || self.store.send(child, &item)).await? {
            Sent::New | Sent::Known => wake(WRITE_TRIES_MAX, &*self.queue, child).await,
            Sent::Closed { .. } | Sent::NoExecution => Ok(()),
        }
    }
}

fn nobody_takes_it(family: &Family, parent: &Parent) {
    tracing::info!(
        everstep.execution.id = %family.execution,
        everstep.parent.id = %parent.execution,
        "nobody takes the result of this child: its parent has ended"
    );
}

/// The id of a cancel of the run that began then: whoever sends it, it is one cancel.
fn cancel_id(started_at: Timestamp) -> String {
    format!("everstep/cancel/{}", started_at.0)
}

async fn wake(tries: u32, queue: &dyn WakeQueue, id: &ExecutionId) -> Result<(), TurnError> {
    let wake = Wake::news(id.clone());
    again(tries, || queue.send(&wake, Duration::ZERO)).await
}

/// So often a turn tries what it can try again as long as it lives.
const UNTIL_THE_TURN_ENDS: u32 = u32::MAX;

/// Makes a call until it is answered, so many times: infrastructure is no outcome of a child. A
/// turn that gives up ends, its wake comes back, and the call is made again.
async fn again<T, E, Fut>(tries: u32, mut call: impl FnMut() -> Fut) -> Result<T, TurnError>
where
    E: Into<TurnError>,
    Fut: Future<Output = Result<T, E>>,
{
    let mut pause = SEND_AGAIN_AFTER;
    for _ in 1..tries {
        match call().await.map_err(Into::into) {
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "send again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(SEND_AGAIN_AFTER_MAX);
            }
            result => return result,
        }
    }
    call().await.map_err(Into::into)
}

impl TurnError {
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Queue(error) => error.is_retryable(),
            // How it ended is not known, or will be another time.
            Self::Version(_) | Self::OutOfTime => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// No waiting helps where somebody has to do something first.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_used_is_asked_once_and_what_does_not_answer_again() {
        let refused = || StoreError::Unusable { remedy: "permit it".to_owned(), source: None };
        let silent = || StoreError::Unavailable { reason: "silence".to_owned(), source: None };
        for (error, times) in [(&refused as &dyn Fn() -> StoreError, 1), (&silent, 7)] {
            let calls = Cell::new(0);
            let call = || async {
                calls.set(calls.get() + 1);
                Err::<(), _>(error())
            };
            again(7, call).await.expect_err("it never answers");
            assert_eq!(calls.get(), times);
        }
    }

    #[test]
    fn of_children_that_are_left_alone_nothing_is_said_at_the_end() {
        let start = WorkflowStarted {
            at: Timestamp::default(),
            execution: ExecutionId::new("parent").expect("an id"),
            workflow: "parent".to_owned(),
            run: 1,
            input: Json::null(),
            parent: None,
            tags: BTreeMap::new(),
            first_input: None,
        };
        let asked = [(1, "leave"), (2, "cancel")].map(|(seq, on_close)| {
            let text = format!(
                r#"{{"ChildRequested":{{"at":0,"seq":{seq},"key":"a#{seq}","site":"x:1","child":"c","input":"{on_close}","waits":false,"on_close":"{on_close}"}}}}"#
            );
            serde_json::from_str::<Event>(&text).expect("an event")
        });
        let mut family = Family::of(&start, &asked);
        let said: Vec<&str> = family.said_at_end().into_iter().map(|json| json.as_str()).collect();
        assert_eq!(said, [r#""cancel""#]);
    }
}
