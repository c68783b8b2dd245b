//! The way from a refused value back to the root, gathered while its error travels up.

use std::cell::RefCell;
use std::fmt::Write;

/// Where an error has passed so far, and what a check of ours found.
#[derive(Default)]
pub(super) struct Trail {
    /// The innermost segment first.
    segments: RefCell<Vec<Segment>>,
    problem: RefCell<Option<String>>,
}

/// One step of the way.
pub(super) enum Segment {
    /// A field or a variant.
    Name(&'static str),
    /// A key of a map.
    Key(String),
    /// A place in a sequence.
    Index(usize),
}

impl Trail {
    /// Notes that a value is refused here.
    pub(super) fn refuse(&self, problem: impl Into<String>) {
        self.segments.borrow_mut().clear();
        *self.problem.borrow_mut() = Some(problem.into());
    }

    /// Notes that an error passes this segment on its way up.
    pub(super) fn pass(&self, segment: Segment) {
        self.segments.borrow_mut().push(segment);
    }

    /// The refusal with its path, if there was one.
    pub(super) fn refusal(&self) -> Option<String> {
        self.problem.borrow().as_deref().map(|problem| self.describe(problem))
    }

    /// `problem` with the path in front.
    pub(super) fn describe(&self, problem: &str) -> String {
        let mut path = String::new();
        for segment in self.segments.borrow().iter().rev() {
            // Writing to a String cannot fail.
            let _ = match segment {
                Segment::Name(name) if path.is_empty() => write!(path, "{name}"),
                Segment::Name(name) => write!(path, ".{name}"),
                Segment::Key(key) if !is_word(key) => write!(path, "[{key:?}]"),
                Segment::Key(key) if path.is_empty() => write!(path, "{key}"),
                Segment::Key(key) => write!(path, ".{key}"),
                Segment::Index(index) => write!(path, "[{index}]"),
            };
        }
        if path.is_empty() {
            format!("the value cannot be recorded: {problem}")
        } else {
            format!("`{path}` cannot be recorded: {problem}")
        }
    }
}

/// Whether a key reads well after a dot. The fields of a flattened struct come as keys.
fn is_word(key: &str) -> bool {
    key.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && key.chars().all(|c| c == '_' || c.is_alphanumeric())
}
