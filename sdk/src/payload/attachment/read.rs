//! Reading an attachment.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, ReadBuf};

use super::index::{Index, Part};
use super::task::in_task;
use super::{Attachment, AttachmentError, Handle, Inner, Place};
use crate::limits::{ATTACHMENT_PART_BYTES, ATTACHMENT_PARTS_AT_ONCE, PAYLOAD_BYTES_MAX};
use crate::payload::PayloadError;
use crate::payload::open::decode;
use crate::payload::store::hex;

/// Reads an [`Attachment`] from its beginning.
///
/// Every byte that it gives was checked: a part is given once all of it has the hash that it must
/// have. Its end is the attachment's end: where a part is missing or damaged, where the whole is not
/// what it was, or where the payload store gives no answer, reading fails, and goes on failing. The
/// [`AttachmentError`] is in the `io::Error`.
///
/// It reads some parts ahead, at most
/// [`ATTACHMENT_PARTS_AT_ONCE`](crate::limits::ATTACHMENT_PARTS_AT_ONCE), beside the one that it gives.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
/// use everstep::payload::AttachmentReader;
/// use tokio::io::AsyncReadExt;
/// # #[step] async fn scan(page: String) -> everstep::Result<Attachment> { Ok(Attachment::from_reader(page.as_bytes()).await?) }
/// # #[workflow] async fn office(page: String) -> everstep::Result<Attachment> { scan(page).await }
/// # let app = App::new().workflow(office).payloads(Payloads::new(MemoryPayloads::new()));
/// # let env = everstep::testing::Env::new(app);
/// # let client = env.client();
/// # let page: Attachment = env.run(office, "a page".to_owned()).unwrap();
/// # let path = std::env::temp_dir().join(ExecutionId::random().as_str());
///
/// # env.block_on(async {
/// let mut reader: AttachmentReader = client.attachment(&page)?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "a page");
///
/// client.attachment(&page)?.to_file(&path).await?;
/// assert_eq!(std::fs::read_to_string(&path)?, "a page");
/// # std::fs::remove_file(path)?;
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
pub struct AttachmentReader {
    parts: BoxStream<'static, Result<Vec<u8>, PayloadError>>,
    /// The part that is given now, and how much of it was.
    pub(super) part: Vec<u8>,
    pub(super) given: usize,
    attachment: Attachment,
    whole: Sha256,
    bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Whole,
    Failed,
}

impl Place {
    /// Reads an attachment of this execution.
    pub(crate) fn read(&self, attachment: &Attachment) -> AttachmentReader {
        let (place, handle) = (self.clone(), attachment.handle.clone());
        let parts = async move {
            let index = place.clone();
            let parts = in_task(async move { index.0.index(&handle).await }).await?;
            let parts = stream::iter(parts).map(move |part| {
                let place = place.clone();
                in_task(async move { place.0.part(&part).await })
            });
            Ok(parts.buffered(ATTACHMENT_PARTS_AT_ONCE))
        };
        AttachmentReader {
            parts: stream::once(parts).try_flatten().boxed(),
            part: Vec::new(),
            given: 0,
            attachment: attachment.clone(),
            whole: Sha256::new(),
            bytes: 0,
            state: State::Reading,
        }
    }
}

impl Inner {
    async fn index(&self, handle: &Handle) -> Result<Vec<Part>, PayloadError> {
        // How large it is about, and how large it can be.
        let about = handle.bytes.div_ceil(ATTACHMENT_PART_BYTES as u64).saturating_mul(80);
        let about = usize::try_from(about).unwrap_or(usize::MAX);
        let _room = self.config.room.take_in_time(about).await?;
        let index = self.blob(&handle.at, &handle.codecs, PAYLOAD_BYTES_MAX).await?;
        Index::read(&index, handle.bytes)
    }

    async fn part(&self, part: &Part) -> Result<Vec<u8>, PayloadError> {
        let _room = self.config.room.take_in_time(part.bytes).await?;
        let content = self.blob(&part.at, &part.codecs, part.bytes).await?;
        if content.len() != part.bytes {
            let problem = format!("a part has {} bytes instead of {}", content.len(), part.bytes);
            return Err(PayloadError::damaged(problem));
        }
        Ok(content)
    }

    /// What these codecs made this blob of: at most `bytes_max` bytes.
    async fn blob(
        &self,
        at: &str,
        codecs: &[String],
        bytes_max: usize,
    ) -> Result<Vec<u8>, PayloadError> {
        let decoders = self.config.decoders(codecs, bytes_max as u64)?;
        let content = self.config.get(&self.folder, at).await?;
        decode(&decoders, &self.scope(), content, bytes_max).await
    }
}

impl AttachmentReader {
    /// The next part; `None` after the last, if all of it was what it must be.
    pub(super) fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<u8>>, AttachmentError>> {
        let polled = match self.state {
            State::Reading => ready!(self.parts.poll_next_unpin(cx)),
            State::Whole => return Poll::Ready(Ok(None)),
            State::Failed => {
                let reason = "reading it has failed before: read it from its beginning".to_owned();
                Some(Err(PayloadError::Unavailable { reason, source: None }))
            }
        };
        let part = match polled {
            Some(Ok(part)) => {
                self.whole.update(&part);
                self.bytes += part.len() as u64;
                Ok(Some(part))
            }
            Some(Err(error)) => Err(error),
            None => self.check().map(|()| None),
        };
        match &part {
            Ok(Some(_)) => {}
            Ok(None) => self.state = State::Whole,
            Err(_) => self.state = State::Failed,
        }
        Poll::Ready(part.map_err(|source| {
            let Handle { of, bytes, .. } = &self.attachment.handle;
            AttachmentError::Unread { of: of.clone(), bytes: *bytes, source }
        }))
    }

    /// Whether what was read is the whole.
    fn check(&mut self) -> Result<(), PayloadError> {
        let Handle { bytes, sha256, .. } = &self.attachment.handle;
        if self.bytes != *bytes || hex(&self.whole.finalize_reset()) != *sha256 {
            return Err(PayloadError::damaged("the whole has another hash than was recorded"));
        }
        Ok(())
    }
}

impl AsyncRead for AttachmentReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Who asks for nothing must not take a part for the end.
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while self.given == self.part.len() {
            match ready!(self.poll_part(cx))? {
                Some(part) => (self.part, self.given) = (part, 0),
                None => return Poll::Ready(Ok(())),
            }
        }
        let rest = &self.part[self.given..];
        let given = rest.len().min(into.remaining());
        into.put_slice(&rest[..given]);
        self.given += given;
        if self.given == self.part.len() {
            // Its memory is free while the next one is waited for.
            (self.part, self.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for AttachmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentReader")
            .field("attachment", &self.attachment)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
