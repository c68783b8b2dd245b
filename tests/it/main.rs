//! Every integration test that needs nothing but Rust: one module a feature.

mod architecture;
mod calling;
mod costs;
mod crash;
mod deploy_check;
mod dynamodb;
mod examples;
mod faults;
mod faulty;
mod http;
mod kills;
mod kit;
mod limiters;
mod macros;
mod memory;
mod messages;
mod order;
mod payloads;
mod prose;
mod races;
mod readme;
mod refusals;
mod rules;
mod scenarios;
mod smoke;
mod sqlite;
