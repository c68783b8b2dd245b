//! A function whose steps write to databases and take permits of a Redis (tests/bootstrap/data.rs),
//! on the real ones; and the spans that it exports before it is frozen.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client as Dynamo;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use axum::Json as Body;
use axum::extract::State as Shared;
use everstep::client::{Client, Handle};
use everstep::dynamodb::Markers;
use everstep::event::{Event, Json};
use everstep::limiter::{ConcurrencyLimiter, RedisLimiter};
use everstep::postgres::{self, PgPool};
use everstep::store::Status;
use everstep_tests::aws::calls;
use everstep_tests::dynamodb::{DynamoDb, config_at};
use everstep_tests::function::{function, package};
use everstep_tests::ministack::Ministack;
use everstep_tests::postgres::Postgres;
use everstep_tests::redis::Redis;
use serde_json::{Value, json};

/// How long it may take until something is so. A function that dies leaves a lease of ten seconds.
const SO_MAX: Duration = Duration::from_secs(120);

/// Spans as a collector is sent them.
type Spans = Arc<Mutex<Vec<Value>>>;

/// A collector that takes OTLP over HTTP, in JSON
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
async fn collect(Shared(spans): Shared<Spans>, Body(mut export): Body<Value>) -> Body<Value> {
    let parts = |whole: &mut Value, name: &str| match whole[name].take() {
        Value::Array(parts) => parts,
        _ => Vec::new(),
    };
    for mut resource in parts(&mut export, "resourceSpans") {
        for mut scope in parts(&mut resource, "scopeSpans") {
            spans.lock().unwrap().append(&mut parts(&mut scope, "spans"));
        }
    }
    Body(json!({}))
}

async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let router = axum::Router::new().fallback(collect).with_state(spans.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, spans)
}

struct Deployed {
    db: DynamoDb,
    _rig: Ministack,
    _postgres: Postgres,
    books: PgPool,
    redis: Redis,
    deaths: tempfile::TempDir,
    spans: Spans,
    client: Client,
}

impl Deployed {
    async fn start() -> Self {
        let (db, rig, redis) = (DynamoDb::start(), Ministack::start().await, Redis::start().await);
        let (collector, spans) = collector().await;
        let postgres = Postgres::start().await;
        let books = postgres.pool().await;
        postgres::setup(&books).await.unwrap();
        let table = "CREATE TABLE books (number bigserial PRIMARY KEY, note text NOT NULL)";
        sqlx::raw_sql(table).execute(&books).await.unwrap();
        shop(&db).await;
        let deaths = tempfile::tempdir().unwrap();
        let (backend, mut environment) = rig.backend(&db).await;
        for (name, value) in [
            ("DATABASE_URL", &*postgres.url()),
            ("REDIS_URL", &*redis.url()),
            ("DEATHS", deaths.path().to_str().unwrap()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector),
            // An hour: nothing leaves the function but by its flush.
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ] {
            environment[name] = json!(value);
        }
        let function = json!({
            "FunctionName": "data", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/data", "Timeout": 5,
            "Environment": { "Variables": environment },
            "Code": { "ZipFile": package(&function("bootstrap")) },
        });
        // So soon a wake comes again whose function has died.
        let soon = json!({
            "QueueUrl": format!("{}/000000000000/wakes", rig.url()),
            "Attributes": { "VisibilityTimeout": "2" },
        });
        let mapping = json!({
            "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:wakes",
            "FunctionName": "data", "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        let _ = calls(
            &rig,
            &[
                ("lambda", "create_function", function),
                ("sqs", "set_queue_attributes", soon),
                ("lambda", "create_event_source_mapping", mapping),
            ],
        );
        let client = Client::new(&backend);
        Self { db, _rig: rig, _postgres: postgres, books, redis, deaths, spans, client }
    }

    async fn begin(&self, workflow: &str, id: &str, input: &str) -> Handle<Value, Value> {
        let start = self.client.start_named(workflow, Json::record(input).unwrap());
        start.id(id).await.unwrap()
    }

    /// How often this was sold.
    async fn sold(&self, note: &str) -> String {
        let dynamo = Dynamo::new(&config_at(self.db.url()).await);
        let item = dynamo.get_item().table_name("shop").consistent_read(true);
        let item = item.key("name", AttributeValue::S(note.to_owned())).send().await.unwrap();
        item.item.unwrap()["sold"].as_n().unwrap().clone()
    }
}

/// The shop's table and that of the markers.
async fn shop(db: &DynamoDb) {
    let dynamo = Dynamo::new(&config_at(db.url()).await);
    let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash).build();
    let name = AttributeDefinition::builder().attribute_name("name");
    let name = name.attribute_type(ScalarAttributeType::S).build();
    let table = dynamo.create_table().table_name("shop").billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key.unwrap()).attribute_definitions(name.unwrap());
    table.send().await.unwrap();
    Markers::new(&dynamo, "markers").setup().await.unwrap();
}

/// Waits until the execution has come to `status`.
async fn until(handle: &Handle<Value, Value>, status: Status) {
    let deadline = Instant::now() + SO_MAX;
    loop {
        let is = handle.describe().await.unwrap().projection.status;
        if is == status {
            return;
        }
        assert!(Instant::now() < deadline, "it is {is:?} and not {status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn events(handle: &Handle<Value, Value>) -> Vec<Event> {
    let commits = handle.history().await.unwrap();
    commits.into_iter().flat_map(|commit| commit.events).collect()
}

/// The function dies three times: twice when a step's effect is there and its result is not in the log,
/// and in the body of a step whose effect comes with its event.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_steps_of_a_function_write_is_written_once_though_it_dies_right_after() {
    let deployed = Deployed::start().await;
    let file = |name: &str| -> std::path::PathBuf { Path::new(deployed.deaths.path()).join(name) };
    let deaths = ["book", "sell", "deliver"];
    for effect in deaths {
        std::fs::write(file(effect), "").unwrap();
    }
    let trade = deployed.begin("trade", "trade", "cups").await;
    let traded = tokio::time::timeout(SO_MAX, trade.result()).await.expect("it ends").unwrap();
    assert_eq!(traded, json!([1, "sold for cups", "delivered cups"]));
    for effect in deaths {
        assert!(!file(effect).exists(), "the function has not died in {effect}");
    }
    let booked: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, note FROM books").fetch_all(&deployed.books).await.unwrap();
    assert_eq!(booked, [(1, "cups".to_owned())]);
    assert_eq!(deployed.sold("cups").await, "1");
    assert_eq!(deployed.sold("cups, delivered").await, "1");
    // The later lives of the function have only read what the others had written.
    let events = events(&trade).await;
    let turns = events.iter().filter(|event| matches!(event, Event::TurnStarted(_))).count();
    assert_eq!(turns, 4, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_function_waits_for_a_permit_that_somebody_else_has() {
    let deployed = Deployed::start().await;
    let redis = RedisLimiter::connect(&deployed.redis.url()).await.unwrap();
    let press = ConcurrencyLimiter::new(redis, "press", 1);
    let permit = press.acquire("press").await.unwrap();
    let book = deployed.begin("publish_it", "book", "text").await;
    until(&book, Status::Suspended).await;
    let postponed = |event: &Event| matches!(event, Event::StepPostponed(_));
    assert!(events(&book).await.iter().any(postponed), "it has a permit");
    book.signal("looked", "and looked at").await.unwrap();
    permit.release().await.unwrap();
    let printed = tokio::time::timeout(SO_MAX, book.result()).await.expect("it ends").unwrap();
    assert_eq!(printed, "text, printed, and looked at, printed");
    press.acquire("press").await.unwrap().release().await.unwrap();
}

/// A value of a span, as a text.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let all = span["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = all.iter().find(|attribute| attribute["key"] == key);
    found.and_then(|attribute| attribute["value"]["stringValue"].as_str()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_two_invocations_are_exported_before_the_freeze_as_one_trace() {
    let deployed = Deployed::start().await;
    let book = deployed.begin("publish_it", "book", "text").await;
    until(&book, Status::Suspended).await;
    book.signal("looked", "and looked at").await.unwrap();
    let printed = tokio::time::timeout(SO_MAX, book.result()).await.expect("it ends").unwrap();
    assert_eq!(printed, "text, printed, and looked at, printed");
    let named = |spans: &[Value], name: &str| -> Vec<Value> {
        let is = |span: &&Value| span["name"].as_str().unwrap().starts_with(name);
        spans.iter().filter(is).cloned().collect()
    };
    let deadline = Instant::now() + SO_MAX;
    let spans = loop {
        let spans = deployed.spans.lock().unwrap().clone();
        if named(&spans, "turn").len() >= 2 && named(&spans, "invocation").len() >= 2 {
            break spans;
        }
        assert!(Instant::now() < deadline, "{spans:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };

    // One trace for all that was done, and nothing in it twice.
    let turns = named(&spans, "turn");
    let trace = &turns[0]["traceId"];
    let within: Vec<&Value> = spans.iter().filter(|span| span["traceId"] == *trace).collect();
    let mut names: Vec<&str> = within.iter().map(|span| span["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let twice =
        ["attempt print", "step print", "turn publish_it"].into_iter().flat_map(|it| [it; 2]);
    assert_eq!(names, twice.collect::<Vec<_>>(), "{within:#?}");
    let outcomes: BTreeSet<_> =
        turns.iter().map(|turn| attribute(turn, "everstep.turn.outcome")).collect();
    assert_eq!(outcomes, BTreeSet::from(["completed", "suspended"]));
    for turn in &turns {
        assert_eq!(attribute(turn, "everstep.execution.id"), "book", "{turn}");
    }

    // Each turn leads to the invocation that it was taken in.
    let invocations = named(&spans, "invocation");
    let of = |turn: &Value| -> String {
        let links = turn["links"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = invocations
            .iter()
            .find(|invocation| links.iter().any(|link| link["spanId"] == invocation["spanId"]));
        let invocation = found.unwrap_or_else(|| panic!("{turn} is of no invocation"));
        assert_ne!(invocation["traceId"], *trace);
        attribute(invocation, "faas.invocation_id").to_owned()
    };
    let ids: BTreeSet<_> = turns.iter().map(of).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.iter().all(|id| !id.is_empty()), "{invocations:#?}");
}
