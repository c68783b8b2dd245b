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
    let gate = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, gate) = (backend.store(), Arc::clone(&gate));
            tokio::spawn(async move {
                let id = execution(task);
                for number in 1..=20 {
                    gate.wait().await; // all at once, so that they meet in one transaction
                    if task % 8 == 0 {
                        let beyond_the_end = store.append(&id, &commit(number + 1)).await;
                        assert!(matches!(beyond_the_end, Err(StoreError::Corrupt { .. })));
                    } else {
                        let appended = store.append(&id, &commit(number)).await.unwrap();
                        assert_eq!(appended, Appended::Done);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for task in 0..TASKS {
        let commits = backend.store().load(&execution(task)).await.unwrap().unwrap().commits;
        assert_eq!(commits.len(), if task % 8 == 0 { 1 } else { 21 });
    }
}
