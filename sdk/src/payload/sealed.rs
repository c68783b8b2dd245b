//! The sealed form: what stands in the place of a payload that does not stand there itself.
//!
//! It begins with exactly the bytes of [`MARK`]. A payload of a user's that begins so too is sealed
//! as well, whatever else is configured, so that one is never taken for the other.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::PayloadError;
use crate::event::Json;

/// How every sealed payload begins, byte for byte.
const MARK: &str = r#"{"$everstep":"#;

/// The codec that needs a key.
pub(super) const ENCRYPTED: &str = "aes-256-gcm";

/// The version of the sealed form.
const FORM: u64 = 1;

/// A sealed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sealed {
    /// It is the payload, which looks like a sealed one.
    Escaped(Json),
    /// It is made of what `stored` is, by these codecs, the last first.
    Stored { bytes: u64, codecs: Vec<String>, stored: Stored },
    /// It is in a form of a newer version.
    Newer { version: u64 },
}

/// Where the bytes of a sealed payload are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stored {
    /// Here, in base64.
    Here(String),
    /// In the payload store, in the execution's folder, under this name.
    At(String),
}

#[derive(Serialize)]
struct Out<'a> {
    #[serde(rename = "$everstep")]
    body: BodyOut<'a>,
}

#[derive(Serialize)]
struct BodyOut<'a> {
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    codecs: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
}

#[derive(Deserialize)]
struct In {
    #[serde(rename = "$everstep")]
    body: BodyIn,
}

#[derive(Deserialize)]
struct BodyIn {
    value: Option<Box<RawValue>>,
    bytes: Option<u64>,
    #[serde(default)]
    codecs: Vec<String>,
    at: Option<String>,
    data: Option<String>,
}

/// The beginning of any version's sealed form.
#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "$everstep")]
    body: Version,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Whether `json` begins as a sealed payload does.
pub(super) fn is_marked(json: &Json) -> bool {
    json.as_str().as_bytes().starts_with(MARK.as_bytes())
}

impl Sealed {
    /// Its text.
    pub(super) fn write(&self) -> Json {
        let (value, bytes, codecs, stored) = match self {
            Self::Escaped(value) => (Some(value), None, &[][..], None),
            Self::Stored { bytes, codecs, stored } => (None, Some(*bytes), &**codecs, Some(stored)),
            Self::Newer { version } => unreachable!("form {version} is not written here"),
        };
        let (at, data) = match stored {
            Some(Stored::At(at)) => (Some(&**at), None),
            Some(Stored::Here(data)) => (None, Some(&**data)),
            None => (None, None),
        };
        let out = Out { body: BodyOut { v: FORM, value, bytes, codecs, at, data } };
        // Numbers, texts and JSON that was valid when it was recorded.
        let text = serde_json::to_string(&out).expect("a sealed payload is always JSON");
        Json::from_written(text)
    }

    /// Reads `json`; `None` if it is no sealed payload. One that begins so and goes on otherwise is
    /// a value from before payloads were sealed.
    pub(super) fn read(json: &Json) -> Result<Option<Self>, PayloadError> {
        if !is_marked(json) {
            return Ok(None);
        }
        let Ok(Versioned { body: Version { v } }) = json.read() else { return Ok(None) };
        if v != FORM {
            return Ok(Some(Self::Newer { version: v }));
        }
        let damaged = || PayloadError::damaged("what stands in its place is incomplete");
        let In { body } = json.read().map_err(|_| damaged())?;
        Ok(Some(match body {
            BodyIn { value: Some(value), .. } => {
                Self::Escaped(Json::from_written(value.get().to_owned()))
            }
            BodyIn { bytes: Some(bytes), codecs, at: Some(at), data: None, .. } => {
                Self::Stored { bytes, codecs, stored: Stored::At(at) }
            }
            BodyIn { bytes: Some(bytes), codecs, at: None, data: Some(data), .. } => {
                Self::Stored { bytes, codecs, stored: Stored::Here(data) }
            }
            _ => return Err(damaged()),
        }))
    }
}

/// Reads what was sent to the execution. What was erased before it arrived is still sealed: an error,
/// whatever `T` would make of that.
pub(crate) fn read_arrived<T: DeserializeOwned>(json: &Json) -> Result<T, serde_json::Error> {
    if let Ok(Some(Sealed::Stored { bytes, .. })) = Sealed::read(json) {
        return Err(serde::de::Error::custom(format!(
            "its {bytes} bytes were sealed for an earlier run, which has been erased: send it again"
        )));
    }
    json.read()
}

/// A payload that could not be opened: what can be said of it all the same.
///
/// ```
/// use everstep::event::Json;
/// use everstep::payload::SealedPayload;
///
/// let stored = r#"{"$everstep":{"v":1,"bytes":7,"codecs":["zstd"],"at":"0123456789abcdef"}}"#;
/// let sealed = SealedPayload::of(&Json::parse(stored.to_owned())?).expect("it is sealed");
/// assert_eq!((sealed.bytes, sealed.codecs), (Some(7), vec!["zstd".to_owned()]));
/// assert_eq!(SealedPayload::of(&Json::record(&7)?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedPayload {
    /// Its size as JSON, in bytes, where it is known.
    pub bytes: Option<u64>,
    /// The codecs it went through, the first first.
    pub codecs: Vec<String>,
    /// The hash by which the payload store knows it, if it is there.
    pub at: Option<String>,
}

impl SealedPayload {
    /// What is known of `json`, if it is a sealed payload.
    #[must_use]
    pub fn of(json: &Json) -> Option<Self> {
        match Sealed::read(json) {
            Ok(Some(Sealed::Stored { bytes, codecs, stored })) => {
                let at = match stored {
                    Stored::At(at) => Some(at),
                    Stored::Here(_) => None,
                };
                Some(Self { bytes: Some(bytes), codecs, at })
            }
            Ok(Some(Sealed::Newer { .. })) | Err(_) => {
                Some(Self { bytes: None, codecs: Vec::new(), at: None })
            }
            Ok(Some(Sealed::Escaped(_)) | None) => None,
        }
    }
}

impl SealedPayload {
    /// Whether nobody can read it without a key, or what stood in a blob.
    pub(crate) fn is_hidden(&self) -> bool {
        self.at.is_some()
            || self.bytes.is_none()
            || self.codecs.iter().any(|codec| codec == ENCRYPTED)
    }
}

impl fmt::Display for SealedPayload {
    /// `<sealed: 12345 bytes, zstd, aes-256-gcm, at 1f0c...>`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<sealed")?;
        let bytes = self.bytes.map(|bytes| format!("{bytes} bytes"));
        let at = self.at.as_ref().map(|at| format!("at {:.12}", at));
        for (index, part) in bytes.into_iter().chain(self.codecs.clone()).chain(at).enumerate() {
            write!(f, "{} {part}", if index == 0 { ":" } else { "," })?;
        }
        f.write_str(">")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.to_owned()).expect("JSON")
    }

    #[test]
    fn the_sealed_form_is_the_one_of_the_page() {
        let page = include_str!("../../../docs/event-log.md");
        let codecs = vec!["zstd".to_owned(), "aes-256-gcm".to_owned()];
        let at = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
        for (sealed, text) in [
            (
                Sealed::Escaped(json(r#"{"$everstep":1}"#)),
                r#"{"$everstep":{"v":1,"value":{"$everstep":1}}}"#,
            ),
            (
                Sealed::Stored { bytes: 10_485_762, codecs: vec![], stored: Stored::At(at) },
                r#"{"$everstep":{"v":1,"bytes":10485762,"at":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}"#,
            ),
            (
                Sealed::Stored { bytes: 4, codecs, stored: Stored::Here("AQIDBA==".into()) },
                r#"{"$everstep":{"v":1,"bytes":4,"codecs":["zstd","aes-256-gcm"],"data":"AQIDBA=="}}"#,
            ),
        ] {
            assert_eq!(sealed.write().as_str(), text);
            assert_eq!(Sealed::read(&json(text)).expect("whole"), Some(sealed));
            assert!(page.contains(text), "docs/event-log.md must have {text}");
        }
    }

    #[test]
    fn what_is_not_sealed_is_left_alone() {
        for text in ["null", "{}", r#"{"$everstep":1}"#, r#"{ "$everstep":{"v":1}}"#, "[]"] {
            assert_eq!(Sealed::read(&json(text)).expect("plain"), None, "{text}");
        }
        let newer = Sealed::read(&json(r#"{"$everstep":{"v":2,"what":1}}"#)).expect("sealed");
        assert_eq!(newer, Some(Sealed::Newer { version: 2 }));
        assert!(Sealed::read(&json(r#"{"$everstep":{"v":1,"bytes":1}}"#)).is_err());
    }

    #[test]
    fn of_a_sealed_payload_size_and_codecs_are_known() {
        let text = r#"{"$everstep":{"v":1,"bytes":7,"codecs":["zstd"],"at":"0123456789abcdef"}}"#;
        let known = SealedPayload::of(&json(text)).expect("sealed");
        assert_eq!(known.to_string(), "<sealed: 7 bytes, zstd, at 0123456789ab>");
        assert_eq!(SealedPayload::of(&json("7")), None);
    }
}
