//! A long log, which is read on two connections, is read as a short one is.

use everstep::event::StoredCommit;
use everstep::id::{ExecutionId, WriterId};
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::{EventStore, Projection};
use everstep_tests::record::just_started;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// More than is read on one connection.
const COMMITS: u64 = 2_100;

fn commit(number: u64) -> StoredCommit {
    let body = format!("{{\"n\":{number},\"text\":\"Bär\"}}");
    let hash = Sha256::digest(&body).into();
    StoredCommit { number, writer: WriterId::random(), hash, body: body.into(), life: None }
}

async fn stored(path: &std::path::Path) -> (SqliteBackend, ExecutionId, Vec<StoredCommit>) {
    let backend = SqliteBackend::open(path, &SqliteOptions::new()).unwrap();
    let (store, id) = (backend.store(), ExecutionId::new("long").unwrap());
    let log: Vec<_> = (0..COMMITS).map(commit).collect();
    let record = just_started(id.clone());
    store.create(&record, &log[0]).await.unwrap();
    for commit in &log[1..] {
        store.append(&id, commit).await.unwrap();
    }
    // The record is a little behind, as it may be.
    let projection = Projection { commit: COMMITS - 5, ..record.projection };
    store.project(&id, &projection).await.unwrap();
    (backend, id, log)
}

#[tokio::test]
async fn a_long_log_comes_back_whole_and_in_order() {
    let folder = TempDir::new().unwrap();
    let (backend, id, log) = stored(&folder.path().join("everstep.db")).await;
    let loaded = backend.store().load(&id).await.unwrap().unwrap();
    assert!(loaded.commits == log, "the log differs");
}

#[tokio::test]
async fn a_hole_in_either_half_is_shown_where_it_is() {
    for missing in [7, COMMITS / 2, COMMITS - 20] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("everstep.db");
        let (backend, id, log) = stored(&path).await;
        let by_hand = Connection::open(&path).unwrap();
        let sql = "DELETE FROM commits WHERE execution = ?1 AND number = ?2";
        by_hand.execute(sql, params![id.as_str(), missing.cast_signed()]).unwrap();
        let loaded = backend.store().load(&id).await.unwrap().unwrap();
        let rest: Vec<_> = log.into_iter().filter(|commit| commit.number != missing).collect();
        assert!(loaded.commits == rest, "the hole at {missing} is not shown");
    }
}
