//! What others send to an execution.

use serde::{Deserialize, Serialize};

use super::Status;
use crate::event::{
    CancelRequested, ChildOutcome, Event, Json, OperationKey, PromiseResult, Resumed,
    SignalReceived, UpdateReceived, WorkflowTerminated,
};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// Something to be sent to an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewItem {
    /// The sender's id: a second item with the same id is the same item.
    pub id: String,
    /// When it is sent, by the sender's clock.
    pub arrived_at: Timestamp,
    /// What it is.
    pub message: Message,
}

/// Something sent to an execution and not yet in its log, or in it and not yet deleted.
///
/// ```
/// use everstep::store::{InboxItem, Message, NewItem};
/// use everstep::time::Timestamp;
///
/// let item = |id: &str, sent: i64| {
///     NewItem { id: id.to_owned(), arrived_at: Timestamp(sent), message: Message::Resume }
/// };
/// // The order is the store's: what came first by the clock of its sender need not have come first.
/// let mut inbox = [item("c", 20).arrived(2), item("b", 10).arrived(2), item("a", 90).arrived(1)];
/// InboxItem::sort(&mut inbox);
/// assert_eq!(inbox.map(|item| item.id), ["a", "b", "c"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxItem {
    /// Its place in the order of arrival, from 1: higher than that of every item whose
    /// [send](super::EventStore::send) was answered before this one's began, whoever sent them and
    /// whatever their clocks say. Items that are sent at the same time may share a place.
    pub arrival: u64,
    /// The sender's id: a second item with the same id is the same item.
    pub id: String,
    /// When it was sent, by the sender's clock.
    pub arrived_at: Timestamp,
    /// What it is.
    pub message: Message,
}

/// An item as it was seen in an inbox, to be [removed](super::EventStore::remove_items) from there.
///
/// Its id alone would not do: once a closed execution is started again, an item that came too late for
/// the run before may be sent to the new one, under the same id.
///
/// ```
/// # use everstep::store::{Message, NewItem, SeenItem};
/// # use everstep::time::Timestamp;
/// # let message = Message::Resume;
/// let item = NewItem { id: "resume/1".to_owned(), arrived_at: Timestamp(5), message }.arrived(3);
/// assert_eq!(item.seen(), SeenItem { id: "resume/1".to_owned(), arrival: 3 });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeenItem {
    /// The sender's id.
    pub id: String,
    /// Its place in the order of [arrival](InboxItem::arrival).
    pub arrival: u64,
}

/// What an [`InboxItem`] says.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::event::Json;
/// use everstep::store::Message;
///
/// let mut message = Message::Signal { name: "paid".to_owned(), payload: Json::record(&69)? };
/// assert_eq!(message.payload().expect("it carries one").read::<u32>()?, 69);
///
/// // What keeps payloads elsewhere puts something in their place.
/// if let Some(payload) = message.payload_mut() {
///     *payload = Json::record("in the safe")?;
/// }
/// assert_eq!(message.payload().expect("it carries one").as_str(), "\"in the safe\"");
/// assert!(Message::Resume.payload().is_none());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// A signal.
    Signal {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Json,
    },
    /// The result of a promise.
    Promise {
        /// The run whose promise it is.
        run: u32,
        /// The promise's `name#count`.
        key: OperationKey,
        /// How it ended.
        result: PromiseResult,
    },
    /// Somebody works on a promise still.
    Heartbeat {
        /// The run whose promise it is.
        run: u32,
        /// The promise's `name#count`.
        key: OperationKey,
    },
    /// A request that is to be answered.
    Update {
        /// Its name.
        name: String,
        /// What is asked.
        request: Json,
    },
    /// A request to cancel the execution.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A request that a blocked execution goes on.
    Resume,
    /// A request to end the execution without its code.
    Terminate {
        /// Why.
        reason: String,
    },
    /// A child of the execution has ended.
    ChildEnded {
        /// Which run of the parent asked for it.
        run: u32,
        /// The place of that call.
        seq: u32,
        /// The child.
        child: ExecutionId,
        /// How it ended.
        outcome: ChildOutcome,
    },
}

/// What [`EventStore::send`](super::EventStore::send) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The item is in the inbox.
    New,
    /// An item with this id was there already.
    Known,
    /// There is no such execution.
    NoExecution,
    /// The execution has ended.
    Closed {
        /// How.
        status: Status,
    },
}

impl Message {
    /// The payload that the message carries, if it carries one.
    #[must_use]
    pub fn payload(&self) -> Option<&Json> {
        match self {
            Self::Signal { payload: value, .. }
            | Self::Update { request: value, .. }
            | Self::Promise { result: PromiseResult::Completed { value }, .. }
            | Self::ChildEnded {
                outcome:
                    ChildOutcome::Completed { output: value } | ChildOutcome::Failed { error: value },
                ..
            } => Some(value),
            Self::Promise { .. }
            | Self::ChildEnded { .. }
            | Self::Heartbeat { .. }
            | Self::Cancel { .. }
            | Self::Resume
            | Self::Terminate { .. } => None,
        }
    }

    /// The same, to be replaced.
    pub fn payload_mut(&mut self) -> Option<&mut Json> {
        match self {
            Self::Signal { payload: value, .. }
            | Self::Update { request: value, .. }
            | Self::Promise { result: PromiseResult::Completed { value }, .. }
            | Self::ChildEnded {
                outcome:
                    ChildOutcome::Completed { output: value } | ChildOutcome::Failed { error: value },
                ..
            } => Some(value),
            Self::Promise { .. }
            | Self::ChildEnded { .. }
            | Self::Heartbeat { .. }
            | Self::Cancel { .. }
            | Self::Resume
            | Self::Terminate { .. } => None,
        }
    }

    /// The event of taking this message, sent with this id, at this time. `None` where the event
    /// says more than the message: of a child's end, and of promises.
    pub(crate) fn taken(self, at: Timestamp, id: String) -> Option<Event> {
        Some(match self {
            Self::Signal { name, payload } => {
                Event::SignalReceived(SignalReceived { at, id, name, payload })
            }
            Self::Update { name, request } => {
                Event::UpdateReceived(UpdateReceived { at, id, name, request })
            }
            Self::Cancel { reason } => Event::CancelRequested(CancelRequested { at, id, reason }),
            Self::Resume => Event::Resumed(Resumed { at, id }),
            Self::Terminate { reason } => {
                Event::WorkflowTerminated(WorkflowTerminated { at, id, reason })
            }
            Self::ChildEnded { .. } | Self::Promise { .. } | Self::Heartbeat { .. } => return None,
        })
    }
}

impl NewItem {
    /// The item as it is in the inbox, at this place in the order of arrival.
    ///
    /// ```
    /// # use everstep::store::{Message, NewItem};
    /// # use everstep::time::Timestamp;
    /// # let message = Message::Cancel { reason: "no money".to_owned() };
    /// let item = NewItem { id: "cancel/1".to_owned(), arrived_at: Timestamp(5), message };
    /// assert_eq!(item.arrived(3).arrival, 3);
    /// ```
    #[must_use]
    pub fn arrived(self, arrival: u64) -> InboxItem {
        let Self { id, arrived_at, message } = self;
        InboxItem { arrival, id, arrived_at, message }
    }
}

impl InboxItem {
    /// What tells it from another item of this inbox, and from a later one with the same id.
    #[must_use]
    pub fn seen(&self) -> SeenItem {
        SeenItem { id: self.id.clone(), arrival: self.arrival }
    }

    /// Puts items in the order in which a workflow gets them: by arrival; those that share a
    /// place, since they were sent at the same time, by the time of their senders, then by id.
    pub fn sort(items: &mut [Self]) {
        items.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    }

    fn order(&self) -> (u64, Timestamp, &str) {
        (self.arrival, self.arrived_at, &self.id)
    }
}
