//! Notifiers on AWS's services. What both do alike: batches, second tries, and what an error means.

mod eventbridge;
mod sns;

use std::error::Error;
use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::errors::{Fault, Place, classify};
use super::wake::to_sqs_text;
use crate::limits::NOTIFICATION_BYTES_MAX;
use crate::notify::{NotSent, Notification, NotifyError};

pub use eventbridge::EventBridgeNotifier;
pub use sns::SnsNotifier;

/// How many notifications one call takes
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>,
/// <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>).
const BATCH_MAX: usize = 10;

/// How often a call is made for entries that were not taken and may be, and how long it waits before
/// the second time; then twice as long.
const TRIES_MAX: u32 = 3;
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What the service said of one entry of a batch.
type Answer = Result<(), NotifyError>;

/// Sends all, batch by batch, by `call`, which says of each what became of it. After a batch that is
/// not wholly sent no other is tried: the receiver may count on the order.
async fn send_all<F>(
    notifications: &[Notification],
    call: impl Fn(Vec<(usize, String)>) -> F,
) -> Vec<NotSent>
where
    F: Future<Output = Result<Vec<Answer>, NotifyError>>,
{
    let bodies: Vec<String> =
        notifications.iter().map(|it| to_sqs_text(it.to_cloud_event())).collect();
    let mut not_sent = Vec::new();
    for batch in batches(&bodies) {
        let end = batch.end;
        let failed = send_batch(&bodies, batch, &call).await;
        let stops = failed.iter().any(|failed| !failed.error.is_final());
        not_sent.extend(failed);
        if stops {
            let error = NotifyError::unavailable("one before it was not sent");
            not_sent.extend((end..bodies.len()).map(|index| NotSent::new(index, error.clone())));
            break;
        }
    }
    not_sent
}

async fn send_batch<F>(
    bodies: &[String],
    batch: Range<usize>,
    call: &impl Fn(Vec<(usize, String)>) -> F,
) -> Vec<NotSent>
where
    F: Future<Output = Result<Vec<Answer>, NotifyError>>,
{
    let mut left: Vec<usize> = batch.collect();
    let mut failed = Vec::new();
    let mut pause = AGAIN_AFTER;
    for attempt in 1..=TRIES_MAX {
        let entries = left.iter().map(|&index| (index, bodies[index].clone())).collect();
        let answers = match call(entries).await {
            Ok(answers) => answers,
            // The client has tried as often as it is of use.
            Err(error) => {
                failed.extend(left.iter().map(|&index| NotSent::new(index, error.clone())));
                return failed;
            }
        };
        let mut again = Vec::new();
        for (&index, answer) in left.iter().zip(answers) {
            match answer {
                Ok(()) => {}
                Err(NotifyError::Unavailable { .. }) if attempt < TRIES_MAX => again.push(index),
                Err(error) => failed.push(NotSent::new(index, error)),
            }
        }
        if again.is_empty() {
            return failed;
        }
        left = again;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    failed
}

/// Which notifications go into one call: by their number and by their size together.
fn batches(bodies: &[String]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, body) in bodies.iter().enumerate() {
        match batches.last_mut() {
            Some(batch)
                if batch.len() < BATCH_MAX && bytes + body.len() <= NOTIFICATION_BYTES_MAX =>
            {
                batch.end = index + 1;
                bytes += body.len();
            }
            _ => {
                batches.push(index..index + 1);
                bytes = body.len();
            }
        }
    }
    batches
}

/// The configuration of a client of what `arn` names, which may be in another region; the same for a
/// plain name.
fn config_for(config: &SdkConfig, arn: &str) -> SdkConfig {
    match region_of(arn) {
        Some(region) => config.to_builder().region(Region::new(region.to_owned())).build(),
        None => config.clone(),
    }
}

fn region_of(arn: &str) -> Option<&str> {
    let mut parts = arn.split(':');
    (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten().filter(|it| !it.is_empty())
}

/// What the error of a call means.
fn error_of<E>(
    action: &'static str,
    place: &Place,
    error: &SdkError<E, HttpResponse>,
) -> NotifyError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("NotFound" | "NotFoundException" | "ResourceNotFoundException") => {
            NotifyError::unusable(format!(
                "{place} does not exist: create it, or correct where this program sends notifications"
            ))
        }
        Some(code) if code.contains("Throttl") => {
            NotifyError::unavailable(format!("{action} on {place}: {code}"))
        }
        _ => match classify(action, place, error) {
            Fault::Later(reason) => NotifyError::unavailable(reason),
            Fault::Never(remedy) => NotifyError::unusable(remedy),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_ten_at_most_and_no_more_than_fits() {
        let of = |sizes: &[usize]| {
            let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            batches(&bodies)
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[9; 21]), [0..10, 10..20, 20..21]);
        let large = NOTIFICATION_BYTES_MAX;
        assert_eq!(of(&[large, 1, large - 1, 1]), [0..1, 1..3, 3..4]);
    }

    #[test]
    fn the_region_is_that_of_the_arn() {
        assert_eq!(region_of("arn:aws:sns:eu-west-1:1:topic"), Some("eu-west-1"));
        assert_eq!(region_of("a-bus"), None);
        assert_eq!(region_of("arn:aws:events"), None);
    }

    fn run(answers: Vec<Result<Vec<Answer>, NotifyError>>, count: usize) -> (Vec<usize>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bodies = vec!["{}".to_owned(); count];
        let answers = std::sync::Mutex::new(answers.into_iter());
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let failed = runtime.block_on(send_batch(&bodies, 0..count, &|_| {
            calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = answers.lock().unwrap().next().expect("no more calls");
            async { answer }
        }));
        (failed.iter().map(|failed| failed.index).collect(), calls.into_inner())
    }

    #[test]
    fn of_a_batch_only_what_was_not_taken_is_sent_again() {
        let busy = || Err(NotifyError::unavailable("busy"));
        let wrong = || Err(NotifyError::unusable("forbidden"));
        assert_eq!(run(vec![Ok(vec![Ok(()), busy(), Ok(())]), Ok(vec![Ok(())])], 3), (vec![], 2));
        assert_eq!(
            run(vec![Ok(vec![busy()]), Ok(vec![busy()]), Ok(vec![busy()])], 1),
            (vec![0], 3)
        );
        assert_eq!(run(vec![Ok(vec![Ok(()), wrong()])], 2), (vec![1], 1));
        assert_eq!(run(vec![Err(NotifyError::unavailable("gone"))], 2), (vec![0, 1], 1));
    }
}
