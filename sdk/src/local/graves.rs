//! Deleting executions: all rows of one go in the transaction that buries it, and its grave keeps
//! its name until its blobs are gone too.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::store::{Buried, Grave};
use crate::time::Timestamp;

pub(super) fn find(db: &Connection, id: &ExecutionId) -> rusqlite::Result<Option<Grave>> {
    db.prepare_cached("SELECT look_at, emptied FROM graves WHERE execution = ?1")?
        .query_row([id.as_str()], |row| {
            Ok(Grave { look_at: Timestamp(row.get(0)?), emptied: row.get(1)? })
        })
        .optional()
}

pub(super) fn bury(
    db: &Connection,
    id: &ExecutionId,
    commit: CommitNumber,
    life: Life,
    grave: &Grave,
) -> rusqlite::Result<Buried> {
    let Some(record) = rows::find_record(db, id)? else {
        let mine = find(db, id)?.as_ref() == Some(grave);
        return Ok(if mine { Buried::Done } else { Buried::NoExecution });
    };
    let is_same = record.projection.commit == commit && record.life() == life;
    if !record.projection.status.is_closed() || !is_same {
        return Ok(Buried::Refused { record: Box::new(record) });
    }
    for sql in [
        "DELETE FROM executions WHERE id = ?1",
        "DELETE FROM commits WHERE execution = ?1",
        "DELETE FROM inbox WHERE execution = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id.as_str()])?;
    }
    db.prepare_cached("INSERT INTO graves (execution, look_at, emptied) VALUES (?1, ?2, ?3)")?
        .execute(params![id.as_str(), grave.look_at.0, grave.emptied])?;
    Ok(Buried::Done)
}

pub(super) fn replace(
    db: &Connection,
    id: &ExecutionId,
    old: &Grave,
    new: &Grave,
) -> rusqlite::Result<bool> {
    if !find(db, id)?.is_some_and(|there| there == *old || there == *new) {
        return Ok(false);
    }
    db.prepare_cached("UPDATE graves SET look_at = ?2, emptied = ?3 WHERE execution = ?1")?
        .execute(params![id.as_str(), new.look_at.0, new.emptied])?;
    Ok(true)
}

pub(super) fn remove(db: &Connection, id: &ExecutionId, grave: &Grave) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM graves WHERE execution = ?1 AND look_at = ?2 AND emptied = ?3")?
        .execute(params![id.as_str(), grave.look_at.0, grave.emptied])
        .map(drop)
}

pub(super) fn expired(
    db: &Connection,
    from: Timestamp,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<(Timestamp, ExecutionId)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, wake_at FROM executions WHERE wake_at >= ?1 AND wake_at < ?2 \
             AND untold IS NULL \
             AND status IN ('completed', 'failed', 'cancelled', 'terminated') \
         UNION ALL SELECT execution, look_at FROM graves WHERE look_at >= ?1 AND look_at < ?2 \
         ORDER BY 2, 1 LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map([from.0, before.0, limit], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    // Ids were checked when they were written.
    let known = |(id, at): (String, i64)| ExecutionId::new(id).ok().map(|id| (Timestamp(at), id));
    found.filter_map(|row| row.map(known).transpose()).collect()
}
