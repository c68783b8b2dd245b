//! How much of an attachment is in memory at once: bytes that are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use everstep::backend::Backend;
use everstep::limits::{ATTACHMENT_PARTS_AT_ONCE, PAYLOAD_BYTES_AT_ONCE};
use everstep::payload::{
    Attachment, BlobBytes, BlobName, Folder, MemoryPayloads, PayloadError, PayloadStore, Payloads,
    Put,
};
use everstep::prelude::*;
use everstep::testing::Env;
use tokio::io::AsyncReadExt;

use super::{Film, PART, produce};

/// Nothing of it is in memory beside what is counted.
const BYTES: u64 = 12 * PART;

/// Bytes between the film and the store, and between the store and who looks.
#[derive(Debug, Clone, Default)]
struct Scales {
    into: Arc<AtomicU64>,
    out_of: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

impl Scales {
    fn weigh(&self) {
        let weight = self.into.load(Ordering::Relaxed) - self.out_of.load(Ordering::Relaxed);
        self.most.fetch_max(weight, Ordering::Relaxed);
    }
}

/// A store that takes its time, so that whoever would hurry ahead can.
#[derive(Debug, Clone, Default)]
struct Slow {
    blobs: MemoryPayloads,
    written: Scales,
    read: Scales,
}

#[async_trait]
impl PayloadStore for Slow {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        for _ in 0..50 {
            self.written.weigh();
            tokio::task::yield_now().await;
        }
        let put = self.blobs.put(name, bytes).await;
        self.written.out_of.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        put
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        let bytes = self.blobs.get(name).await?;
        let count = bytes.as_ref().map_or(0, Vec::len) as u64;
        // The index is small.
        if count >= PART {
            self.read.into.fetch_add(count, Ordering::Relaxed);
        }
        self.read.weigh();
        Ok(bytes)
    }

    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        self.blobs.has(name).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.blobs.list(folder).await
    }
}

/// A store whose answers take a second.
#[derive(Debug, Clone, Default)]
struct Distant(MemoryPayloads);

#[async_trait]
impl PayloadStore for Distant {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        tokio::time::sleep(seconds(1)).await;
        self.0.put(name, bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        tokio::time::sleep(seconds(1)).await;
        self.0.get(name).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.0.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.0.list(folder).await
    }
}

/// They have fetched more than all the memory that there is for it.
#[tokio::test(start_paused = true)]
async fn readers_that_are_put_aside_hold_up_nobody() {
    let backend = Backend::memory().with_payloads(Payloads::new(Distant::default()));
    let client = Client::new(&backend);
    let worker = || App::new().workflow(produce).backend(backend.clone()).worker();
    let handle = client.start(produce, 6 * PART).await.unwrap();
    let film = worker().await.unwrap().run_until(handle.result()).await.unwrap().unwrap();
    let mut aside = Vec::new();
    for _ in 0..10 {
        let mut reader = client.attachment(&film).unwrap();
        let byte = tokio::time::timeout(minutes(1), reader.read_u8()).await;
        byte.expect("no reader waits for another").unwrap();
        aside.push(reader);
    }
    let handle = client.start(produce, 6 * PART).await.unwrap();
    let made = tokio::time::timeout(minutes(1), handle.result());
    let made = worker().await.unwrap().run_until(made).await.unwrap();
    made.expect("who writes waits for none of them").unwrap();
}

/// A store that keeps nothing, and knows how much it is given at once.
#[derive(Debug, Clone, Default)]
struct Busy {
    now: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

#[async_trait]
impl PayloadStore for Busy {
    async fn put(&self, _name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        let bytes = bytes.len() as u64;
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(seconds(1)).await;
        self.now.fetch_sub(bytes, Ordering::Relaxed);
        Ok(Put::New)
    }

    async fn get(&self, _name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        Ok(None)
    }

    async fn remove(&self, _name: &BlobName) -> Result<(), PayloadError> {
        Ok(())
    }

    async fn list(&self, _folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_into_the_store_is_bounded_for_all_attachments_together() {
    let store = Busy::default();
    let backend = Backend::memory().with_payloads(Payloads::new(store.clone()));
    let client = Client::new(&backend);
    let mut handles = Vec::new();
    for _ in 0..6 {
        handles.push(client.start(produce, 4 * PART).await.unwrap());
    }
    let all = futures::future::join_all(handles.iter().map(|handle| handle.result()));
    let worker = App::new().workflow(produce).backend(backend).worker().await.unwrap();
    assert!(worker.run_until(all).await.unwrap().iter().all(Result::is_ok));
    let (most, at_once) = (store.most.load(Ordering::Relaxed), PAYLOAD_BYTES_AT_ONCE as u64);
    assert!((at_once / 2..=at_once).contains(&most), "{most} bytes");
}

#[step(skip(store))]
async fn fill(store: &Slow) -> everstep::Result<Attachment> {
    let film = Film { left: BYTES, given: Arc::clone(&store.written.into) };
    Ok(Attachment::from_reader(film).await?)
}

#[step(skip(store))]
async fn drain(store: &Slow, film: Attachment) -> everstep::Result<u64> {
    let (mut reader, mut bytes, mut count) = (film.reader()?, vec![0; 1_000_000], 0);
    loop {
        // Whoever is slow lets it read as far ahead as it will.
        tokio::task::yield_now().await;
        let read = reader.read(&mut bytes).await? as u64;
        if read == 0 {
            return Ok(count);
        }
        count += read;
        store.read.out_of.fetch_add(read, Ordering::Relaxed);
    }
}

#[workflow]
async fn pass(State(store): State<Slow>, _: ()) -> everstep::Result<u64> {
    let film = fill(&store).await?;
    drain(&store, film).await
}

#[test]
fn a_few_parts_are_in_memory_however_large_it_is() {
    let store = Slow::default();
    let payloads = Payloads::new(store.clone());
    let env = Env::new(App::new().workflow(pass).state(store.clone()).payloads(payloads));
    assert_eq!(env.run(pass, ()).unwrap(), BYTES);
    let at_once = ATTACHMENT_PARTS_AT_ONCE as u64;
    let most = store.written.most.load(Ordering::Relaxed);
    assert!((2 * PART..=at_once * PART).contains(&most), "{most} bytes while it was written");
    let most = store.read.most.load(Ordering::Relaxed);
    // One is being given.
    assert!((2 * PART..=(at_once + 1) * PART).contains(&most), "{most} bytes while it was read");
}
