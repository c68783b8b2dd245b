//! docs/protocol.md says of each rule which tests fail without it. They exist.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The rules of the page: their numbers, and all that is said about them.
fn rules() -> Vec<(usize, String)> {
    let mut rules: Vec<(usize, String)> = Vec::new();
    for line in PAGE.lines() {
        let number = line.split_once(". **").and_then(|(number, _)| number.parse().ok());
        if let Some(number) = number {
            rules.push((number, String::new()));
        }
        if let Some((_, text)) =
            rules.last_mut().filter(|_| number.is_some() || line.starts_with("   - "))
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    rules
}

/// The tests that a rule names.
fn tests(rule: &str) -> Vec<&str> {
    let line = rule.lines().find_map(|line| line.strip_prefix("   - Tests: ")).unwrap_or_default();
    line.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect()
}

/// Whether there is a test of this name, in the file that its path names.
fn exists(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (module, function) = name.rsplit_once("::").unwrap();
    let folder = match module.split("::").next().unwrap() {
        "rig" => root.to_owned(),
        "conformance" => root.join("../sdk/src/testing"),
        "aws" | "turn" | "replay" => root.join("../sdk/src"),
        _ => root.join("it"),
    };
    let module = folder.join(module.replace("::", "/"));
    let files: [PathBuf; 2] = [module.with_extension("rs"), module.join("mod.rs")];
    let source = files.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let Some(at) = source.find(&format!("fn {function}(")) else { return false };
    // What the suites export is called by the tests that they make; all else is one itself.
    let attribute = source[..at].trim_end_matches("async ").trim_end();
    module.starts_with(root.join("../sdk/src/testing"))
        || attribute.ends_with("#[test]")
        || attribute.rsplit('\n').next().is_some_and(|line| line.contains("#[tokio::test"))
}

#[test]
fn every_rule_of_the_protocol_names_tests_and_they_exist() {
    let rules = rules();
    let numbers: Vec<usize> = rules.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=37).collect::<Vec<_>>(), "the page is not read as it is meant");
    for (number, text) in &rules {
        let tests = tests(text);
        assert!(!tests.is_empty(), "rule {number} names no test:\n{text}");
        for name in tests {
            assert!(exists(name), "rule {number} names {name}, which is no test");
        }
    }
    assert!(!exists("rules::page::no_such_test"));
    assert!(!exists("rules::page::exists"), "a helper is no test");
}
