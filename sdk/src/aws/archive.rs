//! The archive in an S3 bucket.

use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;

use super::payloads::S3Payloads;
use crate::archive::{ArchiveError, ArchiveFile, ArchiveStore};

/// An [`ArchiveStore`] in a bucket: `PREFIX/<name>`.
///
/// An object is put on condition that none has its name (`If-None-Match`), with a SHA-256 checksum that
/// S3 verifies, and read back before anything is deleted. The bucket must be there. The program's role
/// needs `s3:PutObject` and `s3:GetObject` on the prefix, and `s3:ListBucket` on the bucket, without
/// which S3 does not say that an object is missing
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::archive::Archive;
/// use everstep::aws::{S3Archive, load_config};
/// use everstep::prelude::*;
///
/// let archive = Archive::new(S3Archive::new(&load_config().await, "my-bucket", "histories")?);
/// let app = App::new().archive(archive).retention(days(90));
/// # let _ = app;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct S3Archive(S3Payloads);

impl S3Archive {
    /// The archive under `prefix` (which may be empty) in `bucket`. Nothing is asked yet.
    ///
    /// # Errors
    /// The configuration has no region.
    pub fn new(
        config: &SdkConfig,
        bucket: impl Into<String>,
        prefix: impl Into<String>,
    ) -> Result<Self, ArchiveError> {
        let variable = crate::archive::ARCHIVE_VARIABLE;
        Ok(Self(S3Payloads::new(config, bucket, prefix)?.named_by(variable)))
    }
}

#[async_trait]
impl ArchiveStore for S3Archive {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        Ok(self.0.put_object(name, &bytes.into()).await.map(drop)?)
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        Ok(self.0.get_object(name).await?)
    }

    async fn put_file(&self, name: &str, file: &ArchiveFile) -> Result<(), ArchiveError> {
        Ok(self.0.put_file(name, file).await?)
    }

    async fn hash(&self, name: &str) -> Result<Option<[u8; 32]>, ArchiveError> {
        Ok(self.0.hash_object(name).await?)
    }
}

impl fmt::Debug for S3Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("S3Archive", f)
    }
}
