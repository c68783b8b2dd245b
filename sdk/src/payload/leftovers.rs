//! What processes that were killed left of the files that they wrote.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::SystemTime;

use crate::limits::ARCHIVE_LEFTOVER_AGE;

/// Removes the files of `folder` whose names are such, if nobody has written to them for
/// [`ARCHIVE_LEFTOVER_AGE`]: whoever still needs one has written to it since. What cannot be removed
/// stays until the next time.
pub(crate) fn remove_leftovers(folder: &Path, is_such: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let now = SystemTime::now();
    let is_old = |file: Metadata| {
        let age = file.modified().ok().and_then(|at| now.duration_since(at).ok());
        file.is_file() && age.is_some_and(|age| age > ARCHIVE_LEFTOVER_AGE)
    };
    for entry in entries.map_while(Result::ok) {
        if !entry.file_name().to_str().is_some_and(&is_such) || !entry.metadata().is_ok_and(is_old)
        {
            continue;
        }
        let path = entry.path();
        match fs::remove_file(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "removed what a killed process left"),
            Err(error) => tracing::debug!(path = %path.display(), %error, "it stays"),
        }
    }
}
