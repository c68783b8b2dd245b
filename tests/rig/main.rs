//! Integration tests on services that Rust alone cannot give: run them with `./tests/run`.

mod archive;
mod calls;
mod data;
mod dead_letters;
mod deploy;
mod front;
mod image;
mod kills;
mod kms;
mod lambda;
mod limiters;
mod notifications;
mod page;
mod payloads;
mod postgres;
mod readme;
mod releases;
mod scheduler;
mod schedules;
mod sqs;
mod telemetry;
mod triggers;
