//! The wake queue on SQS: a standard queue.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityError;
use aws_sdk_sqs::operation::create_queue::CreateQueueError;
use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use tokio::sync::OnceCell;

use super::errors::{Fault, Place, cause, classify};
use crate::limits::{
    LAMBDA_VISIBILITY, QUEUE_DELAY_MAX, QUEUE_RECEIVES_MAX, QUEUE_RETENTION, WORKER_VISIBILITY,
};
use crate::wake::{Delivery, QueueError, Wake, WakeQueue};

/// Longest wait of one receive
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Most messages of one receive; the same page.
const BATCH_MAX: usize = 10;

/// Longest visibility time-out
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>).
const VISIBILITY_MAX: Duration = Duration::from_secs(43_200);

/// Longest name of a queue. What cannot be delivered goes to a queue with a suffix.
const NAME_BYTES_MAX: usize = 80;

/// The suffix of the dead-letter queue.
const DEAD: &str = "-dead";

/// The wakes in a standard SQS queue.
///
/// Times are rounded up to whole seconds, SQS's unit: a wake is never early. Clones share one
/// client and its connections.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// use everstep::aws::{SqsQueue, load_config};
///
/// let queue = SqsQueue::new(&load_config().await, "orders-wakes")?;
/// let queue = queue.with_visibility(Duration::from_secs(60));
/// if queue.dead_letters().await?.is_none() {
///     eprintln!("what nobody can deal with stays in the queue, and comes again and again");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct SqsQueue {
    pub(super) client: Client,
    place: Place,
    /// Known at once from a URL, at first use from a name.
    url: OnceCell<String>,
    visibility: Duration,
}

impl SqsQueue {
    /// The queue with the URL or the name `queue`; a name is one in the account and region of the
    /// configuration. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// The configuration has no region, or `queue` is neither a URL nor a standard queue's name.
    pub fn new(config: &SdkConfig, queue: &str) -> Result<Self, QueueError> {
        let unusable = |remedy| QueueError::Unusable { remedy, source: None };
        let is_url = queue.starts_with("https://") || queue.starts_with("http://");
        let name = queue.rsplit('/').next().unwrap_or_default();
        if name.ends_with(".fifo") {
            return Err(unusable(format!(
                "{queue:?} is a FIFO queue, which cannot delay single messages: use a standard one"
            )));
        }
        let fits = (1..=NAME_BYTES_MAX - DEAD.len()).contains(&name.len());
        let is_name = fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !is_name || (!is_url && name != queue) {
            return Err(unusable(format!(
                "{queue:?} is neither the URL nor the name of an SQS queue: a name has 1 to {} \
                 letters, digits, '_' and '-'",
                NAME_BYTES_MAX - DEAD.len()
            )));
        }
        Ok(Self {
            client: Client::new(config),
            place: Place::new("queue", name, config).map_err(unusable)?,
            url: OnceCell::new_with(is_url.then(|| queue.to_owned())),
            visibility: WORKER_VISIBILITY,
        })
    }

    /// The same queue with another visibility time-out for what it receives; the default is
    /// [`WORKER_VISIBILITY`]. Messages that Lambda receives have the queue's own.
    #[must_use]
    pub fn with_visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// Another queue of the same account and region.
    pub(super) fn beside(&self, name: &str) -> Self {
        Self { place: self.place.beside(name), url: OnceCell::new(), ..self.clone() }
    }

    pub(super) fn name(&self) -> &str {
        self.place.name()
    }

    pub(super) async fn url(&self) -> Result<&str, QueueError> {
        let look_up = || async {
            let answer = self.client.get_queue_url().queue_name(self.place.name()).send().await;
            let answer = answer.map_err(|error| self.failed("sqs:GetQueueUrl", error))?;
            answer.queue_url.ok_or_else(|| self.nonsense("sqs:GetQueueUrl"))
        };
        self.url.get_or_try_init(look_up).await.map(String::as_str)
    }

    pub(super) fn failed<E>(
        &self,
        action: &'static str,
        error: SdkError<E, HttpResponse>,
    ) -> QueueError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match classify(action, &self.place, &error) {
            Fault::Later(reason) => QueueError::unavailable(reason, cause(&error)),
            Fault::Never(remedy) => QueueError::unusable(remedy, cause(&error)),
        }
    }

    /// An answer without the part that was asked for.
    pub(super) fn nonsense(&self, action: &str) -> QueueError {
        QueueError::Unavailable {
            reason: format!("the answer to {action} on {} is incomplete", self.place),
            source: None,
        }
    }

    /// Receives up to `max` messages, waits for them up to `wait`, and hides them for `visibility`.
    /// With `whole` it asks for everything that a message has, else for what a wake has.
    pub(super) async fn messages(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
        whole: bool,
    ) -> Result<Vec<Message>, QueueError> {
        let wait = whole_seconds(wait, WAIT_MAX);
        // The answer comes when the wait is over, so the time-outs begin then.
        let answer_max = Duration::from_secs(wait.unsigned_abs().into()) + Duration::from_secs(5);
        let timeouts = TimeoutConfig::builder()
            .read_timeout(answer_max)
            .operation_attempt_timeout(answer_max)
            .operation_timeout(answer_max + Duration::from_secs(10))
            .build();
        let call = self
            .client
            .receive_message()
            .queue_url(self.url().await?)
            .max_number_of_messages(max.clamp(1, BATCH_MAX).try_into().unwrap_or(1))
            .wait_time_seconds(wait)
            .visibility_timeout(whole_seconds(visibility, VISIBILITY_MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let call = if whole {
            call.message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_attribute_names("All")
        } else {
            call
        };
        let call = call.customize().config_override(Config::builder().timeout_config(timeouts));
        let answer = call.send().await.map_err(|error| self.failed("sqs:ReceiveMessage", error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Whether the queue is there.
    async fn exists(&self) -> Result<bool, QueueError> {
        if let Some(url) = self.url.get() {
            let call = self.client.get_queue_attributes().queue_url(url);
            let answer = call.attribute_names(QueueAttributeName::QueueArn).send().await;
            return match answer {
                Ok(_) => Ok(true),
                Err(error) => Err(self.failed("sqs:GetQueueAttributes", error)),
            };
        }
        match self.client.get_queue_url().queue_name(self.place.name()).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(GetQueueUrlError::QueueDoesNotExist(_)) => Ok(false),
                _ => Err(self.failed("sqs:GetQueueUrl", error)),
            },
        }
    }

    /// Makes a queue; one that is there with other attributes is left as it is.
    async fn create(
        &self,
        name: &str,
        attributes: &[(QueueAttributeName, String)],
    ) -> Result<(), QueueError> {
        let mut call = self.client.create_queue().queue_name(name);
        for (attribute, value) in attributes {
            call = call.attributes(attribute.clone(), value);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(CreateQueueError::QueueNameExists(_)) => Ok(()),
                _ => Err(self.failed("sqs:CreateQueue", error)),
            },
        }
    }

    /// The ARN of another queue of the same account and region.
    async fn arn(&self, name: &str) -> Result<String, QueueError> {
        let answer = self.client.get_queue_url().queue_name(name).send().await;
        let answer = answer.map_err(|error| self.failed("sqs:GetQueueUrl", error))?;
        let url = answer.queue_url.ok_or_else(|| self.nonsense("sqs:GetQueueUrl"))?;
        self.arn_of(&url).await
    }

    /// This queue's ARN.
    #[cfg(feature = "scheduler")]
    pub(super) async fn own_arn(&self) -> Result<String, QueueError> {
        self.arn_of(self.url().await?).await
    }

    async fn arn_of(&self, url: &str) -> Result<String, QueueError> {
        let call = self.client.get_queue_attributes().queue_url(url);
        let answer = call.attribute_names(QueueAttributeName::QueueArn).send().await;
        let answer = answer.map_err(|error| self.failed("sqs:GetQueueAttributes", error))?;
        let arn = answer.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
        arn.ok_or_else(|| self.nonsense("sqs:GetQueueAttributes"))
    }
}

#[async_trait]
impl WakeQueue for SqsQueue {
    /// Makes the queue if it was named and is missing, and a dead-letter queue for messages that
    /// were received 20 times. A queue that is there is left as it is; one given by its URL must
    /// be there.
    async fn setup(&self) -> Result<(), QueueError> {
        if self.exists().await? {
            return Ok(());
        }
        let retention =
            (QueueAttributeName::MessageRetentionPeriod, QUEUE_RETENTION.as_secs().to_string());
        let dead = format!("{}{DEAD}", self.place.name());
        self.create(&dead, std::slice::from_ref(&retention)).await?;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": self.arn(&dead).await?,
            "maxReceiveCount": QUEUE_RECEIVES_MAX,
        });
        let visibility = LAMBDA_VISIBILITY.as_secs().to_string();
        let attributes = [
            retention,
            (QueueAttributeName::VisibilityTimeout, visibility),
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
        ];
        self.create(self.place.name(), &attributes).await
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        let call = self
            .client
            .send_message()
            .queue_url(self.url().await?)
            .message_body(to_sqs_text(wake.to_body()))
            .delay_seconds(whole_seconds(delay, QUEUE_DELAY_MAX));
        call.send().await.map_err(|error| self.failed("sqs:SendMessage", error))?;
        Ok(())
    }

    /// A wait is rounded up to whole seconds, and one of more than 20 ends after 20. More than 10
    /// messages never come at once.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let messages = self.messages(max, wait, self.visibility, false).await?;
        Ok(messages.into_iter().filter_map(delivery).collect())
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let call = self.client.delete_message().queue_url(self.url().await?);
        match call.receipt_handle(receipt).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteMessageError::ReceiptHandleIsInvalid(_)) => Ok(()),
                _ => Err(self.failed("sqs:DeleteMessage", error)),
            },
        }
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        let call = self
            .client
            .change_message_visibility()
            .queue_url(self.url().await?)
            .receipt_handle(receipt)
            .visibility_timeout(whole_seconds(visibility, VISIBILITY_MAX));
        let Err(error) = call.send().await else { return Ok(()) };
        let is_gone = match error.as_service_error() {
            Some(
                ChangeMessageVisibilityError::MessageNotInflight(_)
                | ChangeMessageVisibilityError::ReceiptHandleIsInvalid(_),
            ) => true,
            // What SQS says of a message that was deleted.
            Some(error) => error.code() == Some("InvalidParameterValue"),
            None => false,
        };
        if is_gone { Ok(()) } else { Err(self.failed("sqs:ChangeMessageVisibility", error)) }
    }

    fn visibility(&self) -> Duration {
        self.visibility
    }
}

fn delivery(message: Message) -> Option<Delivery> {
    let count = message.attributes.as_ref().and_then(|attributes| {
        attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()
    });
    Some(Delivery {
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
        receive_count: count.unwrap_or(1),
    })
}

/// SQS counts whole seconds: rounded up, so that nothing is early.
fn whole_seconds(time: Duration, max: Duration) -> i32 {
    let seconds = time.min(max).as_nanos().div_ceil(1_000_000_000);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// SQS refuses the two characters that XML cannot hold
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
/// A wake is JSON, where they stand within strings and can be escaped.
pub(super) fn to_sqs_text(body: String) -> String {
    if !body.contains(['\u{fffe}', '\u{ffff}']) {
        return body;
    }
    body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExecutionId;

    #[track_caller]
    fn check_seconds(millis: u64, seconds: i32) {
        let rounded = whole_seconds(Duration::from_millis(millis), QUEUE_DELAY_MAX);
        assert_eq!(rounded, seconds, "{millis} ms");
    }

    #[test]
    fn a_delay_is_rounded_up_and_cut_to_fifteen_minutes() {
        check_seconds(0, 0);
        check_seconds(1, 1);
        check_seconds(1_000, 1);
        check_seconds(1_001, 2);
        check_seconds(899_001, 900);
        check_seconds(900_001, 900);
        check_seconds(u64::MAX, 900);
        assert_eq!(whole_seconds(Duration::from_nanos(1), WAIT_MAX), 1);
    }

    #[test]
    fn a_wake_for_any_id_passes_as_an_sqs_message() {
        let id = ExecutionId::new("a\u{fffe}b\u{ffff}c\u{10ffff}").expect("an id");
        let wake = Wake::news(id);
        let text = to_sqs_text(wake.to_body());
        assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "{text}");
        assert_eq!(Wake::from_body(&text).expect("a wake"), wake);
    }
}
