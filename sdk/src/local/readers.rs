//! Connections that only read, each used by one reader at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::error::{Fault, stopped};
use super::schema::{self, Mode};

/// How many connections wait for the next reader; more are closed after use.
const IDLE_MAX: usize = 4;

/// The readers of one file.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    mode: Mode,
    /// By the order in which they were opened.
    idle: Mutex<BTreeMap<u64, Connection>>,
    opened: AtomicU64,
}

impl Readers {
    pub(super) fn new(path: PathBuf, mode: Mode) -> Self {
        Self { path, mode, idle: Mutex::default(), opened: AtomicU64::new(0) }
    }

    /// Runs `work` on the blocking pool. All it reads is of one moment, and that moment is after
    /// every write that was acknowledged before. Dropping the future does not stop it.
    pub(super) async fn read<T, W>(self: &Arc<Self>, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || readers.read_here(work));
        // The task panics or is cancelled only when its runtime shuts down.
        read.await.map_err(|_| stopped())?
    }

    /// The same on this thread.
    pub(super) fn read_here<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (number, mut connection) = match self.take() {
            Some(idle) => idle,
            None => {
                let number = self.opened.fetch_add(1, Ordering::Relaxed);
                (number, schema::reopen(&self.path, self.mode)?)
            }
        };
        let moment = connection.transaction()?;
        let result = work(&moment)?;
        moment.finish()?;
        self.give_back(number, connection);
        Ok(result)
    }

    /// The oldest: it has the most in its cache, and its statements are prepared.
    fn take(&self) -> Option<(u64, Connection)> {
        self.idle().pop_first()
    }

    fn idle(&self) -> MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, number: u64, connection: Connection) {
        let mut idle = self.idle();
        idle.insert(number, connection);
        if idle.len() > IDLE_MAX {
            // The newest goes, and not the one that comes back last.
            idle.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many reads, each within the one before.
    fn read_within(readers: &Readers, depth: usize) {
        let read = |_: &Connection| {
            if depth > 1 {
                read_within(readers, depth - 1);
            }
            Ok(())
        };
        readers.read_here(read).expect("a file that can be read");
    }

    #[test]
    fn of_too_many_readers_the_oldest_are_kept() {
        let path = std::env::temp_dir().join(format!("everstep-{}.db", uuid::Uuid::new_v4()));
        let busy_timeout = std::time::Duration::from_secs(5);
        let mode = Mode { busy_timeout, sync_every_commit: false };
        let writer = schema::open(&path, mode, true).expect("a new file");
        let readers = Readers::new(path.clone(), mode);
        read_within(&readers, IDLE_MAX + 2);
        let kept: Vec<u64> = readers.idle().keys().copied().collect();
        assert_eq!(kept, [0, 1, 2, 3]);
        drop((readers, writer));
        for ending in ["db", "db-wal", "db-shm"] {
            _ = std::fs::remove_file(path.with_extension(ending));
        }
    }
}
