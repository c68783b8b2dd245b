//! The dead letters of a queue: what was received too often and never deleted.

use std::time::Duration;

use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};

use super::wake::SqsQueue;
use crate::time::Timestamp;
use crate::wake::{NotAWake, QueueError, Wake, WakeQueue};

/// How long a letter that was received is not received again, unless it is put back.
const HOLD: Duration = Duration::from_secs(120);

/// How long a look for letters waits. One that waits asks all of SQS's servers, one that does not
/// may miss letters
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>).
const LOOK: Duration = Duration::from_secs(1);

/// The dead letters of an [`SqsQueue`]: the queue that its redrive policy names.
///
/// Nothing is lost on the way back: a letter is sent before it is deleted here, so that a process
/// that dies in between leaves it twice. For a wake that is harmless; for other messages it is what
/// SQS does anyway.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{DeadLetters, SqsQueue, load_config};
///
/// let queue = SqsQueue::new(&load_config().await, "orders-wakes")?;
/// let letters: DeadLetters = queue.dead_letters().await?.expect("setup has made them");
/// for letter in letters.look().await? {
///     match &letter.wake {
///         Ok(wake) => {
///             println!("{}: a wake of {}", letters.name(), wake.execution);
///             letters.give_back(&letter).await?; // it is received again
///         }
///         Err(_) if letter.body.is_empty() => letters.delete(&letter).await?,
///         Err(_) => letters.put_back(&letter).await?, // for whoever looks next
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct DeadLetters {
    source: SqsQueue,
    dead: SqsQueue,
}

/// A message that nobody has dealt with.
///
/// ```no_run
/// use everstep::aws::DeadLetter;
///
/// /// A line for the operator.
/// fn line(letter: &DeadLetter) -> String {
///     let sent = letter.sent_at.map_or_else(|| "once".to_owned(), |at| at.to_string());
///     match &letter.wake {
///         Ok(wake) => format!("{sent}: look at {}", wake.execution),
///         Err(problem) => format!("{sent}: {problem}"),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct DeadLetter {
    /// Its text.
    pub body: String,
    /// When it was first sent. SQS drops it 14 days later, however often it has been moved since.
    pub sent_at: Option<Timestamp>,
    /// The text as a wake of Everstep, if it is one that this program can read.
    pub wake: Result<Wake, NotAWake>,
    receipt: String,
    attributes: Option<std::collections::HashMap<String, MessageAttributeValue>>,
}

impl SqsQueue {
    /// Where this queue's messages go that were received too often; `None` if they stay.
    ///
    /// # Errors
    /// The queue is missing or does not answer, or this program may not ask for its attributes
    /// (`sqs:GetQueueAttributes`, and `sqs:GetQueueUrl` on both).
    pub async fn dead_letters(&self) -> Result<Option<DeadLetters>, QueueError> {
        let call = self.client.get_queue_attributes().queue_url(self.url().await?);
        let answer = call.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let answer = answer.map_err(|error| self.failed("sqs:GetQueueAttributes", error))?;
        let policy =
            answer.attributes.and_then(|mut all| all.remove(&QueueAttributeName::RedrivePolicy));
        let Some(policy) = policy else { return Ok(None) };
        let arn = serde_json::from_str::<serde_json::Value>(&policy)
            .ok()
            .and_then(|policy| Some(policy["deadLetterTargetArn"].as_str()?.to_owned()))
            .ok_or_else(|| self.nonsense("sqs:GetQueueAttributes"))?;
        // arn:aws:sqs:REGION:ACCOUNT:NAME
        let name = arn.rsplit(':').next().unwrap_or_default();
        Ok(Some(DeadLetters { source: self.clone(), dead: self.beside(name) }))
    }
}

impl DeadLetters {
    /// The name of the queue that they are in.
    #[must_use]
    pub fn name(&self) -> &str {
        self.dead.name()
    }

    /// Up to ten letters, in no order; none if there are no more. Each is held for two minutes:
    /// until then no look finds it again.
    ///
    /// # Errors
    /// The queue is missing, does not answer, or is not this program's to use.
    pub async fn look(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let messages = self.dead.messages(10, LOOK, HOLD, true).await?;
        Ok(messages.into_iter().filter_map(letter).collect())
    }

    /// Lets go of a letter: the next look finds it.
    ///
    /// # Errors
    /// See [`look`](Self::look).
    pub async fn put_back(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        self.dead.keep(&letter.receipt, Duration::ZERO).await
    }

    /// Sends a letter to the queue that it came from, with its attributes, and deletes it here.
    ///
    /// # Errors
    /// Either queue is missing, does not answer, or is not this program's to use. The letter is
    /// still here then, and may have been sent.
    pub async fn give_back(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let call = self
            .source
            .client
            .send_message()
            .queue_url(self.source.url().await?)
            .message_body(&letter.body)
            .set_message_attributes(letter.attributes.clone());
        call.send().await.map_err(|error| self.source.failed("sqs:SendMessage", error))?;
        self.delete(letter).await
    }

    /// Deletes a letter for good.
    ///
    /// # Errors
    /// See [`look`](Self::look).
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        self.dead.delete(&letter.receipt).await
    }
}

fn letter(message: Message) -> Option<DeadLetter> {
    let sent_at = message.attributes.as_ref().and_then(|attributes| {
        attributes.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok().map(Timestamp)
    });
    let body = message.body.unwrap_or_default();
    Some(DeadLetter {
        wake: Wake::from_body(&body),
        body,
        sent_at,
        receipt: message.receipt_handle?,
        attributes: message.message_attributes,
    })
}
