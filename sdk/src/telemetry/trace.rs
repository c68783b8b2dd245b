//! One OpenTelemetry trace for each run of an execution, on whatever host its turns are taken.
//!
//! Nothing is stored and nothing handed on: execution and run say which trace it is (ADR 0070).

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use sha2::{Digest, Sha256};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::event::WorkflowStarted;
use crate::id::ExecutionId;

/// Which trace the turns of a run are in: the same on every host, whoever asks.
///
/// ```
/// use everstep::telemetry::TraceOf;
/// let trace = TraceOf::run(&"order-7".parse()?, 1);
/// println!("https://traces.example.com/{}", trace.id());
/// // A span of another program says what it is about:
/// tracing_opentelemetry::OpenTelemetrySpanExt::add_link(&tracing::Span::current(), trace.context().clone());
/// assert_eq!(trace.context().trace_id(), trace.id());
/// # Ok::<(), everstep::id::InvalidExecutionId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceOf {
    context: SpanContext,
}

impl TraceOf {
    /// Of run `run` of an execution; the first is 1.
    #[must_use]
    pub fn run(execution: &ExecutionId, run: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"everstep trace 1\0");
        hash.update(run.to_be_bytes());
        hash.update(execution.as_str());
        let hash: [u8; 32] = hash.finalize().into();
        let (mut trace, mut root) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash[..16]);
        root.copy_from_slice(&hash[16..24]);
        // Sampled: whoever wants fewer traces decides by their ids, and so alike on every host.
        let context = SpanContext::new(
            TraceId::from_bytes(trace),
            SpanId::from_bytes(root),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        Self { context }
    }

    /// The trace's id.
    #[must_use]
    pub fn id(&self) -> TraceId {
        self.context.trace_id()
    }

    /// What every turn of the run has as its parent: a link to it is a link to the run.
    #[must_use]
    pub fn context(&self) -> &SpanContext {
        &self.context
    }
}

/// Whoever starts a run has a link to it, from the span it is in.
pub(crate) fn link_to_run(execution: &ExecutionId, run: u32) {
    let span = Span::current();
    if !span.is_disabled() {
        span.add_link(TraceOf::run(execution, run).context);
    }
}

/// Puts the span of a turn into its run's trace, beside the trace of what it was taken in. `begins`
/// if it is the first turn of the run.
pub(super) fn place(span: &Span, start: &WorkflowStarted, begins: bool) {
    if span.is_disabled() {
        return;
    }
    let around = Span::current().context().span().span_context().clone();
    let own = TraceOf::run(&start.execution, start.run);
    let parent = Context::new().with_remote_span_context(own.context);
    if span.set_parent(parent).is_err() {
        return; // Whoever listens is not OpenTelemetry.
    }
    span.record("otel.kind", "consumer");
    if around.is_valid() {
        span.add_link(around);
    }
    if begins && start.run > 1 {
        span.add_link(TraceOf::run(&start.execution, start.run - 1).context);
    }
    if begins && let Some(parent) = &start.parent {
        span.add_link(TraceOf::run(&parent.execution, parent.run).context);
    }
}
