//! What the library says: its `tracing` events, as lines of text.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Hears everything that is said on this thread, until it is dropped.
#[derive(Debug)]
pub struct Said {
    lines: Lines,
    _listens: DefaultGuard,
}

/// One line an event: its level, its message, its fields.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Said {
    /// Listens from now on.
    #[must_use]
    pub fn listen() -> Self {
        let lines = Lines::default();
        let listens = tracing::subscriber::set_default(lines.clone());
        Self { lines, _listens: listens }
    }

    /// What was said with all of these parts in it.
    #[must_use]
    pub fn with(&self, parts: &[&str]) -> Vec<String> {
        let lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |line: &&String| parts.iter().all(|part| line.contains(part));
        lines.iter().filter(has).cloned().collect()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        _ = write!(self.0, " {field}={value:?}");
    }
}
