//! What an invocation of a function brings: recognised by its shape, in one place, without doing
//! anything.
//!
//! An event often comes in envelopes: S3 tells SNS, SNS tells a queue, the queue's messages are the
//! event. Each message has one [`Reading`] for each envelope, the innermost first, and the program
//! takes the first that it has a closure for. So a message that only looks like another event is
//! not lost for whoever wants it as it is.

mod reading;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use reading::Reading;
use reading::{read_event, read_records};

use super::bus::{EventBridgeEvent, Schedule};
use super::message::Invoke;
use crate::client::{OnConflict, Policy};
use crate::event::Json;
use crate::wake::{HandedOn, NotAWake, Wake};

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
    /// Another version of this function has a turn taken by this one.
    Turn(HandedOn),
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
    #[serde(borrow)]
    take_turn: Option<&'a RawValue>,
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
            Shape { records: Some(records), start: None, sweep: None, take_turn: None, .. } => {
                read_records(records).map_err(unknown)
            }
            Shape { records: None, start: Some(start), sweep: None, take_turn: None, .. } => {
                let start = serde_json::from_str(start.get());
                start.map(Self::Start).map_err(|error| unknown(format!("the start: {error}")))
            }
            Shape { records: None, start: None, sweep: Some(_), take_turn: None, .. } => {
                Ok(Self::Sweep)
            }
            Shape { records: None, start: None, sweep: None, take_turn: Some(turn), .. } => {
                let turn = HandedOn::read(turn.get());
                turn.map(Self::Turn).map_err(|error| unknown(format!("the turn: {error}")))
            }
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

#[cfg(test)]
mod tests;
