//! Notifications as messages of SNS.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use sha2::{Digest, Sha256};

use super::super::errors::Place;
use super::{Answer, config_for, error_of, region_of, send_all};
use crate::notify::{NotSent, Notification, Notifier, NotifyError};

/// Longest group and deduplication id of a FIFO topic
/// (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatchRequestEntry.html>).
const FIFO_ID_BYTES_MAX: usize = 128;

/// Publishes each notification to a topic: the CloudEvent is the message, and the attributes `type`,
/// `workflow` and, of a change of status, `status` are there for filter policies.
///
/// Ten go in one call; those that SNS does not take are sent again. On a FIFO topic (its name ends
/// with `.fifo`) the notifications of one execution are one group, in order, and a repeat within five
/// minutes is dropped by SNS; where an id has more than 128 bytes or other characters than SNS takes,
/// its SHA-256 is in its place.
///
/// The program needs `sns:Publish` on the topic, and `kms:GenerateDataKey` and `kms:Decrypt` on its
/// key if it is encrypted with one of one's own.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{SnsNotifier, load_config};
/// use everstep::notify::Notifications;
/// use everstep::prelude::*;
///
/// let topic = "arn:aws:sns:eu-central-1:123456789012:orders.fifo";
/// let topic = SnsNotifier::new(&load_config().await, topic)?;
/// let app = App::new().notifications(Notifications::to(topic).steps());
/// # let _ = app;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SnsNotifier {
    client: Client,
    topic: Place,
    fifo: bool,
}

impl SnsNotifier {
    /// To the topic with this ARN, in its region. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// It is no ARN of a topic.
    pub fn new(config: &SdkConfig, topic_arn: &str) -> Result<Self, NotifyError> {
        let is_topic = region_of(topic_arn).is_some() && topic_arn.split(':').nth(2) == Some("sns");
        if !is_topic || topic_arn.split(':').count() != 6 {
            return Err(NotifyError::unusable(format!(
                "{topic_arn:?} is no topic: name it by its ARN, as arn:aws:sns:REGION:ACCOUNT:NAME"
            )));
        }
        let config = config_for(config, topic_arn);
        let topic = Place::new("topic", topic_arn, &config).map_err(NotifyError::unusable)?;
        Ok(Self { client: Client::new(&config), topic, fifo: topic_arn.ends_with(".fifo") })
    }

    fn entry(
        &self,
        place: usize,
        told: &Notification,
        body: String,
    ) -> Result<PublishBatchRequestEntry, NotifyError> {
        let not_asked = |problem: aws_sdk_sns::error::BuildError| {
            NotifyError::refused(format!("a message cannot be asked for: {problem}"))
        };
        let mut entry = PublishBatchRequestEntry::builder().id(place.to_string()).message(body);
        let attributes = [
            ("type", Some(told.notice.kind())),
            ("workflow", Some(told.workflow.as_str())),
            ("status", told.status().map(|status| status.as_str())),
        ];
        for (name, value) in attributes {
            // SNS takes no control characters, and nobody filters by them.
            let Some(value) = value.filter(|it| !it.is_empty() && !it.contains(char::is_control))
            else {
                continue;
            };
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            entry = entry.message_attributes(name, value.build().map_err(not_asked)?);
        }
        if self.fifo {
            entry = entry
                .message_group_id(fifo_id(told.execution.as_str()))
                .message_deduplication_id(fifo_id(&told.id));
        }
        entry.build().map_err(not_asked)
    }

    async fn publish(
        &self,
        notifications: &[Notification],
        entries: Vec<(usize, String)>,
    ) -> Result<Vec<Answer>, NotifyError> {
        let count = entries.len();
        let entries: Result<Vec<_>, _> = entries
            .into_iter()
            .enumerate()
            .map(|(place, (index, body))| self.entry(place, &notifications[index], body))
            .collect();
        let call = self
            .client
            .publish_batch()
            .topic_arn(self.topic.name())
            .set_publish_batch_request_entries(Some(entries?));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(error_of("sns:Publish", &self.topic, &error)),
        };
        let mut answers: Vec<Answer> = (0..count).map(|_| Ok(())).collect();
        for failed in answer.failed() {
            let place = failed.id().parse().ok().and_then(|place: usize| answers.get_mut(place));
            let Some(answer) = place else { continue };
            let (code, message) = (failed.code(), failed.message().unwrap_or_default());
            let said = format!("{}: {code}: {message}", self.topic);
            *answer = Err(match failed.sender_fault() {
                false => NotifyError::unavailable(said),
                // Of this one message: it will never be another.
                true if code.starts_with("InvalidParameter") => NotifyError::refused(said),
                true => NotifyError::unusable(said),
            });
        }
        Ok(answers)
    }
}

#[async_trait]
impl Notifier for SnsNotifier {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        send_all(notifications, |entries| self.publish(notifications, entries)).await
    }
}

/// `id`, if a FIFO topic takes it; else its hash.
fn fifo_id(id: &str) -> String {
    if id.len() <= FIFO_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return id.to_owned();
    }
    Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_a_fifo_topic_does_not_take_is_hashed() {
        assert_eq!(fifo_id("order-7/3/1"), "order-7/3/1");
        for id in ["order 7".to_owned(), "bär".to_owned(), "x".repeat(129)] {
            let hashed = fifo_id(&id);
            assert_eq!((hashed.len(), hashed == fifo_id(&id)), (64, true));
            assert_ne!(hashed, fifo_id(&(id + "1")));
        }
    }

    #[test]
    fn a_topic_is_named_by_its_arn() {
        let version = aws_config::BehaviorVersion::latest();
        let config = SdkConfig::builder().behavior_version(version).build();
        for name in ["news", "arn:aws:sqs:eu-west-1:1:news", "arn:aws:sns:eu-west-1:1"] {
            let error = SnsNotifier::new(&config, name).unwrap_err().to_string();
            assert!(error.contains("arn:aws:sns:REGION"), "{error}");
        }
        let topic = SnsNotifier::new(&config, "arn:aws:sns:eu-west-1:1:news.fifo").unwrap();
        assert!(topic.fifo);
    }
}
