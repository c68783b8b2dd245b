//! Data keys without a service: a key in a file wraps them.

use std::fmt;
use std::path::Path;

use aes_gcm::Aes256Gcm;
use async_trait::async_trait;

use super::{DataKey, KeyProvider, cipher, decrypt, encrypt, random};
use crate::id::ExecutionId;
use crate::payload::PayloadError;

/// A [`KeyProvider`] that wraps data keys with one key of 32 bytes, by AES-256-GCM. Who has that key
/// can read everything: keep it apart from log and blobs.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{KeyProvider, LocalKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(ExecutionId::random().as_str());
/// std::fs::write(&path, [7_u8; 32])?; // in earnest: head -c 32 /dev/urandom > key
/// let keys = LocalKeys::from_file(&path)?;
///
/// let order = ExecutionId::new("order-7")?;
/// let made = keys.generate_data_key(&order).await?;
/// let same = LocalKeys::new([7; 32]);
/// assert_eq!(same.unwrap(&order, &made.wrapped).await?, made.plain);
/// # std::fs::remove_file(path)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LocalKeys {
    cipher: Aes256Gcm,
}

impl LocalKeys {
    /// With this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { cipher: cipher(&key) }
    }

    /// With the key in a file of exactly 32 bytes, such as `head -c 32 /dev/urandom` makes.
    ///
    /// # Errors
    /// The file cannot be read, or has more or fewer bytes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, PayloadError> {
        let path = path.as_ref();
        let key = std::fs::read(path).map_err(|error| {
            let remedy = format!("the key file {} cannot be read: check its path", path.display());
            PayloadError::unusable(remedy, error)
        })?;
        let key: [u8; 32] = key.try_into().map_err(|key: Vec<u8>| PayloadError::Unusable {
            remedy: format!(
                "the key file {} has {} bytes, and a key has 32: make one with `head -c 32 \
                 /dev/urandom`",
                path.display(),
                key.len()
            ),
            source: None,
        })?;
        Ok(Self::new(key))
    }
}

/// What a wrapped key is encrypted for.
fn context(execution: &ExecutionId) -> String {
    format!("data key of {execution}")
}

#[async_trait]
impl KeyProvider for LocalKeys {
    async fn generate_data_key(&self, execution: &ExecutionId) -> Result<DataKey, PayloadError> {
        let mut plain = [0; 32];
        random(&mut plain)?;
        Ok(DataKey::new(plain, encrypt(&self.cipher, &[], &plain, &context(execution))?))
    }

    async fn unwrap(
        &self,
        execution: &ExecutionId,
        wrapped: &[u8],
    ) -> Result<[u8; 32], PayloadError> {
        let plain = decrypt(&self.cipher, wrapped, &context(execution));
        plain.and_then(|plain| plain.try_into().ok()).ok_or_else(|| PayloadError::Unusable {
            remedy: format!(
                "the data key of execution {execution} was wrapped with another key: give this \
                 program the key file of the one that wrote it"
            ),
            source: None,
        })
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeys")
    }
}
