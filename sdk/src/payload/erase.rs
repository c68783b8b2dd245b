//! Erasing: what an execution's payloads were, nobody can read any more.

use super::again::again;
use super::{BlobBytes, Config, ERASED, Folder, PayloadError, Payloads};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// What was removed of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Whether its data key was there.
    pub(crate) key: bool,
    /// How many blobs were.
    pub(crate) blobs: usize,
}

impl Payloads {
    /// Removes the data key and the blobs of an execution. `None` if there is no payload store.
    ///
    /// What says that it was erased is put first, and stays: after a crash in between, what is gone
    /// is known to be erased and not lost, and whoever erases again removes the rest.
    pub(crate) async fn erase(
        &self,
        id: &ExecutionId,
        now: Timestamp,
    ) -> Result<Option<Removed>, PayloadError> {
        let Some(config) = &self.0 else { return Ok(None) };
        let removed = config.erase(&Folder::of(id), now).await;
        // Not before: who reads meanwhile learns a key that is there still.
        self.forget(id);
        removed.map(Some)
    }

    /// Removes every blob of an execution, as long as `may_go_on` says so, and returns how many there
    /// were. `None` if there is no payload store, or it stopped.
    pub(crate) async fn empty(
        &self,
        id: &ExecutionId,
        may_go_on: impl Fn() -> bool,
    ) -> Result<Option<usize>, PayloadError> {
        let Some(config) = &self.0 else { return Ok(None) };
        let folder = Folder::of(id);
        let names = again(|| config.store.list(&folder)).await?;
        for name in &names {
            if !may_go_on() {
                return Ok(None);
            }
            again(|| config.store.remove(name)).await?;
        }
        self.forget(id);
        Ok(Some(names.len()))
    }

    /// Whether there is a payload store.
    pub(crate) fn has_store(&self) -> bool {
        self.0.is_some()
    }

    /// Forgets what is in memory of an execution's keys: it starts again, or is erased.
    pub(crate) fn forget(&self, id: &ExecutionId) {
        let Some(config) = &self.0 else { return };
        let folder = Folder::of(id);
        config.codecs.iter().for_each(|codec| codec.forget(&folder));
    }
}

impl Config {
    async fn erase(&self, folder: &Folder, now: Timestamp) -> Result<Removed, PayloadError> {
        let erased = folder.blob(ERASED).unwrap_or_else(|| unreachable!("a name"));
        let when = BlobBytes::from(now.to_string().into_bytes());
        again(|| self.store.put(&erased, &when)).await?;
        let mut names = again(|| self.store.list(folder)).await?;
        names.retain(|name| *name != erased);
        // The key first: without it the rest is noise.
        names.sort_by_key(|name| name.name() != "key");
        let mut removed = Removed { key: false, blobs: 0 };
        for name in &names {
            again(|| self.store.remove(name)).await?;
            match name.name() {
                "key" => removed.key = true,
                _ => removed.blobs += 1,
            }
        }
        Ok(removed)
    }
}
