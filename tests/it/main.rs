//! Every integration test that needs nothing but Rust: one module a feature.

mod dynamodb;
mod faults;
mod memory;
mod smoke;
mod sqlite;
