//! At home: one SQLite file that holds the log, the records, the inboxes and the queue.
//!
//! ```text
//! SqliteStore ─┐            ┌─ writer thread ── one connection, one transaction for all that waits;
//!              │            │                   beside it a thread that makes checkpoints
//!              ├─ Database ─┤
//! SqliteQueue ─┘            └─ readers ──────── a few connections on the blocking pool
//!                           └─ presence ─────── a locked file that says "this process lives"
//! ```
//!
//! Several processes on **one machine** may open the file at once. It must not lie on a network
//! file system: neither SQLite's locks nor the hosts' hold there.
//!
//! In the default mode what was acknowledged survives every crash of a process, and a crash of the
//! machine may take back the last moments (never more than that, and never in parts);
//! [`SqliteOptions::sync_every_commit`] closes that gap at the price of one disk flush a write.

mod checkpoint;
mod count;
mod database;
mod error;
mod graves;
mod presence;
mod readers;
mod rows;
mod schema;
mod store;
mod wake;
mod writer;

pub use database::{SqliteBackend, SqliteOptions};
pub use store::SqliteStore;
pub use wake::SqliteQueue;
