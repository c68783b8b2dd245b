//! Which archive: chosen by a URL, usually that of `EVERSTEP_ARCHIVE`.

use super::{Archive, ArchiveError, FileArchive};

/// The environment variable that names the archive.
///
/// ```
/// use everstep::archive::ARCHIVE_VARIABLE;
///
/// let mut host = std::process::Command::new("orders");
/// host.env(ARCHIVE_VARIABLE, "s3://orders/archive");
/// assert_eq!(ARCHIVE_VARIABLE, "EVERSTEP_ARCHIVE");
/// ```
pub const ARCHIVE_VARIABLE: &str = "EVERSTEP_ARCHIVE";

/// Why there is no [`Archive`].
///
/// ```
/// use everstep::archive::{Archive, ArchiveUrlError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match Archive::from_url("file:").await {
///     Err(ArchiveUrlError::Url { problem, .. }) => assert_eq!(problem, "it names no folder"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveUrlError {
    /// The URL is not one: correct it.
    #[error("{url:?} names no archive ({problem}): use `file:FOLDER` or `s3://BUCKET/PREFIX`")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// This program was built without what the URL names: build it again with the feature.
    #[error(
        "{url} needs the feature {feature:?} of everstep, and this program is built without it"
    )]
    NotBuiltIn {
        /// The URL.
        url: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// What the URL names cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Archive {
    /// What the variable `EVERSTEP_ARCHIVE` names; `None` without it: what is deleted is gone.
    ///
    /// | URL | archive |
    /// |---|---|
    /// | `file:FOLDER` | a folder, made if it is missing |
    /// | `s3://BUCKET/PREFIX` | a bucket, which must be there, with the feature `s3` |
    ///
    /// ```
    /// # use everstep::archive::ARCHIVE_VARIABLE;
    /// use everstep::archive::Archive;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let archive = Archive::from_env().await?;
    /// # if std::env::var_os(ARCHIVE_VARIABLE).is_none() {
    /// assert!(archive.is_none()); // what is deleted is gone
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The variable has another text, or names what this program is built without.
    pub async fn from_env() -> Result<Option<Self>, ArchiveUrlError> {
        match std::env::var(ARCHIVE_VARIABLE) {
            Ok(url) if url.is_empty() => Ok(None),
            Ok(url) => Self::from_url(&url).await.map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(url)) => {
                Err(wrong(&url.to_string_lossy(), "it is no text"))
            }
        }
    }

    /// What `url` names; see [`from_env`](Self::from_env).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::archive::Archive;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let archive = Archive::from_url("file:/var/lib/orders/archive").await?;
    /// let backend = Backend::memory().with_archive(archive);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`from_env`](Self::from_env).
    pub async fn from_url(url: &str) -> Result<Self, ArchiveUrlError> {
        if let Some(folder) = url.strip_prefix("file:") {
            if folder.is_empty() {
                return Err(wrong(url, "it names no folder"));
            }
            return Ok(Self::new(FileArchive::new(folder)));
        }
        let Some(place) = url.strip_prefix("s3://") else {
            return Err(wrong(url, "it begins otherwise"));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(wrong(url, "it names no bucket"));
        }
        s3(url, bucket, prefix.trim_matches('/')).await
    }
}

#[cfg(feature = "s3")]
async fn s3(_: &str, bucket: &str, prefix: &str) -> Result<Archive, ArchiveUrlError> {
    let config = crate::aws::load_config().await;
    Ok(Archive::new(crate::aws::S3Archive::new(&config, bucket, prefix)?))
}

#[cfg(not(feature = "s3"))]
async fn s3(url: &str, _: &str, _: &str) -> Result<Archive, ArchiveUrlError> {
    Err(ArchiveUrlError::NotBuiltIn { url: url.to_owned(), feature: "s3" })
}

fn wrong(url: &str, problem: &'static str) -> ArchiveUrlError {
    ArchiveUrlError::Url { url: url.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_a_url_is_said() {
        for (url, problem) in [
            ("", "begins otherwise"),
            ("http://x", "begins otherwise"),
            ("file:", "no folder"),
            ("s3:///x", "no bucket"),
        ] {
            let error = Archive::from_url(url).await.expect_err(url).to_string();
            assert!(error.contains(problem) && error.contains("file:FOLDER"), "{error}");
        }
        let archive = Archive::from_url("file:/var/archive").await.expect("an archive");
        assert!(format!("{archive:?}").contains("/var/archive"));
    }
}
