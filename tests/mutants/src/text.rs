//! The text of a file with its mutants, and which part of it is whose.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::find::Mutant;

/// A file with its mutants.
pub(crate) struct Changed {
    pub(crate) text: String,
    /// Number, where what was put before is, and where that and all up to what was put after is.
    parts: Vec<(usize, Range<usize>, Range<usize>)>,
}

impl Changed {
    /// The mutant whose own text is there.
    pub(crate) fn own_at(&self, byte: usize) -> Option<usize> {
        let own = self.parts.iter().find(|(_, own, _)| own.contains(&byte));
        own.map(|(number, ..)| *number)
    }

    /// The innermost mutant around it.
    pub(crate) fn around(&self, byte: usize) -> Option<usize> {
        let around = self.parts.iter().filter(|(_, _, whole)| whole.contains(&byte));
        let inner = around.min_by_key(|(number, _, whole)| (whole.len(), Reverse(*number)));
        inner.map(|(number, ..)| *number)
    }

    /// The last mutant before it of which this is true.
    pub(crate) fn last_before(&self, byte: usize, is: impl Fn(usize) -> bool) -> Option<usize> {
        let before = self.parts.iter().filter(|(number, own, _)| own.end <= byte && is(*number));
        before.max_by_key(|(_, own, _)| own.start).map(|(number, ..)| *number)
    }
}

/// `text` with those of `mutants`, all of this file, that are not `off`.
pub(crate) fn changed<'a>(
    text: &str,
    mutants: impl Iterator<Item = &'a Mutant>,
    off: &BTreeSet<usize>,
) -> Changed {
    let mutants: Vec<_> = mutants.filter(|mutant| !off.contains(&mutant.number)).collect();
    // They are in the order in which they were met, the outer before the inner. At one place what
    // ends comes before what begins, and the inner ends first.
    let mut puts = Vec::new();
    for (index, mutant) in mutants.iter().enumerate() {
        let index = isize::try_from(index).expect("few");
        puts.push((mutant.at.start, true, index, &*mutant.before));
        if !mutant.after.is_empty() {
            puts.push((mutant.at.end, false, -index, mutant.after));
        }
    }
    puts.sort_unstable();
    let (mut out, mut from) = (String::new(), 0);
    let mut parts: Vec<_> = mutants.iter().map(|mutant| (mutant.number, 0..0, 0..0)).collect();
    for (at, begins, index, put) in puts {
        out.push_str(&text[from..at]);
        from = at;
        let start = out.len();
        out.push_str(put);
        let (_, own, whole) = &mut parts[index.unsigned_abs()];
        if begins {
            (*own, *whole) = (start..out.len(), start..out.len());
        } else {
            whole.end = out.len();
        }
    }
    out.push_str(&text[from..]);
    Changed { text: out, parts }
}
