//! The order example as a Lambda function: the release binary as its `bootstrap`, an SQS queue as
//! its event source, a DynamoDB table as its store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use everstep::aws::{DynamoStore, SqsQueue};
use everstep::backend::Backend;
use everstep::client::Client;
use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::store::Status;
use everstep_tests::dynamodb::{DynamoDb, config_at, new_table};
use everstep_tests::function::{function, package};
use everstep_tests::http::request;
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

/// How long an order may take here. It takes four seconds, and the lease of a dead host.
const ORDER_MAX: Duration = Duration::from_secs(120);

/// The function's time-out: a dead host's lease is as long.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The queue's visibility time-out: a dead host's wake comes back after it. Shorter than what
/// setup makes, so that a test can wait for it.
const VISIBILITY: Duration = Duration::from_secs(10);

/// The deployed function and what belongs to it.
struct Deployed {
    _db: DynamoDb,
    rig: Ministack,
    folder: tempfile::TempDir,
    backend: Backend,
    client: Client,
}

impl Deployed {
    /// Deploys the function with these variables of its own.
    async fn start(variables: &[(&str, &str)]) -> Self {
        let db = DynamoDb::start();
        let rig = Ministack::start().await;
        let folder = tempfile::tempdir().unwrap();
        let table = new_table();
        let store = DynamoStore::new(&config_at(db.url()).await, &table).unwrap();
        let queue = SqsQueue::new(&config_at(rig.url()).await, "wakes").unwrap();
        let backend = Backend::new(Arc::new(store), Arc::new(queue));
        backend.setup().await.unwrap();
        let sqs = aws_sdk_sqs::Client::new(&config_at(rig.url()).await);
        let url = sqs.get_queue_url().queue_name("wakes").send().await.unwrap().queue_url.unwrap();
        let visibility = VISIBILITY.as_secs().to_string();
        let set = sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::VisibilityTimeout, visibility).send().await.unwrap();

        let url = format!("dynamodb://{table}?queue=wakes");
        let world = folder.path().join("world.db");
        let mut environment = json!({
            "EVERSTEP_URL": url,
            "AWS_ENDPOINT_URL_DYNAMODB": db.url(),
            "AWS_ENDPOINT_URL_SQS": rig.url(),
            "ORDER_WORLD": world,
            "RUST_LOG": "info",
        });
        for (name, value) in variables {
            environment[name] = json!(value);
        }
        let function = json!({
            "FunctionName": "order",
            "Runtime": "provided.al2023",
            "Role": "arn:aws:iam::000000000000:role/order",
            "Handler": "bootstrap",
            "Timeout": TIMEOUT.as_secs(),
            "MemorySize": 256,
            "Code": { "ZipFile": package(&function("order")) },
            "Environment": { "Variables": environment },
        });
        let this = Self { client: Client::new(&backend), _db: db, rig, folder, backend };
        this.post("/2015-03-31/functions", &function).await;
        let mapping = json!({
            "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:wakes",
            "FunctionName": "order",
            "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        this.post("/2015-03-31/event-source-mappings", &mapping).await;
        this
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = request("POST", self.rig.url(), path, &body.to_string()).await.unwrap();
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn invoke(&self, event: &Value) -> Value {
        self.post("/2015-03-31/functions/order/invocations", event).await
    }

    /// Starts the order by invoking the function.
    async fn order(&self, id: &str) -> Value {
        let input = json!({
            "number": id, "customer": "Ada", "article": "teapot", "pieces": 2, "price": 3490,
            "card": "4242",
        });
        let start = json!({ "workflow": "fulfil_order", "id": id, "input": input });
        self.invoke(&json!({ "start": start })).await
    }

    /// The events of the order once it has ended well.
    async fn ended(&self, id: &ExecutionId) -> Vec<Event> {
        let deadline = Instant::now() + ORDER_MAX;
        loop {
            let record = self.backend.store.record(id).await.unwrap().unwrap();
            if record.projection.status == Status::Completed {
                break;
            }
            let open = matches!(record.projection.status, Status::Running | Status::Suspended);
            if !open || Instant::now() > deadline {
                panic!("{record:?}\n{:#?}", self.events(id).await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.events(id).await
    }

    async fn events(&self, id: &ExecutionId) -> Vec<Event> {
        let commits = self.client.history(id).await.unwrap();
        commits.into_iter().flat_map(|commit| commit.events).collect()
    }

    /// What the outside world saw, sorted.
    fn effects(&self, id: &ExecutionId) -> Vec<String> {
        let world = rusqlite::Connection::open(self.folder.path().join("world.db")).unwrap();
        let mut select = world
            .prepare("SELECT service FROM effects WHERE order_number = ?1 ORDER BY service")
            .unwrap();
        let services = select.query_map([id.as_str()], |row| row.get(0)).unwrap();
        services.collect::<Result<_, _>>().unwrap()
    }
}

fn turns(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::TurnStarted(_))).count()
}

const EVERYTHING_ONCE: [&str; 5] = ["charge", "confirm", "invoice", "label", "reserve"];

#[tokio::test]
async fn an_order_runs_to_its_end_as_a_lambda_function() {
    let deployed = Deployed::start(&[]).await;
    let id = ExecutionId::new("order-7").unwrap();
    assert_eq!(deployed.order("order-7").await, json!({ "id": "order-7", "new": true }));
    assert_eq!(deployed.order("order-7").await, json!({ "id": "order-7", "new": false }));
    let events = deployed.ended(&id).await;
    assert_eq!(deployed.effects(&id), EVERYTHING_ONCE);
    assert!(turns(&events) >= 2, "no function waits for the timer: {events:#?}");

    // What it refuses, it names.
    let refused = deployed.invoke(&json!({ "start": { "workflow": "fulfill" } })).await;
    assert_eq!(refused["errorType"], "Everstep.UnknownWorkflow");
    assert!(refused["errorMessage"].as_str().unwrap().contains("fulfil_order"), "{refused}");
    let start = json!({ "workflow": "fulfil_order", "input": { "number": 7 } });
    let refused = deployed.invoke(&json!({ "start": start })).await;
    assert_eq!(refused["errorType"], "Everstep.InvalidInput");
    let refused = deployed.invoke(&json!({ "stop": {} })).await;
    assert_eq!(refused["errorType"], "Everstep.UnknownEvent");
    assert_eq!(deployed.invoke(&json!({ "sweep": {} })).await, json!({ "woken": 0 }));
}

#[tokio::test]
async fn an_order_whose_function_dies_after_the_charge_goes_on_and_charges_once() {
    let deployed = Deployed::start(&[("ORDER_CRASH_AFTER", "charge")]).await;
    let id = ExecutionId::new("order-8").unwrap();
    deployed.order("order-8").await;
    let events = deployed.ended(&id).await;
    assert_eq!(deployed.effects(&id), EVERYTHING_ONCE);
    assert!(turns(&events) >= 3, "one died: {events:#?}");
}

#[tokio::test]
async fn a_message_that_is_no_wake_does_not_stop_the_others() {
    let deployed = Deployed::start(&[]).await;
    let id = ExecutionId::new("order-9").unwrap();
    let sqs = aws_sdk_sqs::Client::new(&config_at(deployed.rig.url()).await);
    let url = sqs.get_queue_url().queue_name("wakes").send().await.unwrap().queue_url.unwrap();
    let unknown = everstep::wake::Wake::news(ExecutionId::new("nobody").unwrap()).to_body();
    for body in ["no wake", r#"{"everstep":99,"execution":"order-9","kind":"news"}"#, &unknown] {
        sqs.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    }
    deployed.order("order-9").await;
    deployed.ended(&id).await;
    assert_eq!(deployed.effects(&id), EVERYTHING_ONCE);
    // Two are left, for a newer program and for the dead letters: nobody has deleted them.
    let counts = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let deadline = Instant::now() + ORDER_MAX;
    loop {
        let ask = sqs.get_queue_attributes().queue_url(&url);
        let answer = ask.set_attribute_names(Some(counts.to_vec())).send().await.unwrap();
        let left: u32 =
            answer.attributes.unwrap().values().map(|it| it.parse::<u32>().unwrap()).sum();
        if left == 2 {
            break;
        }
        assert!(left > 2 && Instant::now() < deadline, "{left} are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
