//! Text that is shared instead of copied.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A piece of an immutable text. Clones and pieces of it are handles to the same memory, which
/// lives as long as any of them: a log that was read in one go is one piece of memory, down to the
/// values in its events.
///
/// ```
/// use everstep::event::Text;
///
/// let whole = Text::from("reserve, charge, ship");
/// let piece = whole.piece(9..15); // no copy
/// drop(whole);
/// assert_eq!(&*piece, "charge");
/// ```
#[derive(Clone)]
pub struct Text {
    /// Not `Arc<str>`, which copies the text it is made of.
    whole: Arc<String>,
    range: Range<usize>,
}

/// Above how many bytes memory that a text does not use is given back.
const SPARE_MAX: usize = 64 * 1024;

impl Text {
    /// The piece of this text at `range`, in bytes.
    ///
    /// # Panics
    /// `range` does not lie within this text, or cuts a character in two.
    #[must_use]
    pub fn piece(&self, range: Range<usize>) -> Self {
        let _in_bounds = &self[range.clone()];
        let start = self.range.start;
        Self { whole: Arc::clone(&self.whole), range: start + range.start..start + range.end }
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.whole[self.range.clone()]
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Text {
    fn from(mut text: String) -> Self {
        // What was written piece by piece may have twice the memory that it needs.
        if text.capacity() - text.len() > SPARE_MAX {
            text.shrink_to_fit();
        }
        Self { range: 0..text.len(), whole: Arc::new(text) }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_piece_is_the_right_one() {
        let piece = Text::from("one two three").piece(4..13);
        assert_eq!(&*piece, "two three");
        assert_eq!(&*piece.piece(4..9), "three");
        assert_eq!(piece.piece(0..0), Text::from(""));
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn a_piece_does_not_reach_beyond_the_piece_it_is_of() {
        let _ = Text::from("one two").piece(0..3).piece(0..7);
    }
}
