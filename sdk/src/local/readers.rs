//! Connections that only read, each used by one reader at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, mode: Mode) -> Self {
        Self { path, mode, idle: Mutex::default() }
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
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => schema::reopen(&self.path, self.mode)?,
        };
        let moment = connection.transaction()?;
        let result = work(&moment)?;
        moment.finish()?;
        self.give_back(connection);
        Ok(result)
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}
