//! What a turn tells of itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Span;

use super::measure::{Batch, Measure, Metric};
use super::metrics::Watchers;
use super::spans::{self, StepSpans, error_type};
use crate::event::{Event, Failure, WorkflowStarted};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// So many measures are given away before the turn has ended.
const MEASURES_MAX: usize = 1000;

/// Collects what is measured for one wake. Without anybody who watches it does nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    watchers: Watchers,
    execution: ExecutionId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    workflow: Option<String>,
    run: Option<u32>,
    started_at: Timestamp,
    measures: Vec<Measure>,
    /// How late the timers are that this turn fires.
    fires: BTreeMap<u32, Duration>,
}

impl Meter {
    /// For a wake of this execution.
    pub(crate) fn new(watchers: &Watchers, execution: &ExecutionId) -> Self {
        if watchers.is_empty() {
            return Self(None);
        }
        let (watchers, execution) = (watchers.clone(), execution.clone());
        Self(Some(Arc::new(Open { watchers, execution, state: Mutex::default() })))
    }

    /// The run that is measured from here on.
    fn run(&self, start: &WorkflowStarted) {
        let Some(open) = &self.0 else { return };
        let mut state = open.state();
        if state.run.is_some_and(|run| run != start.run) {
            open.give_away(&mut state);
        }
        state.workflow = Some(start.workflow.clone());
        (state.run, state.started_at) = (Some(start.run), start.at);
        state.fires.clear();
    }

    /// What became of the wake. All that was measured is given to those who watch.
    pub(crate) fn wake(&self, outcome: &'static str) {
        let Some(open) = &self.0 else { return };
        let mut state = open.state();
        state.add(Metric::WakeHandled, 1.0, None, Some(outcome));
        open.give_away(&mut state);
    }

    fn add(
        &self,
        metric: Metric,
        value: f64,
        step: Option<&Cow<'static, str>>,
        outcome: Option<&'static str>,
    ) {
        let Some(open) = &self.0 else { return };
        let mut state = open.state();
        state.add(metric, value, step, outcome);
        if state.measures.len() >= MEASURES_MAX {
            open.give_away(&mut state);
        }
    }

    /// Timer `seq` fires so long after its time. It counts once that is durable.
    pub(crate) fn timer_fires(&self, seq: u32, late: Duration) {
        let Some(open) = &self.0 else { return };
        open.state().fires.insert(seq, late);
    }

    /// `event` is durable, and has ended an execution without a turn.
    pub(crate) fn ends(&self, start: &WorkflowStarted, event: &Event) {
        self.run(start);
        self.durable(event);
    }

    /// `event` is durable.
    pub(crate) fn durable(&self, event: &Event) {
        if self.0.is_some() {
            self.count(event);
        }
    }

    fn count(&self, event: &Event) {
        let attempt = |step, took_us: u64, outcome| {
            let took = Duration::from_micros(took_us).as_secs_f64();
            self.add(Metric::AttemptDuration, took, Some(step), Some(outcome));
        };
        match event {
            Event::StepCompleted(e) => {
                attempt(&e.key.name, e.took_us, "completed");
                self.add(Metric::StepEnded, 1.0, Some(&e.key.name), Some("completed"));
            }
            Event::StepFailed(e) => {
                attempt(&e.key.name, e.took_us, outcome(&e.failure));
                self.add(Metric::StepEnded, 1.0, Some(&e.key.name), Some("failed"));
            }
            Event::StepAttemptFailed(e) => attempt(&e.key.name, e.took_us, outcome(&e.failure)),
            Event::StepPostponed(e) => attempt(&e.key.name, e.took_us, "postponed"),
            Event::TimerFired(e) => {
                let late = self.0.as_ref().and_then(|open| open.state().fires.remove(&e.seq));
                if let Some(late) = late {
                    self.add(Metric::TimerLateness, late.as_secs_f64(), None, None);
                }
            }
            Event::WorkflowCompleted(e) => self.closed(e.at, "completed"),
            Event::WorkflowFailed(e) => self.closed(e.at, "failed"),
            Event::WorkflowCancelled(e) => self.closed(e.at, "cancelled"),
            Event::WorkflowTerminated(e) => self.closed(e.at, "terminated"),
            _ => {}
        }
    }

    fn closed(&self, at: Timestamp, outcome: &'static str) {
        let Some(open) = &self.0 else { return };
        let took = at.since(open.state().started_at).as_secs_f64();
        self.add(Metric::ExecutionClosed, 1.0, None, Some(outcome));
        self.add(Metric::ExecutionDuration, took, None, Some(outcome));
    }
}

/// How an attempt of a step ended that did not complete.
fn outcome(failure: &Failure) -> &'static str {
    match failure {
        Failure::Error { .. } => "failed",
        failure => error_type(failure),
    }
}

impl Open {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_away(&self, state: &mut State) {
        let batch = Batch {
            execution: Some(&self.execution),
            run: state.run,
            workflow: state.workflow.as_deref(),
            measures: &state.measures,
        };
        self.watchers.take(&batch);
        state.measures.clear();
    }
}

impl State {
    fn add(
        &mut self,
        metric: Metric,
        value: f64,
        step: Option<&Cow<'static, str>>,
        outcome: Option<&'static str>,
    ) {
        self.measures.push(Measure { metric, value, step: step.cloned(), outcome });
    }
}

/// The span and the measures of one turn.
#[derive(Debug, Clone)]
pub(crate) struct TurnTelemetry {
    span: Span,
    pub(crate) meter: Meter,
    begun: Option<Instant>,
    replayed: usize,
    begins: bool,
}

impl TurnTelemetry {
    /// A turn begins with these events of its run. `receipts` is how often its wake has come.
    pub(crate) fn of(meter: &Meter, log: &[Event], receipts: u32) -> Self {
        let Some(Event::WorkflowStarted(start)) = log.first() else {
            unreachable!("the events of a run begin with WorkflowStarted")
        };
        let begins = !log.iter().any(|event| matches!(event, Event::TurnStarted(_)));
        let span = spans::turn(start, receipts, log.len());
        #[cfg(feature = "opentelemetry")]
        super::trace::place(&span, start, begins);
        spans::named(&span, "turn", &start.workflow);
        meter.run(start);
        let begun = meter.0.is_some().then(Instant::now);
        Self { span, meter: meter.clone(), begun, replayed: log.len(), begins }
    }

    /// What the turn runs in.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The turn wrote so many commits of so many bytes.
    pub(crate) fn wrote(&self, commits: u64, bytes: u64) {
        if self.begun.is_none() || commits == 0 {
            return;
        }
        if self.begins {
            self.meter.add(Metric::ExecutionStarted, 1.0, None, None);
        }
        #[expect(clippy::cast_precision_loss, reason = "a turn writes less than 2^53 bytes")]
        for (metric, value) in [(Metric::TurnCommits, commits), (Metric::TurnWritten, bytes)] {
            self.meter.add(metric, value as f64, None, None);
        }
    }

    /// How the turn ended.
    pub(crate) fn ended(&self, outcome: &'static str) {
        self.span.record("everstep.turn.outcome", outcome);
        if let "blocked" | "unknown_workflow" | "error" = outcome {
            spans::has_error(&self.span, outcome);
        }
        if let Some(begun) = self.begun {
            let took = begun.elapsed().as_secs_f64();
            self.meter.add(Metric::TurnDuration, took, None, Some(outcome));
            #[expect(clippy::cast_precision_loss, reason = "a log has less than 2^53 events")]
            self.meter.add(Metric::TurnReplayed, self.replayed as f64, None, None);
        }
    }
}

/// An attempt of step `seq` has failed: a line of the log, in the step's span. `message` is left out
/// where it is nobody's business.
pub(crate) fn attempt_failed(
    steps: &StepSpans,
    seq: u32,
    attempt: u32,
    failure: &Failure,
    hides: bool,
    retry_in: Option<Duration>,
) {
    let say = || {
        let message = (!hides).then(|| failure.message());
        let (message, retry_in) = (message.as_deref(), retry_in.map(|it| it.as_secs_f64()));
        tracing::warn!(
            "error.type" = error_type(failure),
            "exception.message" = message,
            everstep.step.attempt = attempt,
            everstep.step.retry_in_s = retry_in,
            "{}",
            if retry_in.is_some() {
                "an attempt failed and is made again"
            } else {
                "a step failed"
            }
        );
    };
    match steps.of(seq) {
        Some(step) => step.in_scope(say),
        None => say(),
    }
}
