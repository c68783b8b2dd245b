//! The payload store that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::payload::{BlobBytes, BlobName, Folder, PayloadError, PayloadStore, Put};

/// A payload store around another one, with [`Faults`].
///
/// ```
/// # use std::sync::Arc;
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobBytes, Folder, MemoryPayloads, PayloadStore};
/// use everstep::testing::faults::{Fate, Faults, FaultyPayloads};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let faults = Faults::by(|call| if call.index == 0 { Fate::FailBefore } else { Fate::Proceed });
/// let store = FaultyPayloads::new(Arc::new(MemoryPayloads::new()), &faults);
/// let name = Folder::of(&ExecutionId::new("order-7")?).blob_of(b"a page");
/// assert!(store.put(&name, &BlobBytes::from(b"a page")).await.is_err());
/// store.put(&name, &BlobBytes::from(b"a page")).await?;
/// assert_eq!(faults.counts().of("payloads.put"), 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FaultyPayloads {
    inner: Arc<dyn PayloadStore>,
    faults: Faults,
}

impl FaultyPayloads {
    /// A store that does what `inner` does, unless `faults` decide otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn PayloadStore>, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, PayloadError>>,
    ) -> Result<T, PayloadError> {
        self.faults
            .call(name, Written::default(), call)
            .await
            .unwrap_or_else(|| Err(PayloadError::Unavailable { reason: LOST.into(), source: None }))
    }
}

#[async_trait]
impl PayloadStore for FaultyPayloads {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        self.call("payloads.put", self.inner.put(name, bytes)).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.call("payloads.get", self.inner.get(name)).await
    }

    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        self.call("payloads.has", self.inner.has(name)).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.call("payloads.remove", self.inner.remove(name)).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.call("payloads.list", self.inner.list(folder)).await
    }
}
