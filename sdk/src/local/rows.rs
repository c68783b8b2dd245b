//! Rows of the tables and the types they stand for.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::types::{ToSqlOutput, Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use serde::Serialize;
use uuid::Uuid;

use super::count::Count;
use super::error::Fault;
use crate::event::{Json, StoredCommit, Text};
use crate::id::{Born, CommitNumber, ExecutionId, Life, WriterId};
use crate::store::{InboxItem, LogPage, PageSize, Projection, Record, Status, StoreError};
use crate::time::Timestamp;

/// The columns of a record, in the order [`record`] reads them.
pub(super) const RECORD: &str = "id, workflow, started_at, arrivals, tags, parent, \
     commit_number, status, wake_at, updated_at, code, reason, first_commit, view, untold, \
     telling, born";

/// The columns of a record in a list: [`RECORD`] without what [`Record::listed`] leaves out.
pub(super) const LISTED: &str = "id, workflow, started_at, arrivals, tags, NULL, \
     commit_number, status, wake_at, updated_at, code, reason, first_commit, NULL, NULL, \
     NULL, NULL";

/// Reads the columns of [`RECORD`].
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let unread = |column: usize, problem: String| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, problem.into())
    };
    let status: String = row.get(7)?;
    let tags = match row.get::<_, Option<String>>(4)? {
        None => BTreeMap::new(),
        Some(tags) => serde_json::from_str(&tags).map_err(|e| unread(4, e.to_string()))?,
    };
    let parent = row.get::<_, Option<String>>(5)?.map(|parent| serde_json::from_str(&parent));
    Ok(Record {
        id: ExecutionId::new(row.get::<_, String>(0)?).map_err(|e| unread(0, e.to_string()))?,
        workflow: row.get(1)?,
        started_at: Timestamp(row.get(2)?),
        born: born(row.get(16)?).map_err(|problem| unread(16, problem))?,
        arrivals: row.get::<_, Count>(3)?.0,
        tags,
        parent: parent.transpose().map_err(|error| unread(5, error.to_string()))?,
        projection: Projection {
            commit: row.get::<_, Count>(6)?.0,
            first: row.get::<_, Count>(12)?.0,
            status: Status::parse(&status)
                .ok_or_else(|| unread(7, format!("there is no status {status:?}")))?,
            wake_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
            untold: row.get::<_, Option<Count>>(14)?.map(|untold| untold.0),
            // What cannot be read is as if it had never been known.
            telling: row
                .get::<_, Option<String>>(15)?
                .and_then(|telling| serde_json::from_str(&telling).ok()),
            updated_at: Timestamp(row.get(9)?),
            code: row.get(10)?,
            reason: row.get(11)?,
            tags: None,
            life: None,
            view: row
                .get::<_, Option<String>>(13)?
                .map(Json::parse)
                .transpose()
                .map_err(|error| unread(13, error.to_string()))?,
        },
    })
}

/// The record of `id`, if the execution exists.
pub(super) fn find_record(db: &Connection, id: &ExecutionId) -> rusqlite::Result<Option<Record>> {
    db.prepare_cached(&format!("SELECT {RECORD} FROM executions WHERE id = ?1"))?
        .query_row([id.as_str()], record)
        .optional()
}

/// What a column says that tells an execution from others of its id.
fn born(text: Option<String>) -> Result<Option<Born>, String> {
    let read = |text: String| {
        Born::parse(&text).ok_or_else(|| format!("{text:?} is not 12 hexadecimal digits"))
    };
    text.map(read).transpose()
}

/// Which life of `id` there is, if the execution exists.
pub(super) fn find_life(db: &Connection, id: &ExecutionId) -> rusqlite::Result<Option<Life>> {
    db.prepare_cached("SELECT born, started_at FROM executions WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            let born = born(row.get(0)?).map_err(|problem| {
                rusqlite::Error::FromSqlConversionFailure(0, Type::Text, problem.into())
            })?;
            Ok(born.map_or(Life::Since(Timestamp(row.get(1)?)), Life::Born))
        })
        .optional()
}

/// Writes `record` in the place of the one that may be there.
pub(super) fn put_record(db: &Connection, record: &Record) -> rusqlite::Result<()> {
    let arrivals = Count(record.arrivals);
    let tags = json(Some(&record.tags).filter(|tags| !tags.is_empty()))?;
    let parent = json(record.parent.as_ref())?;
    let identity = [
        record.id.as_str().into(),
        record.workflow.to_sql()?,
        record.started_at.0.into(),
        arrivals.to_sql()?,
        tags.to_sql()?,
        parent.to_sql()?,
    ];
    let born = record.born.map(|born| born.to_string());
    let values = identity.into_iter().chain(projected(&record.projection)?).chain([born.to_sql()?]);
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO executions ({RECORD}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    ))?
    .execute(params_from_iter(values))
    .map(drop)
}

/// Writes `projection` into the record of `id`.
pub(super) fn put_projection(
    db: &Connection,
    id: &ExecutionId,
    projection: &Projection,
) -> rusqlite::Result<()> {
    let tags = json(projection.tags.as_ref())?;
    let values = std::iter::once(id.as_str().into()).chain(projected(projection)?);
    let values = values.chain([tags.to_sql()?]);
    db.prepare_cached(
        "UPDATE executions SET commit_number = ?2, status = ?3, wake_at = ?4, updated_at = ?5, \
         code = ?6, reason = ?7, first_commit = ?8, view = coalesce(?9, view), \
         untold = ?10, telling = ?11, tags = coalesce(?12, tags) WHERE id = ?1",
    )?
    .execute(params_from_iter(values))
    .map(drop)
}

fn json<T: Serialize>(value: Option<&T>) -> rusqlite::Result<Option<String>> {
    let json = value.map(serde_json::to_string).transpose();
    json.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The columns of a projection, in the order of [`RECORD`], of which they are the last but one.
fn projected(projection: &Projection) -> rusqlite::Result<[ToSqlOutput<'_>; 10]> {
    let Projection {
        commit,
        first,
        status,
        wake_at,
        untold,
        telling,
        updated_at,
        code,
        reason,
        view,
        tags: _,
        life: _,
    } = projection;
    let number = |number: CommitNumber| {
        i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    };
    Ok([
        number(*commit)?.into(),
        status.as_str().into(),
        ToSqlOutput::Owned(wake_at.map_or(Value::Null, |time| Value::Integer(time.0))),
        updated_at.0.into(),
        code.to_sql()?,
        reason.to_sql()?,
        number(*first)?.into(),
        view.as_ref().map_or(ToSqlOutput::Owned(Value::Null), |view| view.as_str().into()),
        untold.map_or(Ok(ToSqlOutput::Owned(Value::Null)), |it| number(it).map(Into::into))?,
        ToSqlOutput::Owned(json(telling.as_ref())?.map_or(Value::Null, Value::Text)),
    ])
}

/// Who wrote commit `number`, if it is there.
pub(super) fn find_writer(
    db: &Connection,
    id: &ExecutionId,
    number: CommitNumber,
) -> rusqlite::Result<Option<WriterId>> {
    db.prepare_cached("SELECT seal FROM commits WHERE execution = ?1 AND number = ?2")?
        .query_row(params![id.as_str(), Count(number)], |row| Ok(open_seal(row.get(0)?).0))
        .optional()
}

/// A commit's writer and hash in one column: every column read costs a tenth of a microsecond, and
/// a load reads them by the ten thousand.
fn seal(commit: &StoredCommit) -> [u8; 48] {
    let mut seal = [0; 48];
    seal[..16].copy_from_slice(commit.writer.0.as_bytes());
    seal[16..].copy_from_slice(&commit.hash);
    seal
}

fn open_seal(seal: [u8; 48]) -> (WriterId, [u8; 32]) {
    let (mut writer, mut hash) = ([0; 16], [0; 32]);
    writer.copy_from_slice(&seal[..16]);
    hash.copy_from_slice(&seal[16..]);
    (WriterId(Uuid::from_bytes(writer)), hash)
}

/// Writes the first commit of a log or a run.
pub(super) fn put_commit(
    db: &Connection,
    id: &ExecutionId,
    commit: &StoredCommit,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO commits (execution, number, seal, body) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![id.as_str(), Count(commit.number), seal(commit), &*commit.body])
    .map(drop)
}

/// Writes `commit` if its number is free and is the next one, and the record is of the life that it is
/// for. `false` if it is not.
pub(super) fn append_commit(
    db: &Connection,
    id: &ExecutionId,
    commit: &StoredCommit,
) -> rusqlite::Result<bool> {
    let born = commit.life.and_then(Life::born).map(|born| born.to_string());
    let since = match commit.life {
        Some(Life::Since(since)) => Some(since.0),
        Some(Life::Born(_)) | None => None,
    };
    db.prepare_cached(
        "INSERT INTO commits (execution, number, seal, body) SELECT ?1, ?2, ?3, ?4 \
         WHERE EXISTS (SELECT 1 FROM commits WHERE execution = ?1 AND number = ?2 - 1) \
         AND EXISTS (SELECT 1 FROM executions WHERE id = ?1 AND CASE \
             WHEN ?5 IS NOT NULL THEN born = ?5 \
             WHEN ?6 IS NOT NULL THEN born IS NULL AND started_at = ?6 ELSE TRUE END) \
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![id.as_str(), Count(commit.number), seal(commit), &*commit.body, born, since])
    .map(|rows| rows == 1)
}

/// How much text is kept in one piece of memory: ten thousand small ones cost more than reading
/// them does.
const TEXTS: usize = 64 * 1024;

/// The end of a range of commits that has none: no number in the file is as high.
pub(super) const NO_END: CommitNumber = i64::MAX as CommitNumber;

/// The commits of `id` with numbers in `range`, in ascending order.
pub(super) fn commits(
    db: &Connection,
    id: &ExecutionId,
    range: Range<CommitNumber>,
) -> Result<Vec<StoredCommit>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT seal, body FROM commits WHERE execution = ?1 AND number >= ?2 AND number < ?3 \
         ORDER BY number",
    )?;
    let bounds = params![id.as_str(), Count(range.start), Count(range.end)];
    let mut rows = statement.query(bounds)?;
    let mut commits = Vec::new();
    let (mut texts, mut pending) = (Vec::with_capacity(TEXTS), Vec::new());
    let mut number = range.start; // checked below, for all at once
    loop {
        let row = rows.next()?;
        let body = match row {
            Some(row) => Some(row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?),
            None => None,
        };
        if body.is_none_or(|body| texts.len() + body.len() > TEXTS) {
            let all = as_text(std::mem::replace(&mut texts, Vec::with_capacity(TEXTS)), &pending)?;
            for (writer, hash, range) in pending.drain(..) {
                let body = all.piece(range);
                commits.push(StoredCommit { number, writer, hash, body, life: None });
                number += 1;
            }
        }
        let (Some(row), Some(body)) = (row, body) else { break };
        let (writer, hash) = open_seal(row.get(0)?);
        pending.push((writer, hash, texts.len()..texts.len() + body.len()));
        texts.extend_from_slice(body);
    }
    let last: Option<Count> = db
        .prepare_cached("SELECT max(number) FROM commits WHERE execution = ?1 AND number < ?2")?
        .query_row(params![id.as_str(), Count(range.end)], |row| row.get(0))?;
    if last.map_or(range.start, |last| range.start.max(last.0 + 1)) != number {
        // A commit is missing: whoever reads the log has to see which.
        let mut numbers = db.prepare(
            "SELECT number FROM commits WHERE execution = ?1 AND number >= ?2 AND number < ?3 \
             ORDER BY number",
        )?;
        let mut rows = numbers.query(bounds)?;
        for commit in &mut commits {
            if let Some(row) = rows.next()? {
                commit.number = row.get::<_, Count>(0)?.0;
            }
        }
    }
    Ok(commits)
}

/// A page of the log of `record`, from the commit `from` on.
pub(super) fn page(
    db: &Connection,
    record: Record,
    from: CommitNumber,
    limit: usize,
) -> Result<LogPage, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT number, seal, body FROM commits WHERE execution = ?1 AND number >= ?2 \
         ORDER BY number",
    )?;
    let mut rows = statement.query(params![record.id.as_str(), Count(from.min(NO_END))])?;
    let (mut commits, mut size) = (Vec::<StoredCommit>::new(), PageSize::of(limit));
    let mut next = None;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(2)?.as_bytes().map_err(rusqlite::Error::from)?;
        if !size.takes(body.len()) {
            next = commits.last().map(|last| last.number + 1);
            break;
        }
        let all = 0..body.len();
        let body = as_text(body.to_vec(), &[((), (), all)])?;
        let (Count(number), (writer, hash)) = (row.get(0)?, open_seal(row.get(1)?));
        commits.push(StoredCommit { number, writer, hash, body, life: None });
    }
    Ok(LogPage { record, from, commits, next })
}

/// `texts` as text that may be cut into these pieces.
fn as_text<A, B>(texts: Vec<u8>, pieces: &[(A, B, Range<usize>)]) -> rusqlite::Result<Text> {
    let unread = |problem| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, problem);
    let texts = String::from_utf8(texts).map_err(|error| unread(error.into()))?;
    if pieces.iter().any(|(.., piece)| !texts.is_char_boundary(piece.start)) {
        return Err(unread("it begins within a character".into()));
    }
    Ok(texts.into())
}

/// The whole inbox of `id`, in the order of arrival.
pub(super) fn all_items(db: &Connection, id: &ExecutionId) -> Result<Vec<InboxItem>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT id, arrival, arrived_at, message FROM inbox WHERE execution = ?1 ORDER BY arrival",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let item_id: String = row.get(0)?;
        let message =
            serde_json::from_str(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)
                .map_err(|error| StoreError::Corrupt {
                    id: id.clone(),
                    problem: format!("inbox item {item_id}: {error}"),
                })?;
        let (Count(arrival), arrived_at) = (row.get(1)?, Timestamp(row.get(2)?));
        items.push(InboxItem { arrival, id: item_id, arrived_at, message });
    }
    Ok(items)
}
