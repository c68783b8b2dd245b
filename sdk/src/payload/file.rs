//! The payload store in a folder of the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use uuid::Uuid;

use super::{BlobBytes, BlobName, Folder, PayloadError, PayloadStore, Put, remove_leftovers};

/// A [`PayloadStore`] in a folder: `FOLDER/<execution>/<blob>`. Processes on one machine share it.
///
/// A blob is written under another name, flushed to the disk, and then given its own: nobody ever
/// sees half of one. What a crash leaves behind begins with `.`, and nobody reads it; it goes when
/// its folder is listed, which is done to erase an execution.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::payload::{BlobBytes, FilePayloads, Folder, PayloadStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = std::env::temp_dir().join(ExecutionId::random().as_str());
/// let store = FilePayloads::new(&root);
/// let folder = Folder::of(&ExecutionId::new("order-7")?);
/// let name = folder.blob_of(b"a page");
/// store.put(&name, &BlobBytes::from(b"a page")).await?;
/// assert_eq!(std::fs::read(root.join(name.to_string()))?, b"a page");
/// # std::fs::remove_dir_all(root)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FilePayloads {
    root: PathBuf,
}

impl FilePayloads {
    /// The store in `folder`, which the first blob makes if it is missing.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { root: folder.into() }
    }

    fn folder(&self, folder: &Folder) -> PathBuf {
        self.root.join(folder.as_str())
    }

    fn path(&self, name: &BlobName) -> PathBuf {
        self.folder(name.folder()).join(name.name())
    }

    /// Writes the file at `name`, a path below this folder, unless one is there.
    pub(crate) async fn put_file(
        &self,
        name: &str,
        bytes: &BlobBytes,
    ) -> Result<Put, PayloadError> {
        let bytes = bytes.clone();
        self.put_below(name, move |file| file.write_all(&bytes)).await
    }

    /// The same with what the file `from` has.
    pub(crate) async fn copy_file(&self, name: &str, from: &Path) -> Result<Put, PayloadError> {
        let from = from.to_owned();
        self.put_below(name, move |file| io::copy(&mut File::open(from)?, file).map(drop)).await
    }

    /// The same with `content`. Nobody lists the folders between, so what a crash leaves is in this one,
    /// where later puts find it.
    async fn put_below(
        &self,
        name: &str,
        content: impl FnOnce(&mut File) -> io::Result<()> + Send + 'static,
    ) -> Result<Put, PayloadError> {
        let (root, path) = (self.root.clone(), self.root.join(name));
        self.on_disk(move || {
            remove_leftovers(&root, is_unfinished);
            put(&root, &path, &root, content)
        })
        .await
    }

    /// What the file at `name` has, if there is one.
    pub(crate) async fn get_file(&self, name: &str) -> Result<Option<Vec<u8>>, PayloadError> {
        self.read_file(name, |mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        })
        .await
    }

    /// What `read` makes of the file at `name`, if there is one.
    pub(crate) async fn read_file<T: Send + 'static>(
        &self,
        name: &str,
        read: impl FnOnce(File) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, PayloadError> {
        let path = self.root.join(name);
        self.on_disk(move || match File::open(path) {
            Ok(file) => read(file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// Does something slow to files on a thread where that is allowed. A program that stops meanwhile
    /// has not had an answer.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, PayloadError> {
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|error| PayloadError::unavailable("its thread ended", error))?;
        done.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> PayloadError {
        let folder = self.root.display();
        match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory => PayloadError::unusable(
                format!("let this program write to the folder {folder}, or name another"),
                error,
            ),
            // A full disk too: somebody may make room.
            _ => PayloadError::unavailable(format!("in the folder {folder}: {error}"), error),
        }
    }
}

#[async_trait]
impl PayloadStore for FilePayloads {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        let (root, path) = (self.root.clone(), self.path(name));
        let (folder, bytes) = (self.folder(name.folder()), bytes.clone());
        self.on_disk(move || put(&root, &path, &folder, |file| file.write_all(&bytes))).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.get_file(&name.to_string()).await
    }

    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        let (root, path) = (self.root.clone(), self.path(name));
        self.on_disk(move || is_there(&root, &path)).await
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        let (path, folder) = (self.path(name), self.folder(name.folder()));
        self.on_disk(move || match fs::remove_file(path) {
            Ok(()) => sync_folder(&folder),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        })
        .await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        let path = self.folder(folder);
        let names = self.on_disk(move || names(&path)).await?;
        Ok(names.iter().filter_map(|name| folder.blob(name)).collect())
    }
}

/// Writes the file at `path`, unless one is there. Until all of it is on the disk it is in `unfinished_in`.
fn put(
    root: &Path,
    path: &Path,
    unfinished_in: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<Put> {
    let folder = path.parent().unwrap_or(root);
    if is_there(root, path)? {
        return Ok(Put::Exists);
    }
    fs::create_dir_all(folder)?;
    sync_above(root, folder)?;
    let unfinished = unfinished_in.join(unfinished_name());
    let put = write(&unfinished, content).and_then(|()| {
        // Unlike a rename it takes no other blob's place: of several at once one is first.
        match fs::hard_link(&unfinished, path) {
            Ok(()) => Ok(Put::New),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Exists),
            Err(error) => Err(error),
        }
    });
    let removed = fs::remove_file(&unfinished);
    let put = put?;
    removed?;
    sync_folder(folder)?;
    Ok(put)
}

fn is_there(root: &Path, path: &Path) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(root);
    let is_there = path.try_exists()?;
    if is_there {
        // Whoever gave it its name may not have flushed that yet.
        sync_folder(folder)?;
        sync_above(root, folder)?;
    }
    Ok(is_there)
}

fn write(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    content(&mut file)?;
    file.sync_all()
}

/// Makes durable that `folder` is where it is, from its parent up to `root`.
fn sync_above(root: &Path, folder: &Path) -> io::Result<()> {
    let mut above = folder.ancestors().skip(1).take_while(|above| above.starts_with(root));
    above.try_for_each(sync_folder)
}

/// Makes durable which files a folder has. Elsewhere than on Unix a folder is no file to flush.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_unfinished(&name) {
            names.push(name);
            continue;
        }
        // It has a payload's bytes in it. A put that is under way finds it gone and is made again.
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(names)
}

/// The name of a blob until all of it is on the disk.
fn unfinished_name() -> String {
    format!(".{}", Uuid::new_v4())
}

fn is_unfinished(name: &str) -> bool {
    name.strip_prefix('.').is_some_and(|id| Uuid::try_parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::limits::ARCHIVE_LEFTOVER_AGE;

    /// The unfinished files below `folder`.
    fn unfinished(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        let files = entries.flat_map(|entry| match entry.path() {
            path if path.is_dir() => unfinished(&path),
            path => vec![path],
        });
        let is_one = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(is_unfinished)
        };
        files.filter(is_one).collect()
    }

    /// Nobody lists the days of an archive.
    #[tokio::test]
    async fn what_a_crash_left_of_a_file_below_goes_with_a_later_put_of_another() {
        let root = std::env::temp_dir().join(format!("everstep-test-{}", Uuid::new_v4()));
        let files = FilePayloads::new(&root);
        let crash = |file: &mut File| {
            file.write_all(b"ha")?;
            panic!("as if it were killed")
        };
        files.put_below("order/2030/01/01/a", crash).await.expect_err("it died");
        let left = unfinished(&root);
        assert_eq!(left.len(), 1, "{left:?}");
        let put = async |name| files.put_file(name, &b"whole".into()).await.expect("there is room");
        assert_eq!(put("order/2030/01/01/a").await, Put::New);
        assert_eq!(unfinished(&root), left, "somebody may be at it");
        let file = OpenOptions::new().write(true).open(&left[0]).expect("it is there");
        let age = ARCHIVE_LEFTOVER_AGE + Duration::from_secs(60);
        file.set_modified(SystemTime::now() - age).expect("it is dated");
        assert_eq!(put("sale/2030/01/02/b").await, Put::New);
        assert_eq!(unfinished(&root), [""; 0].map(PathBuf::from));
        let whole = files.get_file("order/2030/01/01/a").await.expect("an answer");
        assert_eq!(whole.as_deref(), Some(&b"whole"[..]));
        fs::remove_dir_all(root).expect("it is there");
    }
}
