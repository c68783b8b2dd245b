//! For tests: conformance suites for stores and queues, and faults.

pub mod conformance;
pub mod faults;
