//! A commit: the events of one write, chained to the commit before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::Text;
use super::{Event, fast};
use crate::id::{CommitNumber, Life, WriterId};

/// The version of the stored form that this code writes.
const FORMAT: u32 = 1;

/// The hash that stands before commit 0.
const NO_HASH: [u8; 32] = [0; 32];

/// The events of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its place in the log.
    pub number: CommitNumber,
    /// Who wrote it.
    pub writer: WriterId,
    /// SHA-256 of its stored bytes.
    pub hash: [u8; 32],
    /// What happened, in order; never empty.
    pub events: Vec<Event>,
}

/// A commit as a store keeps it: opaque bytes (JSON), their hash, and who wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommit {
    /// Its place in the log.
    pub number: CommitNumber,
    /// Who wrote it.
    pub writer: WriterId,
    /// SHA-256 of `body`.
    pub hash: [u8; 32],
    /// The JSON text.
    pub body: Text,
    /// The [life](Life) of the execution that it is for: only as an argument of
    /// [`EventStore::append`](crate::store::EventStore::append). `None` is for whichever is there, and
    /// so it is in what stores return.
    pub life: Option<Life>,
}

/// What stands before a commit that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Previous {
    /// A commit with this hash, or nothing.
    Hash([u8; 32]),
    /// A commit of an earlier run, which was not read.
    Unread,
}

impl Previous {
    /// What stands before the first commit that is read, which has this number.
    pub(crate) fn before(number: CommitNumber) -> Self {
        if number == 0 { Self::Hash(NO_HASH) } else { Self::Unread }
    }
}

/// A stored commit that does not say what it must.
#[derive(Debug, thiserror::Error)]
#[error("commit {number} of the log cannot be trusted: {problem}")]
#[non_exhaustive]
pub struct CorruptCommit {
    /// Which commit.
    pub number: CommitNumber,
    /// What is wrong with it.
    pub problem: String,
    /// Its text is as it was written, and says what this program does not know: so a newer one has
    /// written it.
    pub(crate) is_newer: bool,
}

impl CorruptCommit {
    /// Nobody can trust it.
    pub(crate) fn new(number: CommitNumber, problem: impl Into<String>) -> Self {
        Self { number, problem: problem.into(), is_newer: false }
    }

    /// The log should hold this commit and does not.
    pub(crate) fn missing(number: CommitNumber) -> Self {
        Self::new(number, "it is missing")
    }
}

/// Why a commit's text cannot be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) problem: String,
    /// See [`CorruptCommit::is_newer`].
    is_newer: bool,
}

#[derive(Serialize)]
struct BodyOut<'a> {
    v: u32,
    n: CommitNumber,
    by: WriterId,
    prev: Hex,
    events: &'a [Event],
}

#[derive(Deserialize)]
struct BodyIn {
    v: u32,
    n: CommitNumber,
    by: WriterId,
    prev: Hex,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct BodyVersion {
    v: u32,
}

impl StoredCommit {
    /// The stored form of `events` as commit `number` after the commit with hash `previous`
    /// (`None` for commit 0).
    #[must_use]
    pub fn encode(
        number: CommitNumber,
        writer: WriterId,
        previous: Option<[u8; 32]>,
        events: &[Event],
    ) -> Self {
        assert!(!events.is_empty(), "a commit holds at least one event");
        let previous = previous.unwrap_or(NO_HASH);
        let body = fast::write(number, writer, previous, events)
            .unwrap_or_else(|| write(number, writer, previous, events));
        let hash = Sha256::digest(body.as_bytes()).into();
        Self { number, writer, hash, body: body.into(), life: None }
    }

    /// Reads the commit and checks everything that can be checked: its bytes against its hash,
    /// its number, its writer, and the hash of the commit before it (`None` for commit 0).
    ///
    /// # Errors
    /// Names the commit and what is wrong with it.
    pub fn decode(&self, previous: Option<[u8; 32]>) -> Result<Commit, CorruptCommit> {
        self.decode_after(Previous::Hash(previous.unwrap_or(NO_HASH)))
    }

    pub(crate) fn decode_after(&self, previous: Previous) -> Result<Commit, CorruptCommit> {
        let mut events = Vec::with_capacity(1);
        self.decode_into(&mut events, previous)?;
        let Self { number, writer, hash, .. } = *self;
        Ok(Commit { number, writer, hash, events })
    }

    /// The same, with its events put behind those that are there; after an error, some may be.
    pub(crate) fn decode_into(
        &self,
        events: &mut Vec<Event>,
        previous: Previous,
    ) -> Result<(), CorruptCommit> {
        let corrupt = |problem: String| CorruptCommit::new(self.number, problem);
        if <[u8; 32]>::from(Sha256::digest(self.body.as_bytes())) != self.hash {
            return Err(corrupt("its text does not match its hash: it was cut or edited".into()));
        }
        let there = events.len();
        let body = match fast::read(&self.body, events) {
            Some(head) => head,
            None => read(&self.body, events).map_err(|Unread { problem, is_newer }| {
                CorruptCommit { number: self.number, problem, is_newer }
            })?,
        };
        if body.number != self.number || body.writer != self.writer {
            let (number, writer) = (body.number, body.writer);
            return Err(corrupt(format!("its text says it is commit {number} by {writer}")));
        }
        if let Previous::Hash(previous) = previous
            && body.previous != previous
        {
            return Err(corrupt("it does not follow the commit before it".into()));
        }
        if events.len() == there {
            return Err(corrupt("it holds no event".into()));
        }
        Ok(())
    }
}

/// Writes a commit's text.
pub(super) fn write(
    number: CommitNumber,
    writer: WriterId,
    previous: [u8; 32],
    events: &[Event],
) -> String {
    let body = BodyOut { v: FORMAT, n: number, by: writer, prev: Hex(previous), events };
    // Every part is text, numbers or JSON that was valid when it was recorded.
    serde_json::to_string(&body).expect("events are always JSON")
}

/// Reads a commit's text.
pub(super) fn read(text: &str, into: &mut Vec<Event>) -> Result<fast::Head, Unread> {
    let other_version = |v: u32| {
        let problem = format!(
            "it has format version {v} and this program reads version {FORMAT}: use a newer one"
        );
        Unread { problem, is_newer: v > FORMAT }
    };
    match serde_json::from_str(text) {
        Ok(BodyIn { v, .. }) if v != FORMAT => Err(other_version(v)),
        Ok(BodyIn { n, by, prev, events, .. }) => {
            into.extend(events);
            Ok(fast::Head { number: n, writer: by, previous: prev.0 })
        }
        Err(error) => Err(match serde_json::from_str(text) {
            Ok(BodyVersion { v }) if v != FORMAT => other_version(v),
            _ => Unread {
                problem: format!(
                    "this program does not understand it (a newer one may have written it): {error}"
                ),
                // It is JSON, whole by its hash, and has a kind of event or the like that is new.
                is_newer: error.is_data(),
            },
        }),
    }
}

/// 32 bytes as 64 lower-case hexadecimal digits.
pub(super) struct Hex(pub(super) [u8; 32]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The value of each digit; 255 for every other byte.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl Hex {
    pub(super) fn push_to(&self, out: &mut String) {
        out.push_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"));
    }

    fn digits(&self) -> [u8; 64] {
        let mut text = [0_u8; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = PAIRS[usize::from(byte)];
        }
        text
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let (mut bytes, mut seen) = ([0; 32], 0);
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| VALUES[usize::from(digit)]);
            seen |= high | low;
            *byte = high << 4 | low;
        }
        (seen <= 15).then_some(Self(bytes))
    }
}

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Hex;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("64 hexadecimal digits")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex, E> {
                let unexpected = serde::de::Unexpected::Str(text);
                Hex::parse(text).ok_or_else(|| E::invalid_value(unexpected, &self))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}
