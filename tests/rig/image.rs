//! The image example on AWS, by its template, where IAM is enforced: an upload in S3 starts it,
//! renditions are in S3, one of them by the other function, and SNS tells a subscriber.

use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::Backend;
use everstep::aws::{DynamoStore, SqsQueue};
use everstep::client::Client;
use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::store::Status;
use everstep_tests::cloud::{Cloud, Credentials, Stack};
use everstep_tests::dynamodb::{REGION, config_at};
use everstep_tests::function::function;
use everstep_tests::image;
use reqwest::Method;
use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// How long it may take until something that happened is noticed, on a busy machine.
const NOTICED_MAX: Duration = Duration::from_secs(120);

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/image/template.yaml");

/// The name of the stack, and so of the queue.
const NAME: &str = "pictures";

/// The stack, and a subscriber of its topic.
struct Deployed {
    cloud: Cloud,
    stack: Stack,
    client: Client,
}

impl Deployed {
    async fn start() -> Self {
        let cloud = Cloud::of(&function("image"), &[]).await;
        let stack = cloud.deploy(TEMPLATE, NAME, &[]);
        let config = config_at(cloud.url()).await;
        let store = DynamoStore::new(&config, NAME).unwrap();
        let queue = SqsQueue::new(&config, NAME).unwrap();
        let client = Client::new(&Backend::new(Arc::new(store), Arc::new(queue)));
        let this = Self { cloud, stack, client };
        let subscriber = format!("arn:aws:sqs:{REGION}:000000000000:subscriber");
        let allowed = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" },
            "Action": "sqs:SendMessage", "Resource": subscriber,
        }] });
        let topic = this.stack.output("TopicArn");
        this.ask(
            "sqs",
            "create_queue",
            json!({
                "QueueName": "subscriber", "Attributes": { "Policy": allowed.to_string() },
            }),
        );
        this.ask(
            "sns",
            "subscribe",
            json!({
                "TopicArn": topic, "Protocol": "sqs", "Endpoint": subscriber,
            }),
        );
        this
    }

    fn ask(&self, service: &str, operation: &str, parameters: Value) -> Value {
        self.cloud.ask(&[(service, operation, parameters)]).remove(0)
    }

    /// Does what somebody types who may do everything.
    fn types(&self, command: &str) {
        let printed = self.cloud.types(&Credentials::root(), command, &[]);
        assert!(printed.done, "{command}: {}", printed.text);
    }

    /// Stores a file in the bucket, as somebody without the page does.
    fn store(&self, name: &str, file: &[u8]) {
        std::fs::write(self.cloud.path().join(name), file).unwrap();
        self.types(&format!("aws s3 cp {name} s3://{}/uploads/", self.stack.output("BucketName")));
    }

    /// An object of the bucket: its media type, and what it is.
    fn object(&self, key: &str) -> (String, Vec<u8>) {
        let bucket = self.stack.output("BucketName");
        self.types(&format!("aws s3 cp s3://{bucket}/{key} object"));
        let head = self.ask("s3", "head_object", json!({ "Bucket": bucket, "Key": key }));
        let media = head["ContentType"].as_str().unwrap().to_owned();
        (media, std::fs::read(self.cloud.path().join("object")).unwrap())
    }

    /// Asks the function's URL.
    async fn visit(&self, method: Method, path: &str, body: Vec<u8>) -> reqwest::Response {
        let url = self.stack.output("PageUrl");
        let host = url.trim_start_matches("https://").trim_end_matches('/');
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method, format!("{}{path}", self.cloud.url()));
        request.header("host", host).body(body).send().await.unwrap()
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

    fn url_of(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.cloud.url())
    }

    /// Waits until every message of the stack's queue is dealt with.
    fn until_taken(&self) {
        let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
        let deadline = Instant::now() + NOTICED_MAX;
        loop {
            let asked = json!({ "QueueUrl": self.url_of(NAME), "AttributeNames": names });
            let answer = self.ask("sqs", "get_queue_attributes", asked);
            if answer["Attributes"].as_object().unwrap().values().all(|count| count == "0") {
                return;
            }
            assert!(Instant::now() < deadline, "{answer}");
        }
    }
}

/// The picture of the demo, as it paints it.
fn picture() -> Vec<u8> {
    let demo = image::ImageFolder::default();
    assert!(demo.demo(&[]).status.success());
    std::fs::read(demo.path().join("image-data/uploads/demo.jpg")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_renditions_one_by_the_other_function_and_subscribers_are_told_once() {
    let deployed = Deployed::start().await;
    deployed.store("evening.jpg", &picture());
    assert_eq!(deployed.ended("evening.jpg").await, Status::Completed);

    let dimensions = [(1280, 800), (640, 400), (320, 200), (160, 160)];
    for (size, dimensions) in image::SIZES.into_iter().zip(dimensions) {
        let (media, file) = deployed.object(&format!("renditions/evening.jpg/{size}.jpg"));
        let mut decoder = JpegDecoder::new(ZCursor::new(&file));
        decoder.decode().unwrap();
        assert_eq!((decoder.dimensions(), &*media), (Some(dimensions), "image/jpeg"), "{size}");
    }

    // S3 tells of it once more, when all is done.
    let bucket = deployed.stack.output("BucketName");
    let event = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": bucket }, "object": { "key": "uploads/evening.jpg" } } }] });
    let again = json!({ "QueueUrl": deployed.url_of(NAME), "MessageBody": event.to_string() });
    deployed.ask("sqs", "send_message", again);
    deployed.until_taken();
    let records = deployed.client.list().page().await.unwrap().records;
    assert_eq!(records.len(), 1, "{records:?}");
    let id = ExecutionId::new("evening.jpg").unwrap();
    let history = deployed.client.history(&id).await.unwrap();
    let events: Vec<_> = history.into_iter().flat_map(|commit| commit.events).collect();
    let done = |name: &str| {
        let done = events.iter().filter_map(|event| match event {
            Event::StepCompleted(step) if step.key.name == name => Some(step),
            _ => None,
        });
        done.map(|step| step.output.read::<Value>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(done("render").len(), 3);
    assert_eq!(done("call_for_thumbnail")[0]["size"], "thumbnail");

    let url = deployed.url_of("subscriber");
    let receive = json!({ "QueueUrl": url, "WaitTimeSeconds": 5, "MaxNumberOfMessages": 10 });
    let told = deployed.ask("sqs", "receive_message", receive);
    let messages = told["Messages"].as_array().unwrap();
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
    let page = deployed.visit(Method::GET, "/", vec![]).await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("'self'"));
    assert!(page.text().await.unwrap().contains("<h1>Pictures</h1>"));

    let stored = deployed.visit(Method::PUT, "/uploads/evening.jpg", picture()).await;
    assert_eq!(stored.status(), 202, "{:?}", stored.text().await);
    let stored: Value = stored.json().await.unwrap();
    assert_eq!(deployed.ended(stored["id"].as_str().unwrap()).await, Status::Completed);
    let view = format!("/{}", stored["view"].as_str().unwrap());
    let view: Value = deployed.visit(Method::GET, &view, vec![]).await.json().await.unwrap();
    assert_eq!(view["status"], "complete", "{view}");
    let key = view["renditions"][0]["key"].as_str().unwrap();
    let rendition = deployed.visit(Method::GET, &format!("/{key}"), vec![]).await;
    assert_eq!(rendition.bytes().await.unwrap(), deployed.object(key).1);

    for (method, path) in [
        (Method::GET, "/executions"),
        (Method::POST, "/executions"),
        (Method::GET, "/executions/evening.jpg/history"),
        (Method::POST, "/executions/evening.jpg/terminate"),
    ] {
        let refused = deployed.visit(method.clone(), path, b"{}".to_vec()).await;
        assert_eq!(refused.status(), 403, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_and_a_function_that_is_missing_end_it_with_a_sentence() {
    let deployed = Deployed::start().await;
    deployed.store("notes.txt", b"no picture");
    assert_eq!(deployed.ended("notes.txt").await, Status::Failed);
    let gone = json!({ "FunctionName": "pictures-thumbnails" });
    deployed.ask("lambda", "delete_function", gone);
    deployed.store("evening.jpg", &picture());
    assert_eq!(deployed.ended("evening.jpg").await, Status::Failed);
    for (id, says) in
        [("notes.txt", "this file is no picture"), ("evening.jpg", "something is wrong here")]
    {
        let handle = deployed.client.handle_named(ExecutionId::new(id).unwrap());
        let view = handle.view::<Value>().await.unwrap().unwrap();
        assert_eq!(view["status"], "failed");
        assert!(view["reason"].as_str().unwrap().contains(says), "{view}");
    }
    // Which function is missing is for whoever may look, and not for the page's visitors.
    let record = deployed.client.describe(&ExecutionId::new("evening.jpg").unwrap()).await.unwrap();
    let reason = record.projection.reason.unwrap();
    assert!(reason.contains("pictures-thumbnails"), "{reason}");
}
