//! Which test reaches which mutants, and how long it takes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Ended, Tests, each};

/// A test that passes with no mutant on.
pub(crate) struct Reaching {
    pub(crate) test: String,
    pub(crate) takes: Duration,
    pub(crate) reached: Vec<usize>,
}

impl Reaching {
    /// Those first that are fast and reach little else.
    pub(crate) fn costs(&self) -> u128 {
        self.takes.as_millis() * self.reached.len() as u128
    }
}

/// The tests of each mutant that is reached.
pub(crate) type Reach<'a> = BTreeMap<usize, Vec<&'a Reaching>>;

/// Runs each test with no mutant on, unless that was done before.
pub(crate) fn record(
    tests: &Tests,
    with: &[String],
    longest: Duration,
) -> anyhow::Result<Vec<Reaching>> {
    let path = tests.results.join("reached.jsonl");
    let known = lines(&path)?;
    let mut names = tests.names()?;
    names.retain(|name| !known.iter().any(|line| line["test"] == **name));
    let is_wanted = |name: &str| with.is_empty() || with.iter().any(|part| name.contains(part));
    names.retain(|name| is_wanted(name));
    println!("{} tests to be run with no mutant on", names.len());
    let mut file = File::options().create(true).append(true).open(&path)?;
    let line = |name: &String| {
        let reached = tests.results.join(format!("reached-{}", name.replace("::", "-")));
        let start = Instant::now();
        let ended = tests.run(&[name], ("EVERSTEP_MUTANTS_REACHED", &reached), longest)?;
        let took = start.elapsed();
        let numbers = fs::read_to_string(&reached).unwrap_or_default();
        fs::remove_file(&reached).ok();
        let mut numbers: Vec<usize> = numbers.lines().filter_map(|n| n.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let ended = match ended {
            Ended::Passed => "passed",
            Ended::Failed(_) => "failed",
            Ended::Hung => "too slow",
        };
        let took = took.as_millis();
        let line = json!({"test": name, "ended": ended, "millis": took, "reached": numbers});
        (&file).write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    };
    each(tests.jobs, &names, line)?;
    file.flush()?;
    let mut all = Vec::new();
    for line in lines(&path)? {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        if !is_wanted(&text("test")) {
            continue;
        }
        if text("ended") != "passed" {
            println!("left out: {} ({} with no mutant on)", text("test"), text("ended"));
            continue;
        }
        let numbers = line["reached"].as_array().into_iter().flatten();
        let reached = numbers.filter_map(|n| usize::try_from(n.as_u64()?).ok()).collect();
        let takes = Duration::from_millis(line["millis"].as_u64().unwrap_or_default());
        all.push(Reaching { test: text("test"), takes, reached });
    }
    Ok(all)
}

/// The tests of each mutant.
pub(crate) fn of_mutants(all: &[Reaching]) -> Reach<'_> {
    let mut reach = Reach::new();
    for reaching in all {
        for number in &reaching.reached {
            reach.entry(*number).or_default().push(reaching);
        }
    }
    reach
}

/// The JSON lines of a file that may be missing. A line that was cut off is none.
pub(crate) fn lines(path: &std::path::Path) -> anyhow::Result<Vec<Value>> {
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
