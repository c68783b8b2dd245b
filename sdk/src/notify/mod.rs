//! Notifications: what happened to executions, told to others: to EventBridge, to SNS, to a file or
//! to a closure.
//!
//! ```text
//! commit ─> durable ─> notifications of its events ─> Notifier ─> the record is written
//! ```
//!
//! An app with [`Notifications`] tells each change of status, and by choice each end of a step and
//! each view, **at least once**, after it is in the log. What a repeat is is known by its
//! [id](Notification::id). Until all is told the execution's record stays overdue, so that the
//! sweeper brings it back to a host: a crash loses nothing, and neither does a notifier that does
//! not answer. Executions do not wait for it: docs/guide/notifications.md has the whole of it.

mod body;
mod config;
mod local;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::event::{Json, OperationKey};
use crate::id::{CommitNumber, ExecutionId};
use crate::store::Status;
use crate::time::Timestamp;

pub(crate) use config::Choice;
pub use config::Notifications;
pub use local::{JsonLines, LogNotifier, NotifierFn};
pub use url::{NOTIFY_VARIABLE, NotificationsError};

/// Where notifications go.
///
/// Several hosts may call it at once, also for one execution. What it has taken it may be given
/// again. Dropping the future of [`send`](Self::send) leaves open what was sent: it is sent again.
///
/// ```
/// # use everstep::prelude::*;
/// use async_trait::async_trait;
/// use everstep::notify::{NotSent, Notification, Notifications, Notifier, NotifyError};
///
/// /// Posts to a web hook.
/// #[derive(Debug)]
/// struct WebHook;
///
/// #[async_trait]
/// impl Notifier for WebHook {
///     async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
///         let mut not_sent = Vec::new();
///         for (index, notification) in notifications.iter().enumerate() {
///             if let Err(status) = post(notification.to_cloud_event()).await {
///                 not_sent.push(NotSent::new(index, NotifyError::unavailable(status)));
///             }
///         }
///         not_sent
///     }
/// }
///
/// async fn post(_event: String) -> Result<(), String> {
///     Ok(()) // here, a request
/// }
///
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
/// let app = App::new().workflow(fulfil).notifications(Notifications::to(WebHook));
/// # assert_eq!(everstep::testing::Env::new(app).run(fulfil, 7).unwrap(), 7);
/// ```
#[async_trait]
pub trait Notifier: Send + Sync + fmt::Debug + 'static {
    /// Sends all of these, in this order where the receiver keeps one. Returns those that were not
    /// sent; an empty answer means that all were.
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent>;
}

#[async_trait]
impl<N: Notifier + ?Sized> Notifier for Arc<N> {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        (**self).send(notifications).await
    }
}

/// A notification that was not sent.
///
/// ```
/// use everstep::notify::{NotSent, NotifyError};
///
/// let second = NotSent::new(1, NotifyError::refused("it is too large"));
/// assert!(second.index == 1 && second.error.is_final());
///
/// let none = NotSent::all(2, &NotifyError::unavailable("the request has timed out"));
/// assert_eq!(none.iter().map(|it| it.index).collect::<Vec<_>>(), [0, 1]);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct NotSent {
    /// Its place in what was to be sent.
    pub index: usize,
    /// Why not.
    pub error: NotifyError,
}

impl NotSent {
    /// The notification at `index` was not sent.
    #[must_use]
    pub fn new(index: usize, error: NotifyError) -> Self {
        Self { index, error }
    }

    /// None of so many was sent, all for one reason.
    #[must_use]
    pub fn all(count: usize, error: &NotifyError) -> Vec<Self> {
        (0..count).map(|index| Self::new(index, error.clone())).collect()
    }
}

/// Why a notification was not sent.
///
/// ```
/// use everstep::notify::NotifyError;
///
/// assert!(NotifyError::refused("it is too large").is_final());
/// assert!(!NotifyError::unavailable("the request has timed out").is_final());
/// let error = NotifyError::unusable("there is no topic `orders`: create it");
/// assert!(!error.is_final() && error.to_string().contains("create it"));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// No answer, or not now: throttled, timed out. It may have been sent; it is sent again.
    #[error("the notifier did not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// Nothing can be sent before somebody does what `remedy` says: the topic is missing, the role
    /// may not. It is tried again all the same, ever more rarely.
    #[error("notifications cannot be sent: {remedy}")]
    Unusable {
        /// What is wrong and what to do.
        remedy: String,
    },
    /// This one will never be taken. It is dropped, and the log of the program says so.
    #[error("the notification is refused: {problem}")]
    Refused {
        /// Why.
        problem: String,
    },
}

impl NotifyError {
    /// An [`Unavailable`](Self::Unavailable).
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }

    /// An [`Unusable`](Self::Unusable).
    pub fn unusable(remedy: impl Into<String>) -> Self {
        Self::Unusable { remedy: remedy.into() }
    }

    /// A [`Refused`](Self::Refused).
    pub fn refused(problem: impl Into<String>) -> Self {
        Self::Refused { problem: problem.into() }
    }

    /// Whether it is of no use to try again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Something that happened to an execution.
///
/// ```
/// # use everstep::prelude::*;
/// use std::sync::{Arc, Mutex};
///
/// use everstep::notify::{Notification, Notifications, NotifierFn};
/// use everstep::store::Status;
/// use everstep::testing::Env;
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { Ok(order) }
///
/// let heard: Arc<Mutex<Vec<Notification>>> = Arc::default();
/// let hears = Arc::clone(&heard);
/// let notifier = NotifierFn::new(move |told| hears.lock().unwrap().push(told.clone()));
/// let app = App::new().workflow(fulfil).notifications(Notifications::to(notifier));
/// let env = Env::new(app);
/// env.start_as("order-7", fulfil, 7).result().unwrap();
///
/// let heard = heard.lock().unwrap();
/// let (first, last) = (&heard[0], &heard[heard.len() - 1]);
/// assert_eq!((&*first.id, first.status()), ("order-7/0/0", Some(Status::Running)));
/// assert_eq!((&*last.workflow, last.status()), ("fulfil", Some(Status::Completed)));
/// assert!(first.sequence() < last.sequence());
/// assert!(last.to_cloud_event().contains("order-7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// By what a repeat is known: the execution's id, the number of the commit and the index of the
    /// event in it, with slashes between; of a block, which is no event, the word `blocked` in the
    /// place of the index.
    pub id: String,
    /// Whose.
    pub execution: ExecutionId,
    /// Its workflow's name.
    pub workflow: String,
    /// Which run of it, from 1; `None` of an execution whose log cannot be read.
    pub run: Option<u32>,
    /// The commit that has it; of a block, the last one.
    pub commit: CommitNumber,
    /// The index of the event in the commit; `None` of a block.
    pub index: Option<u32>,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub notice: Notice,
    /// Who tells it, as CloudEvents have it; see [`Notifications::source`].
    pub source: Arc<str>,
}

/// What a notification says.
///
/// ```
/// # use everstep::prelude::*;
/// use std::sync::{Arc, Mutex};
///
/// use everstep::notify::{Notice, Notifications, NotifierFn};
/// use everstep::testing::Env;
/// # #[step] async fn pack(order: u8) -> everstep::Result<u8> { Ok(order) }
/// # #[workflow] async fn fulfil(order: u8) -> everstep::Result<u8> { pack(order).await }
///
/// let heard: Arc<Mutex<Vec<String>>> = Arc::default();
/// let hears = Arc::clone(&heard);
/// let notifier = NotifierFn::new(move |told| {
///     let says = match &told.notice {
///         Notice::Status { status, .. } => status.to_string(),
///         Notice::Step { key, end, .. } => format!("{} {}", key.name, end.as_str()),
///         other => other.kind().to_owned(),
///     };
///     hears.lock().unwrap().push(says);
/// });
/// let app = App::new().workflow(fulfil).notifications(Notifications::to(notifier).steps());
/// let env = Env::new(app);
/// env.run(fulfil, 7).unwrap();
/// assert!(heard.lock().unwrap().contains(&"pack completed".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The execution has another status than before; or a run has begun.
    Status {
        /// The status.
        status: Status,
        /// Why it is blocked, failed or was ended, as its record says.
        reason: Option<String>,
        /// What it returned, or its error: with [`Notifications::payloads`], and if nothing hides
        /// it.
        result: Option<Json>,
    },
    /// A step, or an attempt of one, has ended; with [`Notifications::steps`].
    Step {
        /// Which.
        key: OperationKey,
        /// Which attempt, from 1.
        attempt: u32,
        /// How it ended.
        end: StepEnd,
        /// How long the attempt ran.
        took: Duration,
        /// What it returned, or its error; as `result` of a status.
        result: Option<Json>,
    },
    /// The workflow shows another view; with [`Notifications::views`].
    View {
        /// What it shows, as its record has it; `None` if that is sealed.
        view: Option<Json>,
    },
}

/// How a step's attempt ended.
///
/// ```
/// use everstep::notify::StepEnd;
///
/// assert_eq!(StepEnd::Completed.as_str(), "completed");
/// assert_eq!(StepEnd::AttemptFailed.as_str(), "attempt_failed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepEnd {
    /// With the step's result.
    Completed,
    /// By a failure that is not the step's last word: another attempt follows.
    AttemptFailed,
    /// By the step's failure.
    Failed,
}

impl StepEnd {
    /// Its name in notifications.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::AttemptFailed => "attempt_failed",
            Self::Failed => "failed",
        }
    }
}

impl Notice {
    /// Its type as CloudEvents have it: `everstep.status`, `everstep.step` or `everstep.view`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "everstep.status",
            Self::Step { .. } => "everstep.step",
            Self::View { .. } => "everstep.view",
        }
    }
}

impl Notification {
    /// Its status, if it tells one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self.notice {
            Notice::Status { status, .. } => Some(status),
            _ => None,
        }
    }
}
