//! Real kills on DynamoDB and SQS: several orders at once, each in a process of its own, all
//! killed at one random moment, twice; then they go on when the claims of the dead have ended. And
//! kills of DynamoDB itself while orders are worked on.
//!
//! The emulator keeps its tables in SQLite, with a write-ahead log. What it has acknowledged is there
//! when it is started again after a SIGKILL: the test that kills it counts that, too.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use everstep::client::Client;
use everstep::memory::MemoryQueue;
use everstep::store::{EventStore, Status};
use everstep::{Backend, ExecutionId};
use everstep_tests::dynamodb::{DynamoDb, MortalDynamoDb, REGION, config_at, new_table, store_at};
use everstep_tests::ministack::Ministack;
use everstep_tests::order::{Effects, OrderFolder, SERVICES, Witness, durable};
use everstep_tests::seed::Seeded;
use serde_json::Value;

const ORDERS: usize = 5;

/// All processes die so often: each time costs the lease of the dead, 25 seconds.
const ROUNDS: usize = 2;

const LIFE_MS_MAX: u64 = 1_500;

/// A folder for the orders of the backend `url`, with DynamoDB at `db`.
fn orders(url: &str, db: &str, rig: &Ministack) -> OrderFolder {
    OrderFolder::new(&[
        ("EVERSTEP_URL", url),
        ("AWS_ENDPOINT_URL_DYNAMODB", db),
        ("AWS_ENDPOINT_URL_SQS", rig.url()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ])
}

/// Makes the queue of the orders.
async fn queue(rig: &Ministack) {
    let queue = everstep::aws::SqsQueue::new(&config_at(rig.url()).await, "orders");
    everstep::wake::WakeQueue::setup(&queue.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_them_on_dynamodb_orders_end_right_and_no_recorded_step_runs_again() {
    let file = tempfile::tempdir().unwrap();
    let db = DynamoDb::on_file(&file.path().join("dynamodb.sqlite"));
    let rig = Ministack::start().await;
    let table = new_table();
    let url = format!("dynamodb://{table}?queue=orders");
    let folder = orders(&url, db.url(), &rig);
    let store: Arc<dyn EventStore> = Arc::new(store_at(db.url(), &table).await);
    store.setup().await.unwrap();
    queue(&rig).await;

    let mut random = Seeded::from_env();
    let mut witnesses: Vec<_> =
        (1..=ORDERS).map(|order| Witness::new(&format!("order-{order}"))).collect();
    let mut kills = 0;
    for round in 1..=ROUNDS {
        // What one round leaves under way goes on only when its lease is over.
        let wait = if round == 1 { 0 } else { 25_000 };
        let mut lives: Vec<_> =
            witnesses.iter().map(|witness| folder.begin(&["--id", witness.id()])).collect();
        tokio::time::sleep(Duration::from_millis(wait + random.below(LIFE_MS_MAX))).await;
        for life in &mut lives {
            if life.try_wait().unwrap().is_none() {
                life.kill().unwrap();
                kills += 1;
            }
        }
        for mut life in lives {
            life.wait().unwrap();
        }
        for witness in &mut witnesses {
            let log = durable(Arc::clone(&store), witness.id()).await;
            witness.look(folder.effects(witness.id()), log);
        }
    }
    let lives: Vec<_> =
        witnesses.iter().map(|witness| folder.begin(&["--id", witness.id()])).collect();
    for mut life in lives {
        assert!(life.wait().unwrap().success());
    }
    let mut repeats = 0;
    for witness in &mut witnesses {
        let log = durable(Arc::clone(&store), witness.id()).await;
        witness.look(folder.effects(witness.id()), log);
        witness.must_be_over();
        repeats += witness.repeats();
    }
    tracing::info!("{ORDERS} orders, {kills} kills, {repeats} effects whose answer was lost");
}

/// So often DynamoDB dies while orders are worked on.
const DEATHS: usize = 12;

/// How long it lives at most.
const BETWEEN_MS_MAX: u64 = 1_200;

/// The emulator that the test below starts and kills.
#[tokio::test]
#[ignore = "a program for the other test"]
async fn the_emulator() {
    MortalDynamoDb::serve().await;
}

/// Items that are written one after the other, without a second try, and which of them were acknowledged.
struct Notes {
    client: aws_sdk_dynamodb::Client,
    table: String,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Notes {
    async fn on(url: &str) -> Arc<Self> {
        let config = config_at(url).await;
        let table = new_table();
        store_at(url, &table).await.setup().await.unwrap();
        let once = aws_sdk_dynamodb::config::Builder::from(&config);
        let once = once.retry_config(RetryConfig::disabled()).build();
        let client = aws_sdk_dynamodb::Client::from_conf(once);
        Arc::new(Self { client, table, acknowledged: Mutex::default() })
    }

    /// Writes until the task is aborted.
    async fn write(self: Arc<Self>) {
        for number in 0_u32.. {
            let key = AttributeValue::S(number.to_string());
            let put = self.client.put_item().table_name(&self.table);
            let put = put.item("pk", key).item("sk", AttributeValue::S("#".to_owned()));
            if put.send().await.is_ok() {
                self.acknowledged.lock().unwrap().insert(number.to_string());
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Checks that what was acknowledged is there, and returns how many that are.
    async fn check(&self) -> usize {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let items = scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let there: BTreeSet<String> =
            items.unwrap().iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
        let acknowledged = self.acknowledged.lock().unwrap();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "the emulator has lost what it had acknowledged: {lost:?}");
        acknowledged.len()
    }
}

/// An order, its process, and what was seen of it after each death of DynamoDB.
struct Order {
    id: String,
    process: Child,
    /// The death before this process began.
    begun: usize,
    /// How often each service was asked whose result has been seen in the log: for good.
    settled: Effects,
    /// The deaths that came when a service may have been asked and had no result in the log: each may
    /// have cost a turn its answer, and the step runs again.
    interrupted: BTreeMap<&'static str, usize>,
}

impl Order {
    fn begin(folder: &OrderFolder, number: usize, deaths: usize) -> Self {
        let id = format!("order-{number}");
        let process = folder.begin(&["--id", &id]);
        let (settled, interrupted) = (Effects::new(), BTreeMap::new());
        Self { id, process, begun: deaths, settled, interrupted }
    }

    /// DynamoDB has died once since the last look, and lives again.
    fn look(&mut self, effects: &Effects, durable: &[String]) {
        for service in SERVICES {
            let asked = effects.get(service).copied().unwrap_or(0);
            let is_durable = durable.iter().any(|known| known == service);
            if let Some(settled) = self.settled.get(service) {
                assert!(is_durable, "{}: the result of {service} has left the log", self.id);
                let again = "was in the log and was done again";
                assert_eq!(asked, *settled, "{}: {service} {again}", self.id);
                continue;
            }
            if asked > 0 {
                *self.interrupted.entry(service).or_default() += 1;
            }
            if is_durable {
                self.settled.insert(service.to_owned(), asked);
            }
        }
    }

    /// It is done, and nothing has died since the last look.
    fn must_be_right(&self, effects: &Effects, mut durable: Vec<String>, receipt: &Value) -> usize {
        durable.sort();
        assert_eq!(durable, SERVICES, "{}: every step has its result, once", self.id);
        for service in SERVICES {
            let asked = effects.get(service).copied().unwrap_or(0);
            assert!(asked > 0, "{}: {service} has a result without an effect", self.id);
            if let Some(settled) = self.settled.get(service) {
                assert_eq!(asked, *settled, "{}: {service} was done again", self.id);
            }
            let interrupted = self.interrupted.get(service).copied().unwrap_or(0);
            let most = 1 + interrupted;
            assert!(asked <= most, "{}: {service} was done {asked} times, not {most}", self.id);
        }
        for part in ["charge", "label", "invoice"] {
            let said = receipt[part].as_str().unwrap_or_default();
            assert!(said.starts_with(part), "{}: {receipt}", self.id);
        }
        effects.values().sum::<usize>() - SERVICES.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_dynamodb_dies_no_order_is_lost_and_no_recorded_step_runs_again() {
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("dynamodb.sqlite");
    let mut db = MortalDynamoDb::start("kills::the_emulator", &file).await;
    let rig = Ministack::start().await;
    let table = new_table();
    let folder = orders(&format!("dynamodb://{table}?queue=orders"), &db.url(), &rig);
    let store: Arc<dyn EventStore> = Arc::new(store_at(&db.url(), &table).await);
    store.setup().await.unwrap();
    queue(&rig).await;
    let client = Client::new(&Backend::new(Arc::clone(&store), Arc::new(MemoryQueue::new())));
    let notes = Notes::on(&db.url()).await;
    let writer = tokio::spawn(Arc::clone(&notes).write());

    let mut random = Seeded::from_env();
    let mut deaths = 0;
    let mut open: Vec<_> =
        (1..=ORDERS).map(|number| Order::begin(&folder, number, deaths)).collect();
    let mut done = Vec::new();
    let mut restarts = 0;
    while !open.is_empty() {
        if deaths < DEATHS {
            tokio::time::sleep(Duration::from_millis(random.below(BETWEEN_MS_MAX))).await;
            db.kill();
            deaths += 1;
            db.revive().await;
            for order in open.iter_mut().chain(&mut done) {
                let durable = durable(Arc::clone(&store), &order.id).await;
                order.look(&folder.effects(&order.id), &durable);
            }
        } else {
            // What is left ends in peace.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for mut order in std::mem::take(&mut open) {
            match order.process.try_wait().unwrap() {
                None => open.push(order),
                Some(exit) if exit.success() => {
                    done.push(order);
                    // So that there is always somebody at work.
                    if deaths < DEATHS {
                        let number = done.len() + ORDERS;
                        open.push(Order::begin(&folder, number, deaths));
                    }
                }
                // DynamoDB was away for too long, and somebody types the command again.
                Some(exit) => {
                    let id = &order.id;
                    assert!(order.begun < deaths, "{id} ends by itself: {exit}");
                    order.process = folder.begin(&["--id", id]);
                    order.begun = deaths;
                    restarts += 1;
                    open.push(order);
                }
            }
        }
    }
    writer.abort();

    let mut repeats = 0;
    for order in &done {
        let durable = durable(Arc::clone(&store), &order.id).await;
        let handle = client.handle_named(ExecutionId::new(order.id.as_str()).unwrap());
        let receipt: Value = handle.result().await.unwrap();
        repeats += order.must_be_right(&folder.effects(&order.id), durable, &receipt);
    }
    let records = client.list().page().await.unwrap().records;
    let ended = records.iter().filter(|it| it.projection.status == Status::Completed).count();
    assert_eq!((records.len(), ended), (done.len(), done.len()), "{records:?}");
    let noted = notes.check().await;
    assert!(noted > DEATHS, "it was killed while it wrote");
    tracing::info!(
        "{deaths} deaths, {} orders, {restarts} processes that gave up, {repeats} effects whose \
         answer was lost, {noted} items acknowledged",
        done.len()
    );
}
