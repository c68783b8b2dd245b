//! What can be done to payloads between the program and the log.

use std::fmt;

use async_trait::async_trait;

use super::{BlobName, Folder, PayloadError, PayloadStore};
use crate::id::ExecutionId;

/// Changes payloads on their way into the log, and back: to make them smaller, or unreadable.
///
/// A program must be able to decode whatever any program wrote to its executions: a codec's name is
/// in the log, and what it names never changes.
///
/// ```
/// # use everstep::prelude::*;
/// use async_trait::async_trait;
/// use everstep::payload::{Codec, CodecScope, Folder, MemoryPayloads, PayloadError};
///
/// /// Payloads, back to front.
/// #[derive(Debug)]
/// struct Reversed;
///
/// #[async_trait]
/// impl Codec for Reversed {
///     fn name(&self) -> &'static str {
///         "reversed"
///     }
///
///     async fn encode(
///         &self,
///         _: &CodecScope<'_>,
///         bytes: &[u8],
///     ) -> Result<Option<Vec<u8>>, PayloadError> {
///         Ok(Some(bytes.iter().rev().copied().collect()))
///     }
///
///     async fn decode(
///         &self,
///         _: &CodecScope<'_>,
///         bytes: &[u8],
///         _bytes_max: usize,
///     ) -> Result<Vec<u8>, PayloadError> {
///         Ok(bytes.iter().rev().copied().collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (id, store) = (ExecutionId::new("order-7")?, MemoryPayloads::new());
/// let folder = Folder::of(&id);
/// let scope = CodecScope::new(&id, &folder, &store);
/// Reversed.check().await?; // it needs nothing
/// Reversed.renew(&scope).await?;
/// let encoded = Reversed.encode(&scope, b"ABC").await?.expect("it leaves nothing alone");
/// assert_eq!(encoded, b"CBA");
/// Reversed.forget(&folder); // and keeps nothing
/// assert_eq!(Reversed.decode(&scope, &encoded, 3).await?, b"ABC");
/// assert!(!Reversed.hides());
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Codec: Send + Sync + fmt::Debug + 'static {
    /// Its name in the log: short, without spaces, and the same for ever.
    fn name(&self) -> &'static str;

    /// Encodes `bytes`; `None` to leave them as they are.
    ///
    /// # Errors
    /// It cannot, now or here; a payload is never stored without it.
    async fn encode(
        &self,
        of: &CodecScope<'_>,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, PayloadError>;

    /// Gives back what was encoded: at most `bytes_max` bytes.
    ///
    /// # Errors
    /// It cannot, now or here, or `bytes` are nothing that this codec has encoded for this execution.
    async fn decode(
        &self,
        of: &CodecScope<'_>,
        bytes: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<u8>, PayloadError>;

    /// Whether it could do its work now: what it needs beyond the payload store is there, and this
    /// program may use it. `everstep setup` asks. By default it can.
    ///
    /// # Errors
    /// It could not, and what to do.
    async fn check(&self) -> Result<(), PayloadError> {
        Ok(())
    }

    /// Whether nobody can read what it has encoded without something of the program's: then texts
    /// that the library makes for people say nothing of payloads either. By default not.
    fn hides(&self) -> bool {
        false
    }

    /// A message is about to be sealed for an execution that others run, and may have erased and
    /// started again since this process sealed for it last: what is kept in memory is checked, or
    /// learned, where a message must not bring it into being. Nothing, by default.
    ///
    /// # Errors
    /// No answer, it may not be used, or the execution is erased.
    async fn renew(&self, of: &CodecScope<'_>) -> Result<(), PayloadError> {
        let _ = of;
        Ok(())
    }

    /// Its execution is erased, or starts again: whatever the process keeps in memory to read its payloads
    /// is to be forgotten. Nothing, by default.
    fn forget(&self, folder: &Folder) {
        let _ = folder;
    }
}

/// What a [`Codec`] knows of the payload.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{CodecScope, Folder, MemoryPayloads};
///
/// let (id, store) = (ExecutionId::new("order-7")?, MemoryPayloads::new());
/// let folder = Folder::of(&id);
/// let scope = CodecScope::new(&id, &folder, &store);
/// assert_eq!(scope.key_name().to_string(), format!("{folder}/key"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct CodecScope<'a> {
    /// Whose it is.
    pub execution: &'a ExecutionId,
    /// That execution's folder in the payload store.
    pub folder: &'a Folder,
    /// The payload store, for what the codec keeps for an execution.
    pub store: &'a dyn PayloadStore,
}

impl<'a> CodecScope<'a> {
    /// The scope of `execution`, whose folder is `folder`, in `store`.
    #[must_use]
    pub fn new(
        execution: &'a ExecutionId,
        folder: &'a Folder,
        store: &'a dyn PayloadStore,
    ) -> Self {
        Self { execution, folder, store }
    }

    /// The name of the execution's data key.
    #[must_use]
    pub fn key_name(&self) -> BlobName {
        self.folder.blob("key").unwrap_or_else(|| unreachable!("\"key\" is a name"))
    }
}
