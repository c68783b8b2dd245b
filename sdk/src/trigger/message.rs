//! Messages that say what their senders want: of queues, of topics, and of whoever invokes.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::Malformed;
use super::read_payload;
use crate::event::Json;

/// A message from an SQS queue
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, SqsMessage};
/// # #[workflow] async fn fulfil(order: Order) -> everstep::Result<u32> { Ok(order.pieces) }
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Order { number: String, pieces: u32 }
///
/// let app = App::new().workflow(fulfil).on(|message: SqsMessage| -> everstep::Result<_> {
///     let order: Order = message.json()?;
///     let number = order.number.clone();
///     Ok(Action::start(fulfil, order).id(number))
/// });
/// # let env = Env::new(app);
/// # let triggers = env.triggers();
/// # let event = serde_json::json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m-1",
/// #     "receiptHandle": "r", "body": r#"{"number": "order-7", "pieces": "two"}"# }] });
/// # let delivered = env.block_on(triggers.deliver(&event.to_string(), "1"));
/// assert!(delivered.unwrap_err().to_string().contains("pieces: invalid type"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqsMessage {
    /// The message's id: the same each time it is received. A sender that sends again sends
    /// another message, with another id; so take one from the body where the sender gives one.
    pub id: String,
    /// The ARN of the queue.
    pub queue: String,
    /// The text.
    pub body: String,
    /// The message's attributes that are texts or numbers.
    pub attributes: BTreeMap<String, String>,
}

impl SqsMessage {
    /// The body as a `T`.
    ///
    /// # Errors
    /// It is no `T`; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        read_payload("the body of the message", &self.body)
    }
}

/// A message of an SNS topic
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>).
///
/// ```
/// use everstep::trigger::SnsMessage;
///
/// // As a test of a closure makes one:
/// let message: SnsMessage = serde_json::from_value(serde_json::json!({
///     "MessageId": "m-1",
///     "TopicArn": "arn:aws:sns:eu-central-1:123456789012:orders",
///     "Message": "[1, 2]",
///     "MessageAttributes": { "shop": { "Type": "String", "Value": "books" } },
/// }))?;
/// assert_eq!(message.json::<Vec<u32>>()?, [1, 2]);
/// assert_eq!(message.attributes["shop"], "books");
/// # Ok::<(), everstep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SnsMessage {
    /// The message's id: the same each time it is delivered.
    #[serde(rename = "MessageId")]
    pub id: String,
    /// The ARN of the topic.
    #[serde(rename = "TopicArn")]
    pub topic: String,
    /// The subject, if it has one.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text.
    pub message: String,
    /// The message's attributes that are texts or numbers.
    #[serde(rename = "MessageAttributes", default, deserialize_with = "attributes")]
    pub attributes: BTreeMap<String, String>,
}

impl SnsMessage {
    /// The text as a `T`.
    ///
    /// # Errors
    /// It is no `T`; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        read_payload("the message", &self.message)
    }

    pub(super) fn read(notification: &str) -> Result<Self, Malformed> {
        serde_json::from_str(notification)
            .map_err(|error| Malformed::new("a notification of SNS", error))
    }
}

/// A payload that is no other event: of a direct invocation, of a schedule with an input of its
/// own, of a pipe.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, Invoke, Malformed};
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(format!("hello, {name}")) }
///
/// #[derive(serde::Deserialize)]
/// struct Guest { name: String }
///
/// let app = App::new().workflow(greet).on(|invoke: Invoke| -> Result<_, Malformed> {
///     Ok(Action::start(greet, invoke.json::<Guest>()?.name).id("the-guest"))
/// });
/// # let env = Env::new(app);
/// # env.block_on(env.triggers().deliver(r#"{"name": "Ada"}"#, "1")).unwrap();
/// # let greeting = env.client().handle(greet, ExecutionId::new("the-guest").unwrap());
/// # let result = env.block_on(greeting.result());
/// assert_eq!(result.unwrap(), "hello, Ada"); // of an invocation with {"name": "Ada"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invoke {
    /// The invocation's id: the same if Lambda tries an asynchronous one again; a caller who calls
    /// again has another one.
    pub id: String,
    /// The payload.
    pub payload: Json,
}

impl Invoke {
    /// The payload as a `T`.
    ///
    /// # Errors
    /// It is no `T`; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        read_payload("the payload", self.payload.as_str())
    }
}

/// Attributes as SQS and SNS write them: SQS `stringValue`, SNS `Value`. Binary ones are left out.
pub(super) fn attributes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    struct Attribute {
        #[serde(alias = "dataType", rename = "Type", default)]
        kind: String,
        #[serde(alias = "stringValue", rename = "Value")]
        value: Option<String>,
    }
    let attributes = Option::<BTreeMap<String, Attribute>>::deserialize(deserializer)?;
    let texts = attributes.unwrap_or_default().into_iter().filter_map(|(name, attribute)| {
        let is_text = !attribute.kind.starts_with("Binary");
        attribute.value.filter(|_| is_text).map(|value| (name, value))
    });
    Ok(texts.collect())
}
