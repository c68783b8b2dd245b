//! The archive in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{ArchiveError, ArchiveStore};

/// An [`ArchiveStore`] in memory, for tests. A clone is another handle to the same.
///
/// ```
/// use everstep::archive::{ArchiveStore, MemoryArchive};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let archive = MemoryArchive::new();
/// archive.put("order/2026/a.jsonl", b"one").await?;
/// archive.put("order/2026/a.jsonl", b"two").await?; // the name is taken
/// assert_eq!(archive.objects()["order/2026/a.jsonl"], b"one");
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryArchive(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl MemoryArchive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its objects, by name.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ArchiveStore for MemoryArchive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.locked().entry(name.to_owned()).or_insert_with(|| bytes.to_vec());
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.locked().get(name).cloned())
    }
}

impl fmt::Debug for MemoryArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryArchive").field("objects", &self.locked().len()).finish()
    }
}
