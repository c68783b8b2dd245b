//! Attachments: bytes of any size that pass from step to step, and of which the log has a handle.
//!
//! An attachment is cut into parts of equal size. Each part passes through the codecs like any
//! payload and becomes a blob; so does the index, which lists the parts. The handle names the index.
//! Everything is named by its hash: who has the handle can tell whether any byte was changed, and
//! parts that were cut off, swapped or moved.
//!
//! ```text
//!   bytes ──cut──> parts ──codecs──> blobs <──names── index ──codecs──> blob <──names── handle
//! ```

mod error;
mod file;
mod index;
mod read;
mod source;
mod task;
mod write;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::AttachmentError;
pub use read::AttachmentReader;

use super::{CodecScope, Config, Folder, Payloads};
use crate::event::Json;
use crate::id::ExecutionId;

/// Bytes of any size that a step has made, and that others take: a handle to them, a few hundred bytes
/// of JSON, which can be (part of) a step's result, an argument, a workflow's result, whatever is
/// recorded. The bytes are in the payload store, and never in memory as a whole.
///
/// A step makes it [from a file](Self::from_file) or [from a reader](Self::from_reader), and another
/// one reads it with [`reader`](Self::reader) or [`to_file`](Self::to_file), on whichever host:
///
/// ```
/// use everstep::payload::{Attachment, MemoryPayloads, Payloads};
/// use everstep::prelude::*;
/// use tokio::io::AsyncReadExt;
///
/// #[step]
/// async fn record(seconds: usize) -> everstep::Result<Attachment> {
///     let film = tokio::io::repeat(7).take(100_000 * seconds as u64); // here, ask the camera
///     Ok(Attachment::from_reader(film).await?)
/// }
///
/// #[step]
/// async fn count(film: Attachment, byte: u8) -> everstep::Result<usize> {
///     let (mut reader, mut count, mut bytes) = (film.reader()?, 0, [0; 8192]);
///     loop {
///         match reader.read(&mut bytes).await? {
///             0 => return Ok(count),
///             read => count += bytes[..read].iter().filter(|found| **found == byte).count(),
///         }
///     }
/// }
///
/// #[workflow]
/// async fn film(seconds: usize) -> everstep::Result<usize> {
///     let film = record(seconds).await?; // the log has the handle
///     count(film, 7).await
/// }
///
/// # use everstep::testing::Env;
/// let payloads = Payloads::new(MemoryPayloads::new()); // or a folder, or a bucket
/// let env = Env::new(App::new().workflow(film).payloads(payloads));
/// assert_eq!(env.run(film, 60).unwrap(), 6_000_000);
/// ```
///
/// It belongs to the [execution](Self::execution) that made it, and is there as long as that one is:
/// whoever reads it after that one was deleted or erased gets an error that says so. To keep what
/// another execution has made, take a [copy](Self::copied).
///
/// Two handles are equal if they name the same bytes in the same place.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// A name of its own, so that handles are found in whatever they are part of.
    #[serde(rename = "$attachment")]
    handle: Handle,
}

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Handle {
    /// Whose it is.
    of: ExecutionId,
    bytes: u64,
    sha256: String,
    /// The blob that is its index.
    at: String,
    /// The codecs that the index went through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codecs: Vec<String>,
}

impl Attachment {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.handle.bytes
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The SHA-256 of its bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.handle.sha256
    }

    /// The execution that made it, in whose folder of the payload store it is.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # use everstep::payload::{Attachment, MemoryPayloads, Payloads};
    /// # #[step] async fn scan(page: String) -> everstep::Result<Attachment> { Ok(Attachment::from_reader(page.as_bytes()).await?) }
    /// # #[workflow] async fn office(page: String) -> everstep::Result<Attachment> { scan(page).await }
    /// # let app = App::new().workflow(office).payloads(Payloads::new(MemoryPayloads::new()));
    /// # let env = everstep::testing::Env::new(app);
    /// let page: Attachment = env.start_as("scan-7", office, "a page".to_owned()).result().unwrap();
    /// assert_eq!(page.execution().as_str(), "scan-7");
    /// assert_eq!((page.len(), page.is_empty(), page.sha256().len()), (6, false, 64));
    /// ```
    #[must_use]
    pub fn execution(&self) -> &ExecutionId {
        &self.handle.of
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handle { of, bytes, sha256, .. } = &self.handle;
        write!(f, "Attachment({bytes} bytes of {of}, {sha256:.12})")
    }
}

/// Whether a handle is somewhere in this value. In a text of a user's the quotes would be escaped.
pub(crate) fn names_attachment(json: &Json) -> bool {
    json.as_str().contains(r#""$attachment":"#)
}

/// Where the attachments of one execution are. Clones are the same.
#[derive(Clone)]
pub(crate) struct Place(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    execution: ExecutionId,
    folder: Folder,
}

impl Payloads {
    /// Where the attachments of execution `id` are.
    pub(crate) fn place(&self, id: &ExecutionId) -> Result<Place, AttachmentError> {
        let config = Arc::clone(self.0.as_ref().ok_or(AttachmentError::NoStore)?);
        let (execution, folder) = (id.clone(), Folder::of(id));
        Ok(Place(Arc::new(Inner { config, execution, folder })))
    }
}

impl Inner {
    fn scope(&self) -> CodecScope<'_> {
        CodecScope::new(&self.execution, &self.folder, &*self.config.store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handle_is_the_one_of_the_page_and_is_found_where_it_is() {
        let page = include_str!("../../../../docs/event-log.md");
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".to_owned();
        let at = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
        let of = ExecutionId::new("order-1").expect("an id");
        let handle = Handle { of, bytes: 5, sha256, at, codecs: Vec::new() };
        let attachment = Attachment { handle };
        let json = Json::record(&attachment).expect("JSON");
        assert!(page.contains(json.as_str()), "docs/event-log.md must have {json}");
        assert_eq!(json.read::<Attachment>().expect("a handle"), attachment);
        let nested = Json::record(&[Some(("film", &attachment))]).expect("JSON");
        assert!(names_attachment(&nested));
        let said = Json::record(&[json.as_str(), "$attachment\":"]).expect("JSON");
        assert!(!names_attachment(&said), "a text that looks like one: {said}");
    }
}
