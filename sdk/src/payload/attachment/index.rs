//! The index: which blobs the parts of an attachment are.

use serde::{Deserialize, Serialize};

use crate::limits::{ATTACHMENT_BYTES_MAX, ATTACHMENT_PART_BYTES, PAYLOAD_BYTES_MAX};
use crate::payload::PayloadError;

/// The version of its form.
const FORM: u64 = 1;

/// What an attachment consists of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    v: u64,
    /// How many bytes the attachment has.
    bytes: u64,
    /// How many bytes each part has, but for the last.
    part_bytes: u64,
    /// The codecs that parts went through: each combination once.
    codecs: Vec<Vec<String>>,
    /// For each part its blob, and which combination it is of.
    parts: Vec<(String, usize)>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its blob.
    pub(super) at: String,
    /// How many bytes it has when it is decoded.
    pub(super) bytes: usize,
    /// The codecs it went through.
    pub(super) codecs: Vec<String>,
}

impl Index {
    pub(super) fn new() -> Self {
        let part_bytes = ATTACHMENT_PART_BYTES as u64;
        Self { v: FORM, bytes: 0, part_bytes, codecs: Vec::new(), parts: Vec::new() }
    }

    /// The next part: these codecs have made this blob of it.
    pub(super) fn push(&mut self, at: String, codecs: Vec<String>) {
        let known = self.codecs.iter().position(|known| *known == codecs);
        let which = known.unwrap_or_else(|| {
            self.codecs.push(codecs);
            self.codecs.len() - 1
        });
        self.parts.push((at, which));
    }

    /// Its text, if the parts have so many bytes together.
    pub(super) fn write(mut self, bytes: u64) -> Vec<u8> {
        self.bytes = bytes;
        serde_json::to_vec(&self).expect("numbers and texts are always JSON")
    }

    /// The parts of an attachment of so many bytes, as its index has them.
    pub(super) fn read(text: &[u8], bytes: u64) -> Result<Vec<Part>, PayloadError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let damaged = |problem: &str| PayloadError::damaged(format!("its index {problem}"));
        let no_index = |error: serde_json::Error| damaged(&format!("is none: {error}"));
        let Version { v } = serde_json::from_slice(text).map_err(no_index)?;
        if v != FORM {
            return Err(PayloadError::Newer { version: v });
        }
        let index: Self = serde_json::from_slice(text).map_err(no_index)?;
        if index.bytes != bytes {
            return Err(damaged("is of another size"));
        }
        if !(1..=PAYLOAD_BYTES_MAX as u64).contains(&index.part_bytes) {
            return Err(damaged("has parts that are no parts"));
        }
        if index.parts.len() as u64 != bytes.div_ceil(index.part_bytes) {
            return Err(damaged("has too few or too many parts"));
        }
        let mut left = bytes;
        let part = |(at, which): (String, usize)| {
            let codecs = index.codecs.get(which).ok_or_else(|| damaged("names no codecs"))?;
            let bytes = left.min(index.part_bytes);
            left -= bytes;
            Ok(Part { at, bytes: bytes as usize, codecs: codecs.clone() })
        };
        index.parts.into_iter().map(part).collect()
    }
}

/// An index names each part by 64 digits, and few combinations of codecs.
const _: () = assert!(
    ATTACHMENT_BYTES_MAX.div_ceil(ATTACHMENT_PART_BYTES as u64) * 80 < PAYLOAD_BYTES_MAX as u64
);

#[cfg(test)]
mod tests {
    use super::*;

    const PART: u64 = ATTACHMENT_PART_BYTES as u64;

    fn index(parts: usize) -> Index {
        let mut index = Index::new();
        for part in 0..parts {
            let codecs = if part == 1 { vec!["zstd".to_owned()] } else { Vec::new() };
            index.push(format!("{part:064}"), codecs);
        }
        index
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        for (bytes, parts) in [(0, 0), (1, 1), (PART, 1), (PART + 1, 2), (3 * PART - 1, 3)] {
            let read = Index::read(&index(parts).write(bytes), bytes).expect("an index");
            assert_eq!(read.len(), parts);
            assert_eq!(read.iter().map(|part| part.bytes as u64).sum::<u64>(), bytes);
            for (number, part) in read.iter().enumerate() {
                assert_eq!(part.at, format!("{number:064}"));
                assert_eq!(part.codecs.is_empty(), number != 1);
            }
        }
    }

    #[test]
    fn the_largest_has_room_in_a_blob() {
        let parts = usize::try_from(ATTACHMENT_BYTES_MAX / PART).expect("they fit");
        assert!(index(parts).write(ATTACHMENT_BYTES_MAX).len() < PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn an_index_that_was_cut_or_is_of_another_attachment_is_damaged() {
        let whole = || index(3).write(3 * PART);
        let text = String::from_utf8(whole()).expect("text");
        for (text, bytes) in [
            (text[..text.len() - 1].to_owned(), 3 * PART),
            (text.clone(), 2 * PART),
            (String::from_utf8(index(2).write(3 * PART)).expect("text"), 3 * PART),
            (text.replace(",1]", ",7]"), 3 * PART),
            (text.replace(&format!("\"part_bytes\":{PART}"), "\"part_bytes\":0"), 3 * PART),
        ] {
            let error = Index::read(text.as_bytes(), bytes).expect_err("it is damaged");
            assert!(matches!(error, PayloadError::Damaged { .. }), "{error:?}");
        }
        let newer = text.replace("\"v\":1", "\"v\":2");
        let error = Index::read(newer.as_bytes(), 3 * PART).expect_err("it is newer");
        assert!(matches!(error, PayloadError::Newer { version: 2 }), "{error:?}");
    }
}
