//! The wake queue: messages that say "look at this execution", and nothing else.
//!
//! Any number of wakes at any time is safe; a wake carries no truth. Every queue passes the suite
//! in [`testing::conformance`](crate::testing).
//!
//! What clients and workers do with a queue, by hand:
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use everstep::id::ExecutionId;
//! # use everstep::memory::MemoryQueue;
//! # use everstep::time::Timestamp;
//! # use everstep::wake::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queue: Arc<dyn WakeQueue> = Arc::new(MemoryQueue::new());
//! queue.setup().await?;
//! let id = ExecutionId::new("sale-7")?;
//! queue.send(&Wake::news(id.clone()), Duration::ZERO).await?;
//!
//! let received = queue.receive(10, Duration::from_secs(20)).await?;
//! let Delivery { body, receipt, receive_count } = &received[0];
//! assert_eq!((Wake::from_body(body)?.kind, *receive_count), (WakeKind::News, 1));
//! queue.keep(receipt, 2 * queue.visibility()).await?; // this turn takes longer
//! queue.delete(receipt).await?; // it is over
//!
//! // A timer, an hour away. This queue delays its wake as long as it can: somebody arms it again.
//! let (now, due) = (Timestamp(0), Timestamp(3_600_000));
//! let alarm = Alarm::new(id, due, now);
//! queue.arm(&alarm, due.since(now)).await?;
//! queue.disarm(&alarm).await?; // and its wake, which is a message by now, comes all the same
//! assert!(queue.receive(10, Duration::ZERO).await?.is_empty());
//! # Ok(()) }
//! ```
//!
//! # An alarm clock
//!
//! A queue with a clock beside it has no such hops: what is far away is an alarm, and can be taken back.
//!
//! ```
//! # use std::collections::BTreeSet;
//! # use std::sync::{Arc, Mutex};
//! # use std::time::Duration;
//! # use everstep::id::ExecutionId;
//! # use everstep::memory::MemoryQueue;
//! # use everstep::time::Timestamp;
//! # use everstep::wake::*;
//! /// It only remembers; a real one sends the alarm's wake when it is time.
//! #[derive(Debug, Default)]
//! struct Kept(Mutex<BTreeSet<Alarm>>);
//!
//! #[async_trait::async_trait]
//! impl AlarmClock for Kept {
//!     async fn setup(&self) -> Result<(), QueueError> {
//!         Ok(())
//!     }
//!     async fn set(&self, alarm: &Alarm) -> Result<(), QueueError> {
//!         self.0.lock().unwrap().insert(alarm.clone());
//!         Ok(())
//!     }
//!     async fn unset(&self, alarm: &Alarm) -> Result<(), QueueError> {
//!         self.0.lock().unwrap().remove(alarm);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (messages, clock) = (MemoryQueue::new(), Arc::new(Kept::default()));
//! let queue = AlarmQueue::new(Arc::new(messages.clone()), clock.clone());
//! let alarm = Alarm::new(ExecutionId::new("sale-7")?, Timestamp(3_600_000), Timestamp(0));
//! queue.arm(&alarm, Duration::from_secs(3_600)).await?;
//! assert_eq!((clock.0.lock().unwrap().len(), messages.len()), (1, 0));
//! queue.disarm(&alarm).await?; // the workflow does not wait for it any more
//! assert_eq!(clock.0.lock().unwrap().len(), 0);
//! # Ok(()) }
//! ```

mod alarm;
mod handed_on;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(crate) use alarm::first_hop;
pub use alarm::{Alarm, AlarmClock, AlarmQueue};
pub(crate) use handed_on::{HandedBack, HandedOn};

use crate::id::ExecutionId;
#[cfg(doc)]
use crate::limits::QUEUE_DELAY_MAX;
use crate::store::BoxError;
use crate::time::Timestamp;

/// Where wakes wait: at least once, in any order.
///
/// Dropping a returned future may leave the call done or not done, like a crash. A message whose
/// `receive` was dropped comes back after its visibility time-out.
#[async_trait]
pub trait WakeQueue: Send + Sync + fmt::Debug + 'static {
    /// Makes what the queue needs if it is missing. Safe to repeat.
    async fn setup(&self) -> Result<(), QueueError>;

    /// Sends `wake`, to be received after `delay` at the earliest. After `Ok` the message
    /// survives every crash; after an error it may have been sent all the same. A delay longer than
    /// [`QUEUE_DELAY_MAX`] is cut to that.
    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError>;

    /// Sends the wake of a timer that is due after `delay`, however long that is, and promises what
    /// [`send`](Self::send) does. A queue without an alarm clock has it hop: whoever receives it before its
    /// time arms it again. All hops to one time are at the same moments, so that wakes that were doubled
    /// meet.
    async fn arm(&self, alarm: &Alarm, delay: Duration) -> Result<(), QueueError> {
        self.send(&alarm.wake(), first_hop(delay)).await
    }

    /// Takes back what [`arm`](Self::arm) has sent, if that is possible: nobody counts on it any
    /// more. A queue without an alarm clock does nothing, and the wake comes.
    async fn disarm(&self, alarm: &Alarm) -> Result<(), QueueError> {
        let _ = alarm;
        Ok(())
    }

    /// Waits up to `wait` for messages and returns up to `max` of them (at least one if there is one). Each is
    /// invisible to others for the queue's visibility time-out, or until its receiver is known to
    /// be gone.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Deletes a received message. After the visibility time-out this may do nothing, and the
    /// message comes again.
    async fn delete(&self, receipt: &str) -> Result<(), QueueError>;

    /// Keeps a received message invisible for `visibility` from now; zero gives it back at once.
    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError>;

    /// The visibility time-out of received messages.
    fn visibility(&self) -> Duration;
}

/// "Look at this execution."
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use everstep::id::ExecutionId;
/// # use everstep::time::Timestamp;
/// use everstep::wake::{Wake, WakeKind};
///
/// let id = ExecutionId::new("order-7")?;
/// let wake = Wake::timer(id.clone(), Timestamp(5_000));
/// assert_eq!(Wake::from_body(&wake.to_body())?, wake);
/// let news = r#"{"everstep":1,"execution":"order-7","kind":"news"}"#;
/// assert_eq!(Wake::news(id.clone()).to_body(), news);
/// assert_eq!(Wake::sweep(id).kind, WakeKind::Sweep);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wake {
    /// Which.
    pub execution: ExecutionId,
    /// What makes somebody say so.
    pub kind: WakeKind,
}

/// What a wake is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeKind {
    /// Something is new: a start, an inbox item, a hand-over.
    News,
    /// The sweeper found it overdue. On a live claim it is dropped: the sweeper comes again.
    Sweep,
    /// A timer is due at this time. Before its time it is sent again.
    Timer {
        /// The time.
        due: Timestamp,
    },
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message's text: a [`Wake`] as JSON, if it is one of ours.
    pub body: String,
    /// What [`delete`](WakeQueue::delete) and [`keep`](WakeQueue::keep) need.
    pub receipt: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

/// Why a queue did not do what it was asked.
///
/// ```
/// use everstep::wake::QueueError;
///
/// assert!(QueueError::unavailable("throttled", "429").is_retryable());
/// let error = QueueError::unusable("make the queue first", "no such queue");
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "the wake queue cannot be used: make the queue first");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// No answer, or not now. It may have been done. Try again.
    #[error("the wake queue did not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The queue is not set up, or this program may not use it. `remedy` says what to do.
    #[error("the wake queue cannot be used: {remedy}")]
    Unusable {
        /// What is wrong and what to do.
        remedy: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
}

impl QueueError {
    /// An [`Unavailable`](Self::Unavailable) with its cause.
    pub fn unavailable(reason: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { reason: reason.into(), source: Some(source.into()) }
    }

    /// An [`Unusable`](Self::Unusable) with its cause.
    pub fn unusable(remedy: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unusable { remedy: remedy.into(), source: Some(source.into()) }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The envelope of a wake on the queue: `{"everstep":1,"execution":"order-7","kind":"news"}`.
#[derive(Serialize, Deserialize)]
struct Envelope<W> {
    everstep: u32,
    #[serde(flatten)]
    wake: W,
}

/// A message that is no wake of ours, or one that this program cannot read.
///
/// ```
/// use everstep::wake::{NotAWake, Wake};
///
/// let newer = r#"{"everstep": 2, "execution": "order-7", "kind": "news"}"#;
/// assert!(matches!(Wake::from_body(newer), Err(NotAWake::Newer { version: 2 })));
/// assert!(matches!(Wake::from_body("dear all"), Err(NotAWake::Malformed { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAWake {
    /// A newer program has sent it, and such a program must get it: it is to be given back.
    #[error("a wake of version {version}, and this program reads version 1: use a newer one")]
    Newer {
        /// The wake's version.
        version: u32,
    },
    /// It is no wake. Perhaps it is a message for somebody else: it is to be given back as well.
    #[error("not a wake of everstep: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
}

impl Wake {
    /// A wake that says something is new.
    #[must_use]
    pub fn news(execution: ExecutionId) -> Self {
        Self { execution, kind: WakeKind::News }
    }

    /// The sweeper's wake.
    #[must_use]
    pub fn sweep(execution: ExecutionId) -> Self {
        Self { execution, kind: WakeKind::Sweep }
    }

    /// A wake for a timer.
    #[must_use]
    pub fn timer(execution: ExecutionId, due: Timestamp) -> Self {
        Self { execution, kind: WakeKind::Timer { due } }
    }

    /// The message's text.
    #[must_use]
    pub fn to_body(&self) -> String {
        serde_json::to_string(&Envelope { everstep: 1, wake: self }).expect("a wake is always JSON")
    }

    /// Reads a message's text.
    ///
    /// # Errors
    /// The text is not a wake, or one of a version this program does not know.
    pub fn from_body(body: &str) -> Result<Self, NotAWake> {
        #[derive(Deserialize)]
        struct Version {
            everstep: u32,
        }
        let malformed = |problem: String| NotAWake::Malformed { problem };
        // Its own words would quote what may be somebody's secret.
        let no_json = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            malformed(format!(
                "its JSON is none, or not that of one, at line {line} column {column}"
            ))
        };
        match serde_json::from_str(body) {
            Ok(Version { everstep: 1 }) => serde_json::from_str::<Envelope<Self>>(body)
                .map(|envelope| envelope.wake)
                .map_err(no_json),
            Ok(Version { everstep: 0 }) => Err(malformed("its version is 0".to_owned())),
            Ok(Version { everstep }) => Err(NotAWake::Newer { version: everstep }),
            Err(error) => Err(no_json(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_wake_is_refused_without_a_word_of_it() {
        let bodies =
            [r#"{"everstep":"4242"}"#, r#""4242""#, r#"{"everstep":1,"wake":"4242"}"#, "4242 {"];
        for body in bodies {
            let error = Wake::from_body(body).expect_err(body).to_string();
            assert!(!error.contains("4242"), "{error}");
        }
    }
}
