//! Triggers: events of AWS, and what a program does with them.
//!
//! A [`Trigger`] is one thing that happened: an object was stored, a message arrived, a row was
//! changed. [`App::on`](crate::App::on) says in a closure what follows from it, an [`Action`]: to
//! start an execution, to signal one, to complete a promise, or nothing. In Lambda the host asks
//! these closures by itself; [`Triggers::deliver`] does the same anywhere else.
//!
//! Everything that delivers events delivers some of them twice. So what an action starts or sends
//! has an id that is made from the event's own, unless the closure gives one: the second delivery
//! finds what the first has done.
//!
//! ```
//! # use everstep::prelude::*;
//! # use everstep::testing::Env;
//! use everstep::trigger::{Action, Done, S3Object, Triggers};
//! # #[workflow] async fn resize(picture: String) -> everstep::Result<String> { Ok(format!("{picture}, smaller")) }
//!
//! let app = App::new().workflow(resize).on(|upload: S3Object| Action::start(resize, upload.key));
//! # let env = Env::new(app);
//! let triggers: Triggers = env.triggers(); // outside of tests, `App::triggers`
//! let event = serde_json::json!({ "Records": [{
//!     "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
//!     "s3": { "bucket": { "name": "pictures" }, "object": { "key": "my+cat.jpg", "sequencer": "0A" } },
//! }] });
//! # env.block_on(async {
//! for is_first in [true, false] {
//!     let done = triggers.deliver(&event.to_string(), "an id of this delivery").await?;
//!     let [Done::Started { id, new }] = &done[..] else { panic!("{done:?}") };
//!     assert_eq!((id.as_str(), *new), ("resize/s3/pictures/my cat.jpg#0A", is_first));
//! }
//! # Ok::<_, everstep::Error>(()) }).unwrap();
//! ```
//!
//! An event of which nothing follows is an error that says so by its type:
//!
//! ```
//! # use everstep::prelude::*;
//! # use everstep::testing::Env;
//! use everstep::trigger::{
//!     Action, DeliverError, HttpSource, Malformed, SqsMessage, TriggerError, UnknownEvent,
//! };
//! # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(format!("hello, {name}")) }
//!
//! let app = App::new().workflow(greet).on(|message: SqsMessage| -> Result<_, Malformed> {
//!     Ok(Action::start(greet, message.json()?))
//! });
//! # let env = Env::new(app);
//! # let triggers = env.triggers();
//! let refusal = |event: &str| env.block_on(triggers.deliver(event, "delivery-1")).unwrap_err();
//!
//! let from_the_web = refusal(r#"{"version": "2.0", "requestContext": {"http": {"method": "GET"}}}"#);
//! assert!(matches!(from_the_web, DeliverError::Http(HttpSource::HttpApi))); // it has no front
//!
//! let DeliverError::Unknown(unknown) = refusal(r#"{"order": 7}"#) else { panic!("known") };
//! let unknown: UnknownEvent = unknown;
//! assert!(unknown.to_string().starts_with("the event has \"order\""));
//!
//! // In Lambda it comes again, and after some tries goes to the dead letters.
//! let message = serde_json::json!({ "Records": [
//!     { "eventSource": "aws:sqs", "messageId": "m-1", "receiptHandle": "r", "body": "no JSON" },
//! ] });
//! let refused = refusal(&message.to_string());
//! assert!(matches!(refused, DeliverError::Trigger(TriggerError::Refused { .. })));
//! ```
//!
//! The guide's page docs/guide/triggers.md has an example for each source, and says what becomes of
//! an event that fails.

mod action;
mod bus;
mod handlers;
mod invocation;
mod message;
mod perform;
mod s3;
mod table;

pub use action::{Action, IntoAction, SignalAction, StartAction};
pub use bus::{EventBridgeEvent, Schedule};
pub use handlers::Source;
pub use invocation::{HttpSource, UnknownEvent};
pub use message::{Invoke, SnsMessage, SqsMessage};
pub use perform::{DeliverError, Done, TriggerError, Triggers};
pub use s3::{S3Change, S3Object};
pub use table::{TableChange, TableRow};

pub(crate) use handlers::Handlers;
#[cfg(feature = "aws")]
pub(crate) use invocation::{Content, Invocation, Message, Reading};

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// One thing that happened, of any source.
///
/// Match it where one closure shall decide about several sources:
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::trigger::{Action, Trigger};
/// # #[workflow] async fn resize(key: String) -> everstep::Result<String> { Ok(key) }
///
/// let app = App::new().workflow(resize).on(|trigger: Trigger| match trigger {
///     Trigger::S3(object) => Action::start(resize, object.key).into(),
///     Trigger::Sqs(_) | Trigger::Sns(_) | Trigger::EventBridge(_) => Action::ignore(),
///     Trigger::Table(_) | Trigger::Schedule(_) | Trigger::Invoke(_) => Action::ignore(),
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Something happened to an object in S3, whichever way S3's notification took.
    S3(S3Object),
    /// A message from an SQS queue, and no wake.
    Sqs(SqsMessage),
    /// A message of an SNS topic, directly or through a queue.
    Sns(SnsMessage),
    /// An event of an EventBridge bus, directly or through a queue or a topic.
    EventBridge(EventBridgeEvent),
    /// An item of a DynamoDB table was changed.
    Table(TableChange),
    /// A schedule is due.
    Schedule(Schedule),
    /// Somebody has invoked the function with a payload that is no other event.
    Invoke(Invoke),
}

impl Trigger {
    /// What makes it known if it comes again.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::S3(it) => it.identity(),
            Self::Sqs(it) => format!("sqs/{}", it.id),
            Self::Sns(it) => format!("sns/{}", it.id),
            Self::EventBridge(it) => format!("eventbridge/{}", it.id),
            Self::Table(it) => format!("table/{}", it.id),
            Self::Schedule(it) => format!("schedule/{}", it.id),
            Self::Invoke(it) => format!("invoke/{}", it.id),
        }
    }

    /// What it is, for errors: an article and a name.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::S3(_) => "an S3Object",
            Self::Sqs(_) => "an SqsMessage",
            Self::Sns(_) => "an SnsMessage",
            Self::EventBridge(_) => "an EventBridgeEvent",
            Self::Table(_) => "a TableChange",
            Self::Schedule(_) => "a Schedule",
            Self::Invoke(_) => "an Invoke",
        }
    }
}

/// A part of an event that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {problem}")]
#[non_exhaustive]
pub struct Malformed {
    /// What it seems to be.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Malformed {
    fn new(what: &'static str, problem: impl std::fmt::Display) -> Self {
        Self { what, problem: problem.to_string() }
    }
}

/// Reads the payload of a trigger, and says where it is not what is expected.
fn read_payload<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    let read = read.map_err(|error| match error.path().to_string() {
        path if path == "." => Malformed::new(what, error.inner()),
        path => Malformed::new(what, format_args!("{path}: {}", error.inner())),
    })?;
    deserializer.end().map_err(|error| Malformed::new(what, error))?;
    Ok(read)
}

/// A short text that is the same for the same `text`: a UUID made of its hash.
fn digest(text: &str) -> Uuid {
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::new_v8(bytes)
}
