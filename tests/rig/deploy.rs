//! The templates of docs/deploy: deployed on the rig, where IAM is enforced.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use everstep::aws::{DynamoStore, SqsQueue};
use everstep::limits::{LAMBDA_TIMEOUT, LAMBDA_VISIBILITY};
use everstep::store::EventStore;
use everstep::wake::WakeQueue;
use everstep_tests::cloud::{Cloud, Credentials};
use everstep_tests::dynamodb::{REGION, config_at};
use everstep_tests::function::function;
use everstep_tests::ministack::program;
use serde_json::{Value, json};

pub(crate) const TEMPLATE: &str = "docs/deploy/template.yaml";

const SAM: &str = "docs/deploy/sam.yaml";

const PAGE: &str = include_str!("../../docs/deploy.md");

/// The name of the stack, and so of all that is in it.
pub(crate) const NAME: &str = "orders";

pub(crate) const URL: &str = "dynamodb://orders?queue=orders";

/// What is ordered.
fn order_of(id: &str) -> Value {
    json!({
        "number": id, "customer": "Ada", "article": "teapot", "pieces": 2, "price": 3490,
        "card": "4242",
    })
}

/// The start of an order on the command line.
fn start(id: &str) -> String {
    format!("start fulfil_order --id {id} --input '{}'", order_of(id))
}

#[test]
fn the_templates_have_no_mistake_that_a_linter_finds() {
    for template in [TEMPLATE, SAM, "examples/image/template.yaml"] {
        let template = format!("{}/../{template}", env!("CARGO_MANIFEST_DIR"));
        let lint = "import sys; from cfnlint.runner import main; sys.exit(main())";
        let mut python = Command::new(program().with_file_name("python"));
        let output = python.args(["-c", lint, &template]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What counts of a table: keys, indexes and what they hold, and how it is paid.
fn essence(table: &Value) -> Value {
    let table = &table["Table"];
    let sorted = |list: &Value, key: &str| -> BTreeMap<String, Value> {
        let items = list.as_array().into_iter().flatten();
        items.map(|item| (item[key].as_str().unwrap().to_owned(), item.clone())).collect()
    };
    let mut indexes = BTreeMap::new();
    for (name, index) in sorted(&table["GlobalSecondaryIndexes"], "IndexName") {
        let mut projection = index["Projection"].clone();
        if let Some(attributes) = projection["NonKeyAttributes"].as_array_mut() {
            attributes.sort_by_key(Value::to_string);
        }
        indexes.insert(name, json!([index["KeySchema"], projection]));
    }
    json!({
        "keys": table["KeySchema"],
        "attributes": sorted(&table["AttributeDefinitions"], "AttributeName"),
        "indexes": indexes,
        "paid": table["BillingModeSummary"]["BillingMode"],
    })
}

/// What counts of a queue.
fn attributes(cloud: &Cloud, queue: &str) -> Value {
    let named = json!({ "QueueName": queue });
    let url = cloud.ask(&[("sqs", "get_queue_url", named)]).remove(0);
    let ask = json!({ "QueueUrl": url["QueueUrl"], "AttributeNames": ["All"] });
    let all = &cloud.ask(&[("sqs", "get_queue_attributes", ask)]).remove(0)["Attributes"];
    let redrive: Value = all["RedrivePolicy"]
        .as_str()
        .map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    let dead = redrive["deadLetterTargetArn"].as_str().map(|arn| arn.rsplit(':').next().unwrap());
    json!({
        "visibility": all["VisibilityTimeout"],
        "retention": all["MessageRetentionPeriod"],
        "receives": redrive["maxReceiveCount"].to_string().trim_matches('"'),
        "dead letters": dead.map(|name| name.replace(queue, "NAME")),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn table_and_queues_of_the_template_are_those_that_setup_makes() {
    let cloud = Cloud::start(&[]).await;
    cloud.deploy(TEMPLATE, NAME, &[]);
    let config = config_at(cloud.url()).await;
    DynamoStore::new(&config, "made").unwrap().setup().await.unwrap();
    SqsQueue::new(&config, "made").unwrap().setup().await.unwrap();

    let table = |name: &str| {
        cloud.ask(&[("dynamodb", "describe_table", json!({ "TableName": name }))]).remove(0)
    };
    let made = essence(&table("made"));
    assert_eq!(made["indexes"].as_object().unwrap().len(), 2, "{made:#}");
    assert_eq!(essence(&table(NAME)), made);
    let made = attributes(&cloud, "made");
    assert_eq!(made["receives"], "20", "{made}");
    assert_eq!(attributes(&cloud, NAME), made);
    let dead = |name: &str| {
        let mut dead = attributes(&cloud, &format!("{name}-dead"));
        // Nobody receives from it but `everstep redrive`, which says how long.
        dead["visibility"].take();
        dead
    };
    assert_eq!(dead(NAME), dead("made"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_is_invoked_as_it_needs_to_be() {
    let cloud = Cloud::start(&[]).await;
    let stack = cloud.deploy(TEMPLATE, NAME, &[]);
    let [function, mappings, schedule] = cloud
        .ask(&[
            ("lambda", "get_function_configuration", json!({ "FunctionName": NAME })),
            ("lambda", "list_event_source_mappings", json!({})),
            ("scheduler", "get_schedule", json!({ "Name": "orders-sweeper" })),
        ])
        .try_into()
        .unwrap();
    let timeout = Duration::from_secs(function["Timeout"].as_u64().unwrap());
    assert_eq!(timeout, LAMBDA_TIMEOUT);
    assert!(LAMBDA_VISIBILITY >= timeout * 6);
    let mapping = &mappings["EventSourceMappings"][0];
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{mapping}");
    assert!(mapping["FunctionArn"].as_str().unwrap().ends_with(":orders:live"), "{mapping}");
    assert!(mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0) == 0, "{mapping}");

    // What the schedule sends is a sweep.
    let target = &schedule["Target"];
    assert_eq!(schedule["ScheduleExpression"], "rate(1 minute)");
    assert_eq!(target["Arn"], stack.output("FunctionArn"));
    std::fs::write(cloud.path().join("event.json"), target["Input"].as_str().unwrap()).unwrap();
    let invoke =
        "aws lambda invoke --function-name orders:live --payload fileb://event.json answer";
    let said = cloud.types(&Credentials::root(), invoke, &[]);
    assert!(said.done && !said.text.contains("FunctionError"), "{}", said.text);
    let answer = std::fs::read(cloud.path().join("answer")).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer, json!({ "woken": 0 }));
}

/// How the alias is invoked by those who do not wait for an answer.
#[track_caller]
fn of_events(cloud: &Cloud) -> Value {
    let alias = json!({ "FunctionName": NAME, "Qualifier": "live" });
    let config = cloud.ask(&[("lambda", "get_function_event_invoke_config", alias)]).remove(0);
    // What Lambda does if it is told nothing, and the most that it does.
    assert_eq!(config["MaximumRetryAttempts"], 2, "{config}");
    assert_eq!(config["MaximumEventAgeInSeconds"], 21_600, "{config}");
    assert_eq!(config["DestinationConfig"]["OnFailure"]["Destination"], failed_arn(), "{config}");
    config
}

/// The queue of events that Lambda has given up on.
fn failed_arn() -> String {
    format!("arn:aws:sqs:{REGION}:000000000000:{NAME}-failed")
}

/// ministack differs from Lambda in three things. It does not look at what is configured for an alias,
/// so that the test has to configure the same for the bare function and to invoke that. It waits for
/// seconds between its tries, and not for minutes. And it puts what has failed into the queue without
/// asking whether the function's role may send there: that stands in the role, and is only read here.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_lambda_gives_up_on_is_kept_and_invoked_again_by_an_operator() {
    let cloud = Cloud::start(&[]).await;
    let stack = &cloud.deploy(TEMPLATE, NAME, &[]);
    let operator = cloud.user(stack, "operator", &["Client", "Operator"]);
    let role = json!({ "StackName": NAME, "LogicalResourceId": "FunctionRole" });
    let role = cloud.ask(&[("cloudformation", "describe_stack_resource", role)]).remove(0);
    let role = role["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap().to_owned();
    let policy = || json!({ "RoleName": role, "PolicyName": "everstep" });
    let config = of_events(&cloud);
    let bare = json!({
        "FunctionName": NAME, "MaximumRetryAttempts": config["MaximumRetryAttempts"],
        "DestinationConfig": config["DestinationConfig"],
    });
    let held = &cloud.ask(&[("iam", "get_role_policy", policy())]).remove(0)["PolicyDocument"];
    let sends = held["Statement"].as_array().unwrap().iter().any(|statement| {
        statement["Action"] == "sqs:SendMessage" && statement["Resource"] == failed_arn()
    });
    assert!(sends, "{held}");

    // An event that comes while the function may do nothing.
    let _ = cloud.ask(&[
        ("lambda", "put_function_event_invoke_config", bare),
        ("iam", "delete_role_policy", policy()),
    ]);
    let start = json!({
        "workflow": "fulfil_order", "id": "order-7", "input": order_of("order-7"),
    });
    let event = json!({ "start": start });
    std::fs::write(cloud.path().join("sent.json"), event.to_string()).unwrap();
    let invoke = "aws lambda invoke --function-name orders --invocation-type Event \
                  --payload fileb://sent.json nothing";
    let said = cloud.types(&Credentials::root(), invoke, &[]);
    assert!(said.done, "{}", said.text);
    let url = format!("{}/000000000000/{NAME}-failed", cloud.url());
    let failed = || {
        let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
        let ask = json!({ "QueueUrl": url, "AttributeNames": names });
        let answer = cloud.ask(&[("sqs", "get_queue_attributes", ask)]).remove(0);
        let counts = answer["Attributes"].as_object().unwrap().values();
        counts.map(|count| count.as_str().unwrap().parse::<u32>().unwrap()).sum::<u32>()
    };
    until("it is given up", || failed() == 1);
    assert!(!cloud.everstep(&operator, URL, "show order-7").done, "it was started");

    // Mended.
    let mut mended = policy();
    mended["PolicyDocument"] = json!(held.to_string());
    let _ = cloud.ask(&[("iam", "put_role_policy", mended)]);
    cloud.session_of(&operator, PAGE, "failed");
    cloud.until(URL, "order-7", "completed");
    assert_eq!(failed(), 0, "it is dealt with");
}

/// Checks that `user` is not let do what `arguments` say, and told which permission is missing.
#[track_caller]
fn check_refused(cloud: &Cloud, user: &Credentials, arguments: &str, action: &str) {
    let said = cloud.everstep(user, URL, arguments);
    assert!(!said.done, "everstep {arguments} is allowed: {}", said.text);
    let says = said.text.contains("in its IAM policy") && said.text.contains(action);
    assert!(says, "everstep {arguments} does not say {action:?}: {}", said.text);
}

#[track_caller]
pub(crate) fn check_allowed(cloud: &Cloud, user: &Credentials, arguments: &str) -> String {
    let said = cloud.everstep(user, URL, arguments);
    assert!(said.done, "everstep {arguments}: {}", said.text);
    said.text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_runs_to_its_end_with_the_permissions_of_the_template_and_no_others() {
    let cloud = Cloud::start(&[]).await;
    let stack = &cloud.deploy(TEMPLATE, NAME, &[("LogLevel", "info")]);
    let nobody = cloud.user(stack, "nobody", &[]);
    let reader = cloud.user(stack, "reader", &["Reader"]);
    let client = cloud.user(stack, "client", &["Client"]);
    let operator = cloud.user(stack, "operator", &["Client", "Operator"]);

    check_allowed(&cloud, &client, &start("order-7"));
    cloud.until(URL, "order-7", "completed");
    let history = check_allowed(&cloud, &reader, "history order-7");
    for step in ["reserve#1", "charge#1", "print_label#1", "send_invoice#1", "confirm#1"] {
        assert_eq!(history.matches(step).count(), 1, "{step}: {history}");
    }
    assert!(history.matches("TurnStarted").count() >= 2, "no function waits: {history}");

    // Who may look may do nothing else, and who has nothing not even that.
    check_refused(&cloud, &nobody, "list", "dynamodb:Query");
    for look in ["list", "list --status completed", "show order-7", "verify order-7"] {
        check_allowed(&cloud, &reader, look);
    }
    check_refused(&cloud, &reader, &start("order-8"), "dynamodb:PutItem");
    check_refused(&cloud, &reader, "sweep", "dynamodb:Query");
    check_refused(&cloud, &client, "sweep", "dynamodb:Query");
    check_allowed(&cloud, &operator, "sweep");

    // To one that is open a client sends whatever it likes.
    receive(&cloud, false);
    check_allowed(&cloud, &client, &start("order-9"));
    check_allowed(&cloud, &client, "signal order-9 hurry");
    check_allowed(&cloud, &client, "resume order-9");
    check_allowed(&cloud, &client, "cancel order-9");
    check_allowed(&cloud, &client, "terminate order-9 --reason test");
    receive(&cloud, true);
    cloud.until(URL, "order-9", "terminated");
}

/// Lets the function receive wakes, or not.
pub(crate) fn receive(cloud: &Cloud, on: bool) {
    let mapping = cloud.ask(&[("lambda", "list_event_source_mappings", json!({}))]).remove(0);
    let set = json!({ "UUID": mapping["EventSourceMappings"][0]["UUID"], "Enabled": on });
    let _ = cloud.ask(&[("lambda", "update_event_source_mapping", set)]);
}

#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not yet");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_timers_are_schedules_and_large_payloads_encrypted_in_the_bucket_if_the_stack_is_told_so()
 {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    let bucket = json!({
        "Bucket": "payloads", "CreateBucketConfiguration": { "LocationConstraint": REGION },
    });
    let _ = cloud.ask(&[("s3", "create_bucket", bucket)]);
    let key = cloud.ask(&[("kms", "create_key", json!({}))]).remove(0);
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap();
    // ministack takes each schedule for one of the default group when it asks whether it is allowed, and
    // knows nothing of what a data key is for.
    let of_data_keys = r#"
              Condition:
                StringEquals: { "kms:EncryptionContext:everstep": data-key }"#;
    let edits = [(":schedule/${Name}/*", ":schedule/default/*"), (of_data_keys, "")];
    let template = cloud.edited(TEMPLATE, &edits);
    let parameters =
        [("LongTimers", "SCHEDULER"), ("PayloadBucket", "payloads"), ("PayloadKey", key)];
    let stack = &cloud.deploy(&template, NAME, &parameters);
    assert!(stack.output("PayloadsPolicyArn").contains(":policy/"), "{stack:?}");
    let client = cloud.user(stack, "client", &["Client"]);
    check_allowed(&cloud, &client, "start ponder --id deep --input 100000");
    let is = |status: &str| {
        let list = format!("list --json --status {status}");
        check_allowed(&cloud, &client, &list).contains(r#""id":"deep""#)
    };
    until("it is suspended", || is("suspended"));
    let schedules = || {
        let listed = cloud.ask(&[("scheduler", "list_schedules", json!({}))]).remove(0);
        let all = listed["Schedules"].as_array().unwrap().iter();
        all.filter(|schedule| schedule["GroupName"] == NAME).count()
    };
    assert_eq!(schedules(), 1);
    let of_ours = json!({ "Bucket": "payloads", "Prefix": "orders/" });
    let blobs = cloud.ask(&[("s3", "list_objects_v2", of_ours)]).remove(0);
    let blobs = blobs["Contents"].as_array().unwrap().iter();
    let keys: Vec<_> = blobs.map(|blob| blob["Key"].as_str().unwrap()).collect();
    // The thought, and the execution's data key.
    assert_eq!(keys.len(), 2, "{keys:?}");
    let blob = keys.iter().find(|key| !key.ends_with("/key")).unwrap();
    let copy = format!("aws s3 cp s3://payloads/{blob} blob");
    assert!(cloud.types(&Credentials::root(), &copy, &[]).done);
    let blob = std::fs::read(cloud.path().join("blob")).unwrap();
    assert!(blob.len() >= 100_000, "{} bytes", blob.len());
    assert!(!blob.windows(8).any(|part| part == b"xxxxxxxx"), "it is not encrypted");
    check_allowed(&cloud, &client, "terminate deep --reason test");
    until("it has ended", || is("terminated"));
    until("its alarm is taken back", || schedules() == 0);
}

/// An answer of the function to what its schedule sends.
fn sweep(cloud: &Cloud) -> Value {
    std::fs::write(cloud.path().join("event.json"), r#"{"sweep": {}}"#).unwrap();
    let invoke =
        "aws lambda invoke --function-name orders:live --payload fileb://event.json answer";
    let said = cloud.types(&Credentials::root(), invoke, &[]);
    let answer = std::fs::read_to_string(cloud.path().join("answer")).unwrap();
    assert!(said.done && !said.text.contains("FunctionError"), "{} {answer}", said.text);
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_archived_and_deleted_by_the_sweeper_if_the_stack_is_told_so() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    for bucket in ["archive", "payloads"] {
        let bucket = json!({
            "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": REGION },
        });
        let _ = cloud.ask(&[("s3", "create_bucket", bucket)]);
    }
    let parameters =
        [("Retention", "1h"), ("ArchiveBucket", "archive"), ("PayloadBucket", "payloads")];
    let stack = &cloud.deploy(TEMPLATE, NAME, &parameters);
    let client = cloud.user(stack, "client", &["Client"]);
    check_allowed(&cloud, &client, "start greet --id ada --input '\"Ada\"'");
    check_allowed(&cloud, &client, "start ponder --id deep --input 10");
    cloud.until(URL, "ada", "completed");
    assert_eq!(sweep(&cloud), json!({ "woken": 0, "deleted": 0 }), "it is kept for an hour");
    // An hour has passed.
    let past = json!({
        "TableName": NAME,
        "Key": { "pk": { "S": "x#ada" }, "sk": { "S": "#" } },
        "UpdateExpression": "SET wake_at = :past, due_at = :past",
        "ExpressionAttributeValues": { ":past": { "N": "1" } },
    });
    let _ = cloud.ask(&[("dynamodb", "update_item", past)]);
    let gone = || !cloud.everstep(&client, URL, "show ada").done;
    until("it is deleted", || {
        let _ = sweep(&cloud);
        gone()
    });
    check_allowed(&cloud, &client, "show deep");
    // Who may not delete comes no further than to the first step; the sweeper goes on.
    let start = "start greet --id eve --input '\"Eve\"'";
    check_allowed(&cloud, &client, start);
    cloud.until(URL, "eve", "completed");
    check_refused(&cloud, &client, "delete eve --no-archive", "dynamodb:DeleteItem");
    let deleter = cloud.user(stack, "deleter", &["Client", "Operator", "Delete"]);
    check_allowed(&cloud, &deleter, "retention --no-archive");
    check_allowed(&cloud, &client, start);
    let of_ours = json!({ "Bucket": "archive", "Prefix": "orders/greet/" });
    let objects = cloud.ask(&[("s3", "list_objects_v2", of_ours)]).remove(0);
    assert_eq!(objects["KeyCount"], 1, "{objects}");
    let key = objects["Contents"][0]["Key"].as_str().unwrap();
    assert!(key.contains("/ada.") && key.ends_with(".jsonl"), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_or_a_bus_is_told_what_happens_if_the_stack_is_told_so() {
    let cloud = Cloud::of(&function("bootstrap"), &[]).await;
    // ministack asks for an action that IAM does not have
    // (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html).
    let actions = ("Action: sns:Publish", "Action: [sns:Publish, sns:PublishBatch]");
    let template = &cloud.edited(TEMPLATE, &[actions]);
    let arn = |service: &str, name: &str| format!("arn:aws:{service}:{REGION}:000000000000:{name}");
    let (topic, bus) = (arn("sns", "told"), arn("events", "event-bus/told"));
    let allowed = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" },
        "Action": "sqs:SendMessage", "Resource": arn("sqs", "topic"),
    }] });
    let of_topic = json!({ "QueueName": "topic", "Attributes": { "Policy": allowed.to_string() } });
    let subscription = json!({
        "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("sqs", "topic"),
        "Attributes": { "RawMessageDelivery": "true" },
    });
    let rule = json!({
        "Name": "told", "EventBusName": "told",
        "EventPattern": json!({ "detail-type": ["everstep.status"] }).to_string(),
    });
    let target = json!({
        "Rule": "told", "EventBusName": "told",
        "Targets": [{ "Id": "told", "Arn": arn("sqs", "bus") }],
    });
    let _ = cloud.ask(&[
        ("sqs", "create_queue", of_topic),
        ("sqs", "create_queue", json!({ "QueueName": "bus" })),
        ("sns", "create_topic", json!({ "Name": "told" })),
        ("sns", "subscribe", subscription),
        ("events", "create_event_bus", json!({ "Name": "told" })),
        ("events", "put_rule", rule),
        ("events", "put_targets", target),
    ]);
    let told = |queue: &str| {
        let asked = json!({
            "QueueUrl": format!("{}/000000000000/{queue}", cloud.url()), "MaxNumberOfMessages": 10,
        });
        let answer = cloud.ask(&[("sqs", "receive_message", asked)]).remove(0);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let bodies = messages.iter().map(|message| message["Body"].as_str().unwrap());
        bodies.into_iter().any(|it| it.contains("everstep.status") && it.contains("completed"))
    };
    for (parameter, value, queue) in [("NotifyTopic", &topic, "topic"), ("NotifyBus", &bus, "bus")]
    {
        let name = format!("orders-{queue}");
        let url = format!("dynamodb://{name}?queue={name}");
        let stack =
            &cloud.deploy(template, &name, &[(parameter, value), ("NotifyOptions", "steps=on")]);
        let client = cloud.user(stack, queue, &["Client"]);
        let start = cloud.everstep(&client, &url, "start greet --id ada --input '\"Ada\"'");
        assert!(start.done, "{}", start.text);
        cloud.until(&url, "ada", "completed");
        until(parameter, || told(queue));
    }
}

#[test]
fn the_alarm_for_blocked_executions_reads_what_the_host_logs() {
    let logged =
        r#"tracing::error!(everstep.execution.id = %id, reason = %fault, "execution blocked")"#;
    assert!(include_str!("../../sdk/src/turn/end.rs").contains(logged), "the words are others");
    for template in [
        include_str!("../../docs/deploy/template.yaml"),
        include_str!("../../docs/deploy/sam.yaml"),
    ] {
        assert!(template.contains(r#"FilterPattern: '"execution blocked"'"#));
    }
}

/// What nothing differs in makes no new version, and the old one is told nothing.
#[test]
fn whatever_the_function_is_told_makes_a_new_version() {
    let told =
        ["LongTimers", "Metrics", "PayloadBucket", "PayloadKey", "Retention", "ArchiveBucket"]
            .into_iter()
            .chain(["NotifyTopic", "NotifyBus", "NotifyOptions"]);
    for parameter in told {
        let named = format!("${{{parameter}}}");
        assert!(description("Settings").contains(&named), "{parameter}");
        let sam = include_str!("../../docs/deploy/sam.yaml");
        let settings = sam.lines().find(|line| line.trim_start().starts_with("SETTINGS: !Sub"));
        assert!(settings.unwrap().contains(&named), "{parameter}, with SAM");
    }
    assert!(description("Version").contains("${Settings.PolicyId}"), "the version has no settings");
}

/// The description of a resource of the template.
fn description(resource: &str) -> &'static str {
    let template = include_str!("../../docs/deploy/template.yaml");
    let (_, resource) = template.split_once(&format!("\n  {resource}:\n")).unwrap();
    let mut lines = resource.lines().map(str::trim_start);
    let text = lines.find_map(|line| line.strip_prefix("Description: !Sub ")).unwrap();
    text.trim_matches('"')
}

/// AWS says only in the middle of a deploy that a text is too long.
#[test]
fn what_makes_a_new_version_has_room_however_long_the_parameters_are() {
    let template = include_str!("../../docs/deploy/template.yaml");
    let longest = |name: &str| -> usize {
        match name {
            "Architecture" => "x86_64".len(),
            "MemorySize" => "10240".len(),
            "LongTimers" => "SCHEDULER".len(),
            "Retention" => "9999999m".len(),
            // https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
            "Settings.PolicyId" => 128,
            // A rule of the template: it is that or NotifyTopic.
            "NotifyBus" => 0,
            _ => {
                let (_, parameter) = template.split_once(&format!("\n  {name}:\n")).unwrap();
                let mut lines = parameter.lines().take_while(|line| line.starts_with("    "));
                let max = lines.find_map(|line| line.trim_start().strip_prefix("MaxLength: "));
                max.unwrap_or_else(|| panic!("{name} has no longest")).parse().unwrap()
            }
        }
    };
    for (resource, longest_text) in [("Version", 256), ("Settings", 1_000)] {
        let mut parts = description(resource).split("${");
        let mut length = parts.next().unwrap().len();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            length += longest(name) + rest.len();
        }
        assert!(length <= longest_text, "{resource}: {length}");
    }
}

/// The resources that stand in both templates, as they are written.
#[test]
fn what_both_templates_have_is_the_same() {
    let resources = |template: &str| -> BTreeMap<String, String> {
        let path = format!("{}/../{template}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, resources) = text.split_once("\nResources:\n").unwrap();
        let (resources, _) = resources.split_once("\nOutputs:\n").unwrap();
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let mut name = String::new();
        for line in resources.lines() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            match line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
                Some(head) => name = head.to_owned(),
                None => *all.entry(name.clone()).or_default() += &format!("{line}\n"),
            }
        }
        all
    };
    let (plain, sam) = (resources(TEMPLATE), resources(SAM));
    // What SAM makes itself, and what names its alias.
    let other = ["Function:", "HttpUrl:", "HttpUrlIsOpen:", "HttpInvokeIsOpen:"];
    let mut same = 0;
    for (name, text) in &sam {
        let Some(plain) = plain.get(name).filter(|_| !other.contains(&name.as_str())) else {
            continue;
        };
        let alias = "!Sub \"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${Name}:live\"";
        assert_eq!(text.replace(alias, "!Ref Live"), *plain, "{name}");
        same += 1;
    }
    let missing: Vec<_> =
        plain.keys().filter(|name| !sam.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(missing, ["Events:", "Live:", "Mapping:", "Settings:", "Sweeper:", "Version:"]);
    assert!(same > 12, "{same}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_says_is_what_happens() {
    let cloud = Cloud::start(&[]).await;
    cloud.session(PAGE, "deploy");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_says_of_sam_is_what_happens() {
    let cloud = Cloud::start(&[]).await;
    cloud.session(PAGE, "sam");
    let _ = of_events(&cloud);
}

/// Runs `everstep` with this environment, and finds the sentence that it prints on the page.
#[track_caller]
fn check_named(cloud: &Cloud, user: &Credentials, environment: &[(&str, &str)], sentence: &str) {
    let mut all = vec![("EVERSTEP_URL".to_owned(), URL.to_owned())];
    all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let said = cloud.types(user, "everstep start greet --id x", &all);
    assert!(!said.done, "{}", said.text);
    // Where the rig is does not stand there.
    let text = said.text.replace(&format!(" at {}", cloud.url()), "").replace('`', "'");
    assert!(text.contains(sentence), "{sentence:?} is not in {text}");
    assert!(PAGE.contains(sentence), "the page does not have {sentence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_as_the_page_says() {
    let cloud = Cloud::start(&[]).await;
    let stack = &cloud.deploy(TEMPLATE, NAME, &[]);
    let root = Credentials::root();
    let nobody = cloud.user(stack, "nobody", &[]);
    let remedy = "create it with 'everstep setup', or correct EVERSTEP_URL or AWS_REGION";
    let table = ("EVERSTEP_URL", "dynamodb://oders?queue=orders");
    let says = format!("table \"oders\" in region eu-west-1 does not exist: {remedy}");
    check_named(&cloud, &root, &[table], &says);
    let queue = ("EVERSTEP_URL", "dynamodb://orders?queue=oders");
    let says = format!("queue \"oders\" in region eu-west-1 does not exist: {remedy}");
    check_named(&cloud, &root, &[queue], &says);
    let says = format!("table \"orders\" in region eu-west-3 does not exist: {remedy}");
    check_named(&cloud, &root, &[("AWS_REGION", "eu-west-3")], &says);
    let says = "AWS does not accept the credentials for table \"orders\" in region eu-west-1";
    check_named(&cloud, &root, &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")], says);
    let listed = cloud.everstep(&nobody, URL, "list").text;
    let says = "allow dynamodb:Query in its IAM policy";
    assert!(listed.contains(says) && PAGE.contains(says), "{listed}");
    let nowhere = cloud.types(
        &root,
        "unset AWS_REGION AWS_DEFAULT_REGION; AWS_EC2_METADATA_DISABLED=true everstep list",
        &[("EVERSTEP_URL".to_owned(), URL.to_owned())],
    );
    let says =
        "no AWS region is set for table \"orders\": set AWS_REGION, or a region in the AWS profile";
    assert!(nowhere.text.contains(says) && PAGE.contains(says), "{}", nowhere.text);
}
