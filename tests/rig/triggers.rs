//! The services that trigger a function, for real: S3, SQS, SNS, EventBridge and DynamoDB streams,
//! each delivering what it delivers, and some of it twice; schedules, and whoever invokes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::client::{Client, Handle};
use everstep::event::{Event, Json};
use everstep::store::Status;
use everstep_tests::aws::{Call, calls};
use everstep_tests::dynamodb::{DynamoDb, REGION};
use everstep_tests::function::{function, package};
use everstep_tests::http::request;
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

/// How long it may take until something that happened is noticed.
const NOTICED_MAX: Duration = Duration::from_secs(120);

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000000:function:notice";
const ROLE: &str = "arn:aws:iam::000000000000:role/notice";

/// The ARN of a queue.
fn queue(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:000000000000:{name}")
}

/// The function that notes what happens (tests/bootstrap/notice.rs), deployed, and what it notes.
struct Deployed {
    _db: DynamoDb,
    rig: Arc<Ministack>,
    folder: tempfile::TempDir,
    client: Client,
}

impl Deployed {
    async fn start() -> Self {
        let db = DynamoDb::start();
        let rig = Ministack::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (backend, mut environment) = rig.backend(&db).await;
        environment["ANTIDOTE"] = json!(folder.path().join("antidote"));
        environment["DEATH"] = json!(folder.path().join("death"));
        let function = json!({
            "FunctionName": "notice", "Runtime": "provided.al2023", "Role": ROLE,
            "Handler": "bootstrap", "Timeout": 10, "Environment": { "Variables": environment },
            "Code": { "ZipFile": package(&function("bootstrap")) },
        });
        let client = Client::new(&backend);
        let this = Self { _db: db, rig: Arc::new(rig), folder, client };
        this.calls(vec![
            ("lambda", "create_function", function),
            ("sqs", "create_queue", json!({ "QueueName": "messages-dead" })),
            (
                "sqs",
                "create_queue",
                json!({
                    "QueueName": "messages",
                    // Longer than the function takes on a busy machine: it has a message alone then.
                    "Attributes": { "VisibilityTimeout": "5", "RedrivePolicy": json!({
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

    /// Checks that these have been noticed, and nothing else has been begun.
    async fn check_noticed(&self, whats: &mut [String]) {
        let noticed = self.noticed(whats.len()).await;
        let mut noticed: Vec<String> = noticed.into_iter().map(|(_, what)| what).collect();
        noticed.sort();
        whats.sort();
        assert_eq!(noticed, *whats);
        let records = self.client.list().page().await.unwrap().records;
        assert_eq!(records.len(), whats.len(), "{records:?}");
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

    /// What the function answers to whoever waits: also why it fails.
    async fn invoke(&self, event: &Value) -> Value {
        let path = "/2015-03-31/functions/notice/invocations";
        let answer = request("POST", self.rig.url(), path, &event.to_string()).await.unwrap();
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
    }

    /// Checks that the function fails at an event, and says so.
    #[track_caller]
    fn check_failed(answer: &Value, error_type: &str, says: &[&str]) {
        assert_eq!(answer["errorType"], error_type, "{answer}");
        for part in says {
            assert!(answer["errorMessage"].as_str().unwrap().contains(part), "{part}: {answer}");
        }
    }

    /// Nothing is refused any more.
    fn mend(&self) {
        std::fs::write(self.folder.path().join("antidote"), "").unwrap();
    }

    /// An execution that listens, as soon as it does.
    async fn listening(&self, id: &'static str) -> Handle<Value, Value> {
        let start = self.client.start_named("listen", Json::null()).id(id);
        let handle = start.await.unwrap();
        let deadline = Instant::now() + NOTICED_MAX;
        while handle.describe().await.unwrap().projection.status != Status::Suspended {
            assert!(Instant::now() < deadline, "{id} does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        handle
    }

    /// Takes the next message from a queue: its text, as JSON.
    async fn message(&self, queue: &str) -> Value {
        serde_json::from_str(&self.text(queue).await).unwrap()
    }

    /// Takes the next message from a queue.
    async fn text(&self, queue: &str) -> String {
        let url = format!("{}/000000000000/{queue}", self.rig.url());
        let deadline = Instant::now() + NOTICED_MAX;
        loop {
            let receive = json!({ "QueueUrl": url, "WaitTimeSeconds": 5 });
            let answer = self.calls(vec![("sqs", "receive_message", receive)]).await.remove(0);
            let message = &answer["Messages"][0];
            if let Some(body) = message["Body"].as_str() {
                let taken = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
                self.calls(vec![("sqs", "delete_message", taken)]).await;
                return body.to_owned();
            }
            assert!(Instant::now() < deadline, "{queue} stays empty");
        }
    }

    async fn send(&self, body: &str) {
        let url = format!("{}/000000000000/messages", self.rig.url());
        let message = json!({ "QueueUrl": url, "MessageBody": body });
        self.calls(vec![("sqs", "send_message", message)]).await;
    }
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

/// The ids of the signals that an execution has received.
async fn signals(handle: &Handle<Value, Value>) -> Vec<String> {
    let commits = handle.history().await.unwrap();
    let events = commits.into_iter().flat_map(|commit| commit.events);
    let ids = events.filter_map(|event| match event {
        Event::SignalReceived(signal) => Some(signal.id),
        _ => None,
    });
    ids.collect()
}

/// Messages of a queue are signals, one of which is delivered twice: the function dies when it has sent
/// it. Events of a bus are the results of promises.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signals_once_each_and_events_end_promises() {
    let deployed = Deployed::start().await;
    let death = deployed.folder.path().join("death");
    let (one, two) = (deployed.listening("one").await, deployed.listening("two").await);
    std::fs::write(&death, "").unwrap();
    deployed.send("tell one: a word").await;
    deployed.taken("messages").await;
    assert!(!death.exists(), "the function has not died");
    for message in ["tell one: over", "tell two: over", "tell nobody: a word"] {
        deployed.send(message).await;
    }
    let pattern = json!({ "source": ["desk"] }).to_string();
    let answer = |detail: Value| {
        let detail = detail.to_string();
        json!({ "Source": "desk", "DetailType": "Answer", "Detail": detail })
    };
    let given = answer(json!({ "Given": { "to": "p1.one.1.answer.1", "answer": "an answer" } }));
    let refused = answer(json!({ "Refused": { "to": "p1.two.1.answer.1", "why": "no idea" } }));
    deployed
        .calls(vec![
            ("events", "put_rule", json!({ "Name": "desk", "EventPattern": pattern })),
            (
                "events",
                "put_targets",
                json!({ "Rule": "desk", "Targets": [{ "Id": "1", "Arn": FUNCTION }] }),
            ),
            ("events", "put_events", json!({ "Entries": [given, refused] })),
        ])
        .await;
    let ended = async |of: &Handle<Value, Value>| {
        let ended = tokio::time::timeout(NOTICED_MAX, of.result()).await;
        ended.unwrap_or_else(|_| panic!("{} does not end", of.id())).unwrap()
    };
    assert_eq!(ended(&one).await, "a word, an answer");
    assert_eq!(ended(&two).await, "no answer: no idea");
    let received = signals(&one).await;
    assert_eq!(received.len(), 2, "{received:?}");
    assert!(received.iter().all(|id| id.starts_with("signal/sqs/")), "{received:?}");
    // What is for nobody is tried twice, and kept.
    assert_eq!(deployed.text("messages-dead").await, "tell nobody: a word");
    deployed.taken("messages").await;
    assert_eq!(deployed.client.list().page().await.unwrap().records.len(), 2, "and no others");
}

/// A schedule without an input of its own, one with, and a caller.
#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_callers_start_an_execution_each() {
    let deployed = Deployed::start().await;
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(1);
    let schedule = |name: &str, input: Option<&str>| {
        let mut target = json!({ "Arn": FUNCTION, "RoleArn": ROLE });
        if let Some(input) = input {
            target["Input"] = json!(input);
        }
        let when = soon.format("at(%Y-%m-%dT%H:%M:%S)").to_string();
        let schedule = json!({
            "Name": name, "ScheduleExpression": when, "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": target,
        });
        ("scheduler", "create_schedule", schedule)
    };
    deployed.calls(vec![schedule("nightly", None), schedule("daily", Some("\"a day\""))]).await;
    let answer = deployed.invoke(&json!("by hand")).await;
    assert_eq!(answer["new"], true, "{answer}");
    let mut noticed: Vec<(String, String)> = deployed.noticed(3).await;
    noticed.sort_by(|a, b| a.1.cmp(&b.1));
    let due = format!("arn:aws:scheduler:{REGION}:000000000000:schedule/default/nightly is due");
    let expected =
        [("notice/invoke/", "a day"), ("notice/schedule/", &due), ("notice/invoke/", "by hand")];
    for ((id, what), (begins, says)) in noticed.iter().zip(expected) {
        assert!(id.starts_with(begins) && what == says, "{id}: {what}, and not {says}");
    }
    let answer = deployed.invoke(&json!({ "no": "text" })).await;
    Deployed::check_failed(&answer, "Everstep.Refused", &["the payload cannot be read"]);
    assert_eq!(deployed.client.list().page().await.unwrap().records.len(), 3, "and no others");
}

/// What S3 tells and the function refuses: Lambda tries it three times in all, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_refused_is_kept_with_the_reason_and_can_be_given_again() {
    let deployed = Deployed::start().await;
    let mut prepare = vec![
        ("sqs", "create_queue", json!({ "QueueName": "failed" })),
        (
            "lambda",
            "put_function_event_invoke_config",
            json!({
                "FunctionName": "notice",
                "DestinationConfig": { "OnFailure": { "Destination": queue("failed") } },
            }),
        ),
        (
            "lambda",
            "add_permission",
            json!({
                "FunctionName": "notice", "StatementId": "s3",
                "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
            }),
        ),
    ];
    for bucket in ["pictures", "strangers"] {
        let configuration = json!({ "LambdaFunctionConfigurations": [
            { "LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"] },
        ] });
        prepare.extend([
            (
                "s3",
                "create_bucket",
                json!({
                    "Bucket": bucket,
                    "CreateBucketConfiguration": { "LocationConstraint": REGION },
                }),
            ),
            (
                "s3",
                "put_bucket_notification_configuration",
                json!({ "Bucket": bucket, "NotificationConfiguration": configuration }),
            ),
        ]);
    }
    deployed.calls(prepare).await;
    let upload = |bucket: &str, key: &str| {
        vec![("s3", "put_object", json!({ "Bucket": bucket, "Key": key, "Body": "x" }))]
    };
    deployed.calls(upload("strangers", "a.jpg")).await;
    let failed = deployed.message("failed").await;
    let says = ["an S3Object was refused", "nobody knows the bucket \"strangers\""];
    Deployed::check_failed(&failed["responsePayload"], "Everstep.Refused", &says);

    deployed.calls(upload("pictures", "refuse.jpg")).await;
    let failed = deployed.message("failed").await;
    Deployed::check_failed(&failed["responsePayload"], "Everstep.Refused", &["as it asks for"]);
    assert_eq!(deployed.client.list().page().await.unwrap().records.len(), 0);
    deployed.mend();
    for new in [true, false] {
        let answer = deployed.invoke(&failed["requestPayload"]).await;
        assert_eq!(answer[0]["new"], new, "{answer}");
    }
    assert_eq!(deployed.noticed(1).await[0].1, "Created pictures/refuse.jpg");
}

/// The rig tries nothing again that SNS, EventBridge or a stream has brought, and does not look at
/// what is answered to a stream. So the test hands over what they deliver, and hands it over again.
#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_named_and_their_neighbours_done_and_all_are_done_when_they_come_again() {
    let deployed = Deployed::start().await;
    let s3 = |bucket: &str, key: &str| {
        json!({
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key, "sequencer": "1" } },
        })
    };
    let files = json!({ "Records": [
        s3("pictures", "a.jpg"), s3("pictures", "100%"), s3("strangers", "b.jpg"),
        s3("pictures", "c.jpg"),
    ] });
    let answer = deployed.invoke(&files).await;
    Deployed::check_failed(&answer, "Everstep.Malformed", &["2 of 4 records failed"]);
    let mut all = vec!["Created pictures/a.jpg".to_owned(), "Created pictures/c.jpg".to_owned()];
    deployed.check_noticed(&mut all).await;

    let sns = |id: &str, text: &str| {
        json!({ "EventSource": "aws:sns", "Sns": {
            "Type": "Notification", "MessageId": id, "TopicArn": "news", "Message": text,
        } })
    };
    let news = json!({ "Records": [sns("1", "rain"), sns("2", "refuse"), sns("3", "sun")] });
    let answer = deployed.invoke(&news).await;
    let says = ["1 of 3 records failed", "an SnsMessage was refused", "as it asks for"];
    Deployed::check_failed(&answer, "Everstep.Refused", &says);
    all.extend([", rain".to_owned(), ", sun".to_owned()]);
    deployed.check_noticed(&mut all).await;
    let torn = json!({ "Records": [{ "EventSource": "aws:sns" }, sns("4", "wind")] });
    let answer = deployed.invoke(&torn).await;
    Deployed::check_failed(&answer, "Everstep.Malformed", &["1 of 2", "a record of SNS"]);
    all.push(", wind".to_owned());
    deployed.check_noticed(&mut all).await;

    let sold = json!({
        "id": "e-1", "source": "shop", "detail-type": "Sold", "detail": { "refuse": 1 },
    });
    let answer = deployed.invoke(&sold).await;
    let says = ["an EventBridgeEvent was refused", "as it asks for"];
    Deployed::check_failed(&answer, "Everstep.Refused", &says);
    let nameless = json!({ "source": "shop", "detail-type": "Sold", "detail": {} });
    let answer = deployed.invoke(&nameless).await;
    Deployed::check_failed(&answer, "Everstep.UnknownEvent", &["missing field `id`"]);

    let row = |place: &str, id: Value| {
        json!({
            "eventID": place, "eventName": "INSERT", "eventSource": "aws:dynamodb",
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/rows/stream/1",
            "dynamodb": {
                "Keys": { "id": id }, "NewImage": { "id": id }, "SequenceNumber": place,
            },
        })
    };
    let text = |text: &str| json!({ "S": text });
    let rows =
        json!({ "Records": [row("1", text("a")), row("2", text("refuse")), row("3", text("c"))] });
    let from_second = json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] });
    assert_eq!(deployed.invoke(&rows).await, from_second);
    let torn = json!({ "Records": [row("2", json!({ "X": 1 })), row("3", text("c"))] });
    assert_eq!(deployed.invoke(&torn).await, from_second, "it has its place all the same");
    all.push("new in rows: {\"id\":\"a\"}".to_owned());
    deployed.check_noticed(&mut all).await;

    // They come again, as often as it takes.
    deployed.mend();
    for _ in 0..2 {
        let answer = deployed.invoke(&news).await;
        assert_eq!(answer.as_array().map(Vec::len), Some(3), "{answer}");
        let answer = deployed.invoke(&sold).await;
        assert_eq!(answer.as_array().map(Vec::len), Some(1), "{answer}");
        assert_eq!(deployed.invoke(&rows).await, json!({ "batchItemFailures": [] }));
    }
    all.extend([
        ", refuse".to_owned(),
        // As ministack writes it.
        "Sold: {\"refuse\": 1}".to_owned(),
        "new in rows: {\"id\":\"refuse\"}".to_owned(),
        "new in rows: {\"id\":\"c\"}".to_owned(),
    ]);
    deployed.check_noticed(&mut all).await;
}
