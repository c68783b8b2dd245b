//! Runs the tests of each mutant, until one notices it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::find::Mutant;
use crate::process::{Ended, Tests, each};
use crate::reach::{Reach, Reaching, lines};

/// What became of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// A test failed, twice.
    Failed,
    /// A test did not come to its end.
    Hung,
    Survived,
    NotReached,
}

impl Outcome {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Failed, "failed"),
        (Self::Hung, "hung"),
        (Self::Survived, "survived"),
        (Self::NotReached, "not reached"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(outcome, _)| *outcome == self).map_or("", |(_, name)| name)
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(outcome, _)| *outcome)
    }
}

/// What became of those that were run, by number.
pub(crate) type Results = BTreeMap<usize, Outcome>;

/// How often a test noticed a mutant of a file. It may well notice the next one, too.
type Notices<'a> = Mutex<BTreeMap<(&'a Path, String), u32>>;

/// Runs those that were not run before, or against fewer tests. Of each mutant so many tests are run.
pub(crate) fn run(
    tests: &Tests,
    mutants: &[&Mutant],
    reach: &Reach<'_>,
    (end, tests_max): (Option<Instant>, usize),
) -> anyhow::Result<Results> {
    let path = tests.results.join("results.jsonl");
    let read = || -> anyhow::Result<Results> {
        let lines = lines(&path)?;
        let result = |line: &serde_json::Value| {
            let number = usize::try_from(line["number"].as_u64()?).ok()?;
            Some((number, Outcome::of(line["outcome"].as_str()?)?))
        };
        Ok(lines.iter().filter_map(result).collect())
    };
    let mut known = read()?;
    for line in lines(&path)?.iter().filter(|line| line["outcome"] == Outcome::Survived.name()) {
        let number = usize::try_from(line["number"].as_u64().unwrap_or_default())?;
        let there = reach.get(&number).map_or(0, Vec::len).min(tests_max) as u64;
        if line["tests"].as_u64() < Some(there) {
            known.remove(&number);
        }
    }
    let notices = Notices::default();
    for line in lines(&path)? {
        let number = usize::try_from(line["number"].as_u64().unwrap_or_default())?;
        let mutant = mutants.iter().find(|mutant| mutant.number == number);
        if let (Some(mutant), Some(test)) = (mutant, line["by"].as_str()) {
            let mut notices = notices.lock().expect("nobody panics with it");
            *notices.entry((&*mutant.file, test.to_owned())).or_default() += 1;
        }
    }
    let left: Vec<_> = mutants.iter().filter(|one| !known.contains_key(&one.number)).collect();
    let file = File::options().create(true).append(true).open(&path)?;
    each(tests.jobs, &left, |mutant| {
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
        let start = Instant::now();
        let mut reaching = reach.get(&mutant.number).cloned().unwrap_or_default();
        {
            let notices = notices.lock().expect("nobody panics with it");
            let noticed = |test: &str| {
                let count = notices.get(&(&*mutant.file, test.to_owned()));
                count.copied().unwrap_or_default()
            };
            reaching.sort_by_cached_key(|it| it.costs() / u128::from(1 + noticed(&it.test)).pow(2));
        }
        reaching.truncate(tests_max);
        let (outcome, by) = outcome(tests, mutant.number, &reaching)?;
        if let Some(test) = by.clone() {
            let mut notices = notices.lock().expect("nobody panics with it");
            *notices.entry((&*mutant.file, test)).or_default() += 1;
        }
        let mut line = mutant.to_json();
        line["outcome"] = json!(outcome.name());
        line["by"] = json!(by);
        line["tests"] = json!(reaching.len());
        line["seconds"] = json!(start.elapsed().as_secs());
        (&file).write_all(format!("{line}\n").as_bytes())?;
        Ok(())
    })?;
    read()
}

/// Those that are most likely to notice it go first, in a process of their own.
fn outcome(
    tests: &Tests,
    number: usize,
    reaching: &[&Reaching],
) -> anyhow::Result<(Outcome, Option<String>)> {
    if reaching.is_empty() {
        return Ok((Outcome::NotReached, None));
    }
    let number = number.to_string();
    let on = ("EVERSTEP_MUTANT", Path::new(&number));
    let (mut rest, mut count) = (reaching, 8);
    while !rest.is_empty() {
        let (group, others) = rest.split_at(count.min(rest.len()));
        (rest, count) = (others, count * 4);
        let slowest = group.iter().map(|it| it.takes).max().unwrap_or_default();
        let longest = slowest * 3 + Duration::from_secs(10);
        let mut names: Vec<&str> = group.iter().map(|it| &*it.test).collect();
        loop {
            let failed = match tests.run(&names, on, longest)? {
                Ended::Passed => break,
                Ended::Hung => return Ok((Outcome::Hung, None)),
                Ended::Failed(None) => return Ok((Outcome::Failed, None)),
                Ended::Failed(Some(test)) => test,
            };
            // Once may be the machine.
            match tests.run(&[&failed], on, longest)? {
                Ended::Passed => names.retain(|name| *name != failed),
                Ended::Hung => return Ok((Outcome::Hung, Some(failed))),
                Ended::Failed(_) => return Ok((Outcome::Failed, Some(failed))),
            }
            if names.is_empty() {
                break;
            }
        }
    }
    Ok((Outcome::Survived, None))
}

/// In an order of which every beginning has of each file its share, and no other rule.
pub(crate) fn in_random_order<'a>(mutants: &[&'a Mutant], seed: u64) -> Vec<&'a Mutant> {
    let mut files: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        files.entry(&mutant.file).or_default().push(mutant);
    }
    let mut all = Vec::new();
    for of_file in files.values_mut() {
        of_file.sort_by_key(|mutant| mixed(seed, mutant.number as u64));
        let count = of_file.len() as u64;
        let place = |at: u64| (2 * at + 1) * 1_000_000 / (2 * count);
        all.extend((0..).map(place).zip(of_file.iter().copied()));
    }
    all.sort_by_key(|(place, mutant)| (*place, mixed(seed, mutant.number as u64)));
    all.into_iter().map(|(_, mutant)| mutant).collect()
}

/// SplitMix64.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
