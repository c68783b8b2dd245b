//! Notifications on topics of SNS and buses of EventBridge, to the queues that subscribe to them.

use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use everstep::aws::{EventBridgeNotifier, SnsNotifier};
use everstep::notify::{Notification, Notifications, Notifier, NotifierFn};
use everstep::prelude::*;
use everstep::testing::Env;
use everstep_tests::aws::calls;
use everstep_tests::dynamodb::{REGION, config_at};
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

#[workflow]
async fn bake(cake: String) -> everstep::Result<String> {
    publish("in the oven");
    let late = step("mix", async move || Ok::<_, everstep::Error>(cake + "!")).await?;
    sleep(seconds(1)).await;
    Ok(late)
}

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:{REGION}:000000000000:{name}")
}

/// Makes queues.
fn queues(rig: &Ministack, names: &[&str]) {
    let made: Vec<_> = names
        .iter()
        .map(|name| match name.ends_with(".fifo") {
            true => json!({ "QueueName": name, "Attributes": { "FifoQueue": "true" } }),
            false => json!({ "QueueName": name }),
        })
        .map(|with| ("sqs", "create_queue", with))
        .collect();
    let _ = calls(rig, &made);
}

/// The bodies of the first `count` messages of a queue, which are deleted.
fn received(rig: &Ministack, queue: &str, count: usize) -> Vec<Value> {
    let url = format!("{}/000000000000/{queue}", rig.url());
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut bodies = Vec::new();
    while bodies.len() < count {
        assert!(Instant::now() < deadline, "{count} messages of {queue}: {bodies:#?}");
        let asked = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1 });
        let answer = calls(rig, &[("sqs", "receive_message", asked)]).remove(0);
        let mut done = Vec::new();
        for message in answer["Messages"].as_array().into_iter().flatten() {
            bodies.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
            let receipt = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            done.push(("sqs", "delete_message", receipt));
        }
        if !done.is_empty() {
            let _ = calls(rig, &done);
        }
    }
    bodies
}

/// How many messages a queue has.
fn left(rig: &Ministack, queue: &str) -> String {
    let url = format!("{}/000000000000/{queue}", rig.url());
    let asked = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"] });
    let answer = calls(rig, &[("sqs", "get_queue_attributes", asked)]).remove(0);
    answer["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().to_owned()
}

/// Lets a worker bake one cake, and tell `notifications`.
async fn baked(id: &str, notifications: Notifications) {
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let app = App::new().workflow(bake).backend(backend).notifications(notifications);
    let handle = client.start(bake, "cake".to_owned()).id(id).await.unwrap();
    let worker = app.worker().await.unwrap();
    // The record is written after all is told.
    worker.run_until(handle.result()).await.unwrap().unwrap();
}

/// What an execution tells, to be sent by hand.
fn told() -> Vec<Notification> {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = std::sync::Arc::clone(&told);
    let notifier = NotifierFn::new(move |one| tell.lock().unwrap().push(one.clone()));
    let notifications = Notifications::to(notifier).steps().views();
    let env = Env::new(App::new().workflow(bake).notifications(notifications));
    env.run(bake, "cake".to_owned()).unwrap();
    std::mem::take(&mut *told.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_a_topic_get_what_their_filter_lets_through() {
    let rig = Ministack::start().await;
    queues(&rig, &["all", "ends"]);
    let topic = arn("sns", "cakes");
    let subscribe = |queue: &str, more: Value| {
        let mut attributes = json!({ "RawMessageDelivery": "true" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (
            "sns",
            "subscribe",
            json!({
                "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("sqs", queue),
                "Attributes": attributes,
            }),
        )
    };
    let filter = json!({ "status": ["completed", "failed"], "workflow": ["bake"] }).to_string();
    let _ = calls(
        &rig,
        &[
            ("sns", "create_topic", json!({ "Name": "cakes" })),
            subscribe("all", json!({})),
            subscribe("ends", json!({ "FilterPolicy": filter })),
        ],
    );
    let notifier = SnsNotifier::new(&config_at(rig.url()).await, &topic).unwrap();
    baked("cake-1", Notifications::to(notifier).views().steps().payloads()).await;

    let mut all = received(&rig, "all", 5);
    all.sort_by_key(|it| it["sequence"].as_str().unwrap().to_owned());
    let says: Vec<String> = all
        .iter()
        .map(|it| {
            let data = &it["data"];
            let what = [&data["status"], &data["step"], &data["view"]];
            let what = what.into_iter().find(|what| !what.is_null()).unwrap();
            format!("{} {what}", it["type"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        says,
        [
            r#"everstep.status "running""#,
            r#"everstep.view "in the oven""#,
            r#"everstep.step "mix#1""#,
            r#"everstep.status "suspended""#,
            r#"everstep.status "completed""#,
        ]
    );
    let ends = received(&rig, "ends", 1);
    assert_eq!(ends[0]["data"]["status"], "completed");
    assert_eq!(ends[0]["data"]["result"], "cake!");
    assert_eq!(ends[0]["subject"], "cake-1");
    assert_eq!(left(&rig, "ends"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_topic_keeps_the_order_of_an_execution_and_drops_repeats() {
    let rig = Ministack::start().await;
    queues(&rig, &["cakes.fifo"]);
    let topic = arn("sns", "cakes.fifo");
    let _ = calls(
        &rig,
        &[
            (
                "sns",
                "create_topic",
                json!({ "Name": "cakes.fifo", "Attributes": { "FifoTopic": "true" } }),
            ),
            (
                "sns",
                "subscribe",
                json!({
                    "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("sqs", "cakes.fifo"),
                    "Attributes": { "RawMessageDelivery": "true" },
                }),
            ),
        ],
    );
    let notifier = SnsNotifier::new(&config_at(rig.url()).await, &topic).unwrap();
    let told = tokio::task::spawn_blocking(told).await.unwrap();
    for _ in 0..2 {
        let not_sent = notifier.send(&told).await;
        assert!(not_sent.is_empty(), "{not_sent:?}");
    }
    let ids: Vec<String> = received(&rig, "cakes.fifo", told.len())
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, told.iter().map(|told| told.id.clone()).collect::<Vec<_>>());
    assert_eq!(left(&rig, "cakes.fifo"), "0", "a repeat is dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_a_bus_gets_what_its_pattern_matches() {
    let rig = Ministack::start().await;
    queues(&rig, &["ends"]);
    let pattern = json!({
        "source": ["shop"], "detail-type": ["everstep.status"],
        "detail": { "data": { "status": ["completed", "failed"] } },
    });
    let _ = calls(
        &rig,
        &[
            ("events", "create_event_bus", json!({ "Name": "cakes" })),
            (
                "events",
                "put_rule",
                json!({
                    "Name": "ends", "EventBusName": "cakes", "EventPattern": pattern.to_string(),
                }),
            ),
            (
                "events",
                "put_targets",
                json!({
                    "Rule": "ends", "EventBusName": "cakes",
                    "Targets": [{ "Id": "1", "Arn": arn("sqs", "ends") }],
                }),
            ),
        ],
    );
    let notifier = EventBridgeNotifier::new(&config_at(rig.url()).await, "cakes").unwrap();
    baked("cake-1", Notifications::to(notifier).source("/shop").steps()).await;
    let event = received(&rig, "ends", 1).remove(0);
    assert_eq!(
        (&event["source"], &event["detail-type"]),
        (&json!("shop"), &json!("everstep.status"))
    );
    let told = &event["detail"];
    assert_eq!(
        (&told["subject"], &told["data"]["status"]),
        (&json!("cake-1"), &json!("completed"))
    );
    assert_eq!(told["specversion"], "1.0");
    assert_eq!(left(&rig, "ends"), "0");
}

/// The configuration of a user who may do nothing.
async fn nobody(rig: &Ministack) -> SdkConfig {
    let made = calls(
        rig,
        &[
            ("iam", "create_user", json!({ "UserName": "nobody" })),
            ("iam", "create_access_key", json!({ "UserName": "nobody" })),
        ],
    );
    let part = |name: &str| made[1]["AccessKey"][name].as_str().unwrap().to_owned();
    let key = Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), None, None, "test");
    let config = config_at(rig.url()).await;
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(key)).build()
}

/// The execution is not stopped by it, and whoever reads the log of the program knows what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_or_forbidden_is_said_and_stops_nothing() {
    let rig = Ministack::start_with(&[("AUTH", "true")]).await;
    let topic = arn("sns", "cakes");
    let root = config_at(rig.url()).await;
    let missing = SnsNotifier::new(&root, &topic).unwrap();
    let told = tokio::task::spawn_blocking(told).await.unwrap();
    let says = |not_sent: Vec<everstep::notify::NotSent>| {
        assert_eq!(not_sent.len(), told.len());
        let error = &not_sent[0].error;
        assert!(!error.is_final(), "it may be mended: {error}");
        error.to_string()
    };
    let said = says(missing.send(&told).await);
    assert!(said.contains("does not exist") && said.contains(&topic), "{said}");
    baked("cake-1", Notifications::to(missing)).await;

    let _ = calls(&rig, &[("sns", "create_topic", json!({ "Name": "cakes" }))]);
    let forbidden = nobody(&rig).await;
    let said = says(SnsNotifier::new(&forbidden, &topic).unwrap().send(&told).await);
    assert!(said.contains("sns:Publish") && said.contains("IAM"), "{said}");
    let bus = EventBridgeNotifier::new(&forbidden, "default").unwrap();
    let said = says(bus.send(&told).await);
    assert!(said.contains("events:PutEvents") && said.contains("IAM"), "{said}");
    assert!(SnsNotifier::new(&root, &topic).unwrap().send(&told).await.is_empty());
}
