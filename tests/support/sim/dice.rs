//! Seeds: where a run's chances come from, and how a failed run is repeated.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Runs only this seed.
const SEED_VARIABLE: &str = "EVERSTEP_SEED";

/// Runs so many seeds instead of the test's own number.
const SEEDS_VARIABLE: &str = "EVERSTEP_SEEDS";

/// Random numbers from a seed: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xff51_afd7_ed55_8ccd))
    }

    /// Other dice that these have thrown: what they show depends on nothing else.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A duration below `end`, in whole milliseconds.
    pub fn time(&mut self, end: Duration) -> Duration {
        Duration::from_millis(self.below(end.as_millis().try_into().unwrap_or(u64::MAX)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Runs `run` for each of `count` seeds, each in a world of its own whose clock is paused.
///
/// # Panics
/// A run panicked: with its seed, and the command that repeats it.
pub fn seeds<F: Future<Output = ()>>(test: &str, count: u64, run: impl Fn(u64) -> F) {
    let number = |variable| std::env::var(variable).ok()?.parse::<u64>().ok();
    let all = match number(SEED_VARIABLE) {
        Some(seed) => seed..seed + 1,
        None => 0..number(SEEDS_VARIABLE).unwrap_or(count),
    };
    for seed in all {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(seed))));
        if let Err(panic) = outcome {
            panic!(
                "seed {seed}: {}\nto repeat it: {SEED_VARIABLE}={seed} cargo nextest run -p everstep-tests {test}",
                text(&*panic)
            );
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}
