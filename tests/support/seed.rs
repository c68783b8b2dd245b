//! Randomness that can be had again: one seed a test, printed, read from `EVERSTEP_SEED`.

/// The variable that repeats a run.
pub const SEED_VARIABLE: &str = "EVERSTEP_SEED";

/// Random numbers from a seed (xorshift64*).
#[derive(Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The seed of the environment, or a new one; says which.
    ///
    /// # Panics
    /// The environment's is no number.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "a failed test must say how to repeat it")]
    pub fn from_env() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(seed) => seed.parse().expect("EVERSTEP_SEED is a number"),
            Err(_) => uuid::Uuid::new_v4().as_u64_pair().0 >> 16,
        };
        eprintln!("to repeat: {SEED_VARIABLE}={seed}");
        Self(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end.max(1)
    }
}
