//! Standard output for data, standard error for talk.

use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::failure::Failure;
use crate::style::{ColorChoice, Styles};

/// The version of every JSON object that the command prints. It grows if a field changes its
/// meaning or goes; new fields may come without.
const FORMAT: u32 = 1;

/// Where a command's data goes.
pub(crate) struct Output {
    stdout: BufWriter<Stdout>,
    /// Whether data is JSON.
    pub(crate) json: bool,
    /// How text is styled.
    pub(crate) styles: Styles,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u32,
    #[serde(flatten)]
    object: &'a T,
}

/// An object as one line of JSON.
pub(crate) fn json_line<T: Serialize>(object: &T) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(&Versioned { v: FORMAT, object })?;
    // A recorded value may be spread over lines. In JSON a line feed is only ever white space.
    Ok(text.replace(['\n', '\r'], " "))
}

impl Output {
    pub(crate) fn new(json: bool, styles: Styles) -> Self {
        Self { stdout: BufWriter::new(io::stdout()), json, styles }
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.stdout, "{text}")?)
    }

    /// An object as one line of JSON.
    pub(crate) fn object<T: Serialize>(&mut self, object: &T) -> Result<(), Failure> {
        let text =
            json_line(object).map_err(|error| Failure::new(crate::exit::UNEXPECTED, error))?;
        self.line(text)
    }

    /// Raw text.
    pub(crate) fn raw(&mut self, text: &[u8]) -> Result<(), Failure> {
        Ok(self.stdout.write_all(text)?)
    }

    /// Hands over what is still here.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.stdout.flush()?)
    }
}

/// A remark for the person at the terminal.
pub(crate) fn talk(text: impl fmt::Display) {
    // If nobody listens there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What clap has to say: help and versions are data, mistakes are talk.
pub(crate) fn usage(error: &clap::Error, choice: ColorChoice) -> ExitCode {
    let rendered = error.render();
    let (stdout, stderr) = (Styles::stdout(choice), Styles::stderr(choice));
    let text = |styles: Styles| {
        if styles.color { rendered.ansi().to_string() } else { rendered.to_string() }
    };
    let _ = if error.use_stderr() {
        io::stderr().write_all(text(stderr).as_bytes())
    } else {
        io::stdout().write_all(text(stdout).as_bytes())
    };
    if error.use_stderr() { crate::exit::USAGE.into() } else { crate::exit::DONE.into() }
}

/// `text` without what a terminal would obey: control characters and those that change the
/// direction of writing are escaped, white space is one space.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c"), "a\\u{1b}[2Jb\\u{9b}c");
        assert_eq!(printable("order\u{202e}7"), "order\\u{202e}7");
        assert_eq!(printable("{\n  \"ü\": 1\r\n}"), "{   \"ü\": 1 }");
    }
}
