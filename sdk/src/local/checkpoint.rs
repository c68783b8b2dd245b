//! Moving what was written from SQLite's write-ahead log into the database, beside the writer.
//!
//! A checkpoint flushes to the disk, which takes milliseconds; done by the writer it would hold up
//! everybody. Under a load that never pauses this one never catches up with the writer, and the
//! write-ahead log would grow for ever: so beyond [`WRITER_PAGES`] the writer does it after all.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

/// How many requests the writer does between two nudges: some megabytes.
const EVERY_REQUESTS: usize = 500;

/// From how many pages (of 4 KiB) in the write-ahead log on the writer makes checkpoints itself.
pub(super) const WRITER_PAGES: u32 = 4_000;

/// The writer's end.
pub(super) struct Checkpointer {
    nudges: SyncSender<()>,
    requests: usize,
}

impl Checkpointer {
    /// Starts the thread on `connection`. It ends when the value is dropped.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (nudges, nudged) = sync_channel(1);
        std::thread::Builder::new()
            .name("everstep-checkpoint".into())
            .spawn(move || run(&connection, &nudged))?;
        Ok(Self { nudges, requests: 0 })
    }

    /// Notes that the writer has done so many requests more.
    pub(super) fn note(&mut self, requests: usize) {
        self.requests += requests;
        if self.requests >= EVERY_REQUESTS {
            self.requests = 0;
            let _ = self.nudges.try_send(()); // full: it is at it
        }
    }
}

fn run(connection: &Connection, nudged: &Receiver<()>) {
    while nudged.recv().is_ok() {
        // Waits for nobody and does what it can. A failure here is the writer's sooner or later,
        // and reported there.
        let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
}
