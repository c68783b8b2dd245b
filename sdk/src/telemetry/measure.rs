//! What is measured: every metric there is, and a batch of measures on its way to those who watch.

use std::borrow::Cow;

use crate::id::ExecutionId;

/// How the values of a metric add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To a sum.
    Counter,
    /// To a distribution.
    Histogram,
    /// The last one stands.
    Gauge,
}

/// Of what a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many of these, as an annotation of UCUM: `{turn}`.
    Count(&'static str),
    Seconds,
    Bytes,
}

/// What is measured of turns, executions, wakes and sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    TurnDuration,
    TurnReplayed,
    TurnCommits,
    TurnWritten,
    AttemptDuration,
    StepEnded,
    ExecutionStarted,
    ExecutionClosed,
    ExecutionDuration,
    TimerLateness,
    WakeHandled,
    SweepOverdue,
    SweepOldest,
}

impl Metric {
    #[cfg(any(test, feature = "opentelemetry"))]
    pub(super) const ALL: [Self; 13] = [
        Self::TurnDuration,
        Self::TurnReplayed,
        Self::TurnCommits,
        Self::TurnWritten,
        Self::AttemptDuration,
        Self::StepEnded,
        Self::ExecutionStarted,
        Self::ExecutionClosed,
        Self::ExecutionDuration,
        Self::TimerLateness,
        Self::WakeHandled,
        Self::SweepOverdue,
        Self::SweepOldest,
    ];

    /// Its name, kind, unit and description. Names and units are a promise: alarms hang on them.
    pub(super) const fn about(self) -> (&'static str, Kind, Unit, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        use Unit::{Bytes, Count, Seconds};
        match self {
            Self::TurnDuration => {
                ("everstep.turn.duration", Histogram, Seconds, "How long turns take")
            }
            Self::TurnReplayed => (
                "everstep.turn.replayed",
                Histogram,
                Count("{event}"),
                "How many events turns begin with",
            ),
            Self::TurnCommits => {
                ("everstep.turn.commits", Counter, Count("{commit}"), "Commits written")
            }
            Self::TurnWritten => {
                ("everstep.turn.written", Counter, Bytes, "Bytes of these commits")
            }
            Self::AttemptDuration => {
                ("everstep.attempt.duration", Histogram, Seconds, "How long attempts of steps take")
            }
            Self::StepEnded => {
                ("everstep.step.ended", Counter, Count("{step}"), "Steps that ended")
            }
            Self::ExecutionStarted => (
                "everstep.execution.started",
                Counter,
                Count("{run}"),
                "Runs of executions whose first turn was taken",
            ),
            Self::ExecutionClosed => (
                "everstep.execution.closed",
                Counter,
                Count("{execution}"),
                "Executions that ended",
            ),
            Self::ExecutionDuration => (
                "everstep.execution.duration",
                Histogram,
                Seconds,
                "How long executions take from the start of their last run",
            ),
            Self::TimerLateness => (
                "everstep.timer.lateness",
                Histogram,
                Seconds,
                "How long after their time timers fire",
            ),
            Self::WakeHandled => {
                ("everstep.wake.handled", Counter, Count("{wake}"), "Wakes that were received")
            }
            Self::SweepOverdue => (
                "everstep.sweep.overdue",
                Gauge,
                Count("{execution}"),
                "Executions that the sweeper found overdue",
            ),
            Self::SweepOldest => (
                "everstep.sweep.oldest",
                Gauge,
                Seconds,
                "How long the first of these has been overdue",
            ),
        }
    }
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(super) metric: Metric,
    pub(super) value: f64,
    /// Of which step it is.
    pub(super) step: Option<Cow<'static, str>>,
    /// How that ended: of few words.
    pub(super) outcome: Option<&'static str>,
}

/// What was measured together.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    /// Whose it is. Never a dimension: there is no end of executions.
    pub(super) execution: Option<&'a ExecutionId>,
    pub(super) run: Option<u32>,
    pub(super) workflow: Option<&'a str>,
    pub(super) measures: &'a [Measure],
}

pub(super) const WORKFLOW: &str = "everstep.workflow.name";
pub(super) const STEP: &str = "everstep.step.name";
pub(super) const OUTCOME: &str = "everstep.outcome";

#[cfg(test)]
mod tests {
    use super::*;

    /// Alarms hang on these names.
    #[test]
    fn every_metric_is_on_the_page_with_its_kind_and_has_its_place() {
        let page = include_str!("../../../docs/guide/observability.md");
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            let (name, kind, unit, _) = metric.about();
            assert_eq!(metric as usize, place, "{name}");
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
                Kind::Gauge => "gauge",
            };
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
            assert!(row.contains(&format!("| {kind} |")), "{row}");
            assert_eq!(row.contains("| s |"), unit == Unit::Seconds, "{row}");
        }
    }
}
