//! What attachments are made of, a part at a time.

use std::future::poll_fn;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, ReadBuf};

use super::AttachmentError;
use crate::limits::ATTACHMENT_PART_BYTES;

/// How much more of a part there is room for at first: most are whole, and a few are tiny.
const ROOM: usize = 64 * 1024;

/// Where an attachment's bytes come from.
pub(super) trait Source: Send {
    /// The next [`ATTACHMENT_PART_BYTES`] bytes. Fewer, or none, are the last.
    fn part(&mut self) -> impl Future<Output = Result<Vec<u8>, AttachmentError>> + Send;
}

/// An asynchronous reader.
pub(super) struct Reader<R>(Pin<Box<R>>);

impl<R: AsyncRead + Send> Reader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(Box::pin(reader))
    }
}

impl<R: AsyncRead + Send> Source for Reader<R> {
    async fn part(&mut self) -> Result<Vec<u8>, AttachmentError> {
        let (mut part, mut filled) = (Vec::new(), 0);
        while filled < ATTACHMENT_PART_BYTES {
            if filled == part.len() {
                part.resize(ATTACHMENT_PART_BYTES.min(filled + filled.max(ROOM)), 0);
            }
            let mut rest = ReadBuf::new(&mut part[filled..]);
            let read = poll_fn(|cx| self.0.as_mut().poll_read(cx, &mut rest)).await;
            read.map_err(|source| AttachmentError::Source { source })?;
            match rest.filled().len() {
                0 => break,
                read => filled += read,
            }
        }
        part.truncate(filled);
        Ok(part)
    }
}

/// A file, read on threads where that is allowed.
pub(super) struct File {
    path: PathBuf,
    file: Option<std::fs::File>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }
}

impl Source for File {
    async fn part(&mut self) -> Result<Vec<u8>, AttachmentError> {
        let (path, file) = (self.path.clone(), self.file.take());
        let read = move || {
            let mut file = match file {
                Some(file) => file,
                None => std::fs::File::open(path)?,
            };
            let mut part = Vec::new();
            (&mut file).take(ATTACHMENT_PART_BYTES as u64).read_to_end(&mut part)?;
            Ok((file, part))
        };
        let read = tokio::task::spawn_blocking(read).await;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((file, part)) => {
                self.file = Some(file);
                Ok(part)
            }
            Err(source) => {
                Err(AttachmentError::File { path: self.path.clone(), action: "read", source })
            }
        }
    }
}
