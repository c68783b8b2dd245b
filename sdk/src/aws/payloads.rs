//! The payload store in an S3 bucket.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::errors::{Fault, Place, cause, classify};
use crate::archive::{ArchiveFile, time_of};
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::payload::{
    BlobBytes, BlobName, Folder, PAYLOADS_VARIABLE, PayloadError, PayloadStore, Put,
};

/// How long a connection may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long one try of a call may take: the largest payload at eleven megabits a second.
const ATTEMPT_MAX: Duration = Duration::from_secs(25);

/// How long a call may take with all its tries.
const OPERATION_MAX: Duration = Duration::from_secs(60);

/// How much memory an answer gets before it has come: what says that it is longer may be wrong.
const BLOB_BYTES_EXPECTED: usize = PAYLOAD_BYTES_MAX + 65_536;

/// A [`PayloadStore`] in a bucket: `PREFIX/<execution>/<blob>`.
///
/// Blobs are put on condition that they are not there (`If-None-Match`), with a SHA-256 checksum that
/// S3 verifies. The bucket must be there; versioning keeps what is erased, so leave it off, or let a
/// lifecycle rule expire what is not current. The program's role needs `s3:PutObject` and
/// `s3:GetObject` on the prefix, and `s3:ListBucket` on the bucket, without which S3 does not say
/// that a blob is missing
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>); to erase,
/// `s3:DeleteObject`.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::aws::{S3Payloads, load_config};
/// use everstep::payload::Payloads;
/// use everstep::prelude::*;
///
/// let store = S3Payloads::new(&load_config().await, "my-bucket", "payloads")?;
/// let app = App::new().payloads(Payloads::new(store));
/// # let _ = app;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct S3Payloads {
    client: Client,
    bucket: String,
    prefix: String,
    place: Place,
    /// The variable of the environment that names it.
    variable: &'static str,
}

impl S3Payloads {
    /// The store under `prefix` (which may be empty) in `bucket`. Nothing is asked yet.
    ///
    /// # Errors
    /// The configuration has no region.
    pub fn new(
        config: &SdkConfig,
        bucket: impl Into<String>,
        prefix: impl Into<String>,
    ) -> Result<Self, PayloadError> {
        let (bucket, prefix) = (bucket.into(), prefix.into());
        let place = Place::new("bucket", &bucket, config)
            .map_err(|remedy| PayloadError::Unusable { remedy, source: None })?;
        // What listens at an endpoint of one's own need not know a host's name for each bucket.
        let own =
            config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_MAX)
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(OPERATION_MAX)
            .build();
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(own)
            .timeout_config(timeouts)
            .build();
        let variable = PAYLOADS_VARIABLE;
        Ok(Self { client: Client::from_conf(config), bucket, prefix, place, variable })
    }

    /// The same, named by another variable.
    pub(super) fn named_by(self, variable: &'static str) -> Self {
        Self { variable, ..self }
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn failed<E>(&self, action: &'static str, error: SdkError<E, HttpResponse>) -> PayloadError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        if error.code() == Some("NoSuchBucket") {
            let Self { place, variable, .. } = self;
            let remedy = format!("{place} does not exist: create it, or correct {variable}");
            return PayloadError::unusable(remedy, cause(&error));
        }
        match classify(action, &self.place, &error) {
            Fault::Later(reason) => PayloadError::unavailable(reason, cause(&error)),
            Fault::Never(remedy) => PayloadError::unusable(remedy, cause(&error)),
        }
    }

    /// Puts an object, unless one has its name.
    pub(super) async fn put_object(
        &self,
        name: &str,
        bytes: &BlobBytes,
    ) -> Result<Put, PayloadError> {
        let put = self.client.put_object().bucket(&self.bucket).key(self.path(name));
        let put = put
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(Bytes::from_owner(bytes.clone())));
        self.is_put(put.send().await)
    }

    fn is_put(
        &self,
        answer: Result<PutObjectOutput, SdkError<PutObjectError, HttpResponse>>,
    ) -> Result<Put, PayloadError> {
        match answer {
            Ok(_) => Ok(Put::New),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(Put::Exists),
            // Another put of the same name is under way.
            Err(error) if error.code() == Some("ConditionalRequestConflict") => {
                let reason = "another write of the same blob is under way";
                Err(PayloadError::unavailable(reason, cause(&error)))
            }
            Err(error) => Err(self.failed("s3:PutObject", error)),
        }
    }

    /// Puts an object that has what `file` has, read bit by bit, unless one has its name.
    pub(super) async fn put_file(
        &self,
        name: &str,
        file: &ArchiveFile,
    ) -> Result<(), PayloadError> {
        let body = ByteStream::from_path(file.path()).await.map_err(|error| {
            let remedy = format!("{} must stay until it is archived", file.path().display());
            PayloadError::unusable(remedy, error)
        })?;
        let put = self.client.put_object().bucket(&self.bucket).key(self.path(name));
        let put = put.if_none_match("*").checksum_sha256(STANDARD.encode(file.sha256())).body(body);
        let put = put.customize().config_override(slow(file.bytes()));
        self.is_put(put.send().await).map(drop)
    }

    /// The object of this name.
    pub(super) async fn get_object(&self, name: &str) -> Result<Option<Vec<u8>>, PayloadError> {
        let Some((length, mut body)) = self.open_object(name).await? else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(0).min(BLOB_BYTES_EXPECTED);
        let mut bytes = Vec::with_capacity(length);
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part.map_err(cut_off)?);
        }
        Ok(Some(bytes))
    }

    /// The SHA-256 of the object of this name, read bit by bit.
    pub(super) async fn hash_object(&self, name: &str) -> Result<Option<[u8; 32]>, PayloadError> {
        let Some((_, mut body)) = self.open_object(name).await? else { return Ok(None) };
        let mut hash = Sha256::new();
        while let Some(part) = body.next().await {
            hash.update(part.map_err(cut_off)?);
        }
        Ok(Some(hash.finalize().into()))
    }

    /// How long the object of this name is, as its store says, and its bytes.
    async fn open_object(&self, name: &str) -> Result<Option<(i64, ByteStream)>, PayloadError> {
        let get = self.client.get_object().bucket(&self.bucket).key(self.path(name));
        match get.send().await {
            Ok(answer) => Ok(Some((answer.content_length().unwrap_or(0), answer.body))),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(self.failed("s3:GetObject", error)),
        }
    }

    pub(super) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, .. } = self;
        f.debug_struct(name).field("bucket", bucket).field("prefix", prefix).finish()
    }
}

#[async_trait]
impl PayloadStore for S3Payloads {
    async fn put(&self, name: &BlobName, bytes: &BlobBytes) -> Result<Put, PayloadError> {
        self.put_object(&name.to_string(), bytes).await
    }

    async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, PayloadError> {
        self.get_object(&name.to_string()).await
    }

    async fn has(&self, name: &BlobName) -> Result<bool, PayloadError> {
        let key = self.path(&name.to_string());
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(true),
            // The answer to a HEAD has no body, and so no other code.
            Err(error) if error.code() == Some("NotFound") => Ok(false),
            Err(error) => Err(self.failed("s3:GetObject", error)),
        }
    }

    async fn remove(&self, name: &BlobName) -> Result<(), PayloadError> {
        let key = self.path(&name.to_string());
        let removed = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        removed.map(drop).map_err(|error| self.failed("s3:DeleteObject", error))
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<BlobName>, PayloadError> {
        let prefix = self.path(&format!("{folder}/"));
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix);
        let mut pages = list.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("s3:ListBucket", error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            names.extend(keys.filter_map(|key| folder.blob(key.strip_prefix(&prefix)?)));
        }
        Ok(names)
    }
}

fn cut_off(error: ByteStreamError) -> PayloadError {
    PayloadError::unavailable("the answer to s3:GetObject was cut off", error)
}

/// The time that so many bytes have to be put: less than the archive gives it.
fn slow(bytes: u64) -> aws_sdk_s3::config::Builder {
    let more = time_of(bytes);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_MAX)
        .operation_attempt_timeout(ATTEMPT_MAX + more)
        .operation_timeout(OPERATION_MAX + more)
        .build();
    aws_sdk_s3::config::Config::builder().timeout_config(timeouts)
}

impl fmt::Debug for S3Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("S3Payloads", f)
    }
}
