//! A step's arguments, as they are recorded.

use serde::Serialize;

use crate::event::{Json, UnrecordableValue};
use crate::limits::VALUE_BYTES_MAX;

/// Collects the arguments of a step by name: a JSON object in the order of the signature.
#[derive(Debug, Default)]
pub struct Args {
    text: String,
    problem: Option<String>,
}

impl Args {
    /// Records one argument.
    pub fn arg<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> &mut Self {
        match Json::record(value) {
            Ok(json) => {
                self.text.push(if self.text.is_empty() { '{' } else { ',' });
                // Names of arguments are Rust identifiers: nothing in them needs escaping.
                self.text.push('"');
                self.text.push_str(name);
                self.text.push_str("\":");
                self.text.push_str(json.as_str());
            }
            Err(UnrecordableValue(problem)) => {
                self.problem.get_or_insert_with(|| format!("argument `{name}`: {problem}"));
            }
        }
        self
    }

    pub(super) fn finish(mut self) -> Result<Json, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.text.is_empty() {
            self.text.push('{');
        }
        self.text.push('}');
        let (bytes, bytes_max) = (self.text.len(), VALUE_BYTES_MAX);
        if bytes > bytes_max {
            return Err(format!(
                "its arguments have {bytes} bytes and at most {bytes_max} can be recorded: pass \
                 where the data is, or leave it out of the log with skip(...)"
            ));
        }
        Json::parse(self.text).map_err(|error| error.to_string())
    }
}
