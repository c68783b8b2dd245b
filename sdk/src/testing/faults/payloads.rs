//! The payload store that fails.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Faults, LOST, Written};
use crate::payload::{BlobBytes, BlobName, Folder, PayloadError, PayloadStore, Put};

/// A payload store around another one, with [`Faults`].
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
