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
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use everstep::prelude::*;
//! # use everstep::time::Clock;
//! use everstep::local::{SqliteBackend, SqliteOptions, SqliteQueue, SqliteStore};
//! use everstep::wake::WakeQueue;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(ExecutionId::random().as_str());
//! # std::fs::create_dir(&folder)?;
//! # let path = folder.join("everstep.db");
//! // Nothing is made where something should be.
//! assert!(SqliteBackend::open(&path, &SqliteOptions::new().create(false)).is_err());
//!
//! let options = SqliteOptions::new()
//!     .sync_every_commit(true) // a power cut takes back nothing
//!     .busy_timeout(Duration::from_secs(1))
//!     .visibility(Duration::from_secs(60))
//!     .clock(Clock::system());
//! let file = SqliteBackend::open(&path, &options)?;
//! let (store, queue): (SqliteStore, SqliteQueue) = (file.store(), file.queue());
//! assert_eq!(queue.visibility(), Duration::from_secs(60));
//! assert_eq!(file.host()?, file.host()?); // the process has one name on this file
//!
//! let backend = Backend::new(Arc::new(store), Arc::new(queue));
//! backend.setup().await?;
//! # drop((backend, file));
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(()) }
//! ```

mod checkpoint;
mod count;
mod database;
mod error;
mod graves;
mod list;
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
