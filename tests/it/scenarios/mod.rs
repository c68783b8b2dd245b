//! The acceptance scenarios: behaviours that users of durable engines rely on, by group. The id in
//! each test's docs is its number on the list they were drawn from.

mod bad_input;
mod determinism;
mod ends;
mod kills;
mod long;
mod races;
mod several;
mod signals;
mod steps;
mod timers;
mod unusable;
