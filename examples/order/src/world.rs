//! The outside world: warehouse, bank, carrier and mail, played by one small SQLite file.
//!
//! Everything that is ever done to it is a row of its own, so that what was done twice can be
//! counted. A real bank would recognise the idempotency key and do it once; this one only notes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::task::JoinError;

/// How long a request is under way, and its answer again.
const LATENCY: Duration = Duration::from_millis(150);

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS effects (
    number INTEGER PRIMARY KEY,
    happened_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    order_number TEXT NOT NULL,
    service TEXT NOT NULL,
    detail TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    process INTEGER NOT NULL
) STRICT";

/// A connection to everything that is not ours.
#[derive(Debug, Clone)]
pub struct World {
    path: PathBuf,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Who did it: "charge" is the bank.
    pub service: String,
    /// What.
    pub detail: String,
    /// The same for every attempt of one step.
    pub idempotency_key: String,
    /// Which attempt of its step did it.
    pub attempt: u32,
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

    /// Asks `service` to do something for an order, and returns the number it gave that.
    ///
    /// As with any service, whoever is interrupted here does not know whether it was done.
    pub async fn act(
        &self,
        order: &str,
        service: &'static str,
        detail: String,
    ) -> Result<String, WorldError> {
        let (world, order) = (self.clone(), order.to_owned());
        let (key, attempt) = (everstep::idempotency_key(), everstep::attempt());
        tokio::time::sleep(LATENCY).await;
        let number = tokio::task::spawn_blocking(move || {
            let connection = world.connect()?;
            connection.execute(
                "INSERT INTO effects (order_number, service, detail, idempotency_key, attempt, process)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![order, service, detail, key, attempt, std::process::id()],
            )?;
            Ok::<_, WorldError>(connection.last_insert_rowid())
        })
        .await??;
        tokio::time::sleep(LATENCY).await;
        Ok(format!("{service}-{number}"))
    }

    /// Everything that was done for an order, in its order.
    pub fn effects(&self, order: &str) -> Result<Vec<Effect>, WorldError> {
        let connection = self.connect()?;
        let mut select = connection.prepare(
            "SELECT service, detail, idempotency_key, attempt FROM effects
             WHERE order_number = ?1 ORDER BY number",
        )?;
        let effects = select.query_map([order], |row| {
            Ok(Effect {
                service: row.get(0)?,
                detail: row.get(1)?,
                idempotency_key: row.get(2)?,
                attempt: row.get(3)?,
            })
        })?;
        Ok(effects.collect::<Result<_, _>>()?)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(connection)
    }
}
