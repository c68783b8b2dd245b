//! Payloads: what users' code passed in and returned, on its way into the log and back.
//!
//! By default it stands in the log as it is. With [`Payloads`] it can pass through [codecs](Codec),
//! and what is large goes to a [payload store](PayloadStore) and leaves only its hash in the log. Both
//! happen before a commit is encoded: the log's hashes are of what is stored, and verify without
//! blobs and keys.
//!
//! ```text
//!   value ──JSON──> codecs ──> large? ──no──> log, inbox
//!                                 └───yes──> payload store, and its hash to log, inbox
//! ```
//!
//! Blobs are written before what names them, and never changed. A crash in between leaves one that
//! nothing names, which is harmless.

mod again;
mod attachment;
mod bytes;
mod codec;
mod distinct;
#[cfg(feature = "encryption")]
mod encryption;
mod erase;
mod error;
mod file;
mod leftovers;
mod memory;
mod open;
mod room;
mod seal;
mod sealed;
mod store;
mod url;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};

pub use attachment::{Attachment, AttachmentError, AttachmentReader};
pub(crate) use attachment::{Place, names_attachment};
pub use bytes::BlobBytes;
pub use codec::{Codec, CodecScope};
#[cfg(feature = "encryption")]
pub use encryption::{DataKey, Encryption, KeyProvider, LocalKeys};
pub use error::PayloadError;
pub use file::FilePayloads;
pub(crate) use leftovers::remove_leftovers;
pub use memory::MemoryPayloads;
pub(crate) use room::Room;
pub use sealed::SealedPayload;
pub(crate) use sealed::read_arrived;
pub use store::{BlobName, Folder, PayloadStore, Put};
pub use url::{PAYLOADS_VARIABLE, PayloadsError};
#[cfg(feature = "zstd")]
pub use zstd::Zstd;

use crate::limits::{
    PAYLOAD_BYTES_MAX, PAYLOAD_THRESHOLD, PAYLOAD_THRESHOLD_MAX, PAYLOADS_AT_ONCE, VALUE_BYTES_MAX,
};

/// The name of the blob that says that an execution was erased.
const ERASED: &str = "erased";

/// Where large payloads go, and what is done to payloads before they are stored. By default nothing:
/// they stand in the log as they are, and have at most [`VALUE_BYTES_MAX`] bytes. Clones are the same.
///
/// Every program that runs, starts or reads the same executions needs the same; usually the
/// environment says it, see [`from_env`](Self::from_env).
///
/// ```
/// use everstep::payload::{FilePayloads, Payloads};
/// use everstep::prelude::*;
///
/// let payloads = Payloads::new(FilePayloads::new("/var/lib/orders/payloads")).threshold(16 * 1024);
/// let backend = Backend::memory().with_payloads(payloads);
/// ```
#[derive(Clone, Default)]
pub struct Payloads(Option<Arc<Config>>);

#[derive(Clone)]
struct Config {
    store: Arc<dyn PayloadStore>,
    codecs: Vec<Arc<dyn Codec>>,
    threshold: usize,
    room: Room,
}

impl Payloads {
    /// Large payloads go to `store`, and may have up to [`PAYLOAD_BYTES_MAX`] bytes.
    pub fn new(store: impl PayloadStore) -> Self {
        Self::of(Arc::new(store))
    }

    /// The same with a store that others use, too.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use everstep::payload::{MemoryPayloads, PayloadStore, Payloads};
    ///
    /// let store: Arc<dyn PayloadStore> = Arc::new(MemoryPayloads::new());
    /// let payloads = Payloads::of(Arc::clone(&store));
    /// ```
    #[must_use]
    pub fn of(store: Arc<dyn PayloadStore>) -> Self {
        let (threshold, room) = (PAYLOAD_THRESHOLD, Room::new());
        Self(Some(Arc::new(Config { store, codecs: Vec::new(), threshold, room })))
    }

    /// Payloads stay in the log, as they are: the default.
    ///
    /// ```
    /// use everstep::payload::Payloads;
    ///
    /// assert_eq!(format!("{:?}", Payloads::default()), format!("{:?}", Payloads::none()));
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Above how many bytes a payload, as it comes out of the codecs, goes to the payload store:
    /// [`PAYLOAD_THRESHOLD`] by default, and at most [`PAYLOAD_THRESHOLD_MAX`]. 0 sends all there
    /// that is not empty.
    #[must_use]
    pub fn threshold(self, bytes: usize) -> Self {
        self.with(|config| config.threshold = bytes.min(PAYLOAD_THRESHOLD_MAX))
    }

    /// Every payload passes through `codec` too, after those that were added before.
    ///
    /// ```
    /// use everstep::payload::{Encryption, LocalKeys, MemoryPayloads, Payloads, Zstd};
    ///
    /// let payloads = Payloads::new(MemoryPayloads::new())
    ///     .codec(Zstd::new()) // before it: what is encrypted does not shrink
    ///     .codec(Encryption::new(LocalKeys::new([7; 32])));
    /// ```
    #[must_use]
    pub fn codec(self, codec: impl Codec) -> Self {
        self.with(|config| config.codecs.push(Arc::new(codec)))
    }

    fn with(self, change: impl FnOnce(&mut Config)) -> Self {
        Self(self.0.map(|config| {
            let mut config = Arc::unwrap_or_clone(config);
            change(&mut config);
            Arc::new(config)
        }))
    }

    /// The same with another store around its own.
    #[cfg(feature = "testing")]
    pub(crate) fn in_store(
        self,
        around: impl FnOnce(Arc<dyn PayloadStore>) -> Arc<dyn PayloadStore>,
    ) -> Self {
        self.with(|config| config.store = around(Arc::clone(&config.store)))
    }

    /// How large a payload may be, in bytes of JSON.
    pub(crate) fn value_bytes_max(&self) -> usize {
        if self.0.is_some() { PAYLOAD_BYTES_MAX } else { VALUE_BYTES_MAX }
    }

    /// About how many bytes of a log something with `bytes` bytes in one payload takes.
    pub(crate) fn stored_bytes(&self, bytes: usize) -> usize {
        match &self.0 {
            // Sealed, and in base64.
            Some(config) if !config.codecs.is_empty() => {
                bytes.min(config.threshold + 1_000) / 3 * 4 + 256
            }
            Some(config) => bytes.min(config.threshold + 1_000),
            None => bytes,
        }
    }

    /// The answers to `calls` of one execution's payloads, in their order, several at once. Where
    /// there are codecs the first is made alone: what they have to ask for (a data key) they ask
    /// for once.
    fn at_once<'f, T>(
        &self,
        mut calls: Vec<BoxFuture<'f, T>>,
    ) -> impl Stream<Item = T> + Unpin + use<'f, T> {
        let codecs = self.0.as_ref().is_some_and(|config| !config.codecs.is_empty());
        let others = calls.split_off(usize::from(codecs).min(calls.len()));
        let others = stream::iter(others).buffered(PAYLOADS_AT_ONCE);
        stream::iter(calls).buffered(1).chain(others)
    }

    /// Whether the codecs could do their work now. Nothing is written.
    pub(crate) async fn check(&self) -> Result<(), PayloadError> {
        for codec in self.0.iter().flat_map(|config| &config.codecs) {
            codec.check().await?;
        }
        Ok(())
    }

    /// Whether it seals what stands in the log: then texts for people say nothing of it either.
    pub(crate) fn hides(&self) -> bool {
        self.0.as_ref().is_some_and(|config| config.codecs.iter().any(|codec| codec.hides()))
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(config) = &self.0 else { return f.write_str("Payloads::none()") };
        f.debug_struct("Payloads")
            .field("store", &config.store)
            .field("codecs", &config.codecs)
            .field("threshold", &config.threshold)
            .finish()
    }
}
