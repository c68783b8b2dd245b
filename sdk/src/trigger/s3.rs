//! Objects in S3.

use serde::Deserialize;

use super::Malformed;

/// Something happened to an object in S3.
///
/// It comes the same whichever way S3's notification took: to the function itself, through an SQS
/// queue, through an SNS topic and a queue, or over EventBridge.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::trigger::{Action, S3Change, S3Object, StartAction};
/// # #[workflow] async fn resize(picture: String) -> everstep::Result<String> { Ok(picture) }
///
/// /// For `App::on`.
/// fn on_object(object: S3Object) -> Option<StartAction> {
///     let is_new = object.change == S3Change::Created && object.bucket == "pictures";
///     is_new.then(|| Action::start(resize, object.key))
/// }
///
/// // A test of it:
/// let mut object = S3Object::created("pictures", "cat.jpg");
/// assert!(on_object(object.clone()).is_some());
/// object.change = S3Change::Deleted;
/// assert!(on_object(object).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Object {
    /// What happened.
    pub change: S3Change,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded: as `GetObject` takes it.
    pub key: String,
    /// The object's size, in bytes; S3 gives none of a deleted one.
    pub size: Option<u64>,
    /// The object's entity tag.
    pub etag: Option<String>,
    /// The object's version, if the bucket keeps versions.
    pub version: Option<String>,
    /// Of two changes of one key the later has the greater one: a hexadecimal number, so the shorter
    /// text is to be padded with zeros on the left before the two are compared.
    pub sequencer: Option<String>,
    /// When it happened, as S3 writes it: `2026-11-26T12:00:00.000Z`.
    pub time: String,
    /// The id of the request that did it.
    pub request: Option<String>,
}

/// What happened to an object.
///
/// ```
/// use everstep::trigger::S3Change;
///
/// fn is_restored(change: &S3Change) -> bool {
///     match change {
///         S3Change::Created | S3Change::Deleted => false,
///         // Of a bucket that tells the function itself, or one that tells EventBridge.
///         S3Change::Other(name) => name == "ObjectRestore:Completed" || name == "Object Restore Completed",
///     }
/// }
///
/// assert!(is_restored(&S3Change::Other("ObjectRestore:Completed".to_owned())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Change {
    /// It was stored: put, posted, copied, or uploaded in parts.
    Created,
    /// It was deleted, or hidden by a delete marker.
    Deleted,
    /// Anything else, by the name that S3 gives it: `ObjectTagging:Put`, or over EventBridge
    /// `Object Tags Added`.
    Other(String),
}

impl S3Object {
    /// An object that was stored, as tests of closures need it.
    #[must_use]
    pub fn created(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            change: S3Change::Created,
            bucket: bucket.into(),
            key: key.into(),
            size: None,
            etag: None,
            version: None,
            sequencer: None,
            time: String::new(),
            request: None,
        }
    }

    pub(super) fn identity(&self) -> String {
        let Self { bucket, key, time, .. } = self;
        if let Some(sequencer) = &self.sequencer {
            // The same number, whichever way it comes: S3's pages show it with leading zero bytes and
            // in capitals in a notification, and without and in small letters on a bus.
            let sequencer = sequencer.trim_start_matches("00").to_ascii_uppercase();
            return format!("s3/{bucket}/{key}#{sequencer}");
        }
        // Only puts and deletes have one. Of what else happens, several things may within a second,
        // and an event on a bus says no more of its time.
        let [version, request] =
            [&self.version, &self.request].map(|it| it.as_deref().unwrap_or_default());
        let change = self.change.name();
        format!("s3/{bucket}/{key}#{version}@{time}/{change}/{request}")
    }
}

impl S3Change {
    fn name(&self) -> &str {
        match self {
            Self::Created => "Created",
            Self::Deleted => "Deleted",
            Self::Other(name) => name,
        }
    }
}

/// The name of what cannot be read.
const WHAT: &str = "a record of S3";

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    event_time: String,
    response_elements: Option<Response>,
    s3: Entity,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "x-amz-request-id")]
    request: Option<String>,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(alias = "versionId", rename = "version-id")]
    version: Option<String>,
    sequencer: Option<String>,
}

impl Object {
    fn of(
        self,
        bucket: Bucket,
        change: S3Change,
        time: String,
        request: Option<String>,
    ) -> S3Object {
        S3Object {
            change,
            bucket: bucket.name,
            key: self.key,
            size: self.size,
            etag: self.etag,
            version: self.version,
            sequencer: self.sequencer,
            time,
            request,
        }
    }
}

/// Reads one record of a notification. The key in it is URL-encoded.
pub(super) fn read_record(record: &str) -> Result<S3Object, Malformed> {
    let record: Record =
        serde_json::from_str(record).map_err(|error| Malformed::new(WHAT, error))?;
    let Entity { bucket, mut object } = record.s3;
    object.key = decode(&object.key)?;
    let name = record.event_name;
    // Notifications through a queue or topic have had the prefix in their configuration only.
    let change = match name.trim_start_matches("s3:") {
        created if created.starts_with("ObjectCreated:") => S3Change::Created,
        deleted if deleted.starts_with("ObjectRemoved:") => S3Change::Deleted,
        expired if expired.starts_with("LifecycleExpiration:") => S3Change::Deleted,
        other => S3Change::Other(other.to_owned()),
    };
    let request = record.response_elements.and_then(|it| it.request);
    Ok(object.of(bucket, change, record.event_time, request))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
    #[serde(rename = "request-id")]
    request: Option<String>,
}

/// Reads the detail of an event of S3 on a bus, where the key stands as it is. `None` if the event
/// is about no object.
pub(super) fn read_detail(detail_type: &str, time: &str, detail: &str) -> Option<S3Object> {
    let Detail { bucket, object, request } = serde_json::from_str(detail).ok()?;
    let change = match detail_type {
        "Object Created" => S3Change::Created,
        "Object Deleted" => S3Change::Deleted,
        other => S3Change::Other(other.to_owned()),
    };
    Some(object.of(bucket, change, time.to_owned(), request))
}

/// Decodes a key as forms encode it: `red+flower%2B1.jpg` is `red flower+1.jpg`.
fn decode(key: &str) -> Result<String, Malformed> {
    let refused = || Malformed::new(WHAT, format_args!("the key {key:?} is not URL-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else { return Err(refused()) };
                u8::try_from(high * 16 + low).map_err(|_| refused())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_decoded_as_forms_encode_it() {
        for (encoded, key) in [
            ("cat.jpg", "cat.jpg"),
            ("red+flower%2B1.jpg", "red flower+1.jpg"),
            ("a%2fb/%C3%A4%F0%9F%90%88", "a/b/ä🐈"),
            ("", ""),
            ("100%25", "100%"),
        ] {
            assert_eq!(decode(encoded).as_deref(), Ok(key), "{encoded}");
        }
        for encoded in ["100%", "%4", "%zz", "%ff", "%+1"] {
            let refused = decode(encoded).expect_err(encoded).to_string();
            assert!(refused.contains(encoded), "{refused}");
        }
    }

    #[test]
    fn another_change_of_a_key_has_another_identity() {
        let object = S3Object { sequencer: Some("01".into()), ..S3Object::created("b", "k") };
        let later = S3Object { sequencer: Some("02".into()), ..object.clone() };
        assert_eq!(object.identity(), "s3/b/k#01");
        assert_ne!(object.identity(), later.identity());
        let of = |sequencer: &str| S3Object { sequencer: Some(sequencer.into()), ..object.clone() };
        assert_eq!(of("00617F08299329D189").identity(), of("617f08299329d189").identity());
        let tagged = S3Object { time: "t1".into(), ..S3Object::created("b", "k") };
        let again = S3Object { time: "t2".into(), ..tagged.clone() };
        assert_ne!(tagged.identity(), again.identity());
        // Within one second, which is all that a bus says.
        let change = S3Change::Other("Object ACL Updated".into());
        let other = S3Object { change, ..tagged.clone() };
        assert_ne!(tagged.identity(), other.identity());
        let asked = S3Object { request: Some("R1".into()), ..tagged.clone() };
        assert_ne!(tagged.identity(), asked.identity());
    }
}
