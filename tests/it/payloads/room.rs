//! How much of large payloads is on its way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use everstep::backend::Backend;
use everstep::limits::{
    PAYLOAD_BYTES_AT_ONCE, PAYLOAD_BYTES_MAX, PAYLOAD_CALL_MAX, PAYLOAD_ROOM_MAX, PAYLOAD_SMALL,
};
use everstep::payload::{
    BlobBytes, BlobName, Codec, CodecScope, Folder, MemoryPayloads, PayloadError, PayloadStore,
    Payloads, Put,
};
use everstep::prelude::*;
use futures::future::join_all;

use super::{shout, text};

/// A store that takes its time, and knows how many bytes were on their way at once, and how many at
/// most.
#[derive(Debug, Clone, Default)]
struct Line {
    blobs: MemoryPayloads,
    bytes: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Line {
    async fn carry(&self, bytes: usize) {
        let now = self.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn take_most(&self) -> usize {
        self.most.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl PayloadStore for Line {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        self.carry(bytes.len()).await;
        self.blobs.put(name, bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        let bytes = self.blobs.get(name).await?;
        self.carry(bytes.as_ref().map_or(0, Vec::len)).await;
        Ok(bytes)
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        self.blobs.remove(name).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        self.blobs.list(folder).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sealed_and_opened_at_once_is_bounded_by_bytes_for_all_executions_together() {
    let line = Line::default();
    let backend = Backend::memory().with_payloads(Payloads::new(line.clone()));
    let client = Client::new(&backend);
    let large = text(PAYLOAD_BYTES_MAX - 2);
    let starts = (0..3).map(|number| {
        let start = client.start(shout, large.clone()).id(format!("order-{number}"));
        async move { start.await.unwrap() }
    });
    let handles = join_all(starts).await;
    assert_eq!(line.take_most(), PAYLOAD_BYTES_AT_ONCE, "two of the largest");
    let histories = join_all(handles.iter().map(|handle| handle.history())).await;
    assert_eq!(histories.iter().filter(|history| history.is_ok()).count(), 3);
    assert_eq!(line.take_most(), PAYLOAD_BYTES_AT_ONCE);
}

/// Takes nearly all the time there is for one thing.
#[derive(Debug)]
struct Slow(&'static str);

#[async_trait]
impl Codec for Slow {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn encode(&self, _: &CodecScope<'_>, _: &[u8]) -> Result<Option<Vec<u8>>, PayloadError> {
        tokio::time::sleep(PAYLOAD_CALL_MAX - Duration::from_secs(1)).await;
        Ok(None)
    }

    async fn decode(
        &self,
        _: &CodecScope<'_>,
        bytes: &[u8],
        _: usize,
    ) -> Result<Vec<u8>, PayloadError> {
        Ok(bytes.to_vec())
    }
}

/// Each step of those before it is in time, and all together are not.
#[tokio::test(start_paused = true)]
async fn who_waits_for_room_gives_up_and_may_come_again() {
    let mut payloads = Payloads::new(Line::default());
    for name in ["one", "two", "three", "four", "five", "six"] {
        payloads = payloads.codec(Slow(name));
    }
    let backend = Backend::memory().with_payloads(payloads);
    let client = Client::new(&backend);
    let started = tokio::time::Instant::now();
    let large = || client.start(shout, text(PAYLOAD_BYTES_MAX - 2)).into_future();
    let third = async {
        tokio::task::yield_now().await;
        let third = client.start(shout, text(PAYLOAD_SMALL)).await;
        (third, started.elapsed())
    };
    let (one, two, (third, waited)) = tokio::join!(large(), large(), third);
    assert!(one.is_ok() && two.is_ok());
    let Err(error) = third else { panic!("there is no room") };
    assert_eq!(waited, PAYLOAD_ROOM_MAX);
    assert!(chain(&error).contains("no room in memory"), "{error:?}");
    client.start(shout, text(PAYLOAD_SMALL)).await.unwrap();
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| text + ": " + &source.to_string())
}

/// Large ones on their way hold up nobody who has little to say.
#[tokio::test(start_paused = true)]
async fn what_is_small_does_not_wait_for_what_is_large() {
    let line = Line::default();
    let backend = Backend::memory().with_payloads(Payloads::new(line.clone()));
    let client = Client::new(&backend);
    let large = text(PAYLOAD_BYTES_MAX - 2);
    let started = tokio::time::Instant::now();
    let starts = (0..3).map(|_| client.start(shout, large.clone()).into_future());
    let small = async {
        tokio::task::yield_now().await;
        let _ = client.start(shout, text(100_000)).await.unwrap();
        started.elapsed()
    };
    let (_, small) = tokio::join!(join_all(starts), small);
    assert!(small < Duration::from_secs(2), "{small:?}");
    assert!(started.elapsed() >= Duration::from_secs(2), "two and one");
}
