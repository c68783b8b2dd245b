//! Attachments: bytes that pass from step to step and are nowhere as a whole.

mod belongs;
mod damaged;
mod memory;
mod passes;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use everstep::backend::Backend;
use everstep::client::Handle;
use everstep::limits::ATTACHMENT_PART_BYTES;
use everstep::payload::{
    Attachment, AttachmentReader, Folder, MemoryPayloads, PayloadStore, Payloads,
};
use everstep::prelude::*;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Three parts and a byte.
const FILM: u64 = 3 * PART + 1;

const PART: u64 = ATTACHMENT_PART_BYTES as u64;

/// So many bytes, no part of which is like another. Counts how many it has given.
pub(crate) struct Film {
    left: u64,
    given: Arc<AtomicU64>,
}

pub(crate) fn film(bytes: u64) -> Film {
    Film { left: bytes, given: Arc::default() }
}

impl AsyncRead for Film {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Few at a time, as they come from a line.
        let count = self.left.min(into.remaining() as u64).min(16_000);
        let at = self.given.fetch_add(count, Ordering::Relaxed);
        for position in at..at + count {
            into.put_slice(&[(position ^ (position >> 11) ^ (position >> 22)) as u8]);
        }
        self.left -= count;
        Poll::Ready(Ok(()))
    }
}

/// The bytes of a film, for comparison.
async fn frames(bytes: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    film(bytes).read_to_end(&mut frames).await.unwrap();
    frames
}

#[step]
async fn shoot(bytes: u64) -> everstep::Result<Attachment> {
    Ok(Attachment::from_reader(film(bytes)).await?)
}

/// The SHA-256 of what it reads.
#[step]
async fn look(film: Attachment) -> everstep::Result<String> {
    let mut reader = film.reader()?;
    let (mut hash, mut bytes) = (Sha256::new(), vec![0; 50_000]);
    loop {
        match reader.read(&mut bytes).await? {
            0 => break,
            read => hash.update(&bytes[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns it, for a client to look at.
#[workflow]
async fn produce(bytes: u64) -> everstep::Result<Attachment> {
    shoot(bytes).await
}

/// Made by one step, looked at by another a day later, by a host that has only the log.
#[workflow]
async fn premiere(bytes: u64) -> everstep::Result<(Attachment, String)> {
    let film = shoot(bytes).await?;
    sleep(days(1)).await;
    let seen = look(film.clone()).await?;
    Ok((film, seen))
}

/// An attachment in a world of its own.
struct Produced {
    backend: Backend,
    blobs: MemoryPayloads,
    client: Client,
    handle: Handle<Attachment, everstep::Error>,
    film: Attachment,
}

async fn produced(bytes: u64, with: impl FnOnce(Payloads) -> Payloads) -> Produced {
    let blobs = MemoryPayloads::new();
    let backend = Backend::memory().with_payloads(with(Payloads::new(blobs.clone())));
    let client = Client::new(&backend);
    let handle = client.start(produce, bytes).await.unwrap();
    let worker = App::new().workflow(produce).backend(backend.clone()).worker().await.unwrap();
    let film = worker.run_until(handle.result()).await.unwrap().unwrap();
    Produced { backend, blobs, client, handle, film }
}

impl Produced {
    fn folder(&self) -> Folder {
        Folder::of(self.handle.id())
    }

    fn reader(&self) -> AttachmentReader {
        self.client.attachment(&self.film).unwrap()
    }

    /// The blobs, without those of the library.
    async fn names(&self) -> Vec<everstep::payload::BlobName> {
        let names = self.blobs.list(&self.folder()).await.unwrap();
        names.into_iter().filter(|name| name.name().len() == 64).collect()
    }
}
