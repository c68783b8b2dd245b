//! Builds the tests with all mutants, but for those that do not compile.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::copy::Checkout;
use crate::find::Found;
use crate::text::{self, Changed};

/// Which tests are run.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Tests {
    It,
    Lib,
}

impl Tests {
    fn cargo(self) -> &'static [&'static str] {
        match self {
            Self::It => &["--package", "everstep-tests", "--test", "it"],
            Self::Lib => &["--package", "everstep", "--lib"],
        }
    }

    /// The folder of the package, in which its tests run.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::It => "tests",
            Self::Lib => "sdk",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::It => "it",
            Self::Lib => "lib",
        }
    }
}

/// The test program, and which mutants are not in it.
pub(crate) fn build(
    checkout: &Checkout,
    found: &Found,
    tests: Tests,
) -> anyhow::Result<(PathBuf, BTreeSet<usize>)> {
    // Of these very sources.
    let mut hasher = DefaultHasher::new();
    found.files.hash(&mut hasher);
    let known = checkout.work().join(format!("off-{:016x}.json", hasher.finish()));
    let mut off = std::fs::read(&known).map_or_else(
        |_| Ok(BTreeSet::new()),
        |bytes| serde_json::from_slice::<Vec<usize>>(&bytes).map(BTreeSet::from_iter),
    )?;
    loop {
        let mut all = Vec::new();
        for (file, text) in &found.files {
            let mutants = found.mutants.iter().filter(|mutant| mutant.file == *file);
            let changed = text::changed(text, mutants, &off);
            checkout.write(file, changed.text.as_bytes())?;
            all.push((file.as_path(), changed));
        }
        let mut cargo = Command::new("cargo");
        cargo.current_dir(checkout.copied()).args(["test", "--no-run", "--message-format=json"]);
        cargo.args(["--all-features", "--target-dir"]).arg(checkout.root().join("target"));
        let output = cargo.args(tests.cargo()).stderr(Stdio::inherit()).output()?;
        let messages = String::from_utf8(output.stdout)?;
        let messages: Vec<Value> =
            messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if output.status.success() {
            let mut program = messages.iter().filter_map(|message| message["executable"].as_str());
            let program = program.next_back().context("cargo built no tests")?;
            println!("{} mutants, of which {} do not compile", found.mutants.len(), off.len());
            return Ok((program.into(), off));
        }
        let before = off.len();
        for message in messages.iter().map(|message| &message["message"]) {
            if message["level"] == "error" {
                off.extend(culprit(message, found, &all));
            }
        }
        std::fs::write(&known, serde_json::to_vec(&off)?)?;
        println!("{} mutants do not compile", off.len());
        let rendered = messages.iter().find_map(|message| {
            let message = &message["message"];
            (message["level"] == "error").then_some(message["rendered"].as_str()?)
        });
        ensure!(off.len() > before, "the copy does not compile: {}", rendered.unwrap_or("cargo"));
    }
}

/// The mutant that an error is of: one whose own text it names; where something is still borrowed,
/// one that does not drop it; or else the one around its place.
fn culprit(error: &Value, found: &Found, all: &[(&Path, Changed)]) -> Option<usize> {
    let mut spans: Vec<&Value> = error["spans"].as_array()?.iter().collect();
    spans.sort_by_key(|span| span["is_primary"] != true);
    let find = |span: &Value, at: &dyn Fn(&Changed, usize) -> Option<usize>| {
        let in_file = |file: &Path| span["file_name"] == *file.to_string_lossy();
        let (_, changed) = all.iter().find(|(file, _)| in_file(file))?;
        at(changed, usize::try_from(span["byte_start"].as_u64()?).ok()?)
    };
    let is_drop = |number: usize| found.mutants[number].what.starts_with("`drop(");
    let before = |changed: &Changed, byte| changed.last_before(byte, is_drop);
    let is_borrowed = ["E0499", "E0502", "E0505", "E0506"].map(Value::from);
    let first = spans.first()?;
    let own = spans.iter().find_map(|span| find(span, &Changed::own_at));
    let borrowed =
        || is_borrowed.contains(&error["code"]["code"]).then(|| find(first, &before)).flatten();
    own.or_else(borrowed).or_else(|| find(first, &Changed::around))
}
