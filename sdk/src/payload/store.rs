//! Where blobs are kept: what is needed of such a place, and what must hold after a crash.

use std::fmt;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::bytes::BlobBytes;
use super::error::PayloadError;
use crate::id::ExecutionId;

/// A place for blobs: immutable bytes under a name. Every payload store passes the suite in
/// `testing::conformance`.
///
/// Each method happens wholly or not at all, whenever the process dies. One that returns
/// [`PayloadError::Unavailable`] may have happened, and every caller calls again with the same
/// arguments. Dropping a returned future is like a crash.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobBytes, Folder, MemoryPayloads, PayloadStore, Put};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryPayloads::new();
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// let name = folder.blob_of(b"a page");
/// let bytes = BlobBytes::from(b"a page");
/// assert_eq!(store.put(&name, &bytes).await?, Put::New);
/// assert_eq!(store.get(&name).await?, Some(b"a page".to_vec()));
/// assert_eq!(store.list(&folder).await?, [name.clone()]);
///
/// store.remove(&name).await?;
/// assert!(!store.has(&name).await?);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait PayloadStore: Send + Sync + fmt::Debug + 'static {
    /// Stores `bytes` under `name`, unless a blob has that name. Of several puts at once exactly one
    /// stores; an answer is given once the blob survives a crash of the process and the machine.
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError>;

    /// The blob with this name, `None` if there is none. Sees every put that was answered before.
    /// The bytes may be damaged: whoever reads them checks them.
    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError>;

    /// Whether a blob has this name. Sees every put that was answered before, and a blob that is there
    /// survives a crash of the process and the machine. By default it [gets](Self::get) it.
    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        Ok(self.get(name).await?.is_some())
    }

    /// Removes the blob with this name, if there is one.
    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError>;

    /// The names of all blobs in `folder`.
    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError>;
}

/// What [`PayloadStore::put`] did.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobBytes, Folder, MemoryPayloads, PayloadStore, Put};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryPayloads::new();
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// let name = folder.blob_of(b"a page");
/// let bytes = BlobBytes::from(b"a page");
/// assert_eq!(store.put(&name, &bytes).await?, Put::New);
/// assert_eq!(store.put(&name, &bytes).await?, Put::Exists);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The blob is stored.
    New,
    /// A blob with this name was there, perhaps by an earlier try of this very call. It is unchanged.
    Exists,
}

/// The folder of one execution: the SHA-256 of its id, since ids hold characters that paths do not.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::Folder;
///
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// assert_eq!(folder.as_str().len(), 64);
/// assert_eq!(folder.blob("key").expect("a name").to_string(), format!("{folder}/key"));
/// assert!(folder.blob("../key").is_none());
/// assert_eq!(folder.blob_of(b"a page"), folder.blob_of(b"a page"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Folder(String);

/// The name of a blob: the SHA-256 of its bytes; or `key`, an execution's data key; `erased`, which
/// says that the execution was erased; `probe`, which says nothing. In the folder of its execution:
/// lower-case letters and digits, and one `/` between the two.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobName, Folder};
///
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// let page: BlobName = folder.blob_of(b"a page");
/// assert_eq!((page.folder(), page.name().len()), (&folder, 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobName {
    folder: Folder,
    name: String,
}

impl Folder {
    /// The folder of this execution.
    #[must_use]
    pub fn of(execution: &ExecutionId) -> Self {
        Self(hex(&Sha256::digest(execution.as_str().as_bytes())))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The blob of this name in it, if it is one that a blob can have.
    #[must_use]
    pub fn blob(&self, name: &str) -> Option<BlobName> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        ((1..=64).contains(&name.len()) && name.chars().all(plain))
            .then(|| BlobName { folder: self.clone(), name: name.to_owned() })
    }

    /// The blob with these bytes.
    #[must_use]
    pub fn blob_of(&self, bytes: &[u8]) -> BlobName {
        BlobName { folder: self.clone(), name: hash_of(bytes) }
    }
}

impl BlobName {
    /// The folder it is in.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its name there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.folder, self.name)
    }
}

/// The SHA-256 of `bytes`, as a blob is named by it.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_bytes_in_a_folder_of_its_execution() {
        let folder = Folder::of(&ExecutionId::new("../order 7").expect("an id"));
        let blob = folder.blob_of(b"abc");
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(blob.to_string(), format!("{folder}/{of_abc}"));
        assert_eq!(folder.as_str().len(), 64);
        assert_eq!(folder.blob(blob.name()), Some(blob));
        for name in ["", "..", "a/b", "A", &"a".repeat(65)] {
            assert_eq!(folder.blob(name), None, "{name:?}");
        }
    }
}
