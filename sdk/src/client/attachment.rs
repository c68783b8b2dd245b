//! Reading attachments outside steps.

use super::Client;
use crate::payload::{Attachment, AttachmentError, AttachmentReader};

impl Client {
    /// Reads an attachment, such as one that is a workflow's result, from its beginning. Nothing is
    /// asked before the reader is polled. A step reads its own way: [`Attachment::reader`].
    ///
    /// ```
    /// use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// use everstep::prelude::*;
    /// use tokio::io::AsyncReadExt;
    ///
    /// # #[step] async fn scan(page: String) -> everstep::Result<Attachment> { Ok(Attachment::from_reader(page.as_bytes()).await?) }
    /// #[workflow]
    /// async fn office(page: String) -> everstep::Result<Attachment> {
    ///     scan(page).await
    /// }
    ///
    /// # let app = App::new().workflow(office).payloads(Payloads::new(MemoryPayloads::new()));
    /// # let env = everstep::testing::Env::new(app);
    /// # let client = env.client();
    /// # env.block_on(async {
    /// let page = client.start(office, "a page".to_owned()).await?.result().await?;
    /// let mut text = String::new();
    /// client.attachment(&page)?.read_to_string(&mut text).await?;
    /// assert_eq!(text, "a page");
    /// # Ok::<_, everstep::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// This program has no payload store. What is wrong with the attachment shows when it is read.
    pub fn attachment(&self, attachment: &Attachment) -> Result<AttachmentReader, AttachmentError> {
        Ok(self.payloads.place(attachment.execution())?.read(attachment))
    }
}
