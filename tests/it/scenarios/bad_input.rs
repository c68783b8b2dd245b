//! Bad input: refused early and clearly, and it never corrupts an execution.

use std::sync::Arc;
use std::time::Duration;

use everstep::client::{HistoryError, StartError};
use everstep::event::Json;
use everstep::event::StoredCommit;
use everstep::id::{ExecutionId, InvalidExecutionId, WriterId};
use everstep::limits::QUEUE_RECEIVES_MAX;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::{Projection, Status};
use everstep::wake::{Delivery, QueueError, Wake, WakeQueue};
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::said::Said;
use everstep_tests::scenario::{ALL, CALM, check};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[workflow]
async fn order(input: Order) -> everstep::Result<String> {
    sleep(seconds(1)).await;
    Ok(format!("{} {}", input.count, input.item))
}

#[workflow]
async fn orders(list: Vec<Order>) -> everstep::Result<u32> {
    Ok(list.iter().map(|order| order.count).sum())
}

/// B1
#[tokio::test]
async fn a_program_refuses_what_its_workflows_cannot_run_and_stores_nothing_anywhere() {
    refuses_and_stores_nothing(Backend::memory()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("everstep.db").display());
    refuses_and_stores_nothing(Backend::from_url(&url).await.unwrap()).await;
    let dynamodb = DynamoDb::start();
    let store = Arc::new(dynamodb.store().await);
    refuses_and_stores_nothing(Backend::new(store, Arc::new(MemoryQueue::new()))).await;
}

async fn refuses_and_stores_nothing(backend: Backend) {
    let mut app = App::new().workflow(order).workflow(orders).backend(backend);
    let client = app.client().await.unwrap();
    let json = |text: &str| Json::parse(text.into()).unwrap();

    let error = client.start_named("ordre", Json::null()).await.unwrap_err();
    let StartError::UnknownWorkflow { name, known } = error else { panic!("{error:?}") };
    assert_eq!((&*name, &*known), ("ordre", "order, orders"));

    for (workflow, input, field, problem) in [
        ("order", r#"{"item":"shoe","count":"many"}"#, "count", "\"many\""),
        ("order", r#"{"item":"shoe"}"#, "", "missing field `count`"),
        ("order", "7", "", "invalid type: integer `7`"),
        ("orders", r#"[{"item":"a","count":1},{"item":"b","count":-1}]"#, "[1].count", "-1"),
    ] {
        let error = client.start_named(workflow, json(input)).await.unwrap_err();
        let StartError::WrongInput { source, .. } = error else { panic!("{input}: {error:?}") };
        assert_eq!(source.field, field, "{input}: {source}");
        assert!(source.problem.contains(problem), "{input}: {source}");
        assert!(source.to_string().starts_with(field), "{source}");
    }
    assert!(client.list().page().await.unwrap().records.is_empty(), "something was stored");

    client.start_named("order", json(r#"{"item":"shoe","count":1}"#)).await.unwrap();
    client.start_named("ordre", Json::null()).unchecked().await.unwrap();
    assert_eq!(client.list().page().await.unwrap().records.len(), 2);
}

/// B1
#[test]
fn an_unknown_workflow_or_an_input_that_does_not_parse_is_blocked_and_named() {
    check(
        ALL,
        || App::new().workflow(order),
        async |world| {
            let client = world.client();
            let error = client.start_named("", Json::null()).await.unwrap_err();
            assert!(matches!(error, StartError::InvalidName { .. }), "{error:?}");
            let unknown = client.start_named("ordre", Json::null()).id("unknown").await.unwrap();
            let record = world.until(world.settled(unknown.id())).await;
            assert_eq!(record.projection.status, Status::Blocked);
            assert!(record.projection.reason.unwrap().contains("\"ordre\""));
            let input = Json::parse(r#"{"item":"shoe","count":"many"}"#.into()).unwrap();
            let wrong = client.start_named("order", input).id("wrong").await.unwrap();
            let record = world.until(world.settled(wrong.id())).await;
            assert_eq!(record.projection.status, Status::Blocked);
            let reason = record.projection.reason.unwrap();
            assert!(reason.contains("input") && reason.contains("count: "), "{reason}");
            assert!(reason.contains("\"many\""), "{reason}");
            assert_eq!(world.events(wrong.id()).await.len(), 1, "something was appended");
        },
    );
}

/// B2
#[test]
fn odd_execution_ids_are_refused_with_the_rule() {
    let refused = [
        (String::new(), "at least one"),
        ("x".repeat(2_048), "at most 512 bytes"),
        ("a\nb".to_owned(), "control characters"),
        ("a\u{0}b".to_owned(), "control characters"),
        (" a".to_owned(), "white space"),
        ("a\u{a0}".to_owned(), "white space"),
    ];
    for (id, rule) in refused {
        let error: InvalidExecutionId = ExecutionId::new(id.clone()).unwrap_err();
        assert!(error.to_string().contains(rule), "{id:?}: {error}");
    }
}

/// B2
#[test]
fn odd_execution_ids_that_are_accepted_never_share_a_log() {
    const IDS: [&str; 9] =
        ["#", "a#b", "a/b", "a", "A", "🐎", "é", "e\u{301}", "x#order/../\"'%00;--"];
    check(
        ALL,
        || App::new().workflow(order),
        async |world| {
            let mut handles = Vec::new();
            for (id, count) in IDS.iter().zip(1..) {
                let input = Order { item: (*id).to_owned(), count };
                handles.push(world.client().start(order, input).id(*id).await.unwrap());
            }
            for ((handle, id), count) in handles.iter().zip(IDS).zip(1..) {
                assert!(handle.is_new(), "{id}");
                assert_eq!(world.result(handle).await.unwrap(), format!("{count} {id}"));
            }
        },
    );
}

/// A log of one good commit and one of this text.
async fn log_with(
    world: &everstep_tests::scenario::World,
    spoil: fn(StoredCommit) -> StoredCommit,
) -> (ExecutionId, String) {
    let client = world.client();
    let input = Order { item: "shoe".into(), count: 1 };
    let handle = world.start(order, input).await;
    let store = world.plain().store;
    let start = client.load(handle.id()).await.unwrap().commits.remove(0);
    let events = &client.history(handle.id()).await.unwrap()[0].events;
    let commit = StoredCommit::encode(1, WriterId::random(), Some(start.hash), events);
    store.append(handle.id(), &spoil(commit)).await.unwrap();
    let error = client.history(handle.id()).await.unwrap_err();
    let HistoryError::Corrupt { readable, source, .. } = error else { panic!("{error:?}") };
    assert_eq!(readable.len(), 1);
    let record = world.until(world.settled(handle.id())).await;
    assert_eq!(record.projection.status, Status::Blocked);
    let reason = record.projection.reason.unwrap();
    assert!(reason.contains("commit 1"), "{reason}");
    (handle.id().clone(), source.to_string())
}

fn resigned(commit: &StoredCommit, body: String) -> StoredCommit {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(body.as_bytes()).into();
    StoredCommit {
        number: commit.number,
        writer: commit.writer,
        hash,
        body: body.into(),
        life: None,
    }
}

/// B3
#[test]
fn a_log_that_lost_its_end_blocks_and_is_not_written_anew() {
    check(
        CALM,
        || App::new().workflow(order),
        async |world| {
            let client = world.client();
            let input = Order { item: "shoe".into(), count: 1 };
            let handle = client.start(order, input).await.unwrap();
            let store = world.plain().store;
            let record = client.describe(handle.id()).await.unwrap();
            let life = Some(record.life());
            let projection = Projection { commit: 3, life, ..record.projection };
            store.project(handle.id(), &projection).await.unwrap();
            let record = world.until(world.settled(handle.id())).await;
            assert_eq!(record.projection.status, Status::Blocked);
            let reason = record.projection.reason.unwrap();
            assert!(reason.contains("commit 1") && reason.contains("missing"), "{reason}");
            assert_eq!(client.load(handle.id()).await.unwrap().commits.len(), 1);
        },
    );
}

/// B3
#[test]
fn a_commit_that_cannot_be_trusted_is_named_and_blocks() {
    check(
        CALM,
        || App::new().workflow(order),
        async |world| {
            let (_, edited) = log_with(world, |mut commit| {
                commit.body = commit.body.replace("shoe", "boot").into();
                commit
            })
            .await;
            assert!(edited.contains("commit 1") && edited.contains("edited"), "{edited}");
            let (_, cut) = log_with(world, |mut commit| {
                commit.body = commit.body[..40].into();
                commit
            })
            .await;
            assert!(cut.contains("commit 1") && cut.contains("cut"), "{cut}");
            let (_, newer) = log_with(world, |commit| {
                resigned(&commit, commit.body.replace("\"v\":1", "\"v\":2"))
            })
            .await;
            assert!(newer.contains("version 2") && newer.contains("newer"), "{newer}");
            let (_, unknown) = log_with(world, |commit| {
                resigned(&commit, commit.body.replace("WorkflowStarted", "WorkflowTeleported"))
            })
            .await;
            assert!(unknown.contains("commit 1") && unknown.contains("newer"), "{unknown}");
        },
    );
}

/// A message that has come more often than any that has dead letters to go to.
const NOBODYS: &str = "again and again";

/// A queue with messages on it that are not ours.
#[derive(Debug)]
struct Littered {
    inner: MemoryQueue,
    litter: std::sync::Mutex<Vec<&'static str>>,
    deleted: std::sync::Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl WakeQueue for Littered {
    async fn setup(&self) -> Result<(), QueueError> {
        self.inner.setup().await
    }
    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        self.inner.send(wake, delay).await
    }
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let litter = std::mem::take(&mut *self.litter.lock().unwrap());
        let mut deliveries: Vec<_> = litter
            .into_iter()
            .map(|body| Delivery {
                body: body.to_owned(),
                receipt: format!("litter {body}"),
                receive_count: if body == NOBODYS { QUEUE_RECEIVES_MAX + 1 } else { 1 },
            })
            .collect();
        let wait = if deliveries.is_empty() { wait } else { Duration::ZERO };
        deliveries.extend(self.inner.receive(max, wait).await?);
        Ok(deliveries)
    }
    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.deleted.lock().unwrap().push(receipt.to_owned());
        self.inner.delete(receipt).await
    }
    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        self.inner.keep(receipt, visibility).await
    }
    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
}

/// B4: and what becomes of each is said, without what stands in it.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_wake_is_given_back_and_the_rest_of_the_batch_goes_on() {
    // A newer program has sent the first; one is a wake for an execution that does not exist.
    let nobody = r#"{"everstep":1,"execution":"nobody","kind":"news"}"#;
    let litter = vec![
        r#"{"everstep":2,"run":"x","of":["a newer","form"]}"#,
        "",
        "hello",
        "{}",
        r#"{"everstep":1,"execution":"","kind":"news"}"#,
        nobody,
        r#"{"everstep":1,"execution":"nobody","kind":"teleport"}"#,
        NOBODYS,
    ];
    let said = Said::listen();
    let queue = Arc::new(Littered {
        inner: MemoryQueue::new(),
        litter: litter.clone().into(),
        deleted: std::sync::Mutex::default(),
    });
    let backend = Backend::new(Arc::new(MemoryStore::new()), queue.clone());
    let clock = everstep::time::Clock::virtual_from(everstep::time::Timestamp(1_704_067_200_000));
    let client = Client::new(&backend).clock(clock.clone());
    let handle = client.start(order, Order { item: "shoe".into(), count: 2 }).await.unwrap();
    let worker = App::new().workflow(order).backend(backend).worker().await.unwrap().clock(clock);
    let result = worker.run_until(handle.result()).await.unwrap();
    assert_eq!(result.unwrap(), "2 shoe");
    let deleted = queue.deleted.lock().unwrap();
    let mut dropped: Vec<_> = deleted.iter().filter_map(|it| it.strip_prefix("litter ")).collect();
    dropped.sort_unstable();
    assert_eq!(dropped, [NOBODYS, nobody], "another host may take all others, or dead letters");

    let said_of = |how: &str, body: &str| {
        let length = format!("length={}", body.len());
        let mut lines = said.with(&[how]);
        lines.retain(|line| line.split(' ').any(|field| field == length));
        lines
    };
    for body in litter {
        let (how, times) = match body {
            NOBODYS => ("ERROR message=a message on the wake queue is dropped", 1),
            body if body == nobody => continue,
            _ => ("WARN message=a message is given back", 1),
        };
        let lines = said_of(how, body);
        assert_eq!(lines.len(), times, "{how}: {body}: {lines:?}");
        assert!(lines[0].contains("error="), "it says what is wrong: {lines:?}");
    }
    let named = said.with(&["WARN", "execution that does not exist", "nobody"]);
    assert_eq!(named.len(), 1, "{named:?}");
    let told = said.with(&["again and again"]);
    assert!(told.is_empty(), "a message may hold secrets: {told:?}");
}
