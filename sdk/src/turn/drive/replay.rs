//! Replay: the loaded log is delivered, and what workflow code logs meanwhile is not shown again.
//!
//! A line is left out only where the log proves that some turn before has shown it. It does in two
//! ways: a turn that ends suspended has delivered everything; and a call that is recorded was made,
//! so whatever the workflow was given before it made that call, it was given before. What is left
//! is the stretch behind the last recorded call of a turn that died or handed over. Its lines are
//! shown, and may be shown twice; none is lost.

use super::Turn;
use crate::event::{Event, TurnEnd};
use crate::replay::Fault;
use crate::telemetry::silently;

impl Turn<'_> {
    /// Delivers the loaded log. No body starts before all of it is delivered.
    pub(super) fn replay(&mut self, log: &[Event]) -> Option<Fault> {
        let shown = log.iter().rposition(ends_suspended).map_or(0, |last| last + 1);
        let (next, fault) = silently(|| {
            let mut next = 0;
            while next < log.len() && (next < shown || self.run.engine().has_been_here()) {
                let fault = self.give(next, &log[next]);
                next += 1;
                if fault.is_some() {
                    return (next, fault);
                }
            }
            (next, None)
        });
        let mut fault = fault;
        for (index, event) in log.iter().enumerate().skip(next) {
            if fault.is_some() {
                break;
            }
            fault = self.give(index, event);
        }
        fault.or_else(|| self.refuses_new_steps(log))
    }

    /// Gives the workflow the event at `index`, of which the first is its start.
    fn give(&mut self, index: usize, event: &Event) -> Option<Fault> {
        if index == 0 {
            let progress = self.run.poll();
            return self.progress(progress);
        }
        if let Event::CompensationStarted(_) = event {
            self.end = None;
        }
        let progress = self.run.deliver(event)?;
        self.progress(progress)
    }
}

fn ends_suspended(event: &Event) -> bool {
    matches!(event, Event::TurnEnded(end) if end.reason == TurnEnd::Suspended)
}
