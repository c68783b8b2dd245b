//! Requests that share a transaction.

use std::sync::Arc;

use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::{Appended, EventStore, StoreError};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::child::{commit, execution};
use super::crash::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_is_nobody_elses_failure() {
    const TASKS: usize = 64;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    for number in 0..TASKS {
        start(&backend, number).await;
    }
    let fails = |task: usize| task.is_multiple_of(8);
    let gate = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, gate) = (backend.store(), Arc::clone(&gate));
            tokio::spawn(async move {
                let id = execution(task);
                let mut answers = Vec::new();
                for number in 1..=20 {
                    gate.wait().await; // all at once, so that they meet in one transaction
                    let beyond_the_end = u64::from(fails(task));
                    answers.push(store.append(&id, &commit(number + beyond_the_end)).await);
                }
                answers
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        for answer in task.await.unwrap() {
            if fails(number) {
                assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{answer:?}");
            } else {
                assert_eq!(answer.unwrap(), Appended::Done);
            }
        }
    }
    for task in 0..TASKS {
        let commits = backend.store().load(&execution(task)).await.unwrap().unwrap().commits;
        assert_eq!(commits.len(), if fails(task) { 1 } else { 21 });
    }
}
