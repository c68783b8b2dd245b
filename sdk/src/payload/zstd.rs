//! The codec that makes payloads smaller.

use async_trait::async_trait;

use super::{Codec, CodecScope, PayloadError};
use crate::limits::PAYLOAD_BYTES_MAX;

/// Below so many bytes there is nothing to gain: what says that a payload is sealed takes a hundred.
const WORTH_IT: usize = 512;

/// The codec `zstd` ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)): JSON shrinks to a fifth or
/// so. It leaves alone what is small, and what does not lose a third of its size.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{MemoryPayloads, Payloads, Zstd};
///
/// let payloads = Payloads::new(MemoryPayloads::new()).codec(Zstd::new().level(9));
/// # #[workflow] async fn greet(name: String) -> everstep::Result<String> { Ok(name) }
/// # let env = everstep::testing::Env::new(App::new().workflow(greet).payloads(payloads));
/// # assert_eq!(env.run(greet, "Ada".to_owned()).unwrap(), "Ada");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Zstd {
    level: i32,
}

impl Zstd {
    /// At level 3, which compresses hundreds of megabytes a second.
    #[must_use]
    pub fn new() -> Self {
        Self { level: 3 }
    }

    /// At this level, 1 to 22: a higher one takes longer and more memory. Any level reads what any
    /// wrote.
    #[must_use]
    pub fn level(self, level: i32) -> Self {
        Self { level: level.clamp(1, 22) }
    }
}

impl Default for Zstd {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Codec for Zstd {
    fn name(&self) -> &'static str {
        "zstd"
    }

    async fn encode(
        &self,
        _: &CodecScope<'_>,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, PayloadError> {
        if bytes.len() < WORTH_IT {
            return Ok(None);
        }
        let mut compressor = ::zstd::bulk::Compressor::new(self.level)
            .map_err(|error| PayloadError::unavailable("zstd has no memory to work in", error))?;
        // It has room for what is worth it, and stops where that ends.
        let mut encoded = Vec::with_capacity(bytes.len() / 3 * 2);
        if compressor.compress_to_buffer(bytes, &mut encoded).is_err() {
            return Ok(None);
        }
        encoded.shrink_to_fit();
        Ok(Some(encoded))
    }

    async fn decode(
        &self,
        _: &CodecScope<'_>,
        bytes: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<u8>, PayloadError> {
        ::zstd::bulk::decompress(bytes, bytes_max.min(PAYLOAD_BYTES_MAX))
            .map_err(|error| PayloadError::damaged(format!("zstd cannot read it: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Folder, MemoryPayloads};
    use super::*;
    use crate::id::ExecutionId;

    #[tokio::test]
    async fn what_shrinks_is_compressed_and_what_does_not_is_left() {
        let (id, store) = (ExecutionId::new("order-1").expect("an id"), MemoryPayloads::new());
        let folder = Folder::of(&id);
        let scope = CodecScope::new(&id, &folder, &store);
        let text = "the same again, ".repeat(1_000);
        let zstd = Zstd::new();
        let encoded = zstd.encode(&scope, text.as_bytes()).await.expect("zstd").expect("smaller");
        assert!(encoded.len() < 200);
        let decoded = zstd.decode(&scope, &encoded, text.len()).await.expect("zstd");
        assert_eq!(decoded, text.as_bytes());
        assert!(zstd.decode(&scope, &encoded, text.len() - 1).await.is_err(), "a bomb");
        assert!(zstd.decode(&scope, &encoded[1..], text.len()).await.is_err());
        assert_eq!(zstd.encode(&scope, b"short short short").await.expect("zstd"), None);
    }
}
