//! Events as AWS documents them, each with the page it is from, and what they are recognised as.

use super::*;
use crate::trigger::{Malformed, S3Change, TableRow, Trigger};

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
const SQS: &str = r#"{"Records": [{
    "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
    "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
    "body": "Test message.",
    "attributes": {
        "ApproximateReceiveCount": "3",
        "SentTimestamp": "1545082649183",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1545082649185"
    },
    "messageAttributes": {
        "myAttribute": {
            "stringValue": "myValue", "stringListValues": [], "binaryListValues": [],
            "dataType": "String"
        }
    },
    "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
    "awsRegion": "us-east-2"
}]}"#;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html>, with a key that is encoded.
const S3: &str = r#"{"Records": [{
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "us-east-2",
    "eventTime": "2019-09-03T19:37:27.192Z",
    "eventName": "ObjectCreated:Put",
    "userIdentity": { "principalId": "AWS:AIDAINPONIXQXHT3IKHL2" },
    "requestParameters": { "sourceIPAddress": "205.255.255.255" },
    "responseElements": {
        "x-amz-request-id": "D82B88E5F771F645",
        "x-amz-id-2": "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo="
    },
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "828aa6fc-f7b5-4305-8584-487c791949c1",
        "bucket": {
            "name": "DOC-EXAMPLE-BUCKET",
            "ownerIdentity": { "principalId": "A3I5XTEXAMAI3E" },
            "arn": "arn:aws:s3:::lambda-artifacts-deafc19498e3f2df"
        },
        "object": {
            "key": "b21b84d653bb07b05b1e6b33684dc11b/Happy+Face%211.jpg",
            "size": 1305107,
            "eTag": "b21b84d653bb07b05b1e6b33684dc11b",
            "sequencer": "0C0F6F405D6ED209E1"
        }
    }
}]}"#;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
const S3_TEST: &str = r#"{
    "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket", "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"
}"#;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>, with a key that would not
/// survive being decoded.
const S3_ON_A_BUS: &str = r#"{
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2021-11-12T00:00:00Z",
    "region": "ca-central-1",
    "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
    "detail": {
        "version": "0",
        "bucket": { "name": "amzn-s3-demo-bucket1" },
        "object": {
            "key": "1+1=100%",
            "size": 5,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "617f08299329d189"
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject"
    }
}"#;

/// <https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html>
const BUS: &str = r#"{
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "111122223333",
    "time": "2017-12-22T18:43:48Z",
    "region": "us-west-1",
    "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
    "detail": { "instance-id": "i-1234567890abcdef0", "state": "terminated" }
}"#;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html>: what Scheduler
/// sends unless it has an input of its own. Its detail is a text.
const SCHEDULER: &str = r#"{
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.scheduler",
    "account": "123456789012",
    "time": "2015-10-08T16:53:06Z",
    "region": "us-east-1",
    "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/nightly"],
    "detail": "{}"
}"#;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>
const SNS: &str = r#"{"Records": [{
    "EventVersion": "1.0",
    "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda:21be56ed-a058-49f5-8c98-aedd2564c486",
    "EventSource": "aws:sns",
    "Sns": {
        "SignatureVersion": "1",
        "Timestamp": "2019-01-02T12:45:07.000Z",
        "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa/ebXEkAi6RibDsvpi+tE/1+82j...65r==",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ac565b8b1a6c5d002d285f9598aa1d9b.pem",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "Message": "Hello from SNS!",
        "MessageAttributes": {
            "Test": { "Type": "String", "Value": "TestString" },
            "TestBinary": { "Type": "Binary", "Value": "TestBinary" }
        },
        "Type": "Notification",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda",
        "Subject": "TestInvoke"
    }
}]}"#;

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>: as a queue gets
/// it that is no raw subscriber.
const NOTIFICATION: &str = r#"{
    "Type": "Notification",
    "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
    "TopicArn": "arn:aws:sns:us-east-2:111122223333:ExampleTopic1",
    "Subject": "TestSubject",
    "Message": "This is a test message.",
    "Timestamp": "2021-02-16T21:41:19.978Z",
    "SignatureVersion": "1",
    "Signature": "FMG5tlZhJNHLHUXvZgtZzlk24FzVa7oX0T4P03neeXw8ZEXZx6z35j2FOTuNYShn2h0bKNC=",
    "SigningCertURL": "https://sns.us-east-2.amazonaws.com/SimpleNotificationService.pem",
    "UnsubscribeURL": "https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe"
}"#;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
const TABLE: &str = r#"{"Records": [
    {
        "eventID": "1",
        "eventVersion": "1.0",
        "dynamodb": {
            "Keys": { "Id": { "N": "101" } },
            "NewImage": { "Message": { "S": "New item!" }, "Id": { "N": "101" } },
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "SequenceNumber": "111",
            "SizeBytes": 26
        },
        "awsRegion": "us-west-2",
        "eventName": "INSERT",
        "eventSourceARN": "arn:aws:dynamodb:us-west-2:111122223333:table/TestTable/stream/2024-06-10T19:26:16.525",
        "eventSource": "aws:dynamodb"
    },
    {
        "eventID": "2",
        "eventVersion": "1.0",
        "dynamodb": {
            "OldImage": { "Message": { "S": "New item!" }, "Id": { "N": "101" } },
            "SequenceNumber": "222",
            "Keys": { "Id": { "N": "101" } },
            "SizeBytes": 59,
            "NewImage": {
                "Id": { "N": "123456789012345678901234567890.12345678" },
                "All": { "M": {
                    "b": { "B": "AAEqQQ==" }, "bs": { "BS": ["AAEqQQ=="] }, "yes": { "BOOL": true },
                    "l": { "L": [{ "S": "\"Cookies\"" }, { "N": "3.14159" }] }, "no": { "NULL": true },
                    "ns": { "NS": ["1234", "567.8"] }, "ss": { "SS": ["Giraffe", "Zebra"] }
                } }
            },
            "StreamViewType": "NEW_AND_OLD_IMAGES"
        },
        "awsRegion": "us-west-2",
        "eventName": "MODIFY",
        "eventSourceARN": "arn:aws:dynamodb:us-west-2:111122223333:table/TestTable/stream/2024-06-10T19:26:16.525",
        "eventSource": "aws:dynamodb"
    }
]}"#;

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
const HTTP_API: &str = r#"{
    "version": "2.0", "routeKey": "$default", "rawPath": "/my/path",
    "rawQueryString": "parameter1=value1", "headers": { "header1": "value1" },
    "requestContext": {
        "accountId": "123456789012", "apiId": "api-id", "domainPrefix": "id",
        "http": { "method": "POST", "path": "/my/path", "protocol": "HTTP/1.1",
                  "sourceIp": "192.0.2.1", "userAgent": "agent" },
        "requestId": "id", "routeKey": "$default", "stage": "$default",
        "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390
    },
    "body": "{\"start\": {}}", "isBase64Encoded": false
}"#;

/// The same page, version 1.0.
const REST_API: &str = r#"{
    "version": "1.0", "resource": "/my/path", "path": "/my/path", "httpMethod": "GET",
    "headers": { "header1": "value1" }, "queryStringParameters": null,
    "requestContext": {
        "accountId": "123456789012", "apiId": "id", "httpMethod": "GET", "path": "/my/path",
        "protocol": "HTTP/1.1", "requestId": "id=", "resourceId": null, "resourcePath": "/my/path",
        "stage": "$default"
    },
    "body": "Hello from Lambda!", "isBase64Encoded": false
}"#;

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html>
const LOAD_BALANCER: &str = r#"{
    "requestContext": { "elb": { "targetGroupArn":
        "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-target-group/6d0ecf831eec9f09" } },
    "httpMethod": "GET", "path": "/", "queryStringParameters": {},
    "headers": { "accept": "text/html,application/xhtml+xml" }, "body": "", "isBase64Encoded": false
}"#;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>: a source that is not ours.
const KINESIS: &str = r#"{"Records": [{
    "kinesis": { "partitionKey": "1", "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==" },
    "eventSource": "aws:kinesis", "eventName": "aws:kinesis:record"
}]}"#;

fn recognise(event: &str) -> Invocation {
    Invocation::recognise(event, "i-1").unwrap_or_else(|error| panic!("{error}"))
}

/// An event with messages of these texts.
fn queue(bodies: &[&str]) -> String {
    let record = |(index, body): (usize, &&str)| {
        serde_json::json!({
            "messageId": format!("m-{index}"), "receiptHandle": "r", "body": body,
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:q",
        })
    };
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    serde_json::json!({ "Records": records }).to_string()
}

/// The names of a reading's envelopes, the innermost first.
fn names(reading: &Reading) -> Vec<String> {
    let name = |read: &Result<Vec<Trigger>, Malformed>| match read {
        Ok(all) => all.iter().map(Trigger::what).collect::<Vec<_>>().join(" and "),
        Err(error) => error.to_string(),
    };
    reading.0.iter().map(name).collect()
}

#[track_caller]
fn check_sent(event: &str, envelopes: &[&str]) {
    let Invocation::Sent(readings) = recognise(event) else { panic!("{:?}", recognise(event)) };
    let [reading] = &readings[..] else { panic!("{readings:?}") };
    assert_eq!(names(reading), envelopes);
}

#[track_caller]
fn check_queued(body: &str, envelopes: &[&str]) {
    let Invocation::Sqs(messages) = recognise(&queue(&[body])) else { panic!("no messages") };
    let [Message { content: Content::Business(reading), .. }] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(names(reading), envelopes, "{body}");
}

#[track_caller]
fn check_refused(event: &str, says: &str) {
    let error = Invocation::recognise(event, "i-1").expect_err(event).to_string();
    assert!(error.contains(says), "{error:?} does not say {says:?}");
    assert!(error.contains(r#"{"start": {"workflow""#), "{error:?} shows no way out");
}

fn only(readings: Vec<Reading>) -> Vec<Trigger> {
    let read = readings.into_iter().flat_map(|reading| reading.0);
    read.flat_map(|triggers| triggers.expect("it can be read")).collect()
}

#[test]
fn each_source_is_recognised_by_the_shape_that_aws_documents() {
    check_sent(S3, &["an S3Object"]);
    check_sent(S3_ON_A_BUS, &["an S3Object", "an EventBridgeEvent"]);
    check_sent(BUS, &["an EventBridgeEvent"]);
    check_sent(SNS, &["an SnsMessage"]);
    assert!(matches!(recognise(SQS), Invocation::Sqs(messages) if messages.len() == 1));
    assert!(matches!(recognise(TABLE), Invocation::Table(changes) if changes.len() == 2));
    for (event, front) in [
        (HTTP_API, HttpSource::HttpApi),
        (REST_API, HttpSource::RestApi),
        (LOAD_BALANCER, HttpSource::LoadBalancer),
    ] {
        assert!(matches!(recognise(event), Invocation::Http(it) if it == front), "{front}");
    }
    assert!(matches!(recognise(r#"{"sweep": {}}"#), Invocation::Sweep));
    let wake = Wake::news(crate::id::ExecutionId::new("order-7").unwrap());
    let handed = HandedOn { wake, receives: 2, deadline: crate::time::Timestamp(5) };
    match recognise(&handed.to_event()) {
        Invocation::Turn(turn) => assert_eq!(turn, handed),
        other => panic!("{other:?}"),
    }
    for payload in ["7", "[]", "null", "{}", r#"{"order": 7}"#, r#"{"source": "aws.ec2"}"#] {
        assert!(matches!(recognise(payload), Invocation::Other(it) if it.id == "i-1"), "{payload}");
    }
    assert!(matches!(recognise(r#"{"Records": []}"#), Invocation::Sqs(none) if none.is_empty()));
}

#[test]
fn each_source_is_recognised_in_its_envelopes() {
    check_queued("Test message.", &["an SqsMessage"]);
    check_queued(r#"{"order": 7}"#, &["an SqsMessage"]);
    check_queued(S3, &["an S3Object", "an SqsMessage"]);
    check_queued(BUS, &["an EventBridgeEvent", "an SqsMessage"]);
    check_queued(S3_ON_A_BUS, &["an S3Object", "an EventBridgeEvent", "an SqsMessage"]);
    check_queued(NOTIFICATION, &["an SnsMessage", "an SqsMessage"]);
    let through = |inner: &str| {
        let mut notification: serde_json::Value = serde_json::from_str(NOTIFICATION).expect("JSON");
        notification["Message"] = serde_json::json!(inner);
        notification.to_string()
    };
    check_queued(&through(S3), &["an S3Object", "an SnsMessage", "an SqsMessage"]);
    check_queued(&through(BUS), &["an EventBridgeEvent", "an SnsMessage", "an SqsMessage"]);
    let record = serde_json::json!({ "EventSource": "aws:sns", "Sns":
        serde_json::from_str::<serde_json::Value>(&through(S3)).expect("JSON") });
    let direct = serde_json::json!({ "Records": [record] }).to_string();
    check_sent(&direct, &["an S3Object", "an SnsMessage"]);
    // S3's test of a new configuration says that nothing happened.
    check_queued(S3_TEST, &[""]);
    check_queued(&through(S3_TEST), &[""]);
    // What only looks like another event is there for whoever takes it as it is.
    check_queued(r#"{"Records": 7}"#, &["an SqsMessage"]);
    check_queued(KINESIS, &["an SqsMessage"]);
    let odd = S3.replace("%211", "%2");
    let Invocation::Sqs(messages) = recognise(&queue(&[&odd])) else { panic!("no messages") };
    let Content::Business(reading) = &messages[0].content else { panic!("{messages:?}") };
    let [why, message] = &names(reading)[..] else { panic!("{reading:?}") };
    assert!(why.contains("is not URL-encoded UTF-8"), "{why}");
    assert_eq!(message, "an SqsMessage");
}

#[test]
fn what_happened_is_read_as_it_is() {
    let Invocation::Sent(readings) = recognise(S3) else { panic!("not sent") };
    let [Trigger::S3(object)] = &only(readings)[..] else { panic!("no object") };
    assert_eq!(object.key, "b21b84d653bb07b05b1e6b33684dc11b/Happy Face!1.jpg");
    assert_eq!((&object.change, &*object.bucket), (&S3Change::Created, "DOC-EXAMPLE-BUCKET"));
    assert_eq!(
        (object.size, object.sequencer.as_deref()),
        (Some(1_305_107), Some("0C0F6F405D6ED209E1"))
    );
    assert_eq!(object.request.as_deref(), Some("D82B88E5F771F645"));

    let Invocation::Sent(readings) = recognise(S3_ON_A_BUS) else { panic!("not sent") };
    let triggers = only(readings);
    let [Trigger::S3(object), Trigger::EventBridge(event)] = &triggers[..] else { panic!("two") };
    assert_eq!((&*object.key, &object.change), ("1+1=100%", &S3Change::Created));
    assert_eq!(object.version.as_deref(), Some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"));
    assert_eq!(object.request.as_deref(), Some("N4N7GDK58NMKJ12R"));
    assert_eq!(event.detail_type, "Object Created");

    let Invocation::Sent(readings) = recognise(SNS) else { panic!("not sent") };
    let [Trigger::Sns(message)] = &only(readings)[..] else { panic!("no message") };
    assert_eq!(
        (&*message.message, message.subject.as_deref()),
        ("Hello from SNS!", Some("TestInvoke"))
    );
    assert_eq!(message.attributes.len(), 1, "a binary one is left out: {message:?}");
    assert_eq!(message.attributes["Test"], "TestString");

    let Invocation::Sqs(messages) = recognise(SQS) else { panic!("no messages") };
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((message.receive_count, &*message.id), (3, "059f36b4-87a3-44ab-83d2-661975830a7d"));
    let Content::Business(Reading(read)) = &message.content else { panic!("{message:?}") };
    let [Ok(triggers)] = &read[..] else { panic!("{read:?}") };
    let [Trigger::Sqs(message)] = &triggers[..] else { panic!("{triggers:?}") };
    assert_eq!((&*message.body, &*message.attributes["myAttribute"]), ("Test message.", "myValue"));

    let Invocation::Schedule(schedule) = recognise(SCHEDULER) else { panic!("no schedule") };
    assert_eq!(schedule.time, "2015-10-08T16:53:06Z");
    assert!(schedule.schedule.ends_with("/nightly"), "{schedule:?}");
}

#[test]
fn items_of_a_table_are_plain_json() {
    let Invocation::Table(changes) = recognise(TABLE) else { panic!("no changes") };
    let places: Vec<_> = changes.iter().map(|(sequence, _)| sequence.clone()).collect();
    assert_eq!(places, ["111", "222"]);
    let triggers = only(changes.into_iter().map(|(_, reading)| reading).collect());
    let [Trigger::Table(first), Trigger::Table(second)] = &triggers[..] else { panic!("two") };
    assert_eq!((&*first.table, first.keys.as_str()), ("TestTable", r#"{"Id":101}"#));
    let TableRow::Inserted { new: Some(new) } = &first.row else { panic!("{first:?}") };
    assert_eq!(new.as_str(), r#"{"Id":101,"Message":"New item!"}"#);
    let TableRow::Modified { old: Some(_), new: Some(new) } = &second.row else {
        panic!("{second:?}")
    };
    assert_eq!(
        new.as_str(),
        r#"{"All":{"b":"AAEqQQ==","bs":["AAEqQQ=="],"l":["\"Cookies\"",3.14159],"no":null,"ns":[1234,567.8],"ss":["Giraffe","Zebra"],"yes":true},"Id":123456789012345678901234567890.12345678}"#
    );
    // Infinity, a text, or something that would end the number.
    for number in ["NaN", "", "1,2", "\"1\"", "1}", " 1"] {
        let number = serde_json::to_string(number).expect("JSON");
        let event = TABLE.replace(r#""N": "101""#, &format!(r#""N": {number}"#));
        let Invocation::Table(changes) = recognise(&event) else { panic!("no changes") };
        assert!(changes[0].1.0[0].is_err(), "{number}");
    }
}

/// One poisoned record is answered by itself, and its neighbours too.
#[test]
fn a_damaged_record_with_a_name_of_its_own_leaves_the_others_alone() {
    let mut event: serde_json::Value =
        serde_json::from_str(&queue(&["a", "b", "c"])).expect("JSON");
    event["Records"][1].as_object_mut().expect("a record").remove("body");
    event["Records"][2].as_object_mut().expect("a record").remove("eventSource");
    let Invocation::Sqs(messages) = recognise(&event.to_string()) else { panic!("no messages") };
    let readings: Vec<_> = messages
        .iter()
        .map(|message| match &message.content {
            Content::Business(reading) => names(reading).join(", "),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((&*readings[0], &*readings[2]), ("an SqsMessage", "an SqsMessage"));
    assert!(readings[1].contains("missing field `body`"), "{readings:?}");

    let event = TABLE.replacen("INSERT", "UPSERT", 1);
    let Invocation::Table(changes) = recognise(&event) else { panic!("no changes") };
    assert_eq!(changes.len(), 2);
    assert!(names(&changes[0].1)[0].contains("UPSERT"), "{changes:?}");
    assert_eq!(names(&changes[1].1), ["a TableChange"]);
}

#[test]
fn wakes_are_told_from_other_messages() {
    let wake = Wake::news(crate::id::ExecutionId::new("order-7").expect("an id"));
    let newer = r#"{"everstep":99,"execution":"order-9","kind":"news"}"#;
    let no_wake = r#"{"everstep":1,"execution":"","kind":"news"}"#;
    let event = queue(&[&wake.to_body(), newer, no_wake]);
    let Invocation::Sqs(messages) = recognise(&event) else { panic!("no messages") };
    let contents: Vec<_> = messages.into_iter().map(|message| message.content).collect();
    let [Content::Wake(it), Content::Newer(_), Content::Business(reading)] = &contents[..] else {
        panic!("{contents:?}")
    };
    assert_eq!(*it, wake);
    assert_eq!(names(reading), ["an SqsMessage"]);
}

#[test]
fn a_start_keeps_its_input_as_it_is() {
    let event = r#"{"start": {"workflow": "w", "input": {"b": 12345678901234567890123, "a": 1}}}"#;
    let Invocation::Start(start) = recognise(event) else { panic!("no start") };
    assert_eq!(start.input.as_str(), r#"{"b": 12345678901234567890123, "a": 1}"#);
    assert_eq!((start.workflow.as_str(), &start.id), ("w", &None));
    assert_eq!(start.on_conflict(), OnConflict::Attach);
    let event = r#"{"start": {"workflow": "w", "id": "7", "on_conflict": "restart"}}"#;
    let Invocation::Start(start) = recognise(event) else { panic!("no start") };
    assert_eq!((start.input, start.id.as_deref()), (Json::null(), Some("7")));
    assert!(matches!(start.on_conflict, Policy::Restart));
    let event = r#"{"start": {"workflow": "w", "id": "7", "on_conflict": "restart_if_closed"}}"#;
    let Invocation::Start(start) = recognise(event) else { panic!("no start") };
    assert_eq!(start.on_conflict(), OnConflict::RestartIfClosed);
}

#[test]
fn other_events_are_refused_with_what_was_seen_and_what_is_known() {
    check_refused("{", "no JSON");
    check_refused(r#"{"start": {}, "sweep": {}}"#, "several");
    check_refused(r#"{"take_turn": {}, "sweep": {}}"#, "several");
    check_refused(r#"{"take_turn": {"wake": 4242}}"#, "it names no wake to take");
    check_refused(r#"{"start": {"input": 1}}"#, "missing field `workflow`");
    check_refused(r#"{"start": {"workflow": "w", "inputs": 1}}"#, "unknown field `inputs`");
    check_refused(r#"{"start": {"workflow": "w", "on_conflict": "x"}}"#, "attach_to_any");
    check_refused(KINESIS, "from \"aws:kinesis\"");
    check_refused(r#"{"Records": [{"eventSource": "aws:sqs"}]}"#, "messageId");
    check_refused(r#"{"Records": [{"eventSource": "aws:dynamodb"}]}"#, "SequenceNumber");
    check_refused(r#"{"Records": [7]}"#, "from where");
    check_refused(r#"{"Records": 7}"#, "no list");
    check_refused(
        r#"{"Records": [{"eventSource": "aws:s3"}, {"eventSource": "aws:sqs"}]}"#,
        r#"from "aws:s3" and "aws:sqs""#,
    );
    check_refused(r#"{"detail-type": "x", "source": 7, "id": "1"}"#, "EventBridge");
    let seen = |payload: &str| {
        UnknownEvent::other(&Json::parse(payload.to_owned()).expect("JSON")).to_string()
    };
    assert!(seen("{}").starts_with("the event is an empty object: a function takes"));
    assert!(seen(r#"{"stop": {}, "now": 1}"#).starts_with(r#"the event has "now", "stop": "#));
    assert!(seen(&format!("{:?}", "x".repeat(10_000))).len() < 600);
}
