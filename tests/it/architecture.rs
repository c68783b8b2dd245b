//! Who may name whom, held by reading the source. docs/ARCHITECTURE.md explains the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/src");

/// Whom every module may name: the words, and what is no concept of its own.
const EVERYBODY: &[&str] = &["event", "id", "limits", "time"];

/// Module, and whom else it may name.
const TABLE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("id", &[]),
    ("limits", &[]),
    ("time", &[]),
    ("retry", &[]),
    ("writes", &[]),
    ("error", &[]),
    ("store", &["payload", "writes"]),
    // Of `aws` the bucket that a URL may name.
    ("payload", &["store", "aws"]),
    // Of `payload` its folder, of `aws` the bucket that a URL may name.
    ("archive", &["store", "payload", "aws"]),
    ("wake", &["store"]),
    // Of `aws` the services that a URL may name.
    ("notify", &["store", "aws"]),
    ("replay", &["retry", "writes"]),
    // Of `payload` what was sent and could not be opened.
    ("context", &["replay", "retry", "error", "payload"]),
    ("invoke", &["aws", "client", "context", "error", "trigger"]),
    ("limiter", &["context"]),
    ("memory", &["store", "wake"]),
    ("local", &["store", "wake"]),
    ("sweep", &["store", "wake", "telemetry"]),
    ("telemetry", &[]),
    // Of `host` the registry: what there is to run.
    ("turn", &["context", "replay", "store", "wake", "payload", "notify", "host", "telemetry"]),
    (
        "client",
        &[
            "context",
            "replay",
            "store",
            "wake",
            "payload",
            "archive",
            "sweep",
            "backend",
            "telemetry",
            "error",
        ],
    ),
    ("backend", &["store", "wake", "payload", "archive", "memory", "local", "aws"]),
    // What names a step, what is recorded of a result, and whether an execution is closed.
    ("postgres", &["client", "context", "replay", "store"]),
    // What names a step, what is recorded of a result; of the store its boxed error, and what a
    // cancelled transaction means.
    ("dynamodb", &["aws", "context", "replay", "store"]),
    ("trigger", &["wake", "client", "context", "error"]),
    (
        "host",
        &[
            "archive",
            "backend",
            "client",
            "context",
            "replay",
            "store",
            "wake",
            "payload",
            "notify",
            "sweep",
            "turn",
            "schedule",
            "trigger",
            "aws",
            "http",
            "telemetry",
        ],
    ),
    // Built on what users have, but for the reading of a log.
    ("schedule", &["backend", "client", "context", "error", "replay", "retry", "store"]),
    ("http", &["client", "store", "wake", "payload", "error"]),
    // Its host is the reason for all but `store` and `wake`.
    (
        "aws",
        &[
            "store",
            "wake",
            "payload",
            "archive",
            "notify",
            "backend",
            "client",
            "host",
            "sweep",
            "trigger",
            "turn",
            "http",
            "telemetry",
            "error",
        ],
    ),
    (
        "testing",
        &[
            "store",
            "wake",
            "payload",
            "archive",
            "notify",
            "memory",
            "host",
            "client",
            "backend",
            "context",
            "replay",
            "trigger",
            "turn",
            "limiter",
            "error",
            "__private",
        ],
    ),
    ("private", &["context", "error", "retry"]),
];

/// Nothing under `replay/` awaits, reads a clock, draws a random number or knows a runtime.
const IMPURE: &[&str] = &[
    "await",
    "async",
    "tokio",
    "Clock",
    "Instant",
    "SystemTime",
    "Utc",
    "new_v4",
    "rand",
    "fs",
    "net",
    "env",
    "thread",
    "process",
    "spawn",
    "println",
];

#[test]
fn modules_name_only_whom_they_may() {
    let mut wrong = Vec::new();
    for (path, words) in sources() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some((_, may)) = TABLE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} is not in the table: say whom it may name"));
            continue;
        };
        // The suites are macros, and macros are exported at the root.
        for named in named_modules(&words).iter().filter(|name| !name.ends_with("_suite")) {
            let named = named.as_str();
            let known = named == module || EVERYBODY.contains(&named) || may.contains(&named);
            if !known {
                wrong.push(format!("{} names {named}, and {module} may not", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn replay_is_pure() {
    let mut wrong = Vec::new();
    for (path, words) in sources().into_iter().filter(|(path, _)| module_of(path) == "replay") {
        let seen: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        for word in IMPURE.iter().filter(|word| seen.contains(*word)) {
            wrong.push(format!("{} says {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_is_the_one_of_the_architecture_page() {
    let page = include_str!("../../docs/ARCHITECTURE.md");
    for (module, may) in TABLE.iter().filter(|(_, may)| !may.is_empty()) {
        let names: Vec<String> = may.iter().map(|name| format!("`{name}`")).collect();
        let row = format!("| `{module}` | {} |", names.join(", "));
        assert!(page.contains(&row), "docs/ARCHITECTURE.md lacks the row\n{row}");
    }
}

/// Every source file, relative to `sdk/src`, and its words outside comments, texts and tests.
fn sources() -> Vec<(PathBuf, Vec<String>)> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(SOURCE)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // `turn/fuzz` is compiled for tests only: its programs are users' code.
                if !path.ends_with("fuzz") && !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_stem().is_some_and(|stem| stem != "tests")
            {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                files.push((path.strip_prefix(SOURCE).unwrap().to_owned(), words(text)));
            }
        }
    }
    assert!(files.len() > 50, "the source was not found");
    files
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().expect("a file in sdk/src");
    first.as_os_str().to_str().expect("UTF-8").trim_end_matches(".rs").to_owned()
}

/// The modules behind `crate::`, also those in braces: `crate::{event::Event, id}`.
fn named_modules(words: &[String]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for at in 0..words.len() {
        if words[at] != "crate" || words.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        match words.get(at + 2).map(String::as_str) {
            Some("{") => {
                let mut depth = 1;
                let mut first = true;
                for word in &words[at + 3..] {
                    match word.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        "," => first = depth == 1,
                        name if first && depth == 1 => {
                            named.insert(name.to_owned());
                            first = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            Some(name) => _ = named.insert(name.to_owned()),
            None => {}
        }
    }
    named
}

/// Names, `::` and punctuation; comments and texts are left out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            words.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    words
}

#[test]
fn the_scanner_sees_names_and_no_comments_or_texts() {
    let text = "use crate::{event::{Event, Json}, wake}; // crate::store\nlet x = \"crate::aws\"; crate::id::New";
    let named: Vec<_> = named_modules(&words(text)).into_iter().collect();
    assert_eq!(named, ["event", "id", "wake"]);
}
