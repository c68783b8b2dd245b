//! Replay makes no log lines.

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;

/// Runs `f` without a subscriber: whatever it logs or spans on this thread goes nowhere.
pub(crate) fn silently<T>(f: impl FnOnce() -> T) -> T {
    if LevelFilter::current() == LevelFilter::OFF {
        return f(); // Nobody listens at all.
    }
    // That none was registered is the point: the caches of callsites stay as they are.
    dispatcher::with_default(&Dispatch::none(), f)
}
