//! What the tests catch: changes the code in one place at a time, and runs against each change, a
//! mutant, the tests that reach it. docs/mutants.md says what came of it.
//!
//! ```text
//! cargo run -p everstep-mutants -- sdk/src/turn              the mutants, against tests/it
//! cargo run -p everstep-mutants -- sdk/src/turn --test lib   against the unit tests
//! cargo run -p everstep-mutants -- sdk/src/turn --list       the mutants, as JSON lines
//! ```
//!
//! All mutants are in one build, of a copy under target/mutants. A run that is stopped goes on where
//! it was when it is started again; results of other sources are thrown away.

#![expect(clippy::print_stdout, reason = "what is printed is what it is for")]

mod build;
mod copy;
mod find;
mod plain;
mod process;
mod reach;
mod report;
mod run;
mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Looks which changes of the code no test notices.
#[derive(Parser)]
struct Args {
    /// Folders and files to change, from the root of the checkout.
    #[arg(required = true)]
    sources: Vec<PathBuf>,
    /// Which tests: `it`, the integration tests, or `lib`, the unit tests of the SDK.
    #[arg(long, default_value = "it")]
    test: build::Tests,
    /// Only tests whose names contain one of these.
    #[arg(long, value_delimiter = ',')]
    with: Vec<String>,
    /// After how many seconds no further mutant is begun. Then what was run is a random sample, of
    /// each file in proportion.
    #[arg(long, default_value_t = u64::MAX)]
    seconds: u64,
    /// Of the order in which mutants are run.
    #[arg(long, default_value_t = 27)]
    seed: u64,
    /// How long a test may take with no mutant on, in seconds, to be among those that are run.
    #[arg(long, default_value_t = 30)]
    test_seconds_max: u64,
    /// How many of the tests that reach a mutant are run against it. Without, all: who survived a few
    /// is run again.
    #[arg(long, default_value_t = usize::MAX)]
    tests_max: usize,
    /// How many tests run at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only these mutants, and all tests of each.
    #[arg(long, value_delimiter = ',')]
    only: Vec<usize>,
    /// Prints the mutants and runs nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let checkout = copy::Checkout::new()?;
    let found = find::find(checkout.root(), &args.sources)?;
    if args.list {
        found.mutants.iter().for_each(|mutant| println!("{}", mutant.to_json()));
        return Ok(());
    }
    checkout.copy(&found)?;
    let (program, off) = build::build(&checkout, &found, args.test)?;
    let tests = process::Tests::new(&checkout, args.test, program, args.jobs)?;
    let longest = Duration::from_secs(args.test_seconds_max);
    let reaching = reach::record(&tests, &args.with, longest)?;
    let reach = reach::of_mutants(&reaching);
    let end = std::time::Instant::now().checked_add(Duration::from_secs(args.seconds));
    let compiling = found.mutants.iter().filter(|mutant| !off.contains(&mutant.number));
    let only: BTreeSet<_> = args.only.into_iter().collect();
    let chosen: Vec<_> =
        compiling.filter(|mutant| only.is_empty() || only.contains(&mutant.number)).collect();
    let order = run::in_random_order(&chosen, args.seed);
    let results = run::run(&tests, &order, &reach, (end, args.tests_max))?;
    print!("{}", report::report(&chosen, &results));
    Ok(())
}
