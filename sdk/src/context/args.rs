//! A step's arguments, as they are recorded.

use serde::Serialize;

use super::record::too_large;
use crate::event::{Json, UnrecordableValue};

/// The arguments of a step that has no function.
pub(super) struct NoArgs;

/// Collects the arguments of a step by name: a JSON object in the order of the signature.
#[derive(Debug, Default)]
pub struct Args {
    text: Vec<u8>,
    problem: Option<String>,
}

impl Args {
    /// Records one argument.
    pub fn arg<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> &mut Self {
        if self.text.is_empty() {
            self.text.reserve(128);
        }
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        // Names of arguments are Rust identifiers: nothing in them needs escaping.
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        if let Err(UnrecordableValue(problem)) = Json::append(&mut self.text, value) {
            self.problem.get_or_insert_with(|| format!("argument `{name}`: {problem}"));
        }
        self
    }

    /// Notes why the step cannot be recorded, if there is no other reason yet.
    pub(super) fn refuse(&mut self, problem: &str) {
        self.problem.get_or_insert_with(|| problem.to_owned());
    }

    /// The object's text.
    pub(super) fn finish(mut self) -> Result<String, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.text.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        let bytes = self.text.len();
        if let Some(bytes_max) = too_large(bytes) {
            return Err(format!(
                "its arguments have {bytes} bytes and at most {bytes_max} can be recorded: pass \
                 where the data is, or leave it out of the log with skip(...)"
            ));
        }
        String::from_utf8(self.text).map_err(|error| error.to_string())
    }
}
