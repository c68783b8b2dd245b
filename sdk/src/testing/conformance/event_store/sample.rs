//! Executions, commits and items to check with.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::event::{Json, StoredCommit};
use crate::id::{CommitNumber, ExecutionId, Life, WriterId};
use crate::store::{
    Created, EventStore, Message, NewItem, Projection, Record, SeenItem, Status, StoreError,
};
use crate::time::Timestamp;

pub(super) type Store = Arc<dyn EventStore>;

/// A time at which the checks begin; they name others by milliseconds after it.
pub(super) const fn at(millis: i64) -> Timestamp {
    Timestamp(1_750_000_000_000 + millis)
}

pub(super) fn id(text: &str) -> ExecutionId {
    ExecutionId::new(text).expect("a valid id")
}

pub(super) fn record(execution: &str) -> Record {
    Record {
        id: id(execution),
        workflow: "fulfil_order".into(),
        started_at: at(0),
        born: None,
        arrivals: 0,
        tags: BTreeMap::new(),
        parent: None,
        projection: projection(0, Status::Running),
    }
}

/// Which life of an execution [`record`] is of.
pub(super) fn life() -> Life {
    record("any").life()
}

pub(super) fn projection(commit: CommitNumber, status: Status) -> Projection {
    Projection {
        commit,
        first: 0,
        status,
        wake_at: None,
        untold: None,
        telling: None,
        updated_at: at(1),
        code: "v1".into(),
        reason: (status == Status::Blocked).then(|| "code and log differ: \"a\" ≠ \"b\"".into()),
        view: None,
        tags: None,
        life: None,
    }
}

/// A commit that nobody else writes.
pub(super) fn commit(number: CommitNumber) -> StoredCommit {
    let writer = WriterId::random();
    with_body(number, format!("{{\"n\":{number},\"by\":\"{writer}\",\"text\":\"Bär\\n\"}}"), writer)
}

pub(super) fn of_size(number: CommitNumber, bytes: usize) -> StoredCommit {
    with_body(number, format!("\"{}\"", "x".repeat(bytes - 2)), WriterId::random())
}

pub(super) fn with_body(number: CommitNumber, body: String, writer: WriterId) -> StoredCommit {
    let hash = Sha256::digest(&body).into();
    StoredCommit { number, writer, hash, body: body.into(), life: None }
}

pub(super) fn item(item_id: &str, arrived: i64) -> NewItem {
    let payload = Json::parse("{\"ok\": [true, 1.50]}".into()).expect("valid JSON");
    let message = Message::Signal { name: "approval".into(), payload };
    NewItem { id: item_id.into(), arrived_at: at(arrived), message }
}

/// The item with this id as it is seen at its place in the inbox.
pub(super) fn seen(item_id: &str, arrival: u64) -> SeenItem {
    SeenItem { id: item_id.into(), arrival }
}

/// Starts an execution and returns its first commit.
pub(super) async fn start(store: &Store, record: &Record) -> StoredCommit {
    let first = commit(0);
    assert_eq!(store.create(record, &first).await.unwrap(), Created::New);
    first
}

/// Starts the execution `execution` as [`record`] has it.
pub(super) async fn started(store: &Store, execution: &str) -> ExecutionId {
    start(store, &record(execution)).await;
    id(execution)
}

/// Appends commit 1 and shows the execution with this status.
pub(super) async fn show(store: &Store, id: &ExecutionId, status: Status) {
    store.append(id, &commit(1)).await.unwrap();
    store.project(id, &projection(1, status)).await.unwrap();
}

pub(super) fn is_too_large<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::TooLarge { .. }))
}

/// Runs sixteen tasks at once and returns their results.
pub(super) async fn sixteen_at_once<T, F>(task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(16));
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (gate, task) = (Arc::clone(&gate), task(number));
            tokio::spawn(async move {
                gate.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no task panics"));
    }
    results
}
