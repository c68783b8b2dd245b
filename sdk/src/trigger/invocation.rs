//! What an invocation of a function brings: recognised by its shape, in one place, without doing
//! anything.
//!
//! An event often comes in envelopes: S3 tells SNS, SNS tells a queue, the queue's messages are the
//! event. Each message has one [`Reading`] for each envelope, the innermost first, and the program
//! takes the first that it has a closure for. So a message that only looks like another event is
//! not lost for whoever wants it as it is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bus::{EventBridgeEvent, Schedule};
use super::message::{Invoke, SnsMessage, SqsMessage, attributes};
use super::{Malformed, Trigger, s3, table};
use crate::client::{OnConflict, Policy};
use crate::event::Json;
use crate::wake::{NotAWake, Wake};

/// An event, by its shape.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Messages of a queue. Each is answered by itself.
    Sqs(Vec<Message>),
    /// Changes of a table in their order, each with its place. The first that fails is answered.
    Table(Vec<(String, Reading)>),
    /// What S3, SNS or EventBridge has sent. It is answered as a whole.
    Sent(Vec<Reading>),
    /// A schedule is due.
    Schedule(Schedule),
    /// A request over HTTP.
    Http(HttpSource),
    /// An execution is to be started.
    Start(StartRequest),
    /// Overdue executions are to be woken.
    Sweep,
    /// Something else.
    Other(Invoke),
}

/// A message of a queue.
#[derive(Debug)]
pub(crate) struct Message {
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(dead_code, reason = "the Lambda host answers by it")
    )]
    pub(crate) id: String,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "the Lambda host gives back"))]
    pub(crate) receipt: String,
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(dead_code, reason = "the Lambda host counts")
    )]
    pub(crate) receive_count: u32,
    pub(crate) content: Content,
}

/// What a message says.
#[derive(Debug)]
pub(crate) enum Content {
    /// Look at an execution.
    Wake(Wake),
    /// So says a newer program.
    Newer(NotAWake),
    /// Something that happened.
    Business(Reading),
}

/// What one record says, in each of its envelopes, the innermost first.
#[derive(Debug, Default)]
pub(crate) struct Reading(pub(crate) Vec<Result<Vec<Trigger>, Malformed>>);

/// Where a request over HTTP comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpSource {
    /// An HTTP API of API Gateway, or a function URL: payload version 2.0.
    HttpApi,
    /// A REST API of API Gateway: payload version 1.0.
    RestApi,
    /// An Application Load Balancer.
    LoadBalancer,
}

impl fmt::Display for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpApi => "an HTTP API or a function URL",
            Self::RestApi => "a REST API",
            Self::LoadBalancer => "a load balancer",
        })
    }
}

/// A start as a direct invocation asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRequest {
    pub(crate) workflow: String,
    #[serde(default = "Json::null")]
    pub(crate) input: Json,
    pub(crate) id: Option<String>,
    #[serde(default)]
    on_conflict: Policy,
}

impl StartRequest {
    pub(crate) fn on_conflict(&self) -> OnConflict {
        self.on_conflict.into()
    }
}

/// An event that is none of those a function takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{seen}: a function takes messages of SQS, records of S3, SNS and DynamoDB streams, events of \
     EventBridge and its schedules, HTTP requests, {{\"start\": {{\"workflow\": …, \"input\": …, \
     \"id\": …}}}} and {{\"sweep\": {{}}}}; anything else needs App::on with a closure that takes \
     an Invoke"
)]
pub struct UnknownEvent {
    seen: String,
}

impl UnknownEvent {
    /// What cannot be recognised at all.
    pub(crate) fn other(payload: &Json) -> Self {
        let keys = serde_json::from_str::<BTreeMap<String, &RawValue>>(payload.as_str());
        let seen = match keys {
            Ok(keys) if keys.is_empty() => "the event is an empty object".to_owned(),
            Ok(keys) => {
                let first = keys.keys().take(8).map(|key| format!("{key:.40?}"));
                let more = if keys.len() > 8 { " and more" } else { "" };
                format!("the event has {}{more}", first.collect::<Vec<_>>().join(", "))
            }
            Err(_) => format!("the event is {:.60}", payload.as_str()),
        };
        Self { seen }
    }
}

/// The parts by which an event is known.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    sweep: Option<&'a RawValue>,
    #[serde(rename = "requestContext", borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(rename = "httpMethod", borrow)]
    method: Option<&'a RawValue>,
    #[serde(rename = "detail-type", borrow)]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    /// SNS's notification, in a message.
    #[serde(rename = "TopicArn", borrow)]
    topic: Option<&'a RawValue>,
    /// S3's test of a new configuration, in a message.
    #[serde(rename = "Service", borrow)]
    service: Option<&'a RawValue>,
    #[serde(rename = "Event", borrow)]
    event: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RecordSource {
    #[serde(rename = "eventSource", alias = "EventSource")]
    event_source: Option<String>,
}

impl Invocation {
    /// Reads an event. `id` names the invocation.
    ///
    /// # Errors
    /// It is of another shape, or so damaged that no part of it can be answered by itself.
    pub(crate) fn recognise(event: &str, id: &str) -> Result<Self, UnknownEvent> {
        let unknown = |seen: String| UnknownEvent { seen };
        let other = || match Json::parse(event.to_owned()) {
            Ok(payload) => Ok(Self::Other(Invoke { id: id.to_owned(), payload })),
            Err(error) => Err(unknown(format!("the event is no JSON ({error})"))),
        };
        // A list or a number is nobody's event, and may be a payload.
        let Ok(shape) = serde_json::from_str::<Shape<'_>>(event) else { return other() };
        match shape {
            Shape { records: Some(records), start: None, sweep: None, .. } => {
                read_records(records).map_err(unknown)
            }
            Shape { records: None, start: Some(start), sweep: None, .. } => {
                let start = serde_json::from_str(start.get());
                start.map(Self::Start).map_err(|error| unknown(format!("the start: {error}")))
            }
            Shape { records: None, start: None, sweep: Some(_), .. } => Ok(Self::Sweep),
            Shape { records: None, start: None, sweep: None, request_context, .. } => {
                if let Some(source) = request_context.and_then(|it| http(it, shape.method)) {
                    return Ok(Self::Http(source));
                }
                if shape.detail_type.is_none() || shape.source.is_none() {
                    return other();
                }
                match EventBridgeEvent::read(event) {
                    Ok(scheduled) if scheduled.is_schedule() => {
                        Ok(Self::Schedule(scheduled.into()))
                    }
                    Ok(event) => Ok(Self::Sent(vec![read_event(event)])),
                    Err(error) => Err(unknown(error.to_string())),
                }
            }
            _ => Err(unknown("the event has the parts of several".to_owned())),
        }
    }
}

/// Who has sent a request, by its context and its method
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>).
fn http(context: &RawValue, method: Option<&RawValue>) -> Option<HttpSource> {
    #[derive(Deserialize)]
    struct Context<'a> {
        #[serde(borrow)]
        http: Option<&'a RawValue>,
        #[serde(borrow)]
        elb: Option<&'a RawValue>,
    }
    match serde_json::from_str(context.get()).ok()? {
        Context { http: Some(_), .. } => Some(HttpSource::HttpApi),
        Context { elb: Some(_), .. } => method.map(|_| HttpSource::LoadBalancer),
        _ => method.map(|_| HttpSource::RestApi),
    }
}

fn read_records(records: &RawValue) -> Result<Invocation, String> {
    let records: Vec<&RawValue> = serde_json::from_str(records.get())
        .map_err(|error| format!("the event's Records are no list ({error})"))?;
    let source = |record: &RawValue| {
        let source = serde_json::from_str::<RecordSource>(record.get()).ok();
        source.and_then(|record| record.event_source).unwrap_or_default()
    };
    // Lambda never mixes sources; a record without one is damaged, and answered as its neighbours.
    let sources: Vec<String> = records.iter().map(|record| source(record)).collect();
    let known = sources.iter().find(|source| !source.is_empty());
    if let Some(mixed) = sources.iter().find(|it| !it.is_empty() && Some(*it) != known) {
        return Err(format!(
            "the event has records from {:?} and {mixed:?}",
            known.expect("found")
        ));
    }
    match known.map(String::as_str) {
        Some("aws:sqs") => {
            records.into_iter().map(read_message).collect::<Result<_, _>>().map(Invocation::Sqs)
        }
        Some("aws:dynamodb") => {
            records.into_iter().map(read_change).collect::<Result<_, _>>().map(Invocation::Table)
        }
        Some("aws:s3") => {
            let read = |record| Reading(vec![read_objects(&[record])]);
            Ok(Invocation::Sent(records.into_iter().map(read).collect()))
        }
        Some("aws:sns") => {
            Ok(Invocation::Sent(records.into_iter().map(read_notification).collect()))
        }
        Some(source) => Err(format!("the event's records are from {source:?}")),
        None if records.is_empty() => Ok(Invocation::Sqs(Vec::new())),
        None => Err("the event's records do not say from where they are".to_owned()),
    }
}

/// A record of SQS. Without its id it cannot be answered by itself.
fn read_message(record: &RawValue) -> Result<Message, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outline {
        message_id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        message_id: String,
        receipt_handle: String,
        body: String,
        #[serde(rename = "eventSourceARN", default)]
        queue: String,
        #[serde(default)]
        attributes: System,
        #[serde(rename = "messageAttributes", default, deserialize_with = "attributes")]
        own: BTreeMap<String, String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct System {
        approximate_receive_count: Option<String>,
    }
    let record = match serde_json::from_str::<Record>(record.get()) {
        Ok(record) => record,
        Err(error) => {
            let id = serde_json::from_str::<Outline>(record.get());
            let id = id.map_err(|_| format!("a record of SQS: {error}"))?.message_id;
            let content =
                Content::Business(Reading(vec![Err(Malformed::new("a record of SQS", error))]));
            return Ok(Message { id, receipt: String::new(), receive_count: 1, content });
        }
    };
    let content = match Wake::from_body(&record.body) {
        Ok(wake) => Content::Wake(wake),
        Err(newer @ NotAWake::Newer { .. }) => Content::Newer(newer),
        Err(_) => {
            let message = SqsMessage {
                id: record.message_id.clone(),
                queue: record.queue,
                body: record.body.clone(),
                attributes: record.own,
            };
            let mut reading = read_text(&record.body);
            if !reading.is_nothing() {
                reading.0.push(Ok(vec![Trigger::Sqs(message)]));
            }
            Content::Business(reading)
        }
    };
    let count = record.attributes.approximate_receive_count;
    let receive_count = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    Ok(Message { id: record.message_id, receipt: record.receipt_handle, receive_count, content })
}

/// A record of a stream. Without its place it cannot be answered by itself.
fn read_change(record: &RawValue) -> Result<(String, Reading), String> {
    let change = table::read_record(record.get());
    let sequence = table::sequence_of(record.get());
    let sequence = sequence
        .ok_or_else(|| "a record of a DynamoDB stream has no dynamodb.SequenceNumber".to_owned())?;
    Ok((sequence, Reading(vec![change.map(|change| vec![Trigger::Table(change)])])))
}

fn read_objects(records: &[&RawValue]) -> Result<Vec<Trigger>, Malformed> {
    records.iter().map(|record| s3::read_record(record.get()).map(Trigger::S3)).collect()
}

/// A record of SNS.
fn read_notification(record: &RawValue) -> Reading {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(rename = "Sns", borrow)]
        sns: &'a RawValue,
    }
    match serde_json::from_str::<Record<'_>>(record.get()) {
        Ok(record) => read_sns(record.sns.get()),
        Err(error) => Reading(vec![Err(Malformed::new("a record of SNS", error))]),
    }
}

fn read_sns(notification: &str) -> Reading {
    let message = match SnsMessage::read(notification) {
        Ok(message) => message,
        Err(error) => return Reading(vec![Err(error)]),
    };
    let mut reading = read_text(&message.message);
    if !reading.is_nothing() {
        reading.0.push(Ok(vec![Trigger::Sns(message)]));
    }
    reading
}

fn read_event(event: EventBridgeEvent) -> Reading {
    let object = (event.source == "aws.s3")
        .then(|| s3::read_detail(&event.detail_type, &event.time, event.detail.as_str()))
        .flatten();
    let object = object.map(|object| Ok(vec![Trigger::S3(object)]));
    Reading(object.into_iter().chain([Ok(vec![Trigger::EventBridge(event)])]).collect())
}

/// What the text of a message is, if it is an event itself.
fn read_text(text: &str) -> Reading {
    let Ok(shape) = serde_json::from_str::<Shape<'_>>(text) else { return Reading::default() };
    if let Some(records) = shape.records {
        let Ok(records) = serde_json::from_str::<Vec<&RawValue>>(records.get()) else {
            return Reading::default();
        };
        let are_s3 = !records.is_empty()
            && records.iter().all(|record| {
                serde_json::from_str::<RecordSource>(record.get())
                    .is_ok_and(|record| record.event_source.as_deref() == Some("aws:s3"))
            });
        return if are_s3 { Reading(vec![read_objects(&records)]) } else { Reading::default() };
    }
    if shape.topic.is_some() {
        return read_sns(text);
    }
    if shape.detail_type.is_some() && shape.source.is_some() {
        return match EventBridgeEvent::read(text) {
            Ok(event) => read_event(event),
            Err(error) => Reading(vec![Err(error)]),
        };
    }
    let is = |raw: Option<&RawValue>, text: &str| raw.is_some_and(|raw| raw.get() == text);
    if is(shape.service, "\"Amazon S3\"") && is(shape.event, "\"s3:TestEvent\"") {
        return Reading(vec![Ok(Vec::new())]);
    }
    Reading::default()
}

impl Reading {
    /// Whether it says that nothing happened: S3's test of a new configuration.
    fn is_nothing(&self) -> bool {
        matches!(&self.0[..], [Ok(none)] if none.is_empty())
    }
}

#[cfg(test)]
mod tests;
