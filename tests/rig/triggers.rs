//! The services that trigger a function, for real: S3, SQS, SNS, EventBridge and DynamoDB streams,
//! each delivering what it delivers, and some of it twice.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use everstep::client::Client;
use everstep::store::Status;
use everstep_tests::aws::{Call, calls};
use everstep_tests::dynamodb::{DynamoDb, REGION};
use everstep_tests::ministack::{self, Ministack};
use everstep_tests::order;
use serde_json::{Value, json};

/// How long it may take until something that happened is noticed.
const NOTICED_MAX: Duration = Duration::from_secs(120);

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000000:function:notice";
const ROLE: &str = "arn:aws:iam::000000000000:role/notice";

/// The ARN of a queue.
fn queue(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:000000000000:{name}")
}

/// The function that notes what happens (tests/notice), deployed, and what it notes.
struct Deployed {
    _db: DynamoDb,
    rig: Arc<Ministack>,
    _folder: tempfile::TempDir,
    client: Client,
}

impl Deployed {
    async fn start() -> Self {
        let db = DynamoDb::start();
        let rig = Ministack::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (backend, environment) = rig.backend(&db).await;
        let function = json!({
            "FunctionName": "notice", "Runtime": "provided.al2023", "Role": ROLE,
            "Handler": "bootstrap", "Timeout": 10, "Environment": { "Variables": environment },
            "Code": { "ZipFile": package(folder.path()) },
        });
        let client = Client::new(&backend);
        let this = Self { _db: db, rig: Arc::new(rig), _folder: folder, client };
        this.calls(vec![
            ("lambda", "create_function", function),
            ("sqs", "create_queue", json!({ "QueueName": "messages-dead" })),
            (
                "sqs",
                "create_queue",
                json!({
                    "QueueName": "messages",
                    "Attributes": { "VisibilityTimeout": "1", "RedrivePolicy": json!({
                        "deadLetterTargetArn": queue("messages-dead"), "maxReceiveCount": 2,
                    }).to_string() },
                }),
            ),
            (
                "lambda",
                "create_event_source_mapping",
                json!({
                    "EventSourceArn": queue("wakes"), "FunctionName": "notice", "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                }),
            ),
            (
                "lambda",
                "create_event_source_mapping",
                json!({
                    "EventSourceArn": queue("messages"), "FunctionName": "notice", "BatchSize": 10,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                }),
            ),
        ])
        .await;
        this
    }

    async fn calls(&self, asked: Vec<Call<'static>>) -> Vec<Value> {
        let rig = Arc::clone(&self.rig);
        tokio::task::spawn_blocking(move || calls(&rig, &asked)).await.unwrap()
    }

    /// The ids of the executions that have noted something, and what, as soon as there are so many.
    async fn noticed(&self, count: usize) -> Vec<(String, String)> {
        let deadline = Instant::now() + NOTICED_MAX;
        loop {
            let page = self.client.list().status(Status::Completed).page().await.unwrap();
            if page.records.len() >= count {
                let mut noticed = Vec::new();
                for record in page.records {
                    let handle = self.client.handle_named(record.id.clone());
                    let what = handle.result().await.unwrap();
                    noticed.push((record.id.to_string(), what.as_str().unwrap().to_owned()));
                }
                noticed.sort();
                return noticed;
            }
            assert!(Instant::now() < deadline, "{:?} of {count}", page.records);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the queue is empty: everything in it has been taken.
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

    async fn send(&self, body: &str) {
        let url = format!("{}/000000000000/messages", self.rig.url());
        let message = json!({ "QueueUrl": url, "MessageBody": body });
        self.calls(vec![("sqs", "send_message", message)]).await;
    }
}

/// A function's package as base64: a program that becomes the one of tests/notice, which is too
/// large to be copied around as it is built here.
fn package(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = order::program("everstep-notice", "notice");
    let bootstrap = folder.join("bootstrap");
    std::fs::write(&bootstrap, format!("#!/bin/sh\nexec {}\n", program.display())).unwrap();
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    let zip = folder.join("function.zip");
    let python = ministack::program().with_file_name("python");
    let done = Command::new(python)
        .args(["-m", "zipfile", "-c"])
        .args([&zip, &bootstrap])
        .status()
        .unwrap();
    assert!(done.success());
    base64::engine::general_purpose::STANDARD.encode(std::fs::read(zip).unwrap())
}

/// S3 tells the function itself, a queue, a topic whose messages go to that queue, and EventBridge,
/// a rule of which invokes the function: four deliveries of one upload.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_told_in_four_ways_starts_one_execution() {
    let deployed = Deployed::start().await;
    let topic = format!("arn:aws:sns:{REGION}:000000000000:uploads");
    let events = json!(["s3:ObjectCreated:*"]);
    let configuration = json!({
        "LambdaFunctionConfigurations": [{ "LambdaFunctionArn": FUNCTION, "Events": events }],
        "QueueConfigurations": [{ "QueueArn": queue("messages"), "Events": events }],
        "TopicConfigurations": [{ "TopicArn": topic, "Events": events }],
        "EventBridgeConfiguration": {},
    });
    let policy = |service: &str, action: &str, resource: &str| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": service }, "Action": action,
            "Resource": resource,
        }] })
    };
    let both = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": ["s3.amazonaws.com", "sns.amazonaws.com"] },
        "Action": "sqs:SendMessage", "Resource": queue("messages"),
    }] });
    let url = format!("{}/000000000000/messages", deployed.rig.url());
    let pattern = json!({ "source": ["aws.s3"] }).to_string();
    deployed.calls(vec![
        ("sqs", "set_queue_attributes", json!({
            "QueueUrl": url, "Attributes": { "Policy": both.to_string() },
        })),
        ("sns", "create_topic", json!({ "Name": "uploads" })),
        ("sns", "set_topic_attributes", json!({
            "TopicArn": topic, "AttributeName": "Policy",
            "AttributeValue": policy("s3.amazonaws.com", "sns:Publish", &topic).to_string(),
        })),
        ("sns", "subscribe", json!({
            "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("messages"),
        })),
        ("lambda", "add_permission", json!({
            "FunctionName": "notice", "StatementId": "s3", "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
        })),
        ("events", "put_rule", json!({ "Name": "uploads", "EventPattern": pattern })),
        ("events", "put_targets", json!({
            "Rule": "uploads", "Targets": [{ "Id": "1", "Arn": FUNCTION }],
        })),
        ("s3", "create_bucket", json!({
            "Bucket": "pictures", "CreateBucketConfiguration": { "LocationConstraint": REGION },
        })),
        ("s3", "put_bucket_notification_configuration", json!({
            "Bucket": "pictures", "NotificationConfiguration": configuration,
        })),
        ("s3", "put_object", json!({ "Bucket": "pictures", "Key": "a b/100% + ä.jpg", "Body": "x" })),
    ])
    .await;
    let noticed = deployed.noticed(1).await;
    assert_eq!(noticed[0].1, "Created pictures/a b/100% + ä.jpg");
    assert!(noticed[0].0.starts_with("notice/s3/pictures/a b/100% + ä.jpg#"), "{noticed:?}");
    deployed.taken("messages").await;

    // Another upload of the same key is another upload. Its end comes after all of the first.
    deployed
        .calls(vec![(
            "s3",
            "put_object",
            json!({
                "Bucket": "pictures", "Key": "a b/100% + ä.jpg", "Body": "y",
            }),
        )])
        .await;
    deployed.noticed(2).await;
    deployed.taken("messages").await;
    assert_eq!(deployed.noticed(2).await.len(), 2);
    assert_eq!(deployed.client.list().page().await.unwrap().records.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_buses_and_tables_start_one_execution_for_each_thing_that_happens() {
    let deployed = Deployed::start().await;
    let topic = format!("arn:aws:sns:{REGION}:000000000000:news");
    let allow = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" },
        "Action": "sqs:SendMessage", "Resource": queue("messages"),
    }] });
    let url = format!("{}/000000000000/messages", deployed.rig.url());
    let answers = deployed.calls(vec![
        ("sqs", "set_queue_attributes", json!({
            "QueueUrl": url, "Attributes": { "Policy": allow.to_string() },
        })),
        ("sns", "create_topic", json!({ "Name": "news" })),
        ("sns", "subscribe", json!({
            "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("messages"),
        })),
        // The topic tells the function as well: the same message twice.
        ("sns", "subscribe", json!({ "TopicArn": topic, "Protocol": "lambda", "Endpoint": FUNCTION })),
        ("events", "put_rule", json!({
            "Name": "shop", "EventPattern": json!({ "source": ["shop"] }).to_string(),
        })),
        // And so does the bus, by a queue.
        ("events", "put_targets", json!({ "Rule": "shop", "Targets": [
            { "Id": "1", "Arn": FUNCTION }, { "Id": "2", "Arn": queue("messages") },
        ] })),
        ("dynamodb", "create_table", json!({
            "TableName": "rows", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        })),
    ])
    .await;
    let stream = answers[6]["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned();
    deployed
        .calls(vec![
            (
                "lambda",
                "create_event_source_mapping",
                json!({
                    "EventSourceArn": stream, "FunctionName": "notice", "BatchSize": 10,
                    "StartingPosition": "TRIM_HORIZON",
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                }),
            ),
            ("sns", "publish", json!({ "TopicArn": topic, "Subject": "news", "Message": "rain" })),
            (
                "events",
                "put_events",
                json!({ "Entries": [
            { "Source": "shop", "DetailType": "Sold", "Detail": "{\"cups\": 7}" },
        ] }),
            ),
            (
                "dynamodb",
                "put_item",
                json!({ "TableName": "rows", "Item": {
            "id": { "S": "a" }, "cups": { "N": "7" },
        } }),
            ),
        ])
        .await;
    let whats = |noticed: Vec<(String, String)>| {
        let mut whats: Vec<_> = noticed.into_iter().map(|(_, what)| what).collect();
        whats.sort();
        whats
    };
    let expected = ["Sold: {\"cups\": 7}", "new in rows: {\"cups\":7,\"id\":\"a\"}", "news, rain"];
    assert_eq!(whats(deployed.noticed(3).await), expected);
    deployed.taken("messages").await;
    deployed.taken("wakes").await;
    assert_eq!(deployed.client.list().page().await.unwrap().records.len(), 3, "and no others");
}

/// One that is refused, and one that is no JSON, between good ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_message_goes_to_the_dead_letters_and_the_others_are_done() {
    let deployed = Deployed::start().await;
    for body in ["one", "refuse", "{\"Records\": [{}", "two"] {
        deployed.send(body).await;
    }
    let noticed = deployed.noticed(3).await;
    let mut whats: Vec<_> = noticed.iter().map(|(_, what)| &**what).collect();
    whats.sort_unstable();
    assert_eq!(whats, ["one", "two", "{\"Records\": [{}"]);
    deployed.taken("messages").await;
    let dead = format!("{}/000000000000/messages-dead", deployed.rig.url());
    let receive = json!({ "QueueUrl": dead, "WaitTimeSeconds": 5 });
    let answers = deployed.calls(vec![("sqs", "receive_message", receive)]).await;
    assert_eq!(answers[0]["Messages"][0]["Body"], "refuse");
}
