//! Which payload store: chosen by a URL, usually that of `EVERSTEP_PAYLOADS`.

use std::path::Path;

use super::{FilePayloads, MemoryPayloads, PayloadError, Payloads};

/// The environment variable that names the payload store.
///
/// ```
/// use everstep::payload::PAYLOADS_VARIABLE;
///
/// let mut host = std::process::Command::new("orders");
/// host.env(PAYLOADS_VARIABLE, "s3://orders/payloads?zstd=on");
/// assert_eq!(PAYLOADS_VARIABLE, "EVERSTEP_PAYLOADS");
/// ```
pub const PAYLOADS_VARIABLE: &str = "EVERSTEP_PAYLOADS";

/// Why there are no [`Payloads`].
///
/// ```
/// use everstep::payload::{Payloads, PayloadsError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match Payloads::from_url("file:").await {
///     Err(PayloadsError::Url { problem, .. }) => assert_eq!(problem, "it names no folder"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadsError {
    /// The URL is not one: correct it.
    #[error(
        "{url:?} names no payload store ({problem}): use `file:FOLDER` or `s3://BUCKET/PREFIX`, and \
         `?threshold=BYTES`, `&zstd=on` and `&key=FILE` or \
         `&key=kms:KEY` behind it where they are wanted"
    )]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        problem: String,
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
    Store(#[from] PayloadError),
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parsed<'a> {
    place: Place<'a>,
    threshold: Option<usize>,
    zstd: bool,
    key: Option<Key<'a>>,
}

/// What wraps data keys.
#[derive(Debug, PartialEq, Eq)]
enum Key<'a> {
    File(&'a Path),
    Kms(&'a str),
}

#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Memory,
    File(&'a str),
    S3 { bucket: &'a str, prefix: &'a str },
}

impl Payloads {
    /// What the variable `EVERSTEP_PAYLOADS` names; without it, [`none`](Self::none).
    ///
    /// | URL | payload store |
    /// |---|---|
    /// | `file:FOLDER` | a folder, made if it is missing |
    /// | `s3://BUCKET/PREFIX` | a bucket, which must be there, with the feature `s3` |
    /// | `memory:` | this process; gone when it ends |
    ///
    /// Behind it may stand `?threshold=BYTES`, and for the codecs `&zstd=on` (feature `zstd`) and what
    /// encrypts data keys: `&key=FILE` (feature `encryption`: a file of 32 random bytes), or
    /// `&key=kms:KEY` (feature `kms`: `alias/NAME`, the id of a key of AWS KMS, or an ARN).
    ///
    /// ```
    /// # use everstep::payload::PAYLOADS_VARIABLE;
    /// use everstep::payload::Payloads;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let payloads = Payloads::from_env().await?;
    /// # if std::env::var_os(PAYLOADS_VARIABLE).is_none() {
    /// assert_eq!(format!("{payloads:?}"), "Payloads::none()"); // they stand in the log
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The variable has another text, or names what this program is built without or cannot use.
    pub async fn from_env() -> Result<Self, PayloadsError> {
        match std::env::var(PAYLOADS_VARIABLE) {
            Ok(url) if url.is_empty() => Ok(Self::none()),
            Ok(url) => Self::from_url(&url).await,
            Err(std::env::VarError::NotPresent) => Ok(Self::none()),
            Err(std::env::VarError::NotUnicode(url)) => {
                Err(wrong(&url.to_string_lossy(), "it is no text"))
            }
        }
    }

    /// What `url` names; see [`from_env`](Self::from_env).
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// use everstep::payload::Payloads;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let payloads = Payloads::from_url("memory:?threshold=16384&zstd=on").await?;
    /// let backend = Backend::memory().with_payloads(payloads);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`from_env`](Self::from_env).
    pub async fn from_url(url: &str) -> Result<Self, PayloadsError> {
        let Parsed { place, threshold, zstd, key } = parse(url)?;
        let mut payloads = match place {
            Place::Memory => Self::new(MemoryPayloads::new()),
            Place::File(folder) => Self::new(FilePayloads::new(folder)),
            Place::S3 { bucket, prefix } => s3(url, bucket, prefix).await?,
        };
        if let Some(bytes) = threshold {
            payloads = payloads.threshold(bytes);
        }
        if zstd {
            payloads = with_zstd(url, payloads)?;
        }
        match key {
            Some(Key::File(file)) => with_key(url, payloads, file),
            Some(Key::Kms(key)) => with_kms(url, payloads, key).await,
            None => Ok(payloads),
        }
    }
}

#[cfg(feature = "s3")]
async fn s3(_: &str, bucket: &str, prefix: &str) -> Result<Payloads, PayloadsError> {
    let config = crate::aws::load_config().await;
    Ok(Payloads::new(crate::aws::S3Payloads::new(&config, bucket, prefix)?))
}

#[cfg(not(feature = "s3"))]
async fn s3(url: &str, _: &str, _: &str) -> Result<Payloads, PayloadsError> {
    Err(not_built_in(url, "s3"))
}

#[cfg(feature = "zstd")]
fn with_zstd(_: &str, payloads: Payloads) -> Result<Payloads, PayloadsError> {
    Ok(payloads.codec(super::Zstd::new()))
}

#[cfg(not(feature = "zstd"))]
fn with_zstd(url: &str, _: Payloads) -> Result<Payloads, PayloadsError> {
    Err(not_built_in(url, "zstd"))
}

#[cfg(feature = "encryption")]
fn with_key(_: &str, payloads: Payloads, file: &Path) -> Result<Payloads, PayloadsError> {
    Ok(payloads.codec(super::Encryption::new(super::LocalKeys::from_file(file)?)))
}

#[cfg(not(feature = "encryption"))]
fn with_key(url: &str, _: Payloads, _: &Path) -> Result<Payloads, PayloadsError> {
    Err(not_built_in(url, "encryption"))
}

#[cfg(feature = "kms")]
async fn with_kms(_: &str, payloads: Payloads, key: &str) -> Result<Payloads, PayloadsError> {
    let config = crate::aws::load_config().await;
    Ok(payloads.codec(super::Encryption::new(crate::aws::KmsKeys::new(&config, key)?)))
}

#[cfg(not(feature = "kms"))]
async fn with_kms(url: &str, _: Payloads, _: &str) -> Result<Payloads, PayloadsError> {
    Err(not_built_in(url, "kms"))
}

#[cfg(not(all(feature = "s3", feature = "zstd", feature = "encryption", feature = "kms")))]
fn not_built_in(url: &str, feature: &'static str) -> PayloadsError {
    PayloadsError::NotBuiltIn { url: url.to_owned(), feature }
}

fn wrong(url: &str, problem: impl Into<String>) -> PayloadsError {
    PayloadsError::Url { url: url.to_owned(), problem: problem.into() }
}

fn parse(url: &str) -> Result<Parsed<'_>, PayloadsError> {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let place = if let Some(folder) = place.strip_prefix("file:") {
        if folder.is_empty() {
            return Err(wrong(url, "it names no folder"));
        }
        Place::File(folder)
    } else if let Some(rest) = place.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong(url, "it names no bucket"));
        }
        Place::S3 { bucket, prefix: prefix.trim_matches('/') }
    } else if place == "memory:" {
        Place::Memory
    } else {
        return Err(wrong(url, "it begins otherwise"));
    };
    let mut parsed = Parsed { place, threshold: None, zstd: false, key: None };
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("threshold", bytes)) => {
                let bytes = bytes.parse().map_err(|_| wrong(url, "a threshold is a number"))?;
                parsed.threshold = Some(bytes);
            }
            Some(("zstd", "on")) => parsed.zstd = true,
            Some(("zstd", "off")) => parsed.zstd = false,
            Some(("key", key)) if !matches!(key, "" | "kms:") => {
                parsed.key = Some(match key.strip_prefix("kms:") {
                    Some(key) => Key::Kms(key),
                    None => Key::File(Path::new(key)),
                });
            }
            _ => return Err(wrong(url, format!("{parameter:?} is no parameter"))),
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place_and_what_is_done_on_the_way() {
        let parsed = parse("file:/var/payloads?threshold=10&zstd=on&key=/etc/key").expect("a URL");
        let place = Place::File("/var/payloads");
        let key = Some(Key::File(Path::new("/etc/key")));
        assert_eq!(parsed, Parsed { place, threshold: Some(10), zstd: true, key });
        for key in ["alias/orders", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab"] {
            let url = format!("s3://bucket?key=kms:{key}&zstd=on");
            assert_eq!(parse(&url).expect("a URL").key, Some(Key::Kms(key)));
        }
        let parsed = parse("s3://bucket/a/b/").expect("a URL");
        assert_eq!(parsed.place, Place::S3 { bucket: "bucket", prefix: "a/b" });
        assert_eq!(
            parse("s3://bucket").expect("a URL").place,
            Place::S3 { bucket: "bucket", prefix: "" }
        );
        assert_eq!(parse("memory:").expect("a URL").place, Place::Memory);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (url, problem) in [
            ("", "begins otherwise"),
            ("http://x", "begins otherwise"),
            ("file:", "no folder"),
            ("s3:///x", "no bucket"),
            ("file:x?threshold=many", "a threshold is a number"),
            ("file:x?zstd=yes", "\"zstd=yes\" is no parameter"),
            ("file:x?key=", "\"key=\" is no parameter"),
            ("file:x?key=kms:", "\"key=kms:\" is no parameter"),
        ] {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.contains(problem) && error.contains("file:FOLDER"), "{error}");
        }
    }
}
