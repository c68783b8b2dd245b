//! Notifications as events of EventBridge.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::super::errors::Place;
use super::{Answer, config_for, error_of, send_all};
use crate::notify::{NotSent, Notification, Notifier, NotifyError};

/// Puts each notification on an event bus: the CloudEvent is the event's `detail`, its type the
/// `detail-type`, its source the `source` (without a slash at its beginning), its time the `time`.
///
/// Ten go in one call; entries that EventBridge does not take are sent again. EventBridge keeps no
/// order and may deliver an event twice: see [`Notification::id`] and [`Notification::sequence`].
///
/// The program needs `events:PutEvents` on the bus.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{EventBridgeNotifier, load_config};
/// use everstep::notify::Notifications;
/// use everstep::prelude::*;
///
/// let bus = EventBridgeNotifier::new(&load_config().await, "orders")?;
/// let app = App::new().notifications(Notifications::to(bus));
/// # let _ = app;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct EventBridgeNotifier {
    client: Client,
    bus: Place,
}

impl EventBridgeNotifier {
    /// To the bus of this name or ARN; the region is the ARN's. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// The configuration has no region.
    pub fn new(config: &SdkConfig, bus: &str) -> Result<Self, NotifyError> {
        let config = config_for(config, bus);
        let bus = Place::new("event bus", bus, &config).map_err(NotifyError::unusable)?;
        Ok(Self { client: Client::new(&config), bus })
    }

    async fn put(
        &self,
        notifications: &[Notification],
        entries: Vec<(usize, String)>,
    ) -> Result<Vec<Answer>, NotifyError> {
        let count = entries.len();
        let entries = entries.into_iter().map(|(index, body)| {
            let told = &notifications[index];
            PutEventsRequestEntry::builder()
                .event_bus_name(self.bus.name())
                .source(told.source.trim_start_matches('/'))
                .detail_type(told.notice.kind())
                .time(DateTime::from_millis(told.at.0))
                .detail(body)
                .build()
        });
        let call = self.client.put_events().set_entries(Some(entries.collect()));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(error_of("events:PutEvents", &self.bus, &error)),
        };
        if answer.failed_entry_count() == 0 {
            return Ok((0..count).map(|_| Ok(())).collect());
        }
        if answer.entries().len() != count {
            let problem = format!("the answer of {} does not fit what was asked", self.bus);
            return Err(NotifyError::unavailable(problem));
        }
        let said = answer.entries().iter().map(|entry| match entry.error_code() {
            None => Ok(()),
            Some(code) => Err(self.refusal(code, entry.error_message().unwrap_or_default())),
        });
        Ok(said.collect())
    }

    /// What the code of an entry means
    /// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>).
    fn refusal(&self, code: &str, message: &str) -> NotifyError {
        let bus = &self.bus;
        match code {
            "InternalFailure" | "InternalException" | "ThrottlingException" => {
                NotifyError::unavailable(format!("events:PutEvents on {bus}: {code}"))
            }
            "MalformedDetail" => NotifyError::refused(format!("{bus}: {code}: {message}")),
            "AccessDeniedException"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException" => NotifyError::unusable(format!(
                "this program may not use {bus}: allow events:PutEvents in its IAM policy ({code}: \
                 {message})"
            )),
            _ => NotifyError::unusable(format!("{bus} takes no event: {code}: {message}")),
        }
    }
}

#[async_trait]
impl Notifier for EventBridgeNotifier {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        send_all(notifications, |entries| self.put(notifications, entries)).await
    }
}
