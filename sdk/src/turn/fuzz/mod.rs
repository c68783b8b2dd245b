//! Replay against live runs: adversarial workflows over the real engine and the real context, with
//! completions in random order and crashes at random places. No store and no clock.
//!
//! For every program and seed:
//!
//! 1. **A log says all.** A replay of a run's log polls the workflow to the same trace at each
//!    event, asks for the same calls in the same order, and ends in the same result; and the
//!    log with every call in it as the replay makes it is the log, byte for byte.
//! 2. **A crash is nothing.** A run is stopped at a random event. One host has the workflow still
//!    in its hands; another one has the log. If the same things happen to both from then on, both
//!    write the same log, byte for byte, to the same trace and result.
//! 3. The log of the run that crashed says all, too.
//!
//! [`turns`] does the same in whole turns, on a store in memory.
//!
//! `EVERSTEP_FUZZ_SEEDS` sets the number of seeds a program, `EVERSTEP_FUZZ_TURN_SEEDS` that of whole
//! turns, and `EVERSTEP_FUZZ_FIRST` the first one: a failure prints the command that repeats it.

mod bodies;
mod changes;
mod programs;
mod rng;
#[cfg(feature = "testing")]
mod store;
mod trace;
#[cfg(feature = "testing")]
mod turns;
mod undo;
mod world;

use std::collections::BTreeSet;

use crate::event::{Event, Json};
use crate::store::Message;
use programs::Program;
use rng::Rng;
use trace::encoded;
use world::World;

/// Seeds a program, unless the environment says otherwise.
const SEEDS: u64 = 100;

/// Where more are asked for, each program has so many, however long it takes.
const MANY: u64 = 2_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs `program` with all seeds. `cost` is how many times as long as a short one it takes.
fn fuzz(program: &Program, cost: u64) {
    let first = number("EVERSTEP_FUZZ_FIRST", 0);
    let asked = number("EVERSTEP_FUZZ_SEEDS", SEEDS);
    let seeds = (asked / cost).max(if asked > MANY { MANY } else { 1 });
    let mut ends = BTreeSet::new();
    for seed in first..first + seeds {
        let _repeat = Repeat { program: program.name, seed };
        let mut live = World::new(program, seed);
        live.go_on_to_the_end();
        let trace = says_all(program, &live);
        crash_is_nothing(program, seed, &live.log);
        ends.insert((trace::notes(trace), format!("{:?}", live.end)));
    }
    assert!(seeds < 50 || program.fixed || ends.len() > 1, "the order of events never mattered");
}

/// Statement 1. Returns the trace.
fn says_all(program: &Program, live: &World) -> Vec<String> {
    assert!(live.end.is_some(), "the live run has not ended");
    let replayed = World::replay(program, &live.log);
    let trace = live.take_trace();
    assert_eq!(trace, replayed.take_trace(), "the trace differs; log: {:#?}", live.log);
    assert_eq!(live.end, replayed.end, "the result differs; log: {:#?}", live.log);
    same_bytes(&live.log, &replayed.remade_log());
    trace
}

/// Statements 2 and 3. `log` is what a run with `seed` writes.
fn crash_is_nothing(program: &Program, seed: u64, log: &[Event]) {
    let cut = 1 + Rng::new(seed).index(log.len());
    let mut kept = World::new(program, seed);
    kept.go_on_to(cut);
    same_bytes(&log[..kept.log.len()], &kept.log);
    let mut crashed = World::resume(program, &kept.log);
    kept.interrupt();
    for world in [&mut kept, &mut crashed] {
        world.reseed(!seed);
        world.go_on_to_the_end();
    }
    same_bytes(&kept.log, &crashed.log);
    let trace = says_all(program, &crashed);
    assert_eq!(kept.take_trace(), trace, "the trace differs; log: {:#?}", kept.log);
    assert_eq!(kept.end, crashed.end, "the result differs; log: {:#?}", kept.log);
}

/// The message with this number: one of three signals or, more rarely, of three updates.
fn message(number: u64, rng: &mut Rng) -> Message {
    let is_update = rng.below(3) == 0;
    let (name, number) = (rng.below(3), Json::record(&number).expect("a number"));
    if is_update {
        Message::Update { name: format!("u{name}"), request: number }
    } else {
        Message::Signal { name: format!("s{name}"), payload: number }
    }
}

fn same_bytes(one: &[Event], other: &[Event]) {
    let (one, other) = (encoded(one), encoded(other));
    assert!(one.hash == other.hash, "the log differs:\n{}\n{}", one.body, other.body);
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
                "repeat: EVERSTEP_FUZZ_FIRST={} EVERSTEP_FUZZ_SEEDS=1 EVERSTEP_FUZZ_TURN_SEEDS=1 \
                 cargo test -p everstep --features testing --lib fuzz::{}",
                self.seed, self.program
            );
        }
    }
}
