//! Runs the code of docs/guide/observability.md.

#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/observability.md")]
struct ObservabilityPage;
