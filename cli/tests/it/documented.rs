//! The sessions of docs/cli.md, run as they stand there.
//!
//! A line that begins with `$ ` in a `console` block is a command for `sh`; what follows is what
//! it prints, on both streams. `<!-- a worker works until ID is STATUS -->` is done in between.

use std::fmt::Write;

use everstep::store::Status;

use crate::support::{EVERSTEP, Place, Ran};

const PAGE: &str = include_str!("../../../docs/cli.md");

#[test]
fn the_sessions_of_the_documentation_are_true() {
    let place = Place::new();
    let mut lines = PAGE.lines().peekable();
    let (mut inside, mut commands) = (false, 0);
    let mut wrong = String::new();
    while let Some(line) = lines.next() {
        if let Some(("", work)) = line.split_once("<!-- a worker works until ") {
            let (id, status) = work.trim_end_matches(" -->").split_once(" is ").expect(line);
            place.work_until(id, Status::parse(status).expect(line));
        } else if line == "```console" || (inside && line == "```") {
            inside = !inside;
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            let mut expected = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && *line != "```") {
                expected += line;
                expected.push('\n');
            }
            let printed = run(&place, command);
            if normal(&printed) != normal(&expected) {
                let _ = write!(wrong, "$ {command}\n{printed}--- the page says\n{expected}\n");
            }
            commands += 1;
        }
    }
    assert!(!inside && commands > 10, "{commands} commands were found");
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn run(place: &Place, command: &str) -> String {
    let folder = std::path::Path::new(EVERSTEP).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(place.path());
    shell.env("PATH", format!("{}:{path}", folder.display()));
    for variable in ["EVERSTEP_URL", "NO_COLOR", "COLUMNS"] {
        shell.env_remove(variable);
    }
    Ran::from(shell.output().expect("a shell")).out
}

/// The text without what differs between two runs: times, durations, hashes, the name of a host,
/// and the widths of columns that follow from them.
fn normal(text: &str) -> Vec<String> {
    text.lines().map(normal_line).collect()
}

fn normal_line(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let duration = word.starts_with(|c: char| c.is_ascii_digit())
            && ["us", "ms", "s"].iter().any(|unit| word.ends_with(unit));
        let hash = word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
        match (hash, duration) {
            (true, _) => "HASH".to_owned(),
            (_, true) => "DURATION".to_owned(),
            _ => digits(word),
        }
    });
    let mut words: Vec<String> = words.collect();
    if words.iter().any(|word| word == "TurnStarted") {
        words.pop();
    }
    words.join(" ")
}

/// The word with `0` for each number.
fn digits(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
    }
    out
}
