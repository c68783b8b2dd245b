//! Objects: in a folder, or in an S3 bucket.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[cfg(feature = "aws")]
use crate::cloud::Bucket;
use crate::picture::BYTES_MAX;

/// What the keys of uploads begin with.
pub const UPLOADS: &str = "uploads/";

/// What the keys of renditions begin with.
pub const RENDITIONS: &str = "renditions/";

/// The media type of renditions.
pub const JPEG: &str = "image/jpeg";

/// Where objects are. A clone is the same place.
#[derive(Debug, Clone)]
pub enum Objects {
    /// In a folder, which plays a bucket.
    Folder(PathBuf),
    /// In S3.
    #[cfg(feature = "aws")]
    S3(Bucket),
}

/// Why an object was not read or stored.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is none of this key.
    #[error("there is no object {key}")]
    Missing {
        /// The key.
        key: String,
    },
    /// It has more bytes than are read.
    #[error("the object has {bytes} bytes, and {BYTES_MAX} are the most that is read")]
    TooLarge {
        /// How many.
        bytes: u64,
    },
    /// It leads elsewhere, or a folder has no place for it.
    #[error("the key {key:?} is no path in a folder")]
    Key {
        /// The key.
        key: String,
    },
    /// Whoever runs this program has to change something first.
    #[error("{problem}")]
    Refused {
        /// What was refused.
        problem: String,
    },
    /// Try again.
    #[error("{problem}")]
    NoAnswer {
        /// What was seen.
        problem: String,
    },
}

impl Objects {
    /// The bucket's name.
    pub fn bucket(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            #[cfg(feature = "aws")]
            Self::S3(bucket) => bucket.name().to_owned(),
        }
    }

    /// Reads an object of at most [`BYTES_MAX`] bytes.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, ObjectError> {
        match self {
            Self::Folder(folder) => {
                let (path, key) = (path(folder, key)?, key.to_owned());
                in_a_thread(move || read(&path, &key)).await
            }
            #[cfg(feature = "aws")]
            Self::S3(bucket) => bucket.get(leads_nowhere_else(key)?).await,
        }
    }

    /// Stores an object, in place of any that has its key: either all of it, or nothing.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a file has no media type"))]
    pub async fn put(&self, key: &str, body: Vec<u8>, media: &str) -> Result<(), ObjectError> {
        match self {
            Self::Folder(folder) => {
                let path = path(folder, key)?;
                in_a_thread(move || write(&path, &body)).await
            }
            #[cfg(feature = "aws")]
            Self::S3(bucket) => bucket.put(leads_nowhere_else(key)?, body, media).await,
        }
    }
}

/// A key that is the same object whoever tidies up the path of its URL on the way to S3.
#[cfg(any(feature = "aws", test))]
fn leads_nowhere_else(key: &str) -> Result<&str, ObjectError> {
    match key.split('/').any(|part| matches!(part, "." | "..")) {
        true => Err(ObjectError::Key { key: key.to_owned() }),
        false => Ok(key),
    }
}

/// The file of a key. A key is a path in the folder and never leads out of it.
fn path(folder: &Path, key: &str) -> Result<PathBuf, ObjectError> {
    let is_name = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']) && part.len() < 200
    };
    if key.split('/').all(is_name) {
        return Ok(folder.join(key));
    }
    Err(ObjectError::Key { key: key.to_owned() })
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>, ObjectError> {
    let missing = || ObjectError::Missing { key: key.to_owned() };
    let found = fs::metadata(path).and_then(|file| match file.len() {
        _ if !file.is_file() => Ok(Err(missing())),
        bytes if bytes > BYTES_MAX => Ok(Err(ObjectError::TooLarge { bytes })),
        _ => fs::read(path).map(Ok),
    });
    found.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Err(missing()),
        _ => Err(problem(path, &error)),
    })
}

/// Whoever reads it sees the old file or the new one, also if this process dies.
fn write(path: &Path, body: &[u8]) -> Result<(), ObjectError> {
    let folder = path.parent().unwrap_or(path);
    let new = folder.join(format!(".{}", uuid::Uuid::new_v4()));
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, body))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        // It may not be there.
        let _ = fs::remove_file(&new);
        problem(path, &error)
    })
}

fn problem(path: &Path, error: &io::Error) -> ObjectError {
    let problem = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ObjectError::Refused { problem }
        }
        _ => ObjectError::NoAnswer { problem },
    }
}

/// The keys of all uploads in a folder.
pub fn uploads(folder: &Path) -> io::Result<Vec<String>> {
    let files = match fs::read_dir(folder.join(UPLOADS)) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut keys = Vec::new();
    for file in files {
        // What begins with a dot is half a file, of a process that died.
        if let Ok(name) = file?.file_name().into_string()
            && !name.starts_with('.')
        {
            keys.push(format!("{UPLOADS}{name}"));
        }
    }
    Ok(keys)
}

async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static,
) -> Result<T, ObjectError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|died| Err(ObjectError::NoAnswer { problem: died.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_there_and_the_later_counts() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Folder(folder.path().to_owned());
        let missing = objects.get("uploads/a.png").await.unwrap_err();
        assert!(matches!(missing, ObjectError::Missing { .. }), "{missing}");
        for body in [b"one", b"two"] {
            objects.put("uploads/a.png", body.to_vec(), JPEG).await.unwrap();
            assert_eq!(objects.get("uploads/a.png").await.unwrap(), body);
        }
        assert_eq!(uploads(folder.path()).unwrap(), ["uploads/a.png"]);
        assert_eq!(uploads(&folder.path().join("elsewhere")).unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_key_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Folder(folder.path().join("bucket"));
        fs::write(folder.path().join("secret"), "s").unwrap();
        for key in ["../secret", "uploads/../../secret", "/etc/passwd", "", "a//b", "a\0b", "c:\\b"]
        {
            let refused = objects.get(key).await.unwrap_err();
            assert!(matches!(refused, ObjectError::Key { .. }), "{key}: {refused}");
            assert!(objects.put(key, Vec::new(), JPEG).await.is_err(), "{key}");
        }
    }

    #[test]
    fn a_key_of_s3_is_no_other_ones() {
        for key in ["uploads/../renditions/a", "./a", "a/."] {
            assert!(matches!(leads_nowhere_else(key), Err(ObjectError::Key { .. })), "{key}");
        }
        assert_eq!(leads_nowhere_else("uploads/a..b//c").unwrap(), "uploads/a..b//c");
    }

    #[tokio::test]
    async fn a_folder_is_no_object_and_a_file_has_none_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::Folder(folder.path().to_owned());
        objects.put("renditions/a.jpg/large.jpg", b"one".to_vec(), JPEG).await.unwrap();
        for key in ["renditions/a.jpg", "renditions/a.jpg/large.jpg/b"] {
            let missing = objects.get(key).await.unwrap_err();
            assert!(matches!(missing, ObjectError::Missing { .. }), "{key}: {missing}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join("large")).unwrap();
        file.set_len(BYTES_MAX + 1).unwrap();
        let refused = Objects::Folder(folder.path().to_owned()).get("large").await.unwrap_err();
        assert!(matches!(refused, ObjectError::TooLarge { bytes: 20_000_001 }), "{refused}");
    }
}
