//! The image example on AWS: an upload in S3 starts it, by S3's notification and through a queue as
//! well; renditions in S3, one of them by the other function; SNS tells a subscriber.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::client::Client;
use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::store::Status;
use everstep_tests::aws::{Call, calls};
use everstep_tests::dynamodb::{DynamoDb, REGION};
use everstep_tests::image;
use everstep_tests::ministack::{Ministack, shell_package};
use reqwest::Method;
use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// How long it may take until something that happened is noticed, on a busy machine.
const NOTICED_MAX: Duration = Duration::from_secs(120);

const TOPIC: &str = "arn:aws:sns:eu-west-1:000000000000:pictures-ready";

fn queue(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:000000000000:{name}")
}

fn function(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:000000000000:function:{name}")
}

/// Both functions with their bucket, topic and queues, and a subscriber.
struct Deployed {
    _db: DynamoDb,
    rig: Arc<Ministack>,
    _folder: tempfile::TempDir,
    client: Client,
    /// The host of the function's URL.
    host: String,
}

impl Deployed {
    async fn start() -> Self {
        let db = DynamoDb::start();
        let rig = Ministack::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (backend, mut environment) = rig.backend(&db).await;
        let package = shell_package(&image::function(), folder.path());
        environment["IMAGE_BUCKET"] = json!("pictures");
        let mut function_of = |name: &str, more: &[(&str, &str)]| {
            let mut environment = environment.clone();
            for (name, value) in more {
                environment[*name] = json!(value);
            }
            json!({
                "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap",
                "Role": "arn:aws:iam::000000000000:role/image", "Timeout": 60, "MemorySize": 1769,
                "Environment": { "Variables": environment }, "Code": { "ZipFile": package },
            })
        };
        let image = [("IMAGE_TOPIC", TOPIC), ("IMAGE_THUMBNAILS", "thumbnails")];
        let image = function_of("image", &image);
        let thumbnails = function_of("thumbnails", &[("IMAGE_FUNCTION", "thumbnails")]);
        let this = Self {
            _db: db,
            rig: Arc::new(rig),
            _folder: folder,
            client: Client::new(&backend),
            host: String::new(),
        };
        let mapping = |queue_name: &str| {
            json!({
                "EventSourceArn": queue(queue_name), "FunctionName": "image", "BatchSize": 10,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            })
        };
        let allowed = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": ["s3.amazonaws.com", "sns.amazonaws.com"] },
            "Action": "sqs:SendMessage", "Resource": "*",
        }] });
        let events = json!(["s3:ObjectCreated:*"]);
        let answers = this
            .calls(vec![
                ("lambda", "create_function", image),
                ("lambda", "create_function", thumbnails),
                ("sqs", "create_queue", json!({ "QueueName": "uploads", "Attributes": {
                    "Policy": allowed.to_string() } })),
                ("sqs", "create_queue", json!({ "QueueName": "subscriber", "Attributes": {
                    "Policy": allowed.to_string() } })),
                ("lambda", "create_event_source_mapping", mapping("wakes")),
                ("lambda", "create_event_source_mapping", mapping("uploads")),
                ("lambda", "add_permission", json!({
                    "FunctionName": "image", "StatementId": "s3", "Principal": "s3.amazonaws.com",
                    "Action": "lambda:InvokeFunction",
                })),
                ("sns", "create_topic", json!({ "Name": "pictures-ready" })),
                ("sns", "subscribe", json!({
                    "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": queue("subscriber"),
                })),
                ("s3", "create_bucket", json!({
                    "Bucket": "pictures",
                    "CreateBucketConfiguration": { "LocationConstraint": REGION },
                })),
                // Both ways: each upload is told of twice.
                ("s3", "put_bucket_notification_configuration", json!({
                    "Bucket": "pictures", "NotificationConfiguration": {
                        "LambdaFunctionConfigurations": [
                            { "LambdaFunctionArn": function("image"), "Events": events },
                        ],
                        "QueueConfigurations": [{ "QueueArn": queue("uploads"), "Events": events }],
                    },
                })),
                ("lambda", "create_function_url_config", json!({
                    "FunctionName": "image", "AuthType": "NONE",
                })),
            ])
            .await;
        let url = answers[11]["FunctionUrl"].as_str().unwrap();
        let host = url.trim_start_matches("https://").trim_end_matches('/').to_owned();
        Self { host, ..this }
    }

    async fn calls(&self, asked: Vec<Call<'static>>) -> Vec<Value> {
        let rig = Arc::clone(&self.rig);
        tokio::task::spawn_blocking(move || calls(&rig, &asked)).await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> reqwest::Response {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method, format!("{}{path}", self.rig.url()));
        request.header("host", &self.host).body(body).send().await.unwrap()
    }

    /// How an execution ended, as soon as it has.
    async fn ended(&self, id: &str) -> Status {
        let id = ExecutionId::new(id).unwrap();
        let deadline = Instant::now() + NOTICED_MAX;
        loop {
            if let Ok(record) = self.client.describe(&id).await
                && record.projection.status.is_closed()
            {
                return record.projection.status;
            }
            assert!(Instant::now() < deadline, "{id} does not end");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until every message of a queue is dealt with.
    async fn taken(&self, queue: &'static str) {
        let url = format!("{}/000000000000/{queue}", self.rig.url());
        let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
        let deadline = Instant::now() + NOTICED_MAX;
        loop {
            let ask = json!({ "QueueUrl": url, "AttributeNames": names });
            let answer = &self.calls(vec![("sqs", "get_queue_attributes", ask)]).await[0];
            if answer["Attributes"].as_object().unwrap().values().all(|count| count == "0") {
                return;
            }
            assert!(Instant::now() < deadline, "{queue}: {answer}");
        }
    }

    /// An object of the bucket: its media type, and what it is.
    async fn object(&self, key: &str) -> (String, Vec<u8>) {
        let url = format!("{}/pictures/{key}", self.rig.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let object = http.get(url).send().await.unwrap().error_for_status().unwrap();
        let media = object.headers()["content-type"].to_str().unwrap().to_owned();
        (media, object.bytes().await.unwrap().into())
    }

    async fn put(&self, key: &str, body: Vec<u8>) {
        let url = format!("{}/pictures/{key}", self.rig.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.put(url).body(body).send().await.unwrap().error_for_status().unwrap();
    }
}

/// The picture of the demo, as it paints it.
fn picture(folder: &Path) -> Vec<u8> {
    let demo = image::ImageFolder::default();
    assert!(demo.demo(&[]).status.success(), "{}", folder.display());
    std::fs::read(demo.path().join("image-data/uploads/demo.jpg")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_renditions_one_by_the_other_function_and_subscribers_are_told_once() {
    let deployed = Deployed::start().await;
    let folder = tempfile::tempdir().unwrap();
    deployed.put("uploads/evening.jpg", picture(folder.path())).await;
    assert_eq!(deployed.ended("evening.jpg").await, Status::Completed);

    let dimensions = [(1280, 800), (640, 400), (320, 200), (160, 160)];
    for (size, dimensions) in image::SIZES.into_iter().zip(dimensions) {
        let (media, file) = deployed.object(&format!("renditions/evening.jpg/{size}.jpg")).await;
        let mut decoder = JpegDecoder::new(ZCursor::new(&file));
        decoder.decode().unwrap();
        assert_eq!((decoder.dimensions(), &*media), (Some(dimensions), "image/jpeg"), "{size}");
    }

    // S3 told the function and the queue, also of each rendition; one execution has come of it.
    deployed.taken("uploads").await;
    let records = deployed.client.list().page().await.unwrap().records;
    assert_eq!(records.len(), 1, "{records:?}");
    let id = ExecutionId::new("evening.jpg").unwrap();
    let history = deployed.client.history(&id).await.unwrap();
    let events: Vec<_> = history.into_iter().flat_map(|commit| commit.events).collect();
    let called = events.iter().find_map(|event| match event {
        Event::StepCompleted(step) if step.key.name == "call_for_thumbnail" => Some(step),
        _ => None,
    });
    assert_eq!(called.unwrap().output.read::<Value>().unwrap()["size"], "thumbnail");

    let url = format!("{}/000000000000/subscriber", deployed.rig.url());
    let receive = json!({ "QueueUrl": url, "WaitTimeSeconds": 5, "MaxNumberOfMessages": 10 });
    let told = deployed.calls(vec![("sqs", "receive_message", receive)]).await;
    let messages = told[0]["Messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let envelope: Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap()).unwrap();
    let key = &envelope["MessageAttributes"]["idempotency-key"]["Value"];
    assert!(key.as_str().is_some_and(|key| key.len() >= 32), "{envelope}");
    let news: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(news["upload"], "uploads/evening.jpg");
    assert_eq!(news["renditions"][3]["key"], "renditions/evening.jpg/thumbnail.jpg");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_behind_the_function_s_url_uploads_and_shows_and_nothing_else_is_let_in() {
    let deployed = Deployed::start().await;
    let folder = tempfile::tempdir().unwrap();
    let page = deployed.ask(Method::GET, "/", vec![]).await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("'self'"));
    assert!(page.text().await.unwrap().contains("<h1>Pictures</h1>"));

    let stored = deployed.ask(Method::PUT, "/uploads/evening.jpg", picture(folder.path())).await;
    assert_eq!(stored.status(), 202);
    let stored: Value = stored.json().await.unwrap();
    assert_eq!(deployed.ended(stored["id"].as_str().unwrap()).await, Status::Completed);
    let view = format!("/{}", stored["view"].as_str().unwrap());
    let view: Value = deployed.ask(Method::GET, &view, vec![]).await.json().await.unwrap();
    assert_eq!(view["status"], "complete", "{view}");
    let key = view["renditions"][0]["key"].as_str().unwrap();
    let rendition = deployed.ask(Method::GET, &format!("/{key}"), vec![]).await;
    let rendition = rendition.bytes().await.unwrap();
    assert_eq!(rendition, deployed.object(key).await.1);

    for (method, path) in [
        (Method::GET, "/executions"),
        (Method::POST, "/executions"),
        (Method::GET, "/executions/evening.jpg/history"),
        (Method::POST, "/executions/evening.jpg/terminate"),
    ] {
        let refused = deployed.ask(method.clone(), path, b"{}".to_vec()).await;
        assert_eq!(refused.status(), 403, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_and_a_function_that_is_missing_end_it_with_a_sentence() {
    let deployed = Deployed::start().await;
    let folder = tempfile::tempdir().unwrap();
    deployed.put("uploads/notes.txt", b"no picture".to_vec()).await;
    assert_eq!(deployed.ended("notes.txt").await, Status::Failed);
    deployed
        .calls(vec![("lambda", "delete_function", json!({ "FunctionName": "thumbnails" }))])
        .await;
    deployed.put("uploads/evening.jpg", picture(folder.path())).await;
    assert_eq!(deployed.ended("evening.jpg").await, Status::Failed);
    for (id, says) in [("notes.txt", "this file is no picture"), ("evening.jpg", "thumbnails")] {
        let handle = deployed.client.handle_named(ExecutionId::new(id).unwrap());
        let view = handle.view::<Value>().await.unwrap().unwrap();
        assert_eq!(view["status"], "failed");
        assert!(view["reason"].as_str().unwrap().contains(says), "{view}");
    }
}
