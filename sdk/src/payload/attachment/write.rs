//! Making an attachment.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::io::AsyncRead;

use super::index::Index;
use super::source::{File, Reader, Source};
use super::task::in_task;
use super::{Attachment, AttachmentError, Handle, Inner, Place};
use crate::limits::{ATTACHMENT_BYTES_MAX, ATTACHMENT_PART_BYTES, ATTACHMENT_PARTS_AT_ONCE};
use crate::payload::again::again;
use crate::payload::store::hex;
use crate::payload::{BlobBytes, PayloadError};

/// A source that is being read.
struct Reading<S> {
    source: S,
    whole: Sha256,
    bytes: u64,
    ended: bool,
}

/// One part on its way; with the last one, hash and size of the whole.
struct Cut {
    part: Vec<u8>,
    whole: Option<(String, u64)>,
}

impl Place {
    /// Makes an attachment of what `reader` has until its end. Dropping the future leaves parts that
    /// nothing names: whoever attaches the same again finds them, and they go with the execution.
    pub(crate) async fn write_reader(
        &self,
        reader: impl AsyncRead + Send,
    ) -> Result<Attachment, AttachmentError> {
        self.write(Reader::new(reader)).await
    }

    /// The same of a file.
    pub(crate) async fn write_file(&self, path: PathBuf) -> Result<Attachment, AttachmentError> {
        self.write(File::new(path)).await
    }

    async fn write(&self, source: impl Source) -> Result<Attachment, AttachmentError> {
        // As long as parts are found that an earlier attempt has put, the next one may be there, too.
        // What is encrypted never is: it comes out different each time.
        let hides = self.0.config.codecs.iter().any(|codec| codec.hides());
        let looks = Arc::new(AtomicBool::new(!hides));
        let reading = Reading { source, whole: Sha256::new(), bytes: 0, ended: false };
        let mut stored = Box::pin(
            stream::try_unfold(reading, Reading::next)
                .map_ok(|Cut { part, whole }| async {
                    let blob = match part.is_empty() {
                        true => None,
                        false => Some(self.put(part, &looks).await?),
                    };
                    Ok((blob, whole))
                })
                .try_buffered(ATTACHMENT_PARTS_AT_ONCE),
        );
        let (mut index, mut end) = (Index::new(), None);
        while let Some((blob, whole)) = stored.try_next().await? {
            if let Some((at, codecs)) = blob {
                index.push(at, codecs);
            }
            end = whole;
        }
        drop(stored);
        let (sha256, bytes) = end.unwrap_or_else(|| unreachable!("every source has an end"));
        let (at, codecs) = self.put(index.write(bytes), &looks).await?;
        let of = self.0.execution.clone();
        Ok(Attachment { handle: Handle { of, bytes, sha256, at, codecs } })
    }
}

impl<S: Source> Reading<S> {
    async fn next(mut self) -> Result<Option<(Cut, Self)>, AttachmentError> {
        if self.ended {
            return Ok(None);
        }
        let part = self.source.part().await?;
        self.ended = part.len() < ATTACHMENT_PART_BYTES;
        self.bytes += part.len() as u64;
        if self.bytes > ATTACHMENT_BYTES_MAX {
            return Err(AttachmentError::TooLarge);
        }
        self.whole.update(&part);
        let whole = self.ended.then(|| (hex(&self.whole.finalize_reset()), self.bytes));
        Ok(Some((Cut { part, whole }, self)))
    }
}

impl Place {
    /// Stores `bytes` as a blob, and returns its name and the codecs that it went through.
    async fn put(
        &self,
        bytes: Vec<u8>,
        looks: &Arc<AtomicBool>,
    ) -> Result<(String, Vec<String>), AttachmentError> {
        let (inner, looks) = (Arc::clone(&self.0), Arc::clone(looks));
        let put = in_task(async move { inner.put(bytes, &looks).await });
        put.await.map_err(|source| AttachmentError::Unstored { source })
    }
}

impl Inner {
    async fn put(
        &self,
        bytes: Vec<u8>,
        looks: &AtomicBool,
    ) -> Result<(String, Vec<String>), PayloadError> {
        let _room = self.config.room.take_in_time(bytes.len()).await?;
        let (bytes, codecs) = self.config.encode(&self.scope(), bytes.into()).await?;
        let bytes = BlobBytes::from(bytes.into_owned());
        let name = self.folder.blob_of(&bytes);
        let store = &*self.config.store;
        if looks.load(Ordering::Relaxed) {
            if again(|| store.has(&name)).await? {
                return Ok((name.name().to_owned(), codecs));
            }
            looks.store(false, Ordering::Relaxed);
        }
        again(|| store.put(&name, &bytes)).await?;
        Ok((name.name().to_owned(), codecs))
    }
}
