//! What is archived, while it is put together: in memory if it is small, else in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::ArchiveError;
use crate::limits::{ARCHIVE_MEMORY_BYTES, ARCHIVE_OBJECT_BYTES_MAX};
use crate::payload::remove_leftovers;

/// What the names of files begin with, in the folder for temporary files, which others use too.
const PREFIX: &str = "everstep-archive-";

/// How much of a file is in memory at once while it is read.
const PIECE: usize = 64 * 1024;

/// An object that is larger than what is held in memory: a file that is there until this is dropped. See
/// [`ArchiveStore::put_file`](super::ArchiveStore::put_file).
///
/// ```
/// # use everstep::archive::{ArchiveError, ArchiveStore};
/// use everstep::archive::ArchiveFile;
///
/// /// What a store in a service sends along, so that half an object is not taken for a whole one.
/// fn headers(file: &ArchiveFile) -> [(&'static str, String); 2] {
///     let hash = file.sha256().iter().map(|byte| format!("{byte:02x}")).collect();
///     [("content-length", file.bytes().to_string()), ("x-sha256", hash)]
/// }
///
/// fn body(file: &ArchiveFile) -> std::io::Result<std::fs::File> {
///     std::fs::File::open(file.path())
/// }
/// # let _ = (headers, body);
/// ```
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    bytes: u64,
    sha256: [u8; 32],
}

impl ArchiveFile {
    /// Where it is. Nobody changes it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of its bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// All of it.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        std::fs::read(&self.path)
    }
}

impl Drop for ArchiveFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The SHA-256 of all that `from` has.
pub(crate) fn hash_of(mut from: impl Read) -> io::Result<[u8; 32]> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The disk, on which a pass has one history at a time: so what it needs is known.
#[derive(Debug)]
pub(crate) struct Disk {
    alone: Semaphore,
    tidied: Once,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { alone: Semaphore::new(1), tidied: Once::new() }
    }

    /// Removes what processes have left there that were killed. It has payloads in it, opened.
    fn tidy(&self) {
        let is_ours = |name: &str| name.starts_with(PREFIX);
        self.tidied.call_once(|| remove_leftovers(&std::env::temp_dir(), is_ours));
    }
}

/// An object that is written line by line.
pub(crate) struct Spool<'d> {
    disk: &'d Disk,
    hash: Sha256,
    bytes: u64,
    /// What is not in the file.
    memory: Vec<u8>,
    file: Option<(BufWriter<File>, ArchiveFile, SemaphorePermit<'d>)>,
}

/// What was written.
pub(crate) enum Object<'d> {
    Memory(Vec<u8>, [u8; 32]),
    File {
        file: ArchiveFile,
        /// Held until it is dropped.
        _alone: SemaphorePermit<'d>,
    },
}

impl Object<'_> {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes, _) => bytes.len() as u64,
            Self::File { file, .. } => file.bytes,
        }
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Memory(_, sha256) => *sha256,
            Self::File { file, .. } => file.sha256,
        }
    }
}

impl<'d> Spool<'d> {
    pub(crate) fn new(disk: &'d Disk) -> Self {
        disk.tidy();
        Self { disk, hash: Sha256::new(), bytes: 0, memory: Vec::new(), file: None }
    }

    /// Adds a line. It may stay in memory until the next [`settle`](Self::settle).
    ///
    /// # Errors
    /// The object is too large, or the disk takes no more.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), ArchiveError> {
        for part in [line.as_bytes(), b"\n"] {
            self.hash.update(part);
            self.bytes += part.len() as u64;
            if self.bytes > ARCHIVE_OBJECT_BYTES_MAX {
                return Err(ArchiveError::TooLarge { bytes_max: ARCHIVE_OBJECT_BYTES_MAX });
            }
            match &mut self.file {
                Some((file, ..)) => file.write_all(part).map_err(failed)?,
                None => self.memory.extend_from_slice(part),
            }
        }
        Ok(())
    }

    /// Moves to a file what has become too large for memory. It may wait for another one's file, so
    /// whoever calls it holds nothing that others wait for.
    ///
    /// # Errors
    /// The folder for temporary files takes no file.
    pub(crate) async fn settle(&mut self) -> Result<(), ArchiveError> {
        if self.file.is_some() || self.memory.len() <= ARCHIVE_MEMORY_BYTES {
            return Ok(());
        }
        let Ok(alone) = self.disk.alone.acquire().await else { unreachable!("nobody closes it") };
        let path = std::env::temp_dir().join(format!("{PREFIX}{}", Uuid::new_v4()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        // From here on it goes with this value.
        let named = ArchiveFile { path, bytes: 0, sha256: [0; 32] };
        let mut file = BufWriter::new(file);
        file.write_all(&std::mem::take(&mut self.memory)).map_err(failed)?;
        self.file = Some((file, named, alone));
        Ok(())
    }

    /// The whole of it.
    ///
    /// # Errors
    /// The disk takes no more.
    pub(crate) fn finish(self) -> Result<Object<'d>, ArchiveError> {
        let sha256 = self.hash.finalize().into();
        let Some((mut writer, mut file, alone)) = self.file else {
            return Ok(Object::Memory(self.memory, sha256));
        };
        writer.flush().map_err(failed)?;
        (file.bytes, file.sha256) = (self.bytes, sha256);
        Ok(Object::File { file, _alone: alone })
    }
}

fn failed(error: io::Error) -> ArchiveError {
    let folder = std::env::temp_dir();
    let remedy = format!(
        "a history is put together in the folder {} before it is archived: make room there for the \
         largest one (in Lambda, with more ephemeral storage), or set TMPDIR to another folder",
        folder.display()
    );
    ArchiveError::Unusable { remedy, source: Some(error.into()) }
}

#[cfg(test)]
impl<'d> Object<'d> {
    /// A file that is said to have so many bytes, and is not there.
    pub(super) async fn pretended(disk: &'d Disk, bytes: u64) -> Self {
        let path = std::env::temp_dir().join(Uuid::new_v4().to_string());
        let alone = disk.alone.acquire().await.expect("nobody closes it");
        Self::File { file: ArchiveFile { path, bytes, sha256: [7; 32] }, _alone: alone }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use futures::FutureExt;

    use super::*;
    use crate::limits::ARCHIVE_LEFTOVER_AGE;

    async fn spooled<'d>(disk: &'d Disk, lines: &[&str]) -> Object<'d> {
        let mut spool = Spool::new(disk);
        for line in lines {
            spool.line(line).expect("there is room");
            spool.settle().await.expect("there is room");
        }
        spool.finish().expect("there is room")
    }

    #[tokio::test]
    async fn what_is_large_is_in_a_file_and_what_is_small_in_memory_with_the_same_hash() {
        let disk = Disk::new();
        let half = "x".repeat(ARCHIVE_MEMORY_BYTES / 2 + 1);
        for (lines, is_file) in
            [(&["a", "b"][..], false), (&[&half], false), (&[&half, &half, "end"], true)]
        {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let object = spooled(&disk, lines).await;
            assert_eq!(object.sha256(), <[u8; 32]>::from(Sha256::digest(&text)));
            match object {
                Object::Memory(bytes, _) => assert!(!is_file && bytes == text.as_bytes()),
                Object::File { file, .. } => {
                    assert!(is_file);
                    assert_eq!(file.bytes(), text.len() as u64);
                    assert_eq!(file.read().expect("it is there"), text.as_bytes());
                    let path = file.path().to_owned();
                    drop(file);
                    assert!(!path.exists(), "it goes when it is dropped");
                }
            }
        }
    }

    #[tokio::test]
    async fn one_file_is_there_at_a_time_and_goes_with_what_is_given_up() {
        let disk = Disk::new();
        let large = "x".repeat(ARCHIVE_MEMORY_BYTES + 1);
        let lines = [&*large];
        let first = spooled(&disk, &lines).await;
        let mut second = Box::pin(spooled(&disk, &lines));
        assert!(second.as_mut().now_or_never().is_none(), "it waits for the first");
        assert!(matches!(spooled(&disk, &["small"]).await, Object::Memory(..)));
        drop(first);
        let Object::File { file, .. } = second.await else { panic!("a file") };
        assert!(file.path().exists());
        drop(file);
        let mut given_up = Spool::new(&disk);
        given_up.line(&large).expect("there is room");
        given_up.settle().await.expect("there is room");
        let path = given_up.file.as_ref().map(|(_, file, _)| file.path.clone()).expect("a file");
        assert!(path.exists());
        drop(given_up);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_killed_processes_left_goes_and_what_others_are_at_stays() {
        let left = |prefix: &str, age: Duration| {
            let path = std::env::temp_dir().join(format!("{prefix}{}", Uuid::new_v4()));
            let file = File::create(&path).expect("it is made");
            file.set_modified(SystemTime::now() - age).expect("it is dated");
            path
        };
        let minute = Duration::from_secs(60);
        let old = left(PREFIX, ARCHIVE_LEFTOVER_AGE + minute);
        let stay = [
            left(PREFIX, ARCHIVE_LEFTOVER_AGE - minute),
            left(PREFIX, Duration::ZERO),
            left("everstep-other-", 2 * ARCHIVE_LEFTOVER_AGE),
        ];
        drop(spooled(&Disk::new(), &["small"]).await);
        assert!(!old.exists());
        for path in stay {
            std::fs::remove_file(path).expect("it is there");
        }
    }
}
