//! The payload store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{BlobBytes, BlobName, Folder, PayloadError, PayloadStore, Put};

/// A [`PayloadStore`] in memory, gone with the process. A clone is another handle to the same.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobBytes, Folder, MemoryPayloads, PayloadStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryPayloads::new();
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// let name = folder.blob_of(b"a page");
/// store.put(&name, &BlobBytes::from(b"a page")).await?;
/// assert!(store.clone().has(&name).await?); // another handle to the same
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryPayloads(Arc<Mutex<BTreeMap<BlobName, BlobBytes>>>);

impl MemoryPayloads {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<BlobName, BlobBytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PayloadStore for MemoryPayloads {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        let mut blobs = self.blobs();
        if blobs.contains_key(name) {
            return Ok(Put::Exists);
        }
        blobs.insert(name.clone(), bytes.clone());
        Ok(Put::New)
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        Ok(self.blobs().get(name).map(|bytes| bytes.to_vec()))
    }

    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        Ok(self.blobs().contains_key(name))
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs().remove(name);
        Ok(())
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        Ok(self.blobs().keys().filter(|name| name.folder() == folder).cloned().collect())
    }
}

impl std::fmt::Debug for MemoryPayloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryPayloads").field("blobs", &self.blobs().len()).finish()
    }
}
