//! Writing an attachment to a file.

use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{AttachmentError, AttachmentReader};

impl AttachmentReader {
    /// Writes what is left of it to the file at `path`, in the place of one that may be there.
    ///
    /// The file has its name once all of it was checked and is on the disk. Until then it is another
    /// one beside it, whose name begins with `.`; that one goes if this fails or the future is dropped,
    /// and stays if the process is killed.
    ///
    /// # Errors
    /// See [`AttachmentError`].
    pub async fn to_file(mut self, path: impl AsRef<Path>) -> Result<(), AttachmentError> {
        let path = path.as_ref().to_owned();
        let failed =
            |source| AttachmentError::File { path: path.clone(), action: "written", source };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let unfinished = Unfinished(folder.join(format!(".{}", Uuid::new_v4())));
        // Here, and not on a thread: nobody would remove it if this future were dropped meanwhile.
        let file = OpenOptions::new().write(true).create_new(true).open(&unfinished.0);
        let mut file = file.map_err(failed)?;
        if self.given < self.part.len() {
            let part = self.part.split_off(self.given);
            file = on_disk(move || write(file, &part)).await.map_err(failed)?;
        }
        while let Some(part) = poll_fn(|cx| self.poll_part(cx)).await? {
            file = on_disk(move || write(file, &part)).await.map_err(failed)?;
        }
        let (from, to) = (unfinished.0.clone(), path.clone());
        on_disk(move || {
            file.sync_all()?;
            drop(file);
            fs::rename(from, to)?;
            // Elsewhere than on Unix a folder is no file to flush.
            if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
        })
        .await
        .map_err(failed)
    }
}

/// A file that is not whole. It is removed when this is dropped, unless it has got another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn write(mut file: File, part: &[u8]) -> io::Result<File> {
    file.write_all(part)?;
    Ok(file)
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
