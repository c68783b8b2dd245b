//! The archive: where the histories of executions go before they are deleted.
//!
//! Each is one object of lines of JSON, as `everstep export` writes them
//! ([`HistoryLine`](crate::event::HistoryLine)), named by its workflow, the day of its end, its id and the
//! hash of what is in it:
//!
//! ```text
//! fulfil_order/2026/11/27/order-7.0f1e2d3c4b5a6978.jsonl
//! ```
//! Nothing is deleted before its object is there and was read back, byte for byte.
//!
//! A history is read, put together and sent bit by bit: it is in memory as a whole only if it is
//! [small](crate::limits::ARCHIVE_MEMORY_BYTES), and else in a file of the folder for temporary files.

mod error;
mod file;
mod memory;
mod name;
mod object;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

pub use error::ArchiveError;
pub use file::FileArchive;
pub use memory::MemoryArchive;
pub(crate) use name::object_name;
pub use object::ArchiveFile;
pub(crate) use object::{Disk, Object, Spool, hash_of};
pub use url::{ARCHIVE_VARIABLE, ArchiveUrlError};

use crate::limits::{ARCHIVE_CALL_MAX, ARCHIVE_SPEED_MIN, WRITE_TRIES_MAX};

/// A place for objects that are written once: bytes under a name such as `order/2026/a.jsonl`.
///
/// A call that returns [`ArchiveError::Unavailable`] may have been done, and is made again with the
/// same arguments. Dropping a returned future is like a crash.
///
/// ```
/// use async_trait::async_trait;
/// use everstep::archive::{Archive, ArchiveError, ArchiveFile, ArchiveStore, MemoryArchive};
///
/// /// A part of another archive.
/// #[derive(Debug)]
/// struct Part<A>(&'static str, A);
///
/// #[async_trait]
/// impl<A: ArchiveStore> ArchiveStore for Part<A> {
///     async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
///         self.1.put(&format!("{}/{name}", self.0), bytes).await
///     }
///
///     async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
///         self.1.get(&format!("{}/{name}", self.0)).await
///     }
///
///     // The other way, for what is large. `hash` has nothing to add.
///     async fn put_file(&self, name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
///         self.1.put_file(&format!("{}/{name}", self.0), file).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let whole = MemoryArchive::new();
/// let north = Part("north", whole.clone());
/// north.put("order/2026/a.jsonl", b"{}").await?;
/// assert_eq!(north.get("order/2026/b.jsonl").await?, None);
/// assert!(north.hash("order/2026/a.jsonl").await?.is_some()); // what `get` has, hashed
/// assert!(whole.objects().contains_key("north/order/2026/a.jsonl"));
/// let archive = Archive::new(north);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait ArchiveStore: Send + Sync + fmt::Debug + 'static {
    /// Stores `bytes` under `name`, unless an object has that name: then nothing changes. An answer
    /// is given once the object survives a crash of the process and the machine.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError>;

    /// The object with this name, `None` if there is none.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError>;

    /// Stores what `file` has, as [`put`](Self::put) does with bytes. This one reads the file whole: a
    /// store that can send it bit by bit does so.
    async fn put_file(&self, name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
        let bytes = file.read().map_err(|error| ArchiveError::Unusable {
            remedy: format!("the file {} must stay until it is archived", file.path().display()),
            source: Some(error.into()),
        })?;
        self.put(name, &bytes).await
    }

    /// The SHA-256 of the object with this name, `None` if there is none: of the bytes as they are read
    /// back from where they are stored, not of those that were put. This one reads them whole with
    /// [`get`](Self::get): a store that can read them bit by bit does so.
    async fn hash(&self, name: &str) -> Result<Option<[u8; 32]>, ArchiveError> {
        Ok(self.get(name).await?.map(|bytes| Sha256::digest(bytes).into()))
    }
}

/// Where the histories of executions go before they are deleted. Clones are the same.
///
/// ```
/// use everstep::archive::{Archive, FileArchive};
/// use everstep::prelude::*;
///
/// let backend = Backend::memory().with_archive(Archive::new(FileArchive::new("/var/lib/orders/archive")));
/// ```
#[derive(Clone)]
pub struct Archive(Arc<dyn ArchiveStore>);

impl Archive {
    /// The archive in `store`.
    pub fn new(store: impl ArchiveStore) -> Self {
        Self(Arc::new(store))
    }

    /// Puts the object there, and reads it back.
    pub(crate) async fn keep(&self, name: &str, object: &Object<'_>) -> Result<(), ArchiveError> {
        let time = ARCHIVE_CALL_MAX + time_of(object.bytes());
        let there = match object {
            Object::Memory(bytes, sha256) => {
                again(time, || self.0.put(name, bytes)).await?;
                let there = again(time, || self.0.get(name)).await?;
                there.map(|there| if there == *bytes { *sha256 } else { [0; 32] })
            }
            Object::File { file, .. } => {
                again(time, || self.0.put_file(name, file)).await?;
                again(time, || self.0.hash(name)).await?
            }
        };
        match there {
            Some(there) if there == object.sha256() => Ok(()),
            Some(_) => Err(ArchiveError::Differs { name: name.to_owned() }),
            None => Err(ArchiveError::Missing { name: name.to_owned() }),
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long so many bytes are on their way at the least speed.
pub(crate) fn time_of(bytes: u64) -> Duration {
    Duration::from_secs(bytes / ARCHIVE_SPEED_MIN)
}

/// Makes a call until it is answered: [`WRITE_TRIES_MAX`] times over about two and a half seconds, if
/// each fails at once; and for `time`, if it takes its time. Whoever waits for ever deletes nothing else
/// either.
async fn again<T, Fut>(time: Duration, mut call: impl FnMut() -> Fut) -> Result<T, ArchiveError>
where
    Fut: Future<Output = Result<T, ArchiveError>>,
{
    let calls = async {
        let mut tries = 1;
        loop {
            match call().await {
                Err(error) if error.is_retryable() && tries < WRITE_TRIES_MAX => {
                    tracing::debug!(%error, "the archive is asked again");
                    tokio::time::sleep(Duration::from_millis(10 << tries)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    };
    tokio::time::timeout(time, calls).await.unwrap_or_else(|_| {
        let reason = format!("nothing came of it within {} seconds", time.as_secs());
        Err(ArchiveError::Unavailable { reason, source: None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Hangs;

    #[async_trait]
    impl ArchiveStore for Hangs {
        async fn put(&self, _name: &str, _bytes: &[u8]) -> Result<(), ArchiveError> {
            Ok(())
        }

        async fn get(&self, _name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_archive_that_never_answers_is_left() {
        let object = Object::Memory(b"b".to_vec(), Sha256::digest("b").into());
        let error = Archive::new(Hangs).keep("a", &object).await.expect_err("it was not read back");
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().ends_with("within 300 seconds"), "{error}");
    }

    /// Has what it is given after so long, and says so after as long.
    #[derive(Debug)]
    struct Slow(Duration, std::sync::Mutex<Option<[u8; 32]>>);

    #[async_trait]
    impl ArchiveStore for Slow {
        async fn put(&self, _name: &str, _bytes: &[u8]) -> Result<(), ArchiveError> {
            unreachable!("it is given files")
        }

        async fn get(&self, _name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
            unreachable!("it is given files")
        }

        async fn put_file(&self, _name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
            tokio::time::sleep(self.0).await;
            *self.1.lock().expect("no panic") = Some(file.sha256());
            Ok(())
        }

        async fn hash(&self, _name: &str) -> Result<Option<[u8; 32]>, ArchiveError> {
            tokio::time::sleep(self.0).await;
            Ok(*self.1.lock().expect("no panic"))
        }
    }

    /// Else it would be put together, put and given up in each pass.
    #[tokio::test(start_paused = true)]
    async fn a_large_object_has_the_time_that_it_takes_there_and_back() {
        let disk = Disk::new();
        let largest = crate::limits::ARCHIVE_OBJECT_BYTES_MAX;
        for (bytes, seconds, within) in
            [(1_000_000, 299, None), (1_000_000, 301, Some(300)), (largest, 4_299, None)]
                .into_iter()
                .chain([(largest, 4_301, Some(4_300))])
        {
            let object = Object::pretended(&disk, bytes).await;
            let archive = Archive::new(Slow(Duration::from_secs(seconds), None.into()));
            let said = archive.keep("a", &object).await.err().map(|error| error.to_string());
            let late = within.map(|within| format!("nothing came of it within {within} seconds"));
            assert_eq!(said, late.map(|late| format!("the archive did not answer: {late}")));
        }
    }
}
