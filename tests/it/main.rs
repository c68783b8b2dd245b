//! Every integration test that needs nothing but Rust: one module a feature.

mod costs;
mod crash;
mod dynamodb;
mod faults;
mod faulty;
mod macros;
mod memory;
mod races;
mod rules;
mod scenarios;
mod smoke;
mod sqlite;
