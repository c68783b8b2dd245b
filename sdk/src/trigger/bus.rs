//! EventBridge: events of a bus, and schedules that are due.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Malformed;
use super::read_payload;
use crate::event::Json;

/// An event of an EventBridge bus
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html>).
///
/// ```
/// use everstep::trigger::{Action, EventBridgeEvent, SignalAction};
///
/// #[derive(serde::Deserialize)]
/// struct Payment { order: String, receipt: String }
///
/// /// For `App::on`.
/// fn paid(event: EventBridgeEvent) -> everstep::Result<Option<SignalAction>> {
///     if event.detail_type != "Payment received" {
///         return Ok(None);
///     }
///     let payment: Payment = event.json()?;
///     Ok(Some(Action::signal(payment.order, "paid", &payment.receipt)))
/// }
///
/// // A test of it:
/// let event = serde_json::from_str(
///     r#"{"id": "e-1", "source": "shop", "detail-type": "Payment received", "detail": {"order": "order-7"}}"#,
/// )?;
/// assert!(paid(event).unwrap_err().to_string().contains("missing field `receipt`"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EventBridgeEvent {
    /// Its own id: the same if it is delivered again.
    pub id: String,
    /// Who sent it: `aws.ec2`, `com.example.shop`.
    pub source: String,
    /// What it says, as its sender names it.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// When it happened, in UTC: `2026-11-26T12:00:00Z`.
    #[serde(default)]
    pub time: String,
    /// The account it comes from.
    #[serde(default)]
    pub account: String,
    /// The region it comes from.
    #[serde(default)]
    pub region: String,
    /// The ARNs of what it is about.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Its payload.
    #[serde(default = "Json::null")]
    pub detail: Json,
}

impl EventBridgeEvent {
    /// The detail as a `T`.
    ///
    /// # Errors
    /// It is no `T`; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        read_payload("the detail of the event", self.detail.as_str())
    }

    pub(super) fn read(event: &str) -> Result<Self, Malformed> {
        serde_json::from_str(event)
            .map_err(|error| Malformed::new("an event of EventBridge", error))
    }

    /// Whether a schedule has sent it: a rule's, or one of EventBridge Scheduler without an input
    /// of its own.
    pub(super) fn is_schedule(&self) -> bool {
        matches!(&*self.source, "aws.events" | "aws.scheduler")
            && self.detail_type == "Scheduled Event"
    }
}

/// A schedule is due: of a rule of EventBridge, or of EventBridge Scheduler without an input of its
/// own.
///
/// Without a closure for it, and where the closure [ignores](super::Action::ignore) it, a schedule
/// lets the function sweep.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::trigger::{Action, Schedule};
/// # #[workflow] async fn report(of: String) -> everstep::Result<String> { Ok(of) }
///
/// let app = App::new().workflow(report).on(|due: Schedule| {
///     due.schedule.ends_with("rule/nightly").then(|| Action::start(report, due.time))
/// });
/// # let env = Env::new(app);
/// # let event = serde_json::json!({ "id": "s-1", "source": "aws.events", "detail-type": "Scheduled Event",
/// #     "time": "2026-11-27T02:00:00Z", "resources": ["arn:aws:events:eu-central-1:123456789012:rule/nightly"],
/// #     "detail": {} });
/// # env.block_on(env.triggers().deliver(&event.to_string(), "1")).unwrap();
/// # let report = env.client().handle(report, ExecutionId::new("report/schedule/s-1").unwrap());
/// # let result = env.block_on(report.result());
/// assert_eq!(result.unwrap(), "2026-11-27T02:00:00Z");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// The id of this event: the same if it is delivered again.
    pub id: String,
    /// The ARN of the rule or of the schedule.
    pub schedule: String,
    /// The time it was due, in UTC: `2026-11-26T12:00:00Z`.
    pub time: String,
}

impl From<EventBridgeEvent> for Schedule {
    fn from(event: EventBridgeEvent) -> Self {
        let schedule = event.resources.into_iter().next().unwrap_or_default();
        Self { id: event.id, schedule, time: event.time }
    }
}
