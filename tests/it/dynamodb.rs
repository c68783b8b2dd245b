//! What only the DynamoDB store must withstand: pages, half-seen transactions, lost answers,
//! throttling, and everything that can be missing in an AWS account.

mod delete;
mod lives;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use everstep::aws::DynamoStore;
use everstep::event::{Json, StoredCommit};
use everstep::id::{ExecutionId, Life, WriterId};
use everstep::limits::COMMIT_BYTES_MAX;
use everstep::store::{
    Appended, Created, EventStore, ListQuery, Message, NewItem, Projection, Record, SeenItem, Sent,
    Status, StoreError,
};
use everstep::testing::conformance::StoreFactory;
use everstep::time::Timestamp;
use everstep_tests::dynamodb::{DynamoDb, config_at, new_table, store_at};
use everstep_tests::proxy::{Fault, Proxy};
use sha2::{Digest, Sha256};

#[derive(Default)]
struct DynamoStores(std::sync::OnceLock<DynamoDb>);

#[async_trait]
impl StoreFactory for DynamoStores {
    async fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(self.0.get_or_init(DynamoDb::start).store().await)
    }
}

everstep::event_store_suite!(conformance, DynamoStores::default());

/// The same, where every page of an answer has one item.
#[derive(Default)]
struct PagedStores(DynamoStores);

#[async_trait]
impl StoreFactory for PagedStores {
    async fn store(&self) -> Arc<dyn EventStore> {
        let db = self.0.0.get_or_init(DynamoDb::start);
        Arc::new(db.store().await.with_page_items(1))
    }
}

everstep::event_store_suite!(conformance_in_pages_of_one, PagedStores::default());

/// How often the SDK tries before it gives up.
const TRIES: usize = 3;

fn id(name: &str) -> ExecutionId {
    ExecutionId::new(name).unwrap()
}

fn commit(number: u64, writer: WriterId) -> StoredCommit {
    commit_of(number, writer, &format!("{{\"commit\":{number}}}"))
}

fn commit_of(number: u64, writer: WriterId, body: &str) -> StoredCommit {
    let hash = Sha256::digest(body.as_bytes()).into();
    StoredCommit { number, writer, hash, body: body.into(), life: None }
}

fn projection(commit: u64, status: Status) -> Projection {
    Projection {
        commit,
        first: 0,
        status,
        wake_at: Some(Timestamp(1_000)),
        untold: None,
        telling: None,
        updated_at: Timestamp(2_000),
        code: "1".into(),
        reason: None,
        view: None,
        tags: None,
        life: None,
    }
}

fn record(name: &str, commit: u64) -> Record {
    Record {
        id: id(name),
        workflow: "order".into(),
        started_at: Timestamp(500),
        born: None,
        arrivals: 0,
        tags: std::collections::BTreeMap::new(),
        parent: None,
        projection: projection(commit, Status::Running),
    }
}

/// Which life of an execution [`record`] is of.
fn life() -> Life {
    record("any", 0).life()
}

fn seen(sender: &str, arrival: u64) -> SeenItem {
    SeenItem { id: sender.into(), arrival }
}

fn item(sender: &str) -> NewItem {
    NewItem { id: sender.into(), arrived_at: Timestamp(700), message: Message::Resume }
}

/// A store behind a proxy, with an execution `a` that has commit 0.
struct Faulty {
    _db: DynamoDb,
    proxy: Proxy,
    store: DynamoStore,
    writer: WriterId,
}

impl Faulty {
    async fn start() -> Self {
        let db = DynamoDb::start();
        let proxy = Proxy::start(db.url()).await;
        let store = store_at(proxy.url(), &new_table()).await;
        store.setup().await.unwrap();
        let writer = WriterId::random();
        store.create(&record("a", 0), &commit(0, writer)).await.unwrap();
        Self { _db: db, proxy, store, writer }
    }
}

/// The whole chain of `error`, as one line.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> String {
    let sources =
        std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[track_caller]
fn check_unusable<T: std::fmt::Debug>(answer: Result<T, StoreError>, says: &[&str]) {
    let error = answer.unwrap_err();
    let StoreError::Unusable { remedy, .. } = &error else { panic!("{}", chain(&error)) };
    for part in says {
        assert!(remedy.contains(part), "{remedy:?} does not say {part:?}");
    }
    assert!(!error.is_retryable());
}

#[track_caller]
fn check_unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert!(error.is_retryable(), "{}", chain(&error));
}

#[tokio::test]
async fn several_may_set_up_one_table_at_once_and_again() {
    let db = DynamoDb::start();
    let store = store_at(db.url(), &new_table()).await;
    let together = (0..8).map(|_| store.setup());
    futures::future::try_join_all(together).await.unwrap();
    store.setup().await.unwrap();
    assert_eq!(store.record(&id("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_table_of_another_program_is_refused() {
    let db = DynamoDb::start();
    let table = new_table();
    let client = aws_sdk_dynamodb::Client::new(&config_at(db.url()).await);
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    let name = AttributeDefinition::builder()
        .attribute_name("name")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("name").key_type(KeyType::Hash);
    let make = client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(name.build().unwrap())
        .key_schema(key.build().unwrap());
    make.send().await.unwrap();
    let store = store_at(db.url(), &table).await;
    check_unusable(store.setup().await, &[&table, "other keys", "EVERSTEP_URL"]);
    check_unusable(store.append(&id("a"), &commit(0, WriterId::random())).await, &[&table]);
}

#[tokio::test]
async fn a_log_in_pages_of_one_item_is_read_whole() {
    let db = DynamoDb::start();
    let store = db.store().await;
    let writer = WriterId::random();
    store.create(&record("a", 0), &commit(0, writer)).await.unwrap();
    for number in 1..12 {
        store.append(&id("a"), &commit(number, writer)).await.unwrap();
    }
    for sender in ["z", "b", "é"] {
        assert_eq!(store.send(&id("a"), &item(sender)).await.unwrap(), Sent::New);
    }
    let paged = store.clone().with_page_items(1);
    let loaded = paged.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.record.arrivals, 3);
    let expected: Vec<_> = (0..12).map(|number| commit(number, writer)).collect();
    assert_eq!(loaded.commits, expected);
    let sent = [("z", 1), ("b", 2), ("é", 3)];
    assert_eq!(loaded.inbox, sent.map(|(sender, arrival)| item(sender).arrived(arrival)));
    assert!(paged.load(&id("b")).await.unwrap().is_none());

    let overdue = paged.overdue(Timestamp(5_000), 10).await.unwrap();
    assert_eq!(overdue, [id("a")]);
}

#[tokio::test]
async fn large_commits_need_several_pages_and_are_read_whole() {
    let db = DynamoDb::start();
    let proxy = Proxy::start(db.url()).await;
    let store = store_at(proxy.url(), &new_table()).await;
    store.setup().await.unwrap();
    let writer = WriterId::random();
    let name = "x".repeat(512);
    let body = format!("\"{}\"", "é".repeat(COMMIT_BYTES_MAX / 2 - 1));
    assert_eq!(body.len(), COMMIT_BYTES_MAX);
    store.create(&record(&name, 0), &commit_of(0, writer, &body)).await.unwrap();
    for number in 1..6 {
        store.append(&id(&name), &commit_of(number, writer, &body)).await.unwrap();
    }
    store.send(&id(&name), &item("s")).await.unwrap();
    let loaded = store.load(&id(&name)).await.unwrap().unwrap();
    assert!(proxy.calls("Query") > 1, "DynamoDB's pages have 1 MB");
    assert_eq!(loaded.commits.len(), 6);
    assert!(loaded.commits.iter().all(|commit| *commit.body == *body));
    assert_eq!(loaded.inbox, [item("s").arrived(1)]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    let body = "x".repeat(COMMIT_BYTES_MAX + 1);
    let error = store.append(&id("a"), &commit_of(1, writer, &body)).await.unwrap_err();
    let StoreError::TooLarge { what, bytes, bytes_max } = error else { panic!("{error}") };
    assert_eq!((bytes, bytes_max), (COMMIT_BYTES_MAX + 1, COMMIT_BYTES_MAX));
    assert_eq!(what, "commit 1");
    assert_eq!(proxy.calls("PutItem"), 0);

    let transactions = proxy.calls("TransactWriteItems");
    let payload = Json::record(&"x".repeat(COMMIT_BYTES_MAX)).unwrap();
    let message = Message::Signal { name: "big".into(), payload };
    let large = NewItem { message, ..item("s") };
    let answer = store.send(&id("a"), &large).await;
    assert!(matches!(answer, Err(StoreError::TooLarge { .. })), "{answer:?}");
    let answer = store.send(&id("a"), &item(&"s".repeat(1_023))).await;
    assert!(matches!(answer, Err(StoreError::TooLarge { .. })), "{answer:?}");
    assert_eq!(proxy.calls("TransactWriteItems"), transactions);
    assert_eq!(store.send(&id("a"), &item(&"s".repeat(1_022))).await.unwrap(), Sent::New);
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_finds_itself() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    proxy.fail("PutItem", 1, Fault::AnswerLost);
    // The SDK tries again by itself and meets what it wrote.
    let answer = store.append(&id("a"), &commit(1, writer)).await.unwrap();
    assert_eq!(answer, Appended::Taken { by: writer });
    assert_eq!(proxy.calls("PutItem"), 2, "who has the number costs no call of its own");

    proxy.fail("PutItem", TRIES, Fault::AnswerLost);
    check_unavailable(store.append(&id("a"), &commit(2, writer)).await);
    let answer = store.append(&id("a"), &commit(2, WriterId::random())).await.unwrap();
    assert_eq!(answer, Appended::Taken { by: writer });
    assert_eq!(proxy.faults_left(), 0);
    assert_eq!(store.load(&id("a")).await.unwrap().unwrap().commits.len(), 3);
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_one_start() {
    let Faulty { _db, proxy, store, .. } = Faulty::start().await;
    let writer = WriterId::random();
    proxy.fail("TransactWriteItems", 1, Fault::AnswerLost);
    let answer = store.create(&record("b", 0), &commit(0, writer)).await.unwrap();
    assert_eq!(answer, Created::New);

    proxy.fail("TransactWriteItems", TRIES, Fault::AnswerLost);
    check_unavailable(store.create(&record("c", 0), &commit(0, writer)).await);
    let answer = store.create(&record("c", 0), &commit(0, writer)).await.unwrap();
    let record = Box::new(record("c", 0));
    assert_eq!(answer, Created::Exists { by: Some(writer), record });
    assert_eq!(proxy.faults_left(), 0);
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_counted_once() {
    let Faulty { _db, proxy, store, .. } = Faulty::start().await;
    proxy.fail("TransactWriteItems", 1, Fault::AnswerLost);
    assert_eq!(store.send(&id("a"), &item("s1")).await.unwrap(), Sent::New);
    proxy.fail("TransactWriteItems", TRIES, Fault::AnswerLost);
    check_unavailable(store.send(&id("a"), &item("s2")).await);
    assert_eq!(store.send(&id("a"), &item("s2")).await.unwrap(), Sent::Known);
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.record.arrivals, 2);
    assert_eq!(loaded.inbox.len(), 2);
    assert_eq!(proxy.faults_left(), 0);
}

#[tokio::test]
async fn a_projection_whose_answer_is_lost_returns_the_record() {
    let Faulty { _db, proxy, store, .. } = Faulty::start().await;
    proxy.fail("UpdateItem", 1, Fault::AnswerLost);
    let done = projection(3, Status::Completed);
    let after = store.project(&id("a"), &done).await.unwrap();
    assert_eq!(after.projection, done);
    // An older one that lands last changes nothing and shows what is there.
    let late = projection(2, Status::Suspended);
    assert_eq!(store.project(&id("a"), &late).await.unwrap().projection, done);
    assert_eq!(store.record(&id("a")).await.unwrap().unwrap().projection, done);
}

#[tokio::test]
async fn one_fault_of_any_kind_is_absorbed_and_three_are_reported_as_unavailable() {
    let Faulty { _db, proxy, writer, store: patient, .. } = Faulty::start().await;
    // As ours, but for a time-out that a test can wait for.
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(250)).build();
    let config = config_at(proxy.url()).await.into_builder().timeout_config(timeouts).build();
    let store = DynamoStore::new(&config, patient.table_name()).unwrap();
    let faults = [
        Fault::RequestLost,
        Fault::Hang,
        Fault::error(400, "ThrottlingException"),
        Fault::error(400, "ProvisionedThroughputExceededException"),
        Fault::error(500, "InternalServerError"),
        Fault::Answer { status: 503, body: "<html>busy</html>".into() },
    ];
    for (number, fault) in (1..).zip(faults) {
        proxy.fail("PutItem", 1, fault.clone());
        let answer = store.append(&id("a"), &commit(number, writer)).await;
        assert_eq!(answer.unwrap(), Appended::Done, "{fault:?}");
        for operation in ["PutItem", "GetItem", "Query", "UpdateItem", "TransactWriteItems"] {
            proxy.fail(operation, TRIES, fault.clone());
        }
        check_unavailable(store.append(&id("a"), &commit(number, writer)).await);
        check_unavailable(store.record(&id("a")).await);
        check_unavailable(store.load(&id("a")).await);
        check_unavailable(store.project(&id("a"), &projection(9, Status::Running)).await);
        check_unavailable(store.send(&id("a"), &item("s")).await);
        assert_eq!(proxy.faults_left(), 0, "{fault:?}");
    }
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.record.projection.commit, 0);
    assert!(loaded.inbox.is_empty());
}

fn cancelled(codes: [&str; 2]) -> Fault {
    let reasons = codes.map(|code| format!(r#"{{"Code":"{code}"}}"#)).join(",");
    let body = format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"injected","CancellationReasons":[{reasons}]}}"#
    );
    Fault::Answer { status: 400, body }
}

#[tokio::test]
async fn a_call_that_meets_a_transaction_is_made_again() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    proxy.fail("TransactWriteItems", 2, cancelled(["TransactionConflict", "None"]));
    assert_eq!(store.send(&id("a"), &item("s")).await.unwrap(), Sent::New);
    proxy.fail("UpdateItem", 2, Fault::error(400, "TransactionConflictException"));
    let after = store.project(&id("a"), &projection(1, Status::Running)).await.unwrap();
    assert_eq!((after.projection.commit, after.arrivals), (1, 1));
    assert_eq!(proxy.faults_left(), 0);

    proxy.fail("TransactWriteItems", 20, cancelled(["None", "TransactionConflict"]));
    check_unavailable(store.create(&record("b", 0), &commit(0, writer)).await);
}

#[tokio::test]
async fn a_condition_that_fails_decides_even_beside_a_conflict() {
    let Faulty { _db, proxy, store, .. } = Faulty::start().await;
    proxy.fail(
        "TransactWriteItems",
        1,
        cancelled(["TransactionConflict", "ConditionalCheckFailed"]),
    );
    assert_eq!(store.send(&id("a"), &item("s")).await.unwrap(), Sent::Known);
}

#[tokio::test]
async fn messages_at_one_moment_are_all_counted() {
    let db = DynamoDb::start();
    let store = db.store().await;
    store.create(&record("a", 0), &commit(0, WriterId::random())).await.unwrap();
    let senders: Vec<_> = (0..20).map(|n| item(&format!("s{n}"))).collect();
    let sends = senders.iter().map(|item| async { store.send(&id("a"), item).await.unwrap() });
    let sent = futures::future::join_all(sends).await;
    assert!(sent.iter().all(|sent| *sent == Sent::New), "{sent:?}");
    assert_eq!(store.record(&id("a")).await.unwrap().unwrap().arrivals, 20);
}

#[tokio::test]
async fn a_load_that_sees_half_a_transaction_begins_anew() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    // A commit without the record that was written with it.
    let hash = "00".repeat(32);
    let body = format!(
        r#"{{"Count":1,"Items":[{{"pk":{{"S":"x#a"}},"sk":{{"S":"L#00000000000000000000"}},"writer":{{"S":"{writer}"}},"hash":{{"S":"{hash}"}},"body":{{"S":"0"}}}}]}}"#
    );
    proxy.fail("Query", 2, Fault::Answer { status: 200, body });
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.commits, [commit(0, writer)]);
    assert_eq!(proxy.calls("Query"), 3);
}

#[tokio::test]
async fn a_later_run_is_loaded_without_the_commits_before_it() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    for number in 1..=20 {
        store.append(&id("a"), &commit(number, writer)).await.unwrap();
    }
    let calls = || (proxy.calls("Query"), proxy.calls("GetItem"));
    store.load(&id("a")).await.unwrap();
    assert_eq!(calls(), (1, 0), "a first run is one query");
    let projection = Projection { first: 19, ..projection(20, Status::Running) };
    store.project(&id("a"), &projection).await.unwrap();
    // Another process, whose pages end with the first commit.
    let store = store_at(proxy.url(), store.table_name()).await.with_page_items(2);
    for (queries, gets) in [(4, 0), (6, 1), (8, 2)] {
        let loaded = store.load(&id("a")).await.unwrap().unwrap();
        assert_eq!((loaded.from, loaded.commits.len()), (19, 2));
        assert_eq!(calls(), (queries, gets), "the old commits are passed over");
    }
    assert_eq!(store.load_all(&id("a")).await.unwrap().unwrap().commits.len(), 21);
}

#[tokio::test]
async fn a_hole_in_a_log_is_shown_once_it_is_certain() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    store.append(&id("a"), &commit(2, writer)).await.unwrap();
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.commits, [commit(0, writer), commit(2, writer)]);
    assert!(proxy.calls("Query") > 1, "it may have been a transaction seen in half");
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_loaded_and_fails_the_check() {
    let Faulty { _db, store, writer, .. } = Faulty::start().await;
    store.project(&id("a"), &projection(1, Status::Suspended)).await.unwrap();
    let loaded = store.load(&id("a")).await.unwrap().unwrap();
    assert_eq!(loaded.commits, [commit(0, writer)]);
    assert_eq!(loaded.check_end().unwrap_err().number, 1);
}

#[tokio::test]
async fn a_log_without_its_record_is_no_unknown_execution() {
    let Faulty { _db, store, writer, .. } = Faulty::start().await;
    store.append(&id("b"), &commit(0, writer)).await.unwrap();
    let error = store.load(&id("b")).await.unwrap_err();
    let StoreError::Corrupt { problem, .. } = error else { panic!("{error}") };
    assert_eq!(problem, "it has a log and no record");
}

#[tokio::test]
async fn items_that_somebody_sends_again_meanwhile_are_deleted_in_the_end() {
    let Faulty { _db, proxy, store, .. } = Faulty::start().await;
    let senders: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    for sender in &senders {
        store.send(&id("a"), &item(sender)).await.unwrap();
    }
    proxy.fail("DeleteItem", 3, Fault::error(400, "TransactionConflictException"));
    // One is named twice, and one was never there.
    let all: Vec<_> = (1..).zip(&senders).map(|(arrival, sender)| seen(sender, arrival)).collect();
    let named = [&all[7..8], &all[7..8], &[seen("unknown", 31)]].concat();
    store.remove_items(&id("a"), life(), &named).await.unwrap();
    assert_eq!(proxy.faults_left(), 0);
    assert_eq!(store.load(&id("a")).await.unwrap().unwrap().inbox.len(), 29);
    store.remove_items(&id("a"), life(), &all).await.unwrap();
    assert!(store.load(&id("a")).await.unwrap().unwrap().inbox.is_empty());
    proxy.fail("DeleteItem", 100, Fault::error(400, "TransactionConflictException"));
    check_unavailable(store.remove_items(&id("a"), life(), &named).await);
}

#[tokio::test]
async fn a_message_to_a_blocked_execution_is_not_overdue_and_hides_no_other() {
    let db = DynamoDb::start();
    let store = db.store().await;
    let writer = WriterId::random();
    let quiet = Projection { wake_at: None, ..projection(0, Status::Suspended) };
    for n in 0..40 {
        let name = format!("blocked{n}");
        let record = Record { projection: quiet.clone(), ..record(&name, 0) };
        store.create(&record, &commit(0, writer)).await.unwrap();
        store.send(&record.id, &item("s")).await.unwrap();
        let blocked = Projection { status: Status::Blocked, ..projection(0, Status::Blocked) };
        store.project(&record.id, &blocked).await.unwrap();
    }
    assert!(store.overdue(Timestamp(9_000), 2).await.unwrap().is_empty());
    let open = Record { projection: quiet, ..record("open", 0) };
    store.create(&open, &commit(0, writer)).await.unwrap();
    let later = NewItem { arrived_at: Timestamp(8_000), ..item("s") };
    store.send(&open.id, &later).await.unwrap();
    assert!(store.overdue(Timestamp(8_000), 2).await.unwrap().is_empty());
    assert_eq!(store.overdue(Timestamp(8_001), 2).await.unwrap(), [open.id]);
}

#[tokio::test]
async fn a_list_in_pages_has_every_record_once_and_the_newest_first() {
    let db = DynamoDb::start();
    let store = db.store().await;
    let writer = WriterId::random();
    for n in 0..40_i64 {
        let mut record = record(&format!("e{n:02}"), 0);
        // Two at a time share their start.
        record.started_at = Timestamp(1_000 + n / 2);
        record.workflow = if n % 10 == 3 { "rare".into() } else { "order".into() };
        record.projection.status = if n % 3 == 0 { Status::Suspended } else { Status::Running };
        store.create(&record, &commit(0, writer)).await.unwrap();
    }
    let store = store.with_page_items(3);
    let all = ListQuery::default();
    let listed = list(&store, ListQuery { limit: 7, ..all.clone() }).await;
    let pairs = (0..20).rev().flat_map(|n| [2 * n, 2 * n + 1]);
    let expected: Vec<String> = pairs.map(|n| format!("e{n:02}")).collect();
    assert_eq!(listed, expected);
    let rare = ListQuery { workflow: Some("rare".into()), limit: 3, ..all.clone() };
    assert_eq!(list(&store, rare).await, ["e33", "e23", "e13", "e03"]);
    let suspended = ListQuery { status: Some(Status::Suspended), limit: 100, ..all };
    assert_eq!(list(&store, suspended).await.len(), 14);
}

/// All pages of a list.
/// With as many shards as there are in production.
#[tokio::test]
async fn whichever_shard_an_execution_is_in_it_is_listed_and_swept() {
    let db = DynamoDb::start();
    let store = store_at(db.url(), &new_table()).await;
    store.setup().await.unwrap();
    let mut all = Vec::new();
    for number in 0..300 {
        let record = record(&format!("x{number:03}"), 0);
        store.create(&record, &commit(0, WriterId::random())).await.unwrap();
        all.push(record.id.to_string());
    }
    let running = ListQuery { status: Some(Status::Running), limit: 1_000, ..ListQuery::default() };
    assert_eq!(list(&store, running).await, all);
    let mut overdue: Vec<String> = store
        .overdue(Timestamp(1_001), 1_000)
        .await
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    overdue.sort_unstable();
    assert_eq!(overdue, all);
    // 300 executions are in nearly all of the 64.
    let few = store.with_shards(32);
    assert!(few.overdue(Timestamp(1_001), 1_000).await.unwrap().len() < 250);
}

async fn list(store: &DynamoStore, mut query: ListQuery) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        assert!(page.records.len() <= query.limit);
        ids.extend(page.records.iter().map(|record| record.id.to_string()));
        query.after = page.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn a_missing_table_is_a_sentence() {
    let db = DynamoDb::start();
    let table = new_table();
    let store = store_at(db.url(), &table).await;
    let says = [table.as_str(), "eu-west-1", "everstep setup", "AWS_REGION"];
    check_unusable(store.load(&id("a")).await, &says);
    check_unusable(store.create(&record("a", 0), &commit(0, WriterId::random())).await, &says);
    check_unusable(store.append(&id("a"), &commit(1, WriterId::random())).await, &says);
    check_unusable(store.overdue(Timestamp(1), 1).await, &says);
}

#[tokio::test]
async fn a_missing_permission_names_the_action() {
    let Faulty { _db, proxy, store, writer, .. } = Faulty::start().await;
    let denied = Fault::error(400, "AccessDeniedException");
    proxy.fail("PutItem", 1, denied.clone());
    let says = [store.table_name(), "eu-west-1", "dynamodb:PutItem", "IAM"];
    check_unusable(store.append(&id("a"), &commit(1, writer)).await, &says);
    proxy.fail("TransactWriteItems", 1, denied);
    check_unusable(store.send(&id("a"), &item("s")).await, &["dynamodb:UpdateItem"]);
}

#[tokio::test]
async fn missing_credentials_and_a_missing_region_are_sentences() {
    let db = DynamoDb::start();
    let table = new_table();
    let with = config_at(db.url()).await;
    let nowhere = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("nowhere")) });
    let provider = SharedCredentialsProvider::new(nowhere);
    let without = with.to_builder().credentials_provider(provider).build();
    let store = DynamoStore::new(&without, &table).unwrap();
    check_unusable(store.load(&id("a")).await, &[&table, "credentials", "AWS_PROFILE"]);

    let nowhere = with.to_builder().region(None).build();
    check_unusable(DynamoStore::new(&nowhere, &table), &[&table, "AWS_REGION"]);
    check_unusable(DynamoStore::new(&with, "my table"), &["my table"]);
}
