//! The archive in S3.

use std::sync::Arc;

use everstep::archive::{Archive, ArchiveError, ArchiveStore};
use everstep::aws::{S3Archive, S3Payloads};
use everstep::client::{DeleteError, HistoryError};
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::payload::{Folder, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep::testing::{Recorded, replay};
use everstep::{Backend, ExecutionId};
use everstep_tests::dynamodb::config_at;
use everstep_tests::ministack::Ministack;
use everstep_tests::proxy::{Fault, Proxy};

use crate::payloads::new_bucket;

#[step]
async fn fetch(bytes: usize) -> everstep::Result<String> {
    Ok("ä".repeat(bytes / 2))
}

#[workflow]
async fn fetch_large(bytes: usize) -> everstep::Result<usize> {
    let whole = fetch(bytes).await?;
    sleep(seconds(1)).await;
    Ok(whole.len())
}

fn app() -> App {
    App::new().workflow(fetch_large)
}

/// Runs `fetch_large` for so many bytes to its end, and returns a client whose archive this is.
async fn ended(bytes: usize, payloads: Payloads, archive: S3Archive) -> (Client, ExecutionId) {
    let backend = Backend::new(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new()));
    let backend = backend.with_payloads(payloads).with_archive(Archive::new(archive));
    let client = Client::new(&backend);
    let handle = client.start(fetch_large, bytes).id("order/7 größe").await.unwrap();
    let id = handle.id().clone();
    let closed = async {
        handle.result().await.unwrap();
        while !client.describe(&id).await.unwrap().projection.status.is_closed() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    app().backend(backend).worker().await.unwrap().run_until(closed).await.unwrap();
    (client, id)
}

#[tokio::test]
async fn a_history_is_in_the_bucket_before_its_execution_is_gone() {
    let rig = Ministack::start().await;
    let (bucket, config) = (new_bucket(&rig), config_at(rig.url()).await);
    let blobs = S3Payloads::new(&config, &bucket, "blobs").unwrap();
    let archive = S3Archive::new(&config, &bucket, "archive").unwrap();
    let payloads = Payloads::new(blobs.clone()).threshold(1_000);
    let (client, id) = ended(300_000, payloads, archive.clone()).await;
    let log = client.history(&id).await.unwrap();
    let deleted = client.delete(&id).await.unwrap();
    let name = deleted.archived_as.unwrap();
    assert!(
        name.starts_with("fetch_large/") && name.contains("/order%2F7%20gr%C3%B6%C3%9Fe."),
        "{name}"
    );
    let object = archive.get(&name).await.unwrap().unwrap();
    let recorded = Recorded::parse(std::str::from_utf8(&object).unwrap()).unwrap();
    assert_eq!(recorded, Recorded::from_log(log).unwrap());
    replay(&app(), &recorded).unwrap();
    assert!(matches!(client.describe(&id).await, Err(HistoryError::Unknown { .. })));
    assert_eq!(blobs.list(&Folder::of(&id)).await.unwrap(), []);
    assert_eq!(archive.get("fetch_large/nothing.jsonl").await.unwrap(), None);
    // What is there stays: it is written once.
    archive.put(&name, b"something else").await.unwrap();
    assert_eq!(archive.get(&name).await.unwrap().unwrap(), object);
}

#[track_caller]
fn remedy_of(error: &DeleteError) -> &str {
    match error {
        DeleteError::Archive { source: ArchiveError::Unusable { remedy, .. }, .. } => remedy,
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_missing_bucket_or_permission_keeps_the_execution_and_is_a_sentence() {
    let rig = Ministack::start().await;
    let proxy = Proxy::start(rig.url()).await;
    let config = config_at(proxy.url()).await;
    let nowhere = S3Archive::new(&config, "nowhere", "").unwrap();
    let (client, id) = ended(1_000, Payloads::none(), nowhere).await;
    let error = client.delete(&id).await.unwrap_err();
    for part in ["bucket \"nowhere\"", "does not exist: create it", "EVERSTEP_ARCHIVE"] {
        assert!(remedy_of(&error).contains(part), "{error:?}");
    }
    assert!(client.history(&id).await.is_ok());

    let bucket = new_bucket(&rig);
    let archive = S3Archive::new(&config, &bucket, "a").unwrap();
    let (client, id) = ended(1_000, Payloads::none(), archive).await;
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code>\
                <Message>Access Denied</Message></Error>";
    for (method, action) in [("PUT", "s3:PutObject"), ("GET", "s3:GetObject")] {
        let denied = Fault::Answer { status: 403, body: body.to_owned() };
        proxy.fail(&format!("{method} /{bucket}"), 1, denied);
        let error = client.delete(&id).await.unwrap_err();
        assert!(remedy_of(&error).contains(&format!("allow {action}")), "{error:?}");
        assert!(client.history(&id).await.is_ok());
    }
    assert_eq!(proxy.faults_left(), 0);
    // An answer that is lost is asked for again, and the object is known.
    proxy.fail(&format!("PUT /{bucket}"), 1, Fault::AnswerLost);
    assert!(client.delete(&id).await.unwrap().archived_as.is_some());
}
