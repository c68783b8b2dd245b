//! Sessions of a page, typed as they stand there.

use super::{Cloud, Credentials};
use crate::readme::{Typed, session};

impl Cloud {
    /// Types the session `name` of `page`, and compares what is printed: line by line, but for
    /// numbers, ids and white space; a line `...` stands for any number of lines.
    ///
    /// # Panics
    /// The page has no such session, or something else is printed.
    pub fn session(&self, page: &str, name: &str) {
        self.session_of(&Credentials::root(), page, name);
    }

    /// The same, typed by somebody who may not do everything.
    ///
    /// # Panics
    /// See [`session`](Self::session).
    pub fn session_of(&self, who: &Credentials, page: &str, name: &str) {
        let session = session(page, name);
        assert!(!session.is_empty(), "the page has no session {name:?}");
        self.zip(1);
        self.zip(2);
        let mut exported: Vec<(String, String)> = Vec::new();
        for Typed { command, prints } in session {
            // What is exported stays.
            let (command, variable) = match command.strip_prefix("export ") {
                None => (command.clone(), None),
                Some(assignment) => {
                    let (name, value) = assignment.split_once('=').expect("export NAME=VALUE");
                    (format!("printf %s {value}"), Some(name.to_owned()))
                }
            };
            let printed = self.types(who, &command, &exported);
            if let Some(name) = variable {
                exported.push((name, printed.text));
                continue;
            }
            if let Err(line) = same(&prints, &printed.text) {
                panic!(
                    "$ {command}\nit does not print, where the page does:\n{line}\n\nit prints:\n{}",
                    printed.text
                );
            }
            if command.starts_with("aws cloudformation deploy") {
                self.mend();
            }
        }
    }
}

/// The first line of the page that is not printed, if there is one; or the first that is printed and
/// not on the page.
fn same(page: &str, printed: &str) -> Result<(), String> {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(without_chance).filter(|line| !line.is_empty()).collect()
    };
    let (page, printed) = (lines(page), lines(printed));
    let mut printed = printed.into_iter();
    let mut anything = false;
    for line in page {
        if line == "..." {
            anything = true;
            continue;
        }
        let found = match anything {
            true => printed.any(|other| other == line),
            false => printed.next().is_some_and(|other| other == line),
        };
        if !found {
            return Err(line);
        }
        anything = false;
    }
    match printed.next() {
        Some(line) if !anything => Err(format!("(nothing more, but it prints) {line}")),
        _ => Ok(()),
    }
}

/// The line without what differs from run to run.
fn without_chance(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let is_id = word.len() == 36 && word.matches('-').count() == 4;
        let is_long = word.len() > 11 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id || is_long { "ID".to_owned() } else { numbers(word) }
    });
    words.collect()
}

/// The word with `0` for each number that has a dot or a colon beside it, or is the whole word: what
/// is in a name stays.
fn numbers(word: &str) -> String {
    let bare = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_number = bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.chars().all(|c| c.is_ascii_digit() || ".:-".contains(c));
    if is_number && bare.contains(['.', ':', '-']) { "0".to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_compared_but_for_chance() {
        let page = "a  2026-03-14 09:26:53.589 351.7ms order-1\n...\nend\n";
        assert_eq!(same(page, "a 2027-01-02 00:00:00.1 2.1ms order-1\nx\ny\nend\n"), Ok(()));
        assert!(same(page, "a 2027-01-02 00:00:00.1 2.1ms order-2\nend\n").is_err());
        assert!(same(page, "a 2027-01-02 00:00:00.1 2.1ms order-1\nend\nmore\n").is_err());
        assert!(same("1\n", "2\n").is_err());
    }
}
