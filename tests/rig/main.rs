//! Integration tests on services that Rust alone cannot give: run them with `./tests/run`.

mod calls;
mod dead_letters;
mod deploy;
mod front;
mod kills;
mod kms;
mod lambda;
mod limiters;
mod payloads;
mod postgres;
mod readme;
mod scheduler;
mod sqs;
mod triggers;
