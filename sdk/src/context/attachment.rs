//! Attachments in a step's body, which knows where those of its execution are.

use std::path::Path;

use tokio::io::AsyncRead;

use super::body::with_scope;
use super::execution::expect_step;
use crate::id::ExecutionId;
use crate::payload::{Attachment, AttachmentError, AttachmentReader, Payloads, Place};

/// The execution and the payloads of the step whose body is being polled on this thread.
fn here() -> Result<(ExecutionId, Payloads), AttachmentError> {
    let here = with_scope(|scope| (scope.key.execution.clone(), scope.watch.payloads.clone()));
    here.ok_or(AttachmentError::Outside)
}

/// Where the attachments of this step's execution are.
fn place() -> Result<Place, AttachmentError> {
    let (execution, payloads) = here()?;
    payloads.place(&execution)
}

/// What is called in a step. Call it in the body itself, and await it wherever you like: a task or
/// thread that the body starts does not know its step.
impl Attachment {
    /// An attachment of this step's execution, of the bytes of a file. It is read once, from its
    /// beginning to its end.
    ///
    /// The bytes are in the payload store, and on its disk, when this returns. An attempt that dies on
    /// the way, or before its result is in the log, has left parts there: the next one that attaches
    /// the same bytes finds them and does not send them again (unless they are encrypted), and those
    /// that nobody finds go with the execution. Dropping the future does the same.
    ///
    /// ```
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # use everstep::{prelude::*, testing::Env};
    /// #[step]
    /// async fn scan() -> everstep::Result<Attachment> {
    ///     let file = std::env::temp_dir().join(everstep::idempotency_key());
    ///     std::fs::write(&file, "a page")?; // here, ask the scanner
    ///     let page = Attachment::from_file(&file).await?;
    ///     std::fs::remove_file(&file)?;
    ///     Ok(page)
    /// }
    /// # #[workflow] async fn office(_: ()) -> everstep::Result<u64> { Ok(scan().await?.len()) }
    /// # let app = App::new().workflow(office).payloads(Payloads::new(MemoryPayloads::new()));
    /// # assert_eq!(Env::new(app).run(office, ()).unwrap(), 6);
    /// ```
    ///
    /// # Errors
    /// See [`AttachmentError`]. Outside a step that a workflow has called it is
    /// [`Outside`](AttachmentError::Outside).
    ///
    /// # Panics
    /// In a workflow's own code.
    #[track_caller]
    pub fn from_file(
        path: impl AsRef<Path>,
    ) -> impl Future<Output = Result<Self, AttachmentError>> + Send + 'static {
        expect_step("everstep::payload::Attachment::from_file()");
        let (place, path) = (place(), path.as_ref().to_owned());
        async move { place?.write_file(path).await }
    }

    /// The same of what `reader` has until its end.
    ///
    /// ```
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # use everstep::{prelude::*, testing::Env};
    /// #[step]
    /// async fn fetch(page: String) -> everstep::Result<Attachment> {
    ///     Ok(Attachment::from_reader(page.as_bytes()).await?) // or the body of a response
    /// }
    /// # #[workflow] async fn copy(page: String) -> everstep::Result<u64> { Ok(fetch(page).await?.len()) }
    /// # let app = App::new().workflow(copy).payloads(Payloads::new(MemoryPayloads::new()));
    /// # assert_eq!(Env::new(app).run(copy, "a page".to_owned()).unwrap(), 6);
    /// ```
    ///
    /// # Errors
    /// See [`from_file`](Self::from_file).
    ///
    /// # Panics
    /// In a workflow's own code.
    #[track_caller]
    pub fn from_reader<R: AsyncRead + Send>(
        reader: R,
    ) -> impl Future<Output = Result<Self, AttachmentError>> + Send + use<R> {
        expect_step("everstep::payload::Attachment::from_reader()");
        let place = place();
        async move { place?.write_reader(reader).await }
    }

    /// Reads it from its beginning. Nothing is asked before the reader is polled.
    ///
    /// ```
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # use everstep::{prelude::*, testing::Env};
    /// use tokio::io::AsyncReadExt;
    ///
    /// #[step]
    /// async fn first_letter(page: Attachment) -> everstep::Result<u8> {
    ///     Ok(page.reader()?.read_u8().await?)
    /// }
    /// # #[step] async fn fetch() -> everstep::Result<Attachment> { Ok(Attachment::from_reader(&b"a page"[..]).await?) }
    /// # #[workflow] async fn read(_: ()) -> everstep::Result<u8> { first_letter(fetch().await?).await }
    /// # let app = App::new().workflow(read).payloads(Payloads::new(MemoryPayloads::new()));
    /// # assert_eq!(Env::new(app).run(read, ()).unwrap(), b'a');
    /// ```
    ///
    /// # Errors
    /// It is not in the body of a step that a workflow has called, or the program has no payload store.
    /// What is wrong with the attachment shows when it is read.
    ///
    /// # Panics
    /// In a workflow's own code.
    #[track_caller]
    pub fn reader(&self) -> Result<AttachmentReader, AttachmentError> {
        expect_step("everstep::payload::Attachment::reader()");
        let (_, payloads) = here()?;
        Ok(payloads.place(self.execution())?.read(self))
    }

    /// Writes it to the file at `path`, in the place of one that may be there; see
    /// [`AttachmentReader::to_file`].
    ///
    /// ```
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # use everstep::{prelude::*, testing::Env};
    /// #[step]
    /// async fn print(page: Attachment) -> everstep::Result<String> {
    ///     let file = std::env::temp_dir().join(everstep::idempotency_key());
    ///     page.to_file(&file).await?;
    ///     let printed = std::fs::read_to_string(&file)?; // here, ask the printer
    ///     std::fs::remove_file(&file)?;
    ///     Ok(printed)
    /// }
    /// # #[step] async fn fetch() -> everstep::Result<Attachment> { Ok(Attachment::from_reader(&b"a page"[..]).await?) }
    /// # #[workflow] async fn publish(_: ()) -> everstep::Result<String> { print(fetch().await?).await }
    /// # let app = App::new().workflow(publish).payloads(Payloads::new(MemoryPayloads::new()));
    /// # assert_eq!(Env::new(app).run(publish, ()).unwrap(), "a page");
    /// ```
    ///
    /// # Errors
    /// See [`AttachmentError`].
    ///
    /// # Panics
    /// In a workflow's own code.
    #[track_caller]
    pub fn to_file(
        &self,
        path: impl AsRef<Path>,
    ) -> impl Future<Output = Result<(), AttachmentError>> + Send + 'static {
        let (reader, path) = (self.reader(), path.as_ref().to_owned());
        async move { reader?.to_file(path).await }
    }

    /// One with the same bytes that belongs to this step's execution: itself, if it does already;
    /// otherwise they are read and stored anew. So what a child has made outlasts the child.
    ///
    /// ```
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # use everstep::{prelude::*, testing::Env};
    /// # #[step] async fn fetch() -> everstep::Result<Attachment> { Ok(Attachment::from_reader(&b"a page"[..]).await?) }
    /// #[workflow]
    /// async fn child(_: ()) -> everstep::Result<Attachment> {
    ///     fetch().await
    /// }
    ///
    /// #[step]
    /// async fn keep(page: Attachment) -> everstep::Result<Attachment> {
    ///     Ok(page.copied().await?)
    /// }
    ///
    /// #[workflow]
    /// async fn parent(_: ()) -> everstep::Result<Attachment> {
    ///     keep(everstep::child(child, ()).await?).await
    /// }
    /// # let app = App::new().workflow(parent).workflow(child);
    /// # let env = Env::new(app.payloads(Payloads::new(MemoryPayloads::new())));
    /// # assert!(!env.run(parent, ()).unwrap().execution().as_str().contains('/'));
    /// ```
    ///
    /// # Errors
    /// See [`AttachmentError`].
    ///
    /// # Panics
    /// In a workflow's own code.
    #[track_caller]
    pub fn copied(&self) -> impl Future<Output = Result<Self, AttachmentError>> + Send + 'static {
        let (here, reader, this) = (here(), self.reader(), self.clone());
        async move {
            let (execution, payloads) = here?;
            if this.execution() == &execution {
                return Ok(this);
            }
            payloads.place(&execution)?.write_reader(reader?).await
        }
    }
}
