//! What records and messages say, in each of their envelopes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, Invocation, Message, Shape};
use crate::trigger::bus::EventBridgeEvent;
use crate::trigger::message::{SnsMessage, SqsMessage, attributes};
use crate::trigger::{Malformed, Trigger, s3, table};
use crate::wake::{NotAWake, Wake};

/// What one record says, in each of its envelopes, the innermost first.
#[derive(Debug, Default)]
pub(crate) struct Reading(pub(crate) Vec<Result<Vec<Trigger>, Malformed>>);

impl Reading {
    /// Whether it says that nothing happened: S3's test of a new configuration.
    fn is_nothing(&self) -> bool {
        matches!(&self.0[..], [Ok(none)] if none.is_empty())
    }
}

pub(super) fn read_records(records: &RawValue) -> Result<Invocation, String> {
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

pub(super) fn read_event(event: EventBridgeEvent) -> Reading {
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

#[derive(Deserialize)]
struct RecordSource {
    #[serde(rename = "eventSource", alias = "EventSource")]
    event_source: Option<String>,
}
