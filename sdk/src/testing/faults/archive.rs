//! The archive that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::archive::{ArchiveError, ArchiveFile, ArchiveStore};

/// An archive around another one, with [`Faults`]: its calls are `archive.put` and `archive.get`.
///
/// ```
/// # use std::sync::Arc;
/// use everstep::archive::{ArchiveStore, MemoryArchive};
/// use everstep::testing::faults::{Fate, Faults, FaultyArchive};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let faults = Faults::by(|_| Fate::FailAfter); // done, and nobody knows
/// let inner = MemoryArchive::new();
/// let archive = FaultyArchive::new(Arc::new(inner.clone()), &faults);
/// assert!(archive.put("order/a.jsonl", b"one").await.is_err());
/// assert_eq!(inner.objects()["order/a.jsonl"], b"one");
/// assert_eq!(faults.counts().of("archive.put"), 1);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FaultyArchive {
    inner: Arc<dyn ArchiveStore>,
    faults: Faults,
}

impl FaultyArchive {
    /// An archive that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn ArchiveStore>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, ArchiveError>>,
    ) -> Result<T, ArchiveError> {
        self.faults
            .call(name, Written::default(), call)
            .await
            .unwrap_or_else(|| Err(ArchiveError::Unavailable { reason: LOST.into(), source: None }))
    }
}

#[async_trait]
impl ArchiveStore for FaultyArchive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.call("archive.put", self.inner.put(name, bytes)).await
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.call("archive.get", self.inner.get(name)).await
    }

    async fn put_file(&self, name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
        self.call("archive.put", self.inner.put_file(name, file)).await
    }

    async fn hash(&self, name: &str) -> Result<Option<[u8; 32]>, ArchiveError> {
        self.call("archive.get", self.inner.hash(name)).await
    }
}
