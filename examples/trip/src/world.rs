//! The outside world: everybody who takes bookings, played by one small SQLite file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::task::JoinError;

use crate::workflow::Service;

/// How long a request is under way, and its answer again.
const LATENCY: Duration = Duration::from_millis(100);

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS bookings (
    number INTEGER PRIMARY KEY,
    traveller TEXT NOT NULL,
    service TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    released INTEGER NOT NULL DEFAULT 0
) STRICT";

/// A connection to everything that is not ours.
#[derive(Debug, Clone)]
pub struct World {
    path: PathBuf,
}

/// The world did not answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum WorldError {
    /// Its file cannot be used.
    File(#[from] rusqlite::Error),
    /// The thread that asked died.
    Thread(#[from] JoinError),
}

impl World {
    /// Makes the file if it is missing.
    pub fn open(path: &Path) -> Result<Self, WorldError> {
        let world = Self { path: path.to_owned() };
        world.connect()?.execute(TABLE, [])?;
        Ok(world)
    }

    /// Books, and returns the booking's number. A booking that is asked for again under the same
    /// key is the same booking, as with every service that is worth its money.
    pub async fn book(&self, traveller: &str, service: Service) -> Result<i64, WorldError> {
        let (key, traveller) = (everstep::idempotency_key(), traveller.to_owned());
        self.ask(move |connection| {
            let known = "SELECT number FROM bookings WHERE idempotency_key = ?1";
            if let Some(number) =
                connection.query_row(known, [&key], |row| row.get(0)).optional()?
            {
                return Ok(number);
            }
            connection.execute(
                "INSERT INTO bookings (traveller, service, idempotency_key) VALUES (?1, ?2, ?3)",
                params![traveller, service.to_string(), key],
            )?;
            Ok(connection.last_insert_rowid())
        })
        .await
    }

    /// Takes a booking back; one that is taken back stays so.
    pub async fn release(&self, number: i64) -> Result<(), WorldError> {
        let release = "UPDATE bookings SET released = 1 WHERE number = ?1";
        self.ask(move |connection| connection.execute(release, [number]).map(drop)).await
    }

    /// What a traveller has booked, in order, and whether it was released.
    pub fn bookings(&self, traveller: &str) -> Result<Vec<(String, bool)>, WorldError> {
        let connection = self.connect()?;
        let mut select = connection.prepare(
            "SELECT service, released FROM bookings WHERE traveller = ?1 ORDER BY number",
        )?;
        let bookings = select.query_map([traveller], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(bookings.collect::<Result<_, _>>()?)
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, WorldError> {
        tokio::time::sleep(LATENCY).await;
        let world = self.clone();
        let answer = tokio::task::spawn_blocking(move || question(&world.connect()?)).await??;
        tokio::time::sleep(LATENCY).await;
        Ok(answer)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(connection)
    }
}
