//! What OpenTelemetry sees: one trace for each run, with what ran in it, and the metrics that others
//! get.

mod metrics;
mod spans;
mod world;
