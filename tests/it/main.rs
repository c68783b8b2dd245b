//! Every integration test that needs nothing but Rust: one module a feature.

mod crash;
mod dynamodb;
mod faults;
mod macros;
mod memory;
mod scenarios;
mod smoke;
mod sqlite;
