//! The payload store in S3.

use std::sync::Arc;

use async_trait::async_trait;
use everstep::aws::S3Payloads;
use everstep::payload::{
    Encryption, Folder, LocalKeys, PayloadError, PayloadStore, Payloads, Put, Zstd,
};
use everstep::prelude::*;
use everstep::testing::conformance::PayloadStoreFactory;
use everstep::{Backend, ExecutionId};
use everstep_tests::aws::calls;
use everstep_tests::cloud::{Cloud, Credentials};
use everstep_tests::dynamodb::{REGION, config_at};
use everstep_tests::ministack::Ministack;
use serde_json::{Value, json};

/// A bucket for each store, so that checks can make several on one ministack.
#[derive(Default)]
struct Buckets(tokio::sync::OnceCell<Ministack>);

pub(crate) fn new_bucket(rig: &Ministack) -> String {
    let bucket = format!("payloads-{}", uuid::Uuid::new_v4().simple());
    let _ = calls(rig, &[("s3", "create_bucket", bucket_of(&bucket))]);
    bucket
}

fn bucket_of(name: &str) -> Value {
    json!({ "Bucket": name, "CreateBucketConfiguration": { "LocationConstraint": REGION } })
}

async fn store_in(rig: &Ministack, bucket: &str, prefix: &str) -> S3Payloads {
    S3Payloads::new(&config_at(rig.url()).await, bucket, prefix).unwrap()
}

#[async_trait]
impl PayloadStoreFactory for Buckets {
    async fn store(&self) -> Arc<dyn PayloadStore> {
        let rig = self.0.get_or_init(Ministack::start).await;
        Arc::new(store_in(rig, &new_bucket(rig), "orders/payloads").await)
    }
}

everstep::payload_store_suite!(conformance, Buckets::default());

#[step]
async fn fetch(bytes: usize) -> everstep::Result<String> {
    Ok("0123456789".repeat(bytes / 10))
}

#[workflow]
async fn fetch_and_count(bytes: usize) -> everstep::Result<usize> {
    let whole = fetch(bytes).await?;
    sleep(seconds(1)).await;
    Ok(whole.len())
}

#[tokio::test]
async fn an_execution_with_large_payloads_runs_and_is_erased() {
    let rig = Ministack::start().await;
    let bucket = new_bucket(&rig);
    let store = store_in(&rig, &bucket, "").await;
    let payloads = Payloads::new(store.clone())
        .threshold(1_000)
        .codec(Zstd::new())
        .codec(Encryption::new(LocalKeys::new([3; 32])));
    let backend = Backend::memory().with_payloads(payloads);
    let client = Client::new(&backend);
    let handle = client.start(fetch_and_count, 20_000_000).await.unwrap();
    let worker = App::new().workflow(fetch_and_count).backend(backend).worker().await.unwrap();
    let counted = worker.run_until(handle.result()).await.unwrap().unwrap();
    assert_eq!(counted, 20_000_000);
    let folder = Folder::of(handle.id());
    let there = store.list(&folder).await.unwrap();
    assert!(there.len() >= 2, "a data key, and a blob");
    let erased = client.erase(handle.id()).await.unwrap();
    assert_eq!((erased.key, erased.blobs, erased.readable), (true, there.len() - 1, 0));
    assert_eq!(store.list(&folder).await.unwrap().len(), 1, "what says so");
    assert!(client.load(handle.id()).await.unwrap().read().1.is_none(), "the log verifies");
    assert!(handle.result().await.is_err());
}

#[tokio::test]
async fn a_missing_bucket_is_a_sentence() {
    let rig = Ministack::start().await;
    let store = store_in(&rig, "nowhere", "").await;
    let name = Folder::of(&ExecutionId::new("order-1").unwrap()).blob("key").unwrap();
    for error in
        [store.put(&name, &b"x".into()).await.unwrap_err(), store.get(&name).await.unwrap_err()]
    {
        let PayloadError::Unusable { remedy, .. } = &error else { panic!("{error:?}") };
        assert!(remedy.contains("bucket \"nowhere\"") && remedy.contains("create it"), "{remedy}");
    }
}

/// With the policies of the template: who has none, and who may not erase.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_names_the_action() {
    let cloud = Cloud::start(&[]).await;
    let _ = cloud.ask(&[("s3", "create_bucket", bucket_of("payloads"))]);
    let bucket = [("PayloadBucket", "payloads")];
    let stack = &cloud.deploy("docs/deploy/template.yaml", "orders", &bucket);
    let store_of = async |who: &Credentials| {
        S3Payloads::new(&cloud.config(who).await, "payloads", "orders").unwrap()
    };
    let writer = store_of(&cloud.user(stack, "writer", &["Payloads"])).await;
    let reader = store_of(&cloud.user(stack, "reader", &["Reader"])).await;
    let folder = Folder::of(&ExecutionId::new("order-1").unwrap());
    let name = folder.blob("key").unwrap();
    assert_eq!(writer.put(&name, &b"x".into()).await.unwrap(), Put::New);
    assert_eq!(writer.get(&name).await.unwrap().as_deref(), Some(b"x".as_slice()));
    for (action, refused) in [
        ("s3:PutObject", reader.put(&name, &b"x".into()).await.unwrap_err()),
        ("s3:GetObject", reader.get(&name).await.unwrap_err()),
        ("s3:ListBucket", reader.list(&folder).await.unwrap_err()),
        ("s3:DeleteObject", writer.remove(&name).await.unwrap_err()),
    ] {
        let PayloadError::Unusable { remedy, .. } = &refused else { panic!("{refused:?}") };
        let says = format!("allow {action} in its IAM policy");
        assert!(remedy.contains("bucket \"payloads\"") && remedy.contains(&says), "{remedy}");
    }
    assert_eq!(writer.list(&folder).await.unwrap(), [name], "it is there still");
}

#[tokio::test]
async fn two_prefixes_of_one_bucket_do_not_meet() {
    let rig = Ministack::start().await;
    let bucket = new_bucket(&rig);
    let (one, two) = (store_in(&rig, &bucket, "one").await, store_in(&rig, &bucket, "two").await);
    let name = Folder::of(&ExecutionId::new("order-1").unwrap()).blob("key").unwrap();
    assert_eq!(one.put(&name, &b"1".into()).await.unwrap(), Put::New);
    assert_eq!(two.get(&name).await.unwrap(), None);
    assert_eq!(two.put(&name, &b"2".into()).await.unwrap(), Put::New);
    assert_eq!(one.get(&name).await.unwrap().as_deref(), Some(b"1".as_slice()));
}
