//! The wake queue on SQS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use everstep::aws::SqsQueue;
use everstep::id::ExecutionId;
use everstep::testing::conformance::QueueFactory;
use everstep::wake::{QueueError, Wake, WakeQueue};
use everstep_tests::dynamodb::config_at;
use everstep_tests::ministack::Ministack;
use everstep_tests::proxy::{Fault, Proxy};

/// A queue has a name of its own, so that checks can make several on one ministack.
#[derive(Default)]
struct SqsQueues(tokio::sync::OnceCell<Ministack>);

#[async_trait]
impl QueueFactory for SqsQueues {
    async fn queue(&self, visibility: Duration) -> Arc<dyn WakeQueue> {
        let rig = self.0.get_or_init(Ministack::start).await;
        let name = format!("wakes-{}", uuid::Uuid::new_v4().simple());
        let queue = queue_at(rig, &name).await.with_visibility(visibility);
        queue.setup().await.unwrap();
        Arc::new(queue)
    }

    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

everstep::wake_queue_suite!(conformance, SqsQueues::default());

fn wake(id: &str) -> Wake {
    Wake::news(ExecutionId::new(id).unwrap())
}

async fn queue_at(rig: &Ministack, name: &str) -> SqsQueue {
    SqsQueue::new(&config_at(rig.url()).await, name).unwrap()
}

async fn attributes(rig: &Ministack, name: &str) -> HashMap<QueueAttributeName, String> {
    let client = aws_sdk_sqs::Client::new(&config_at(rig.url()).await);
    let url = client.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
    let call = client.get_queue_attributes().queue_url(url);
    let answer = call.attribute_names(QueueAttributeName::All).send().await.unwrap();
    answer.attributes.unwrap()
}

#[track_caller]
fn check_unusable<T: std::fmt::Debug>(answer: Result<T, QueueError>, says: &[&str]) {
    let error = answer.unwrap_err();
    let QueueError::Unusable { remedy, .. } = &error else { panic!("{error:?}") };
    for part in says {
        assert!(remedy.contains(part), "{remedy:?} does not say {part:?}");
    }
}

#[tokio::test]
async fn setup_makes_the_queue_and_its_dead_letter_queue_and_may_be_repeated() {
    let rig = Ministack::start().await;
    let queue = queue_at(&rig, "wakes").await;
    let together = (0..4).map(|_| queue.setup());
    futures::future::try_join_all(together).await.unwrap();
    queue.setup().await.unwrap();

    let made = attributes(&rig, "wakes").await;
    assert_eq!(made[&QueueAttributeName::VisibilityTimeout], "360");
    let redrive = &made[&QueueAttributeName::RedrivePolicy];
    let redrive: serde_json::Value = serde_json::from_str(redrive).unwrap();
    assert_eq!(redrive["maxReceiveCount"].to_string().trim_matches('"'), "20");
    let dead = attributes(&rig, "wakes-dead").await;
    assert_eq!(redrive["deadLetterTargetArn"], dead[&QueueAttributeName::QueueArn]);
}

#[tokio::test]
async fn a_missing_queue_is_a_sentence() {
    let rig = Ministack::start().await;
    let says = ["\"nowhere\"", "eu-west-1", "everstep setup", "EVERSTEP_URL"];
    let queue = queue_at(&rig, "nowhere").await;
    check_unusable(queue.send(&wake("a"), Duration::ZERO).await, &says);
    check_unusable(queue.receive(1, Duration::ZERO).await, &says);
    let url = format!("{}/000000000000/nowhere", rig.url());
    let queue = queue_at(&rig, &url).await;
    check_unusable(queue.send(&wake("a"), Duration::ZERO).await, &says);
    check_unusable(queue.setup().await, &says);
}

#[tokio::test]
async fn a_wake_is_received_given_back_kept_and_deleted() {
    let rig = Ministack::start().await;
    let queue = queue_at(&rig, "wakes").await;
    queue.setup().await.unwrap();
    queue.send(&wake("order\u{ffff} é \"7\""), Duration::ZERO).await.unwrap();

    let first = queue.receive(10, Duration::from_secs(5)).await.unwrap().remove(0);
    assert_eq!(Wake::from_body(&first.body).unwrap(), wake("order\u{ffff} é \"7\""));
    assert_eq!(first.receive_count, 1);
    assert!(queue.receive(10, Duration::ZERO).await.unwrap().is_empty(), "it is invisible");

    queue.keep(&first.receipt, Duration::ZERO).await.unwrap();
    let second = queue.receive(10, Duration::from_secs(5)).await.unwrap().remove(0);
    assert_eq!(second.receive_count, 2);

    queue.delete(&second.receipt).await.unwrap();
    queue.delete(&second.receipt).await.unwrap();
    queue.keep(&second.receipt, Duration::from_secs(5)).await.unwrap();
    assert!(queue.receive(10, Duration::from_secs(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_received_wake_comes_back_after_its_visibility_time_out() {
    let rig = Ministack::start().await;
    let queue = queue_at(&rig, "wakes").await.with_visibility(Duration::from_millis(100));
    queue.setup().await.unwrap();
    queue.send(&wake("a"), Duration::ZERO).await.unwrap();
    assert_eq!(queue.receive(1, Duration::from_secs(5)).await.unwrap()[0].receive_count, 1);
    assert_eq!(queue.receive(1, Duration::from_secs(20)).await.unwrap()[0].receive_count, 2);
}

#[tokio::test]
async fn a_delayed_wake_is_never_early_and_ends_a_long_wait() {
    let rig = Ministack::start().await;
    let queue = queue_at(&rig, "wakes").await;
    queue.setup().await.unwrap();
    let sent = Instant::now();
    queue.send(&wake("a"), Duration::from_millis(1_100)).await.unwrap();
    let received = queue.receive(1, Duration::from_secs(20)).await.unwrap();
    let waited = sent.elapsed();
    assert_eq!(received.len(), 1);
    assert!(waited >= Duration::from_millis(1_100), "{waited:?}");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
}

#[tokio::test]
async fn a_queue_that_is_gone_for_a_while_is_unavailable() {
    let rig = Ministack::start().await;
    let queue = queue_at(&rig, "wakes").await;
    queue.setup().await.unwrap();
    queue.send(&wake("a"), Duration::ZERO).await.unwrap();
    drop(rig);
    let error = queue.send(&wake("a"), Duration::ZERO).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

/// How often the SDK tries a call.
const TRIES: usize = 3;

#[tokio::test]
async fn one_fault_of_any_kind_is_absorbed_and_three_are_reported_as_unavailable() {
    let rig = Ministack::start().await;
    let proxy = Proxy::start(rig.url()).await;
    // As ours, but for a time-out that a test can wait for.
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(1)).build();
    let config = config_at(proxy.url()).await.into_builder().timeout_config(timeouts).build();
    let queue = SqsQueue::new(&config, "wakes").unwrap();
    let empty = SqsQueue::new(&config, "empty").unwrap();
    queue.setup().await.unwrap();
    empty.setup().await.unwrap();
    queue.send(&wake("a"), Duration::ZERO).await.unwrap();
    let receipt = queue.receive(1, Duration::from_secs(5)).await.unwrap().remove(0).receipt;
    assert!(empty.receive(1, Duration::ZERO).await.unwrap().is_empty());

    let faults = [
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::Hang,
        Fault::error(400, "ThrottlingException"),
        Fault::error(500, "InternalFailure"),
        Fault::Answer { status: 503, body: "<html>busy</html>".into() },
    ];
    for fault in faults {
        // A call that waits for messages has a time-out of its own, longer than a test.
        let hangs = matches!(fault, Fault::Hang);
        let plan = |times: usize| {
            for operation in ["SendMessage", "ChangeMessageVisibility", "DeleteMessage"] {
                proxy.fail(operation, times, fault.clone());
            }
            if !hangs {
                proxy.fail("ReceiveMessage", times, fault.clone());
            }
        };
        plan(1);
        let sent = queue.send(&wake("a"), Duration::ZERO).await;
        assert!(sent.is_ok(), "{fault:?}: {sent:?}");
        let kept = queue.keep(&receipt, Duration::from_secs(30)).await;
        assert!(kept.is_ok(), "{fault:?}: {kept:?}");
        let deleted = queue.delete(&receipt).await;
        assert!(deleted.is_ok(), "{fault:?}: {deleted:?}");
        let received = empty.receive(1, Duration::ZERO).await;
        assert!(received.is_ok(), "{fault:?}: {received:?}");
        assert_eq!(proxy.faults_left(), 0, "{fault:?}");

        plan(TRIES);
        let mut errors = vec![
            queue.send(&wake("a"), Duration::ZERO).await.unwrap_err(),
            queue.keep(&receipt, Duration::from_secs(30)).await.unwrap_err(),
            queue.delete(&receipt).await.unwrap_err(),
        ];
        if !hangs {
            errors.push(empty.receive(1, Duration::ZERO).await.unwrap_err());
        }
        assert!(errors.iter().all(QueueError::is_retryable), "{fault:?}: {errors:?}");
        assert_eq!(proxy.faults_left(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_queue_is_refused() {
    let config = config_at("http://127.0.0.1:1").await;
    check_unusable(SqsQueue::new(&config, "wakes.fifo"), &["FIFO"]);
    check_unusable(SqsQueue::new(&config, "my wakes"), &["\"my wakes\"", "letters"]);
    check_unusable(SqsQueue::new(&config, ""), &["name"]);
    check_unusable(SqsQueue::new(&config, "a/b"), &["\"a/b\""]);
    let nowhere = config.to_builder().region(None).build();
    check_unusable(SqsQueue::new(&nowhere, "wakes"), &["AWS_REGION"]);
}
