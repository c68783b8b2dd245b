//! Replay makes no log lines.

use std::sync::LazyLock;

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Who hears what is said in silence.
///
/// It is registered like any subscriber, and never dropped. While `tracing` knows but one, it asks
/// whichever is current whether a line that is passed for the first time is ever wanted, and remembers
/// the answer: in silence that would be no, for good. Of two it asks both.
static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Nobody));

struct Nobody;

impl Subscriber for Nobody {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    /// It changes nothing for the others.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs `f` without a subscriber: whatever it logs or spans on this thread goes nowhere.
pub(crate) fn silently<T>(f: impl FnOnce() -> T) -> T {
    if LevelFilter::current() == LevelFilter::OFF {
        return f(); // Nobody listens at all.
    }
    dispatcher::with_default(&NOBODY, f)
}
