//! The spans of what runs: their names and fields stand here and nowhere else.
//!
//! A name is OpenTelemetry's where it has one (<https://opentelemetry.io/docs/specs/semconv/>:
//! `error.type`, `exception.message`, `faas.*`, `messaging.*`), else it begins with `everstep.`.
//! Payloads are in none of them.

use std::collections::BTreeMap;

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::event::{Failure, OperationKey, WorkflowStarted};

/// The target of all of them, and of nothing else.
#[cfg(feature = "logs")]
pub(super) const TARGET: &str = module_path!();

/// The span of a turn.
pub(super) fn turn(start: &WorkflowStarted, receipts: u32, replayed: usize) -> Span {
    info_span!(
        "turn",
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
        "error.type" = Empty,
        "messaging.operation.type" = "process",
        everstep.execution.id = %start.execution,
        everstep.workflow.name = %start.workflow,
        everstep.run = start.run,
        everstep.wake.receipts = receipts,
        everstep.turn.replayed = replayed,
        everstep.turn.outcome = Empty,
    )
}

/// What an invocation of a Lambda function runs in.
#[cfg(feature = "aws")]
pub(crate) fn invocation(id: &str, trigger: &'static str, is_cold: bool) -> Span {
    info_span!(
        "invocation",
        "faas.invocation_id" = id,
        "faas.trigger" = trigger,
        "faas.coldstart" = is_cold
    )
}

/// The spans of the steps that this turn has begun an attempt of.
#[derive(Debug, Default)]
pub(crate) struct StepSpans(BTreeMap<u32, Span>);

impl StepSpans {
    /// An attempt of step `seq` begins.
    pub(crate) fn attempt(&mut self, seq: u32, key: &OperationKey, attempt: u32) -> AttemptSpan {
        let step = match self.0.get(&seq) {
            Some(step) => step,
            None => {
                let step = info_span!(
                    "step",
                    otel.name = Empty,
                    otel.status_code = Empty,
                    "error.type" = Empty,
                    everstep.step.name = %key.name,
                    everstep.step.key = %key,
                    everstep.step.outcome = Empty,
                );
                if step.is_disabled() {
                    return AttemptSpan(Span::none());
                }
                named(&step, "step", &key.name);
                self.0.entry(seq).or_insert(step)
            }
        };
        let span = info_span!(
            parent: step,
            "attempt",
            otel.name = Empty,
            otel.status_code = Empty,
            "error.type" = Empty,
            everstep.step.attempt = attempt,
            everstep.attempt.outcome = Empty,
        );
        named(&span, "attempt", &key.name);
        AttemptSpan(span)
    }

    /// Step `seq` has its result.
    pub(crate) fn completed(&mut self, seq: u32) {
        if let Some(step) = self.0.remove(&seq) {
            step.record("everstep.step.outcome", "completed");
        }
    }

    /// Step `seq` has failed for good.
    pub(crate) fn failed(&mut self, seq: u32, failure: &Failure) {
        if let Some(step) = self.0.remove(&seq) {
            step.record("everstep.step.outcome", "failed");
            has_error(&step, error_type(failure));
        }
    }

    /// The span of step `seq`, for an event in it.
    pub(super) fn of(&self, seq: u32) -> Option<&Span> {
        self.0.get(&seq)
    }
}

/// The span of an attempt. Dropped before the attempt has ended, it was interrupted.
#[derive(Debug)]
pub(crate) struct AttemptSpan(Span);

/// How an attempt ended, as its span tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attempted<'a> {
    /// With a result.
    Completed,
    /// It is made again later, and has done nothing.
    Postponed,
    /// It failed.
    Failed(&'a Failure),
    /// It panicked.
    Panicked,
}

impl AttemptSpan {
    /// What its body runs in.
    pub(crate) fn span(&self) -> Span {
        self.0.clone()
    }

    /// It has ended.
    pub(crate) fn ended(mut self, how: Attempted<'_>) {
        let span = std::mem::replace(&mut self.0, Span::none());
        let (outcome, error) = match how {
            Attempted::Completed => ("completed", None),
            Attempted::Postponed => ("postponed", None),
            Attempted::Failed(failure) => ("failed", Some(error_type(failure))),
            Attempted::Panicked => ("failed", Some("panic")),
        };
        span.record("everstep.attempt.outcome", outcome);
        if let Some(error) = error {
            has_error(&span, error);
        }
    }
}

impl Drop for AttemptSpan {
    fn drop(&mut self) {
        if !self.0.is_disabled() {
            self.0.record("everstep.attempt.outcome", "interrupted");
            has_error(&self.0, "interrupted");
        }
    }
}

/// What kind of failure it is: few words, whatever the texts say.
pub(super) fn error_type(failure: &Failure) -> &'static str {
    match failure {
        Failure::Error { .. } => "error",
        Failure::Panicked { .. } => "panic",
        Failure::TimedOut { .. } => "timeout",
        Failure::Interrupted { .. } => "interrupted",
        Failure::Unrecordable { .. } => "unrecordable",
    }
}

/// The span's work has failed.
pub(super) fn has_error(span: &Span, error_type: &'static str) {
    span.record("otel.status_code", "ERROR").record("error.type", error_type);
}

/// What OpenTelemetry is to call a span: beside its kind, what it is about.
#[cfg_attr(not(feature = "opentelemetry"), expect(unused_variables, reason = "nobody asks then"))]
pub(super) fn named(span: &Span, kind: &str, of: &str) {
    #[cfg(feature = "opentelemetry")]
    if !span.is_disabled() {
        span.record("otel.name", format!("{kind} {of}"));
    }
}
