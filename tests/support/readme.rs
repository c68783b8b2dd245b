//! Runs the command sessions of a page: what a reader is told to type, and told to see.
//!
//! A session is every block that begins with "```console NAME", in the order of the page. A line
//! that begins with `$ ` is a command; what follows is what it prints, paragraph by paragraph. A
//! paragraph of `...` alone stands for any number of paragraphs. Times, ids that depend on the
//! order of parallel steps, and the order of lines within a paragraph are not compared.

use std::path::PathBuf;
use std::process::Command;

use crate::order::{OrderFolder, program};

/// A command and what the page says it prints.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) command: String,
    pub(crate) prints: String,
}

/// Runs the session `name` of `page` in `folder`.
///
/// # Panics
/// The page has no such session, or a command of it prints something else.
pub fn run_session(page: &str, name: &str, folder: &OrderFolder) {
    let session = session(page, name);
    assert!(!session.is_empty(), "the page has no session {name:?}");
    let mut exported: Vec<(String, String)> = Vec::new();
    for Typed { command, prints } in session {
        if let Some(assignment) = command.strip_prefix("export ") {
            let (name, value) = assignment.split_once('=').expect("export NAME=VALUE");
            exported.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            continue;
        }
        let mut program = known(&command, folder);
        let output = program.envs(exported.iter().cloned()).output().expect("it starts");
        let printed = String::from_utf8(output.stdout).expect("it prints text");
        let errors = String::from_utf8_lossy(&output.stderr);
        if let Err(difference) = same(&prints, &printed) {
            panic!("$ {command}\n{difference}\n\nit printed:\n{printed}\n{errors}");
        }
    }
}

/// The program that a command means: those of this workspace are built and run as they are.
fn known(command: &str, folder: &OrderFolder) -> Command {
    let words: Vec<&str> = command.split_whitespace().collect();
    match *words {
        ["cargo", "run", "-p", "order"] => folder.command(&[]),
        ["cargo", "run", "-p", "order", "--", ref args @ ..] => folder.command(args),
        ["cargo", "run", "-p", "everstep-cli", "--", ref args @ ..] => {
            let everstep: PathBuf = program("everstep-cli", "everstep");
            let like = folder.command(&[]);
            let mut command = Command::new(everstep);
            command.args(args).current_dir(folder.path());
            for (name, value) in like.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command
        }
        _ => panic!("the page says `{command}`, and its test does not know that"),
    }
}

pub(crate) fn session(page: &str, name: &str) -> Vec<Typed> {
    let mut session: Vec<Typed> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == format!("```console {name}");
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            session.push(Typed { command: command.trim().to_owned(), prints: String::new() });
        } else if inside {
            let typed = session.last_mut().expect("a session begins with a command");
            if typed.prints.is_empty() && goes_on(&typed.command) {
                typed.command.push('\n');
                typed.command.push_str(line);
            } else {
                typed.prints.push_str(line);
                typed.prints.push('\n');
            }
        }
    }
    session
}

/// Whether the next line belongs to the command, too.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// Whether `printed` is what the page says.
fn same(page: &str, printed: &str) -> Result<(), String> {
    let (page, printed) = (paragraphs(page), paragraphs(printed));
    let mut printed = printed.iter();
    let mut anything = false;
    for expected in &page {
        if *expected == ["..."] {
            anything = true;
            continue;
        }
        let found = if anything {
            printed.any(|paragraph| paragraph == expected)
        } else {
            printed.next() == Some(expected)
        };
        if !found {
            return Err(format!("the page says, and it does not print:\n{}", expected.join("\n")));
        }
        anything = false;
    }
    match printed.next() {
        Some(more) if !anything => {
            Err(format!("it prints, and the page does not say:\n{}", more.join("\n")))
        }
        _ => Ok(()),
    }
}

fn paragraphs(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|line| without_chance(line)).collect();
        lines.sort();
        lines
    };
    paragraphs.map(sorted).collect()
}

/// The line without what differs from run to run: times, and the numbers the world gives.
fn without_chance(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let mut kept = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let unit = words.get(at + 1).copied().unwrap_or_default();
        if is_number(word) && matches!(unit, "ms" | "s") {
            kept.push("N".to_owned());
        } else if word.starts_with("label-") || word.starts_with("invoice-") {
            kept.push(word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned());
        } else {
            kept.push((*word).to_owned());
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "text\n```console one\n$ a b\nx 1 ms\ny\n\nz\n$ c\n```\n```console two\n$ d\n```\n";

    #[test]
    fn a_session_is_the_blocks_of_its_name() {
        let commands: Vec<_> = session(PAGE, "one").into_iter().map(|t| t.command).collect();
        assert_eq!(commands, ["a b", "c"]);
        assert_eq!(session(PAGE, "two").len(), 1);
        assert!(session(PAGE, "three").is_empty());
        let long = "```console one\n$ a \\\n  b '{\n  }'\nc\n```\n";
        let typed = &session(long, "one")[0];
        assert_eq!(typed.command, "a \\\n  b '{\n  }'");
        assert_eq!(typed.prints, "c\n");
    }

    #[test]
    fn what_is_printed_must_be_what_the_page_says() {
        assert_eq!(same("x 1 ms\ny\n\nz\n", "y\nx 20 ms\n\nz\n"), Ok(()));
        assert_eq!(same("...\n\nz\n", "a\n\nb\n\nz\n"), Ok(()));
        assert_eq!(same("z\n\n...\n", "z\n\nb\n"), Ok(()));
        assert!(same("z\n", "z\n\nmore\n").is_err());
        assert!(same("z\n\nmore\n", "z\n").is_err());
        assert!(same("charge 1 x\n", "charge 2 x\n").is_err());
    }
}
