//! What is printed at the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::find::Mutant;
use crate::run::{Outcome, Results};

/// Counts for each file, and those that nobody noticed.
pub(crate) fn report(mutants: &[&Mutant], results: &Results) -> String {
    let mut files: BTreeMap<&Path, [usize; 5]> = BTreeMap::new();
    let mut all = [0; 5];
    let column =
        |mutant: &Mutant| results.get(&mutant.number).map_or(4, |outcome| *outcome as usize);
    for mutant in mutants {
        files.entry(&mutant.file).or_default()[column(mutant)] += 1;
        all[column(mutant)] += 1;
    }
    let mut text = String::from("failed   hung survived not reached not run\n");
    let rows = files.into_iter().map(|(file, row)| (file.display().to_string(), row));
    for (name, [failed, hung, survived, not_reached, not_run]) in rows.chain([("all".into(), all)])
    {
        writeln!(text, "{failed:6} {hung:6} {survived:8} {not_reached:11} {not_run:7} {name}")
            .expect("a text");
    }
    for (outcome, title) in [(Outcome::Survived, "Survived"), (Outcome::NotReached, "Not reached")]
    {
        writeln!(text, "\n{title}:").expect("a text");
        let named = mutants.iter().filter(|one| results.get(&one.number) == Some(&outcome));
        for Mutant { number, file, line, function, what, .. } in named {
            let file = file.display();
            writeln!(text, "{number:5} {file}:{line} {function}: {what}").expect("a text");
        }
    }
    text
}
