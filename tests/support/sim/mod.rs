//! Our own simulation, at the traits where everything meets: stores, queues and clocks of hosts
//! that die, lag, see double and disagree about the time.
//!
//! All of it runs on one thread under tokio's paused clock, so a run is a function of its plan and
//! its seed, and hours of waiting cost nothing.

mod alarms;
mod check;
mod dice;
mod host;
mod ledger;
mod lossy;
pub mod programs;
mod run;
mod slow;
mod world;

pub use alarms::Alarms;
pub use check::{check_log, essence};
pub use dice::{Dice, seeds};
pub use host::{Death, Fates, Host, HostOptions};
pub use ledger::Ledger;
pub use lossy::{Losses, LossyQueue, Redelivered};
pub use run::{Plan, Setup, Story, live};
pub use slow::SlowStore;
pub use world::World;
