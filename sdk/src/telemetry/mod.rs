//! What operators see of executions: spans, log lines, metrics.
//!
//! Spans and log events are [`tracing`]'s, so any subscriber shows them; none is installed here,
//! unless the program calls [`logs::init`]. What is replayed shows nothing: not the spans, not the
//! metrics, and not the log lines of workflow code. docs/guide/observability.md lists every span,
//! field and metric.
//!
//! ```text
//! turn ─┬─> spans (turn, step, attempt) ──> tracing ─┬─> log lines
//!       │                                            └─> OpenTelemetry, a trace for each run
//!       └─> measures, a batch for each wake ──> Metrics ─┬─> CloudWatch, as lines on stdout
//!                                                        └─> OpenTelemetry
//! ```
//!
//! Two rules hold for all of it: nothing here fails, blocks or delays a turn, and a turn that
//! nobody watches pays a branch for it, no clock, lock or allocation.

mod emf;
#[cfg(feature = "logs")]
pub mod logs;
mod measure;
mod metrics;
#[cfg(feature = "opentelemetry")]
mod otel;
mod silence;
mod spans;
#[cfg(feature = "opentelemetry")]
mod trace;
mod turn;

pub use metrics::{METRICS_VARIABLE, Metrics, MetricsError};
#[cfg(feature = "opentelemetry")]
pub use trace::TraceOf;
#[cfg(feature = "opentelemetry")]
pub(crate) use trace::link_to_run;

pub(crate) use metrics::Watchers;
pub(crate) use silence::silently;
#[cfg(feature = "aws")]
pub(crate) use spans::invocation;
pub(crate) use spans::{AttemptSpan, Attempted, StepSpans};
pub(crate) use turn::{Meter, TurnTelemetry, attempt_failed};
