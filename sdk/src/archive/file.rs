//! The archive in a folder.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{ArchiveError, ArchiveFile, ArchiveStore, hash_of};
use crate::payload::FilePayloads;

/// An [`ArchiveStore`] in a folder of the file system, which the first object makes if it is missing.
/// An object is flushed to the disk before it has its name, so nobody ever sees half of one. All of the
/// folder is on one file system.
///
/// What a crash leaves behind lies in the folder itself and begins with `.`. Nobody reads it, and the first
/// object that is put [hours later](crate::limits::ARCHIVE_LEFTOVER_AGE) removes it.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::archive::{ArchiveStore, FileArchive};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(ExecutionId::random().as_str());
/// let archive = FileArchive::new(&folder);
/// archive.put("order/2026/a.jsonl", b"{}").await?;
/// assert_eq!(archive.get("order/2026/a.jsonl").await?, Some(b"{}".to_vec()));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileArchive(FilePayloads);

impl FileArchive {
    /// The archive in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(FilePayloads::new(folder))
    }
}

#[async_trait]
impl ArchiveStore for FileArchive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        Ok(self.0.put_file(name, &bytes.into()).await.map(drop)?)
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.0.get_file(name).await?)
    }

    async fn put_file(&self, name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
        Ok(self.0.copy_file(name, file.path()).await.map(drop)?)
    }

    async fn hash(&self, name: &str) -> Result<Option<[u8; 32]>, ArchiveError> {
        Ok(self.0.read_file(name, hash_of).await?)
    }
}
