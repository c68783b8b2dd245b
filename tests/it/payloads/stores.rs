//! The payload stores of a laptop against the suite.

use std::sync::Arc;

use async_trait::async_trait;
use everstep::id::ExecutionId;
use everstep::payload::{FilePayloads, Folder, MemoryPayloads, PayloadError, PayloadStore, Put};
use everstep::testing::conformance::PayloadStoreFactory;
use tempfile::TempDir;

struct Memory;

#[async_trait]
impl PayloadStoreFactory for Memory {
    async fn store(&self) -> Arc<dyn PayloadStore> {
        Arc::new(MemoryPayloads::new())
    }
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl PayloadStoreFactory for Files {
    async fn store(&self) -> Arc<dyn PayloadStore> {
        Arc::new(FilePayloads::new(self.0.path().join("deep/payloads")))
    }
}

everstep::payload_store_suite!(memory, Memory);
everstep::payload_store_suite!(file, Files::new());

#[tokio::test]
async fn what_a_crash_left_of_a_file_is_neither_read_nor_listed() {
    let folder = TempDir::new().unwrap();
    let store = FilePayloads::new(folder.path());
    let of = Folder::of(&ExecutionId::new("order-1").unwrap());
    let name = of.blob("key").unwrap();
    assert_eq!(store.put(&name, &b"whole".into()).await.unwrap(), Put::New);
    let unfinished = folder.path().join(of.as_str()).join(".0a1b");
    std::fs::write(unfinished, b"who").unwrap();
    assert_eq!(store.list(&of).await.unwrap(), std::slice::from_ref(&name));
    let files = std::fs::read_dir(folder.path().join(of.as_str())).unwrap();
    assert_eq!(files.count(), 2, "a put leaves nothing but the blob");
}

#[tokio::test]
async fn what_a_crash_left_of_a_file_goes_when_its_folder_is_listed_to_be_erased() {
    let folder = TempDir::new().unwrap();
    let store = FilePayloads::new(folder.path());
    let of = Folder::of(&ExecutionId::new("order-1").unwrap());
    let name = of.blob("key").unwrap();
    store.put(&name, &b"whole".into()).await.unwrap();
    let unfinished = format!(".{}", uuid::Uuid::new_v4());
    let unfinished = folder.path().join(of.as_str()).join(unfinished);
    std::fs::write(&unfinished, b"who").unwrap();
    assert_eq!(store.list(&of).await.unwrap(), [name]);
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_folder_that_is_a_file_cannot_be_used_and_the_error_names_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("payloads");
    std::fs::write(&path, b"").unwrap();
    let store = FilePayloads::new(&path);
    let name = Folder::of(&ExecutionId::new("order-1").unwrap()).blob("key").unwrap();
    let error = store.put(&name, &b"x".into()).await.unwrap_err();
    assert!(matches!(error, PayloadError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}
