//! Reading attachments outside steps.

use super::Client;
use crate::payload::{Attachment, AttachmentError, AttachmentReader};

impl Client {
    /// Reads an attachment, such as one that is a workflow's result, from its beginning. Nothing is
    /// asked before the reader is polled. A step reads its own way: [`Attachment::reader`].
    ///
    /// # Errors
    /// This program has no payload store. What is wrong with the attachment shows when it is read.
    pub fn attachment(&self, attachment: &Attachment) -> Result<AttachmentReader, AttachmentError> {
        Ok(self.payloads.place(attachment.execution())?.read(attachment))
    }
}
