//! The wake queue in the same file.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::time::Instant;

use super::database::Database;
use super::error::Fault;
use super::presence::Hosts;
use crate::id::HostId;
use crate::limits::QUEUE_DELAY_MAX;
use crate::time::{Clock, Timestamp};
use crate::wake::{Delivery, QueueError, Wake, WakeQueue};

/// How often a waiting receiver looks for what other processes sent and for what has become due.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A [`WakeQueue`] in an SQLite file; see [`SqliteBackend`](super::SqliteBackend).
///
/// Messages that a process has received become visible again as soon as it is seen to be gone. Delays
/// are counted by the wall clock.
#[derive(Clone)]
pub struct SqliteQueue {
    database: Arc<Database>,
    visibility: Duration,
    clock: Clock,
}

impl SqliteQueue {
    pub(super) fn new(database: Arc<Database>, visibility: Duration, clock: Clock) -> Self {
        Self { database, visibility, clock }
    }

    /// Whether there is something to receive; a read, so that waiting locks nobody out.
    async fn look(&self, host: &HostId) -> Result<bool, Fault> {
        let (now, host, hosts) = (self.clock.now(), host.clone(), self.database.hosts.clone());
        let readers = &self.database.readers;
        readers
            .read(move |db| {
                Ok(is_any_visible(db, now)? || !gone_receivers(db, now, &host, &hosts)?.is_empty())
            })
            .await
    }

    async fn take(&self, max: usize, host: &HostId) -> Result<Vec<Delivery>, Fault> {
        let (now, host, hosts) = (self.clock.now(), host.clone(), self.database.hosts.clone());
        let visible_again = now.after(self.visibility);
        let queue = self.clone();
        let work = move |db: &Connection| {
            for receiver in gone_receivers(db, now, &host, &hosts)? {
                let sql = "UPDATE wakes SET visible_at = ?2, receiver = NULL \
                           WHERE receiver = ?1 AND visible_at > ?2";
                db.prepare_cached(sql)?.execute(params![&*receiver.0, now.0])?;
            }
            Ok(take_visible(db, now, visible_again, max, &host)?)
        };
        let received = self
            .database
            .writer
            .run_then(work, move |deliveries| Received { deliveries, queue })
            .await?;
        Ok(received.keep())
    }

    fn visible_after(&self, delay: Duration) -> Timestamp {
        self.clock.now().after(delay)
    }
}

/// Messages on their way to the receiver. If it has gone away they are given back at once; without
/// this they would stay invisible for the whole time-out.
struct Received {
    deliveries: Vec<Delivery>,
    queue: SqliteQueue,
}

impl Received {
    fn keep(mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        let queue = &self.queue;
        if self.deliveries.is_empty() {
            return;
        }
        let deliveries = std::mem::take(&mut self.deliveries);
        let now = queue.clock.now();
        queue.database.writer.run_unheard(move |db| {
            for delivery in &deliveries {
                set_visible(db, &delivery.receipt, now)?;
            }
            Ok(())
        });
        queue.database.wake_sent.notify_waiters();
    }
}

#[async_trait]
impl WakeQueue for SqliteQueue {
    async fn setup(&self) -> Result<(), QueueError> {
        Ok(()) // opening the file was it
    }

    async fn send(&self, wake: &Wake, delay: Duration) -> Result<(), QueueError> {
        let body = wake.to_body();
        let visible_at = self.visible_after(delay.min(QUEUE_DELAY_MAX));
        self.database
            .writer
            .run(move |db| {
                let sql = "INSERT INTO wakes (body, visible_at, receive_count) VALUES (?1, ?2, 0)";
                Ok(db.prepare_cached(sql)?.execute(params![body, visible_at.0])?)
            })
            .await?;
        if delay.is_zero() {
            self.database.wake_sent.notify_waiters();
        }
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let host = self.database.host().map_err(Fault::from)?;
        let deadline = Instant::now().checked_add(wait);
        // Whoever asks for wakes has just finished one, mostly, and more are there.
        let mut found = true;
        loop {
            let mut sent = std::pin::pin!(self.database.wake_sent.notified());
            sent.as_mut().enable(); // before the look, so that no wake falls in between
            if found || self.look(&host).await? {
                let deliveries = self.take(max, &host).await?;
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
            }
            found = false;
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Vec::new());
            }
            let next = deadline.map_or(now + LOOK_EVERY, |end| end.min(now + LOOK_EVERY));
            tokio::select! {
                biased;
                () = sent => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        let Some((number, receive_count)) = parse_receipt(receipt) else { return Ok(()) };
        self.database
            .writer
            .run(move |db| {
                let sql = "DELETE FROM wakes WHERE number = ?1 AND receive_count = ?2";
                Ok(db.prepare_cached(sql)?.execute([number, receive_count])?)
            })
            .await?;
        Ok(())
    }

    async fn keep(&self, receipt: &str, visibility: Duration) -> Result<(), QueueError> {
        let (receipt, visible_at) = (receipt.to_owned(), self.visible_after(visibility));
        self.database.writer.run(move |db| Ok(set_visible(db, &receipt, visible_at)?)).await?;
        if visibility.is_zero() {
            self.database.wake_sent.notify_waiters();
        }
        Ok(())
    }

    fn visibility(&self) -> Duration {
        self.visibility
    }
}

/// A receipt names the delivery, not only the message: after the next one it is void.
fn receipt(number: i64, receive_count: i64) -> String {
    format!("{number}.{receive_count}")
}

fn parse_receipt(receipt: &str) -> Option<(i64, i64)> {
    let (number, receive_count) = receipt.split_once('.')?;
    Some((number.parse().ok()?, receive_count.parse().ok()?))
}

fn is_any_visible(db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM wakes WHERE visible_at <= ?1 LIMIT 1")?.exists([now.0])
}

/// Who has received what is invisible now, and is known to be gone.
fn gone_receivers(
    db: &Connection,
    now: Timestamp,
    us: &HostId,
    hosts: &Hosts,
) -> rusqlite::Result<Vec<HostId>> {
    db.prepare_cached(
        "SELECT DISTINCT receiver FROM wakes \
         WHERE receiver IS NOT NULL AND receiver <> ?1 AND visible_at > ?2",
    )?
    .query_map(params![&*us.0, now.0], |row| row.get::<_, String>(0))?
    .map(|receiver| Ok(HostId(receiver?.into())))
    .filter(|receiver| receiver.as_ref().map_or(true, |receiver| hosts.is_gone(receiver)))
    .collect()
}

fn take_visible(
    db: &Connection,
    now: Timestamp,
    visible_again: Timestamp,
    max: usize,
    host: &HostId,
) -> rusqlite::Result<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    let mut find = db.prepare_cached(
        "SELECT number, receive_count + 1, body FROM wakes WHERE visible_at <= ?1 \
         ORDER BY visible_at, number LIMIT ?2",
    )?;
    let mut rows = find.query([now.0, i64::try_from(max).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let (number, count) = (row.get(0)?, row.get(1)?);
        let receive_count = row.get(1)?;
        deliveries.push((
            number,
            Delivery { body: row.get(2)?, receipt: receipt(number, count), receive_count },
        ));
    }
    let mut mark = db.prepare_cached(
        "UPDATE wakes SET visible_at = ?2, receiver = ?3, receive_count = receive_count + 1 \
         WHERE number = ?1",
    )?;
    for (number, _) in &deliveries {
        mark.execute(params![number, visible_again.0, &*host.0])?;
    }
    Ok(deliveries.into_iter().map(|(_, delivery)| delivery).collect())
}

fn set_visible(db: &Connection, receipt: &str, visible_at: Timestamp) -> rusqlite::Result<()> {
    let Some((number, receive_count)) = parse_receipt(receipt) else { return Ok(()) };
    db.prepare_cached("UPDATE wakes SET visible_at = ?3 WHERE number = ?1 AND receive_count = ?2")?
        .execute(params![number, receive_count, visible_at.0])
        .map(drop)
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueue")
            .field("path", &self.database.path())
            .field("visibility", &self.visibility)
            .finish()
    }
}
