//! The tables, and opening a file that may be new, old, foreign or damaged.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::checkpoint::WRITER_PAGES;
use super::error::Fault;
use crate::store::StoreError;

/// The version of the tables below, kept in the file as `user_version`.
const VERSION: i64 = 6;

/// Marks the file as ours: "EVST" in ASCII, kept as `application_id`.
const APPLICATION: i64 = 0x4556_5354;

/// The page cache of a connection. SQLite's own 2 MB are less than what one group of writes to many
/// logs touches, and pages would be written and read again within it.
const CACHE_KIB: i64 = 16 * 1024;

/// `WITHOUT ROWID` keeps a log's commits side by side in the order they are read.
pub(super) const TABLES: &str = "
CREATE TABLE executions (
    id TEXT NOT NULL PRIMARY KEY,
    workflow TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    arrivals INTEGER NOT NULL,
    commit_number INTEGER NOT NULL,
    status TEXT NOT NULL,
    wake_at INTEGER,
    updated_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT,
    first_commit INTEGER NOT NULL DEFAULT 0,
    tags TEXT,
    view TEXT,
    parent TEXT,
    untold INTEGER,
    born TEXT,
    telling TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_by_start ON executions (started_at DESC, id);
CREATE INDEX executions_by_status ON executions (status, started_at DESC, id);
CREATE INDEX executions_by_wake ON executions (wake_at)
    WHERE wake_at IS NOT NULL AND status IN ('running', 'suspended');
CREATE INDEX executions_by_telling ON executions (wake_at) WHERE untold IS NOT NULL;
CREATE INDEX executions_by_expiry ON executions (wake_at)
    WHERE wake_at IS NOT NULL AND status IN ('completed', 'failed', 'cancelled', 'terminated');

CREATE TABLE graves (
    execution TEXT NOT NULL PRIMARY KEY,
    look_at INTEGER NOT NULL,
    emptied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX graves_by_time ON graves (look_at);

CREATE TABLE commits (
    execution TEXT NOT NULL,
    number INTEGER NOT NULL,
    seal BLOB NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (execution, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    execution TEXT NOT NULL,
    id TEXT NOT NULL,
    arrival INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (execution, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_by_time ON inbox (arrived_at);

CREATE TABLE wakes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    receive_count INTEGER NOT NULL,
    receiver TEXT
) STRICT;
CREATE INDEX wakes_by_time ON wakes (visible_at);
CREATE INDEX wakes_by_receiver ON wakes (receiver) WHERE receiver IS NOT NULL;
";

/// How much of the file readers map into memory, in bytes: reading a page takes half as long, and
/// what is not used takes no memory.
const MAPPED_MAX: i64 = 1 << 30;

/// What makes the tables of version 1 those of version 2: several runs, tags and views.
const FROM_1_TO_2: &str = "
ALTER TABLE executions ADD COLUMN first_commit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN tags TEXT;
ALTER TABLE executions ADD COLUMN view TEXT;
PRAGMA user_version = 2;
";

/// What makes the tables of version 2 those of version 3: a record knows its parent.
const FROM_2_TO_3: &str = "
ALTER TABLE executions ADD COLUMN parent TEXT;
PRAGMA user_version = 3;
";

/// What makes the tables of version 3 those of version 4: notifications may be behind, and executions
/// are deleted.
const FROM_3_TO_4: &str = "
ALTER TABLE executions ADD COLUMN untold INTEGER;
CREATE INDEX executions_by_telling ON executions (wake_at) WHERE untold IS NOT NULL;
CREATE INDEX executions_by_expiry ON executions (wake_at)
    WHERE wake_at IS NOT NULL AND status IN ('completed', 'failed', 'cancelled', 'terminated');
CREATE TABLE graves (
    execution TEXT NOT NULL PRIMARY KEY,
    look_at INTEGER NOT NULL,
    emptied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX graves_by_time ON graves (look_at);
PRAGMA user_version = 4;
";

/// What makes the tables of version 4 those of version 5: executions of one id are told apart.
const FROM_4_TO_5: &str = "
ALTER TABLE executions ADD COLUMN born TEXT;
PRAGMA user_version = 5;
";

/// What makes the tables of version 5 those of version 6: what is told behind what is untold is known,
/// and a list by status reads what it shows.
const FROM_5_TO_6: &str = "
CREATE INDEX executions_by_status ON executions (status, started_at DESC, id);
ALTER TABLE executions ADD COLUMN telling TEXT;
PRAGMA user_version = 6;
";

/// What makes each version the next one, from 1 on.
const CHANGES: [&str; 5] = [FROM_1_TO_2, FROM_2_TO_3, FROM_3_TO_4, FROM_4_TO_5, FROM_5_TO_6];

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) busy_timeout: Duration,
    pub(super) sync_every_commit: bool,
}

/// Opens the file and makes what is missing; with `create` false, only what is there already.
pub(super) fn open(path: &Path, mode: Mode, create: bool) -> Result<Connection, StoreError> {
    check_path(path, create)?;
    let mut connection = connect(path, mode, create).map_err(|fault| at(path, fault))?;
    prepare(&mut connection, path, mode, create).map_err(|fault| at(path, fault))?;
    Ok(connection)
}

/// Opens one more connection to a file that [`open`] has seen.
pub(super) fn reopen_to_write(path: &Path, mode: Mode) -> Result<Connection, StoreError> {
    connect(path, mode, false).map_err(|fault| at(path, fault))
}

/// The same for a connection that only reads.
pub(super) fn reopen(path: &Path, mode: Mode) -> Result<Connection, Fault> {
    let connection = connect(path, mode, false)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "mmap_size", MAPPED_MAX)?;
    Ok(connection)
}

fn connect(path: &Path, mode: Mode, create: bool) -> Result<Connection, Fault> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(mode.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    let synchronous = if mode.sync_every_commit { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", WRITER_PAGES)?;
    Ok(connection)
}

fn prepare(
    connection: &mut Connection,
    path: &Path,
    mode: Mode,
    create: bool,
) -> Result<(), Fault> {
    // In a transaction, or it sees half of what another process is making.
    let look = connection.transaction()?;
    let found = look_at(&look, path)?;
    look.finish()?;
    if found == Found::Ready {
        return Ok(());
    }
    if found == Found::Empty && !create {
        let remedy = format!(
            "{} is not set up yet: start a worker on it, or run `everstep setup`",
            path.display()
        );
        return Err(StoreError::Unusable { remedy, source: None }.into());
    }
    // The change of mode needs the file for itself and does not wait for it: another process
    // that opens the same new file may be at it.
    let start = Instant::now();
    while let Err(error) = connection.pragma_update(None, "journal_mode", "WAL") {
        if start.elapsed() > mode.busy_timeout || !is_busy(&error) {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match look_at(&transaction, path)? {
        Found::Ready => {}
        Found::Older(version) => {
            let missing = CHANGES.iter().skip(version - 1);
            missing.copied().try_for_each(|change| transaction.execute_batch(change))?;
        }
        Found::Empty => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// What is in a file that is ours or nobody's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Empty,
    /// The tables as they were in this version.
    Older(usize),
    Ready,
}

/// Which tables are there; an error if the file belongs to somebody else.
fn look_at(connection: &Connection, path: &Path) -> Result<Found, Fault> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let unusable = |remedy: String| Err(StoreError::Unusable { remedy, source: None }.into());
    let path = path.display();
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION, VERSION) => Ok(Found::Ready),
        (APPLICATION, 1) => Ok(Found::Older(1)),
        (APPLICATION, 2) => Ok(Found::Older(2)),
        (APPLICATION, 3) => Ok(Found::Older(3)),
        (APPLICATION, 4) => Ok(Found::Older(4)),
        (APPLICATION, 5) => Ok(Found::Older(5)),
        (APPLICATION, newer) if newer > VERSION => unusable(format!(
            "{path} was written by a newer everstep (its tables have version {newer} and this \
             program knows {VERSION}): use a newer program"
        )),
        (0, 0) if is_empty(connection)? => Ok(Found::Empty),
        _ => {
            unusable(format!("{path} is an SQLite database of another program: name another file"))
        }
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// Says what SQLite would only call "unable to open database file".
fn check_path(path: &Path, create: bool) -> Result<(), StoreError> {
    let unusable = |remedy: String| Err(StoreError::Unusable { remedy, source: None });
    let shown = path.display();
    if path.is_dir() {
        return unusable(format!("{shown} is a folder: name a file in it"));
    }
    if path.exists() {
        return Ok(());
    }
    if !create {
        return unusable(format!(
            "there is no database at {shown}: check the path, or start a worker there first"
        ));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            unusable(format!("the folder {} does not exist: create it", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Names the file in an error that does not.
fn at(path: &Path, fault: Fault) -> StoreError {
    match fault {
        Fault::Store(error) => error,
        fault @ Fault::Sqlite(_) => match StoreError::from(fault) {
            StoreError::Unusable { remedy, source } => {
                StoreError::Unusable { remedy: format!("{}: {remedy}", path.display()), source }
            }
            other => other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sync_every_commit: bool, synchronous: i64) {
        let path = std::env::temp_dir().join(format!("everstep-{}.db", uuid::Uuid::new_v4()));
        let mode = Mode { busy_timeout: Duration::from_secs(5), sync_every_commit };
        let made = open(&path, mode, true).expect("a file");
        let again = reopen_to_write(&path, mode).expect("the file");
        for connection in [&made, &again] {
            let found: i64 = connection
                .pragma_query_value(None, "synchronous", |row| row.get(0))
                .expect("a number");
            assert_eq!(found, synchronous);
            let journal: String = connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .expect("a mode");
            assert_eq!(journal, "wal");
        }
        drop((made, again));
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }

    #[test]
    fn commits_are_left_to_the_system_to_flush_unless_each_is_to_be_flushed() {
        check(false, 1); // NORMAL
        check(true, 2); // FULL
    }
}
