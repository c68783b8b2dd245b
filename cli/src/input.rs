//! Values from the command line: JSON as text, from a file or from standard input.

use std::io::Read;

use everstep::event::Json;

use crate::failure::{Failure, Text};

/// Reads `JSON`, `@FILE` or `-` (standard input).
pub(crate) fn read(what: &str, given: &str) -> Result<Json, Failure> {
    let (text, from) = match given.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("{what}: {path} cannot be read: {error}"))
            })?;
            (text, path)
        }
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("{what}: {error}")))?;
            (text, "standard input")
        }
        None => (given.to_owned(), "the command line"),
    };
    Json::parse(compact(text.trim())).map_err(|error| {
        let failure = Failure::usage(Text(format!("{what} from {from} is not JSON: {error}")));
        failure.todo("a text has quotes of its own ('\"text\"'), a file an @ before it (@FILE)")
    })
}

/// The same JSON without white space between its parts: what it says is not touched, so that
/// numbers of any size and the order of keys stay as they were written.
fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            // Between two words it stays, so that what is no JSON does not become some.
            ' ' | '\t' | '\n' | '\r' if !quoted => {
                if out.ends_with(|last: char| "{}[]:,".contains(last) || last == ' ') {
                    continue;
                }
                out.push(' ');
                continue;
            }
            '{' | '}' | '[' | ']' | ':' | ',' if !quoted && out.ends_with(' ') => {
                out.pop();
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, kept: &str) {
        assert_eq!(read("the input", given).expect(given).as_str(), kept);
    }

    #[test]
    fn white_space_goes_and_nothing_else() {
        check("null", "null");
        check("  -5\n", "-5");
        check("[ 1 , 2 ]", "[1,2]");
        check(
            "{\n  \"b\" : 1e400,\n  \"a\": \" x  \\\" : , \" }",
            r#"{"b":1e400,"a":" x  \" : , "}"#,
        );
        check("18446744073709551616000", "18446744073709551616000");
    }

    #[test]
    fn what_is_not_json_is_refused_and_does_not_become_json() {
        for given in ["", "hello", "1 2", "tr ue", "{\"a\" 1}", "\"a", "{} {}", "'a'", "[1,]"] {
            let failure = read("the input", given).expect_err(given);
            assert_eq!(failure.code, crate::exit::USAGE, "{given}");
        }
    }
}
