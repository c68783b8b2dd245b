//! Replay against live runs: adversarial workflows over the real engine and the real context, with
//! completions in random order and crashes at random places. No store and no clock.
//!
//! For every program and seed: the trace, the calls and the result of the live run equal those of
//! a replay of its log, byte for byte; and from a log cut at a random event a run goes on to an
//! end, and its whole log replays likewise.
//!
//! `EVERSTEP_FUZZ_SEEDS` sets the number of seeds a program, `EVERSTEP_FUZZ_FIRST` the first one:
//! a failure prints the command that repeats it.

mod driver;
mod programs;
mod rng;

use driver::{Played, play, replay};
use programs::Program;
use rng::Rng;

/// Seeds a program, unless the environment says otherwise.
const SEEDS: u64 = 1_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs `program` with all seeds. `cost` is how many times as long as a short one it takes.
fn fuzz(program: &Program, cost: u64) {
    let first = number("EVERSTEP_FUZZ_FIRST", 0);
    let seeds = (number("EVERSTEP_FUZZ_SEEDS", SEEDS) / cost).max(1);
    let mut ends = std::collections::BTreeSet::new();
    for seed in first..first + seeds {
        let _repeat = Repeat { program: program.name, seed };
        let live = play(program, seed, &[]);
        same(&live, &replay(program, &live.log));
        let cut = 1 + Rng::new(seed).below(live.log.len() as u64);
        let resumed = play(program, !seed, &live.log[..usize::try_from(cut).unwrap_or(1)]);
        same(&resumed, &replay(program, &resumed.log));
        ends.insert((live.trace, format!("{:?}", live.end)));
    }
    assert!(seeds < 50 || program.fixed || ends.len() > 1, "the order of events never mattered");
}

#[track_caller]
fn same(live: &Played, replayed: &Played) {
    assert!(live.end.is_some(), "the live run has not ended");
    assert_eq!(live.trace, replayed.trace, "the trace differs; log: {:#?}", live.log);
    assert_eq!(live.end, replayed.end, "the result differs; log: {:#?}", live.log);
}

/// Says how to repeat a failure.
struct Repeat {
    program: &'static str,
    seed: u64,
}

impl Drop for Repeat {
    #[expect(clippy::print_stderr, reason = "the output of a failing test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "repeat: EVERSTEP_FUZZ_FIRST={} EVERSTEP_FUZZ_SEEDS=1 cargo test -p everstep --lib \
                 fuzz::{}",
                self.seed, self.program
            );
        }
    }
}
