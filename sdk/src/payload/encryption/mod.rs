//! The codec that makes payloads unreadable without a key: envelope encryption.
//!
//! Each execution has a data key of its own, made when it is first needed. It stands in the payload
//! store, in the execution's folder, wrapped by a [`KeyProvider`]: who has the log and the blobs
//! cannot read them, and who deletes that one blob has erased the execution, wherever copies of its
//! log are.

mod cache;
mod local;

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::again::again;
use super::sealed::ENCRYPTED;
use super::{Codec, CodecScope, ERASED, Folder, PayloadError, Put};
use crate::id::ExecutionId;

use cache::{Cache, Key};
pub use local::LocalKeys;

/// Makes data keys, and reads them: AWS KMS, or [`LocalKeys`]. The calls are those of KMS
/// (`GenerateDataKey`, `Decrypt`), with the execution's id as the encryption context.
///
/// ```
/// # use everstep::prelude::*;
/// use async_trait::async_trait;
/// use everstep::payload::{
///     DataKey, Encryption, KeyProvider, LocalKeys, MemoryPayloads, PayloadError, Payloads,
/// };
///
/// /// Says who asks for which data key.
/// #[derive(Debug)]
/// struct Audited(LocalKeys);
///
/// #[async_trait]
/// impl KeyProvider for Audited {
///     async fn generate_data_key(&self, execution: &ExecutionId) -> Result<DataKey, PayloadError> {
///         println!("execution {execution} gets a data key");
///         self.0.generate_data_key(execution).await
///     }
///
///     async fn unwrap(
///         &self,
///         execution: &ExecutionId,
///         wrapped: &[u8],
///     ) -> Result<[u8; 32], PayloadError> {
///         println!("the data key of execution {execution} is read");
///         self.0.unwrap(execution, wrapped).await
///     }
/// }
///
/// let keys = Audited(LocalKeys::new([7; 32]));
/// let payloads = Payloads::new(MemoryPayloads::new()).codec(Encryption::new(keys));
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
/// # let env = everstep::testing::Env::new(App::new().workflow(greet).payloads(payloads));
/// # assert_eq!(env.run(greet, "Ada".to_owned()).unwrap(), "Ada");
/// ```
#[async_trait]
pub trait KeyProvider: Send + Sync + fmt::Debug + 'static {
    /// A new data key for this execution.
    ///
    /// # Errors
    /// No answer, or it may not be used.
    async fn generate_data_key(&self, execution: &ExecutionId) -> Result<DataKey, PayloadError>;

    /// The data key of this execution that was wrapped so.
    ///
    /// # Errors
    /// No answer, it may not be used, or it was wrapped by another one or for another execution.
    async fn unwrap(
        &self,
        execution: &ExecutionId,
        wrapped: &[u8],
    ) -> Result<[u8; 32], PayloadError>;
}

/// A data key.
///
/// ```
/// use everstep::payload::DataKey;
///
/// let key = DataKey::new([7; 32], b"as it may be stored".to_vec());
/// assert_eq!(format!("{key:?}"), "DataKey"); // a log does not have it
/// ```
#[non_exhaustive]
pub struct DataKey {
    /// What encrypts payloads.
    pub plain: [u8; 32],
    /// The same as it may be stored.
    pub wrapped: Vec<u8>,
}

impl DataKey {
    /// A key and how it is stored.
    #[must_use]
    pub fn new(plain: [u8; 32], wrapped: Vec<u8>) -> Self {
        Self { plain, wrapped }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// The codec `aes-256-gcm`: AES-256 in Galois/Counter Mode (NIST SP 800-38D) under a data key of the
/// execution, with the execution's id as additional data: what is moved to another execution cannot
/// be read there.
///
/// What it makes of a payload is: 8 bytes that name the data key (the beginning of the SHA-256 of its
/// wrapped form), 12 random bytes (the nonce), and the ciphertext with its tag.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{Encryption, LocalKeys, MemoryPayloads, Payloads};
///
/// let encryption = Encryption::new(LocalKeys::new([7; 32])); // in earnest, from a file
/// let payloads = Payloads::new(MemoryPayloads::new()).codec(encryption);
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
/// # let env = everstep::testing::Env::new(App::new().workflow(greet).payloads(payloads));
/// # assert_eq!(env.run(greet, "Ada".to_owned()).unwrap(), "Ada");
/// ```
#[derive(Debug)]
pub struct Encryption<K> {
    keys: K,
    cache: Cache,
}

/// For whom a data key is made to see whether the provider makes any. It is used for nothing.
const CHECKED: &str = "everstep/check";

/// How many bytes name a data key.
const KEY_ID: usize = 8;

/// How many bytes a nonce has.
const NONCE: usize = 12;

/// How many bytes the tag has.
const TAG: usize = 16;

impl<K: KeyProvider> Encryption<K> {
    /// With data keys of `keys`. A data key stays in memory for
    /// [`DATA_KEY_KEPT_FOR`](crate::limits::DATA_KEY_KEPT_FOR).
    #[must_use]
    pub fn new(keys: K) -> Self {
        Self { keys, cache: Cache::default() }
    }

    /// The key to encrypt with: the execution's, which is made if it has none.
    async fn key(&self, of: &CodecScope<'_>) -> Result<Key, PayloadError> {
        if let Some(key) = self.cache.get(of.folder) {
            return Ok(key);
        }
        let name = of.key_name();
        let key = match again(|| of.store.get(&name)).await? {
            Some(wrapped) => self.unwrapped(of, &wrapped).await?,
            None => {
                let made = again(|| self.keys.generate_data_key(of.execution)).await?;
                let wrapped = made.wrapped.as_slice().into();
                match again(|| of.store.put(&name, &wrapped)).await? {
                    Put::New => Key::new(key_id(&made.wrapped), &made.plain),
                    // Somebody else was first, or an answer was lost: what is there counts.
                    Put::Exists => {
                        let there = again(|| of.store.get(&name)).await?;
                        let wrapped = there.ok_or(PayloadError::Erased)?;
                        self.unwrapped(of, &wrapped).await?
                    }
                }
            }
        };
        self.cache.put(of.folder, key.clone());
        Ok(key)
    }

    /// The key with this id.
    async fn key_of(&self, of: &CodecScope<'_>, id: [u8; KEY_ID]) -> Result<Key, PayloadError> {
        if let Some(key) = self.cache.get(of.folder).filter(|key| key.id == id) {
            return Ok(key);
        }
        let name = of.key_name();
        match again(|| of.store.get(&name)).await? {
            Some(wrapped) if key_id(&wrapped) == id => {
                let key = self.unwrapped(of, &wrapped).await?;
                self.cache.put(of.folder, key.clone());
                Ok(key)
            }
            // It has been started again since, under another key.
            _ if self.is_erased(of).await? => Err(PayloadError::Erased),
            Some(_) => {
                Err(PayloadError::damaged(format!("{name} is not the key it was written with")))
            }
            None => Err(PayloadError::Missing { blob: name.to_string() }),
        }
    }

    async fn is_erased(&self, of: &CodecScope<'_>) -> Result<bool, PayloadError> {
        let name = of.folder.blob(ERASED).unwrap_or_else(|| unreachable!("a name"));
        Ok(again(|| of.store.get(&name)).await?.is_some())
    }

    async fn unwrapped(&self, of: &CodecScope<'_>, wrapped: &[u8]) -> Result<Key, PayloadError> {
        let plain = again(|| self.keys.unwrap(of.execution, wrapped)).await?;
        Ok(Key::new(key_id(wrapped), &plain))
    }
}

#[async_trait]
impl<K: KeyProvider> Codec for Encryption<K> {
    fn name(&self) -> &'static str {
        ENCRYPTED
    }

    async fn encode(
        &self,
        of: &CodecScope<'_>,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, PayloadError> {
        let key = self.key(of).await?;
        encrypt(&key.cipher, &key.id, bytes, of.execution.as_str()).map(Some)
    }

    async fn decode(
        &self,
        of: &CodecScope<'_>,
        bytes: &[u8],
        _: usize,
    ) -> Result<Vec<u8>, PayloadError> {
        let Some((id, sealed)) = bytes.split_first_chunk::<KEY_ID>() else {
            return Err(PayloadError::damaged("its encrypted form was cut"));
        };
        let key = self.key_of(of, *id).await?;
        decrypt(&key.cipher, sealed, of.execution.as_str()).ok_or_else(|| {
            PayloadError::damaged("it was changed, or was encrypted for another execution")
        })
    }

    async fn check(&self) -> Result<(), PayloadError> {
        let nobody = ExecutionId::new(CHECKED).unwrap_or_else(|_| unreachable!("an id"));
        let made = again(|| self.keys.generate_data_key(&nobody)).await?;
        let plain = again(|| self.keys.unwrap(&nobody, &made.wrapped)).await?;
        if plain == made.plain {
            Ok(())
        } else {
            Err(PayloadError::damaged("the key provider unwraps another data key than it has made"))
        }
    }

    async fn renew(&self, of: &CodecScope<'_>) -> Result<(), PayloadError> {
        let name = of.key_name();
        let known = self.cache.get(of.folder).map(|key| key.id);
        match again(|| of.store.get(&name)).await? {
            Some(wrapped) if known == Some(key_id(&wrapped)) => {}
            Some(wrapped) => self.cache.put(of.folder, self.unwrapped(of, &wrapped).await?),
            None => {
                self.cache.forget(of.folder);
                // A new key would outlive what was erased. A start makes one, and is open after it.
                if self.is_erased(of).await? {
                    return Err(PayloadError::Erased);
                }
            }
        }
        Ok(())
    }

    fn hides(&self) -> bool {
        true
    }

    fn forget(&self, folder: &Folder) {
        self.cache.forget(folder);
    }
}

/// What names the data key that was wrapped so.
fn key_id(wrapped: &[u8]) -> [u8; KEY_ID] {
    let hash: [u8; 32] = Sha256::digest(wrapped).into();
    let mut id = [0; KEY_ID];
    id.copy_from_slice(&hash[..KEY_ID]);
    id
}

/// `head`, a random nonce, and `bytes` encrypted with it and `context`: in one piece of memory.
fn encrypt(
    cipher: &Aes256Gcm,
    head: &[u8],
    bytes: &[u8],
    context: &str,
) -> Result<Vec<u8>, PayloadError> {
    let mut nonce = [0_u8; NONCE];
    random(&mut nonce)?;
    let begin = head.len() + NONCE;
    let mut sealed = Vec::with_capacity(begin + bytes.len() + TAG);
    sealed.extend_from_slice(head);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(bytes);
    let in_place = InOutBuf::from(&mut sealed[begin..]);
    let tag = cipher
        .encrypt_inout_detached(&Nonce::from(nonce), context.as_bytes(), in_place)
        .map_err(|_| PayloadError::damaged("it is too large to be encrypted"))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// What was encrypted so with `context`; `None` if it was not.
fn decrypt(cipher: &Aes256Gcm, sealed: &[u8], context: &str) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    cipher.decrypt(&Nonce::from(*nonce), payload).ok()
}

/// Fills `bytes` with randomness of the operating system's.
fn random(bytes: &mut [u8]) -> Result<(), PayloadError> {
    getrandom::fill(bytes)
        .map_err(|error| PayloadError::unavailable("the system gives no randomness", error))
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(&(*key).into())
}
