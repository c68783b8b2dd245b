//! What the benchmarks share: runs, and how their figures are printed.

use std::time::Duration;

/// How often each figure is taken; the median is the one to quote.
pub const RUNS: usize = 5;

/// Minimum, median and maximum of several runs.
#[derive(Debug, Clone)]
pub struct Figures(Vec<Duration>);

impl Figures {
    /// The figures of `runs`.
    #[must_use]
    pub fn of(mut runs: Vec<Duration>) -> Self {
        runs.sort_unstable();
        Self(runs)
    }

    /// `min / median / max`, each divided by `by`, in microseconds.
    #[must_use]
    pub fn micros_per(&self, by: u32) -> String {
        let micros = |run: Duration| (run / by).as_secs_f64() * 1e6;
        let [low, mid, high] = self.three().map(micros);
        format!("{low:8.2} / {mid:8.2} / {high:8.2} µs")
    }

    /// `min / median / max` in milliseconds.
    #[must_use]
    pub fn millis(&self) -> String {
        let [low, mid, high] = self.three().map(|run| run.as_secs_f64() * 1e3);
        format!("{low:8.2} / {mid:8.2} / {high:8.2} ms")
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.three()[1]
    }

    fn three(&self) -> [Duration; 3] {
        [self.0[0], self.0[self.0.len() / 2], self.0[self.0.len() - 1]]
    }
}

/// The `share` (0 to 1) of `values` that lie below the result.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
pub fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    let index = (values.len().saturating_sub(1) as f64 * share) as usize;
    values.get(index).copied().unwrap_or_default()
}
