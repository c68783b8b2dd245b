//! What a Lambda function of Everstep can be invoked with, and what it answers. The shapes are in the
//! documentation of [`aws`](super).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::OnConflict;
use crate::event::Json;

/// An event, by its shape.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Wakes from the queue.
    Batch(Vec<SqsRecord>),
    /// An execution is to be started.
    Start(StartRequest),
    /// Overdue executions are to be woken.
    Sweep,
}

/// One message of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SqsRecord {
    pub(super) message_id: String,
    pub(super) receipt_handle: String,
    pub(super) body: String,
    #[serde(default)]
    attributes: SqsAttributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes {
    approximate_receive_count: Option<String>,
}

impl SqsRecord {
    pub(super) fn receive_count(&self) -> u32 {
        let count = self.attributes.approximate_receive_count.as_deref();
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

/// A start as a direct invocation asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    pub(super) workflow: String,
    #[serde(default = "Json::null")]
    pub(super) input: Json,
    pub(super) id: Option<String>,
    #[serde(default)]
    on_conflict: Policy,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    #[default]
    Attach,
    AttachToAny,
    Reject,
    Restart,
}

impl StartRequest {
    pub(super) fn on_conflict(&self) -> OnConflict {
        match self.on_conflict {
            Policy::Attach => OnConflict::Attach,
            Policy::AttachToAny => OnConflict::AttachToAny,
            Policy::Reject => OnConflict::Reject,
            Policy::Restart => OnConflict::Restart,
        }
    }
}

/// The answer to a batch: what is to come again. The rest is deleted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchAnswer {
    pub(super) batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchItemFailure {
    pub(super) item_identifier: String,
}

/// The answer to a start.
#[derive(Debug, Serialize)]
pub(super) struct StartAnswer {
    pub(super) id: String,
    pub(super) new: bool,
}

/// The answer to a sweep.
#[derive(Debug, Serialize)]
pub(super) struct SweepAnswer {
    pub(super) woken: usize,
}

/// An event that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "{problem}: this function takes a batch of SQS messages, {{\"start\": {{\"workflow\": …, \
     \"input\": …, \"id\": …}}}} or {{\"sweep\": {{}}}}"
)]
pub(super) struct UnknownEvent {
    problem: String,
}

/// The parts by which an event is known.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    sweep: Option<&'a RawValue>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct RecordSource {
    #[serde(rename = "eventSource", alias = "EventSource")]
    event_source: Option<String>,
}

impl Invocation {
    /// Reads an event.
    ///
    /// # Errors
    /// What it has that no event of ours has, and what ours look like.
    pub(super) fn parse(event: &str) -> Result<Self, UnknownEvent> {
        let unknown = |problem: String| UnknownEvent { problem };
        let shape: Shape<'_> = serde_json::from_str(event)
            .map_err(|error| unknown(format!("the event is not one of ours ({error})")))?;
        match shape {
            Shape { records: Some(records), start: None, sweep: None, .. } => {
                records.into_iter().map(read_record).collect::<Result<_, _>>().map(Self::Batch)
            }
            Shape { records: None, start: Some(start), sweep: None, .. } => {
                let start = serde_json::from_str(start.get());
                start.map(Self::Start).map_err(|error| unknown(format!("the start: {error}")))
            }
            Shape { records: None, start: None, sweep: Some(_), .. } => Ok(Self::Sweep),
            Shape { records: None, start: None, sweep: None, source: Some(source) }
                if source == "aws.events" || source == "aws.scheduler" =>
            {
                Ok(Self::Sweep)
            }
            _ => Err(unknown("the event has none of the known shapes, or several".into())),
        }
    }
}

fn read_record(record: &RawValue) -> Result<SqsRecord, UnknownEvent> {
    let source = serde_json::from_str::<RecordSource>(record.get()).ok();
    let source = source.and_then(|record| record.event_source).unwrap_or_default();
    if source != "aws:sqs" {
        return Err(UnknownEvent { problem: format!("a record is from {source:?}, not SQS") });
    }
    serde_json::from_str(record.get())
        .map_err(|error| UnknownEvent { problem: format!("a record of SQS: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
    const BATCH: &str = r#"{"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": "Test message.",
        "attributes": {
            "ApproximateReceiveCount": "3",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185"
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
        "awsRegion": "us-east-2"
    }]}"#;

    #[track_caller]
    fn check_refused(event: &str, says: &str) {
        let error = Invocation::parse(event).expect_err(event).to_string();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert!(error.contains(r#"{"start": {"workflow""#), "{error:?} shows no way out");
    }

    #[test]
    fn a_batch_is_read_as_aws_sends_it() {
        let Ok(Invocation::Batch(records)) = Invocation::parse(BATCH) else { panic!("no batch") };
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record.message_id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        assert_eq!(record.body, "Test message.");
        assert_eq!(record.receive_count(), 3);
    }

    #[test]
    fn a_failed_message_is_reported_as_aws_expects() {
        let failure = BatchItemFailure { item_identifier: "m-1".into() };
        let answer = BatchAnswer { batch_item_failures: vec![failure] };
        let text = serde_json::to_string(&answer).expect("JSON");
        assert_eq!(text, r#"{"batchItemFailures":[{"itemIdentifier":"m-1"}]}"#);
    }

    #[test]
    fn a_start_keeps_its_input_as_it_is() {
        let event =
            r#"{"start": {"workflow": "w", "input": {"b": 12345678901234567890123, "a": 1}}}"#;
        let Ok(Invocation::Start(start)) = Invocation::parse(event) else { panic!("no start") };
        assert_eq!(start.input.as_str(), r#"{"b": 12345678901234567890123, "a": 1}"#);
        assert_eq!((start.workflow.as_str(), &start.id), ("w", &None));
        assert_eq!(start.on_conflict(), OnConflict::Attach);
        let event = r#"{"start": {"workflow": "w", "id": "7", "on_conflict": "restart"}}"#;
        let Ok(Invocation::Start(start)) = Invocation::parse(event) else { panic!("no start") };
        assert_eq!((start.input, start.id.as_deref()), (Json::null(), Some("7")));
        assert!(matches!(start.on_conflict, Policy::Restart));
    }

    #[test]
    fn a_schedule_sweeps() {
        let scheduled = r#"{"version": "0", "detail-type": "Scheduled Event",
            "source": "aws.events", "time": "2026-11-26T12:00:00Z", "detail": {}}"#;
        for event in [r#"{"sweep": {}}"#, scheduled] {
            assert!(matches!(Invocation::parse(event), Ok(Invocation::Sweep)), "{event}");
        }
    }

    #[test]
    fn other_events_are_refused_with_what_is_known() {
        check_refused("{}", "none of the known shapes");
        check_refused("7", "not one of ours");
        check_refused(r#"{"start": {}, "sweep": {}}"#, "several");
        check_refused(r#"{"start": {"input": 1}}"#, "missing field `workflow`");
        check_refused(r#"{"start": {"workflow": "w", "inputs": 1}}"#, "unknown field `inputs`");
        check_refused(r#"{"start": {"workflow": "w", "on_conflict": "x"}}"#, "attach_to_any");
        check_refused(r#"{"Records": [{"eventSource": "aws:s3"}]}"#, "\"aws:s3\", not SQS");
        check_refused(r#"{"Records": [{"eventSource": "aws:sqs"}]}"#, "messageId");
        check_refused(r#"{"source": "aws.ec2", "detail": {}}"#, "none of the known shapes");
    }
}
