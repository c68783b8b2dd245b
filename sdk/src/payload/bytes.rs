//! The bytes of a blob on their way into a store.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::event::Json;

/// The bytes of a blob on their way into a payload store. A clone is another handle to the same
/// memory, so a call that is made again, or goes on elsewhere, copies nothing.
///
/// ```
/// use everstep::payload::BlobBytes;
///
/// let bytes = BlobBytes::from(b"a page");
/// assert_eq!(&*bytes.clone(), b"a page"); // of the same memory
/// assert_eq!(format!("{bytes:?}"), "BlobBytes(6 bytes)");
/// ```
#[derive(Clone)]
pub struct BlobBytes(Held);

#[derive(Clone)]
enum Held {
    Whole(Arc<Vec<u8>>),
    /// A value that nothing was done to: the very text that the event has.
    Value(Json),
}

impl BlobBytes {
    pub(super) fn of_value(value: Json) -> Self {
        Self(Held::Value(value))
    }
}

impl Deref for BlobBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Whole(bytes) => bytes,
            Held::Value(value) => value.as_str().as_bytes(),
        }
    }
}

impl AsRef<[u8]> for BlobBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for BlobBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Held::Whole(Arc::new(bytes)))
    }
}

impl From<&[u8]> for BlobBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for BlobBytes {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.to_vec().into()
    }
}

impl fmt::Debug for BlobBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobBytes({} bytes)", self.len())
    }
}
