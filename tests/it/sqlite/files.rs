//! Files that cannot be used say what to do; files that can need nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use everstep::id::ExecutionId;
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::prelude::{App, Backend, Client, workflow};
use everstep::store::{EventStore, Projection, StoreError};
use everstep::wake::{QueueError, Wake, WakeQueue};
use rusqlite::Connection;
use tempfile::TempDir;

#[track_caller]
fn is_unusable(path: &Path, options: &SqliteOptions, remedy: &str) {
    match SqliteBackend::open(path, options) {
        Err(StoreError::Unusable { remedy: said, .. }) => {
            assert!(said.contains(remedy), "{said}");
            assert!(said.contains(path.to_str().unwrap()), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

fn new_path() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("everstep.db");
    (folder, path)
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn existing() -> SqliteOptions {
    SqliteOptions::new().create(false)
}

#[tokio::test]
async fn a_missing_file_is_made_or_refused_as_asked() {
    let (folder, path) = new_path();
    is_unusable(&path, &existing(), "there is no database at");
    assert_eq!(names(&folder), [""; 0], "nothing is left behind");
    let backend = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    backend.store().setup().await.unwrap();
    SqliteBackend::open(&path, &existing()).unwrap();
}

#[test]
fn a_missing_folder_and_a_folder_in_the_files_place_are_named() {
    let (folder, _) = new_path();
    let missing = folder.path().join("no").join("everstep.db");
    match SqliteBackend::open(&missing, &SqliteOptions::new()) {
        Err(StoreError::Unusable { remedy, .. }) => {
            assert!(remedy.ends_with("/no does not exist: create it"), "{remedy}");
        }
        other => panic!("{other:?}"),
    }
    is_unusable(folder.path(), &SqliteOptions::new(), "is a folder");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named_with_what_to_check() {
    let path = Path::new("/proc/everstep.db"); // not even by root
    is_unusable(path, &SqliteOptions::new(), "that this user may write there");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_folder, path) = new_path();
    let text = "this is a text, and a long one, so that it could be a header".repeat(100);
    std::fs::write(&path, &text).unwrap();
    is_unusable(&path, &SqliteOptions::new(), "not an SQLite database");
    is_unusable(&path, &existing(), "not an SQLite database");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = new_path();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    is_unusable(&path, &SqliteOptions::new(), "another program");
    let tables: i64 =
        other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn an_empty_file_becomes_a_database_only_if_it_may() {
    let (_folder, path) = new_path();
    std::fs::write(&path, "").unwrap();
    is_unusable(&path, &existing(), "is not set up yet");
    SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    SqliteBackend::open(&path, &existing()).unwrap();
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let (_folder, path) = new_path();
    drop(SqliteBackend::open(&path, &SqliteOptions::new()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    is_unusable(&path, &SqliteOptions::new(), "version 7");
}

#[tokio::test]
async fn a_damaged_file_is_reported_as_damaged() {
    let (_folder, path) = new_path();
    drop(SqliteBackend::open(&path, &SqliteOptions::new()).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = match SqliteBackend::open(&path, &SqliteOptions::new()) {
        Err(error) => error,
        Ok(backend) => backend.store().load(&ExecutionId::random()).await.map(drop).unwrap_err(),
    };
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[tokio::test]
async fn a_lock_that_another_process_keeps_is_unavailable_not_unusable() {
    let (_folder, path) = new_path();
    let options = SqliteOptions::new().busy_timeout(Duration::from_millis(50));
    let backend = SqliteBackend::open(&path, &options).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let wake = Wake::news(ExecutionId::random());
    let sent = backend.queue().send(&wake, Duration::ZERO).await;
    assert!(matches!(&sent, Err(error @ QueueError::Unavailable { .. }) if error.is_retryable()));
    // Reads go on.
    assert!(backend.store().load(&ExecutionId::random()).await.unwrap().is_none());
    other.execute_batch("COMMIT").unwrap();
    backend.queue().send(&wake, Duration::ZERO).await.unwrap();
    assert_eq!(backend.queue().receive(9, Duration::ZERO).await.unwrap().len(), 1);
}

#[test]
fn many_processes_may_make_the_same_new_file_at_once() {
    for _ in 0..20 {
        let (_folder, path) = new_path();
        std::thread::scope(|scope| {
            let open = || SqliteBackend::open(&path, &SqliteOptions::new()).map(drop);
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn only_a_program_that_takes_turns_leaves_a_trace_beside_the_file() {
    let (folder, path) = new_path();
    let hosts = folder.path().join("everstep.db-hosts");
    let reader = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    assert!(!hosts.exists());
    let worker = SqliteBackend::open(&path, &SqliteOptions::new()).unwrap();
    let host = worker.host().unwrap();
    assert_eq!(worker.host().unwrap(), host, "one id for one backend");
    assert!(hosts.join(&*host.0).exists());
    drop((worker, reader));
    assert!(!hosts.exists(), "removed at a clean end");
}

#[cfg(unix)]
#[test]
fn the_hosts_of_a_file_are_the_same_by_whatever_link_it_is_opened() {
    let (folder, path) = new_path();
    drop(SqliteBackend::open(&path, &SqliteOptions::new()).unwrap());
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let by_link = SqliteBackend::open(&link, &SqliteOptions::new()).unwrap();
    let host = by_link.host().unwrap();
    assert!(folder.path().join("everstep.db-hosts").join(&*host.0).exists());
}

#[workflow]
async fn greets(name: String) -> everstep::Result<String> {
    everstep::publish(&"greeting");
    Ok(format!("hello, {name}"))
}

/// Version 1 had no runs, no tags and no views.
#[tokio::test]
async fn a_file_of_version_1_goes_on_where_it_stood() {
    let (_folder, path) = started().await;
    let before_version_2 = "
        ALTER TABLE executions DROP COLUMN first_commit;
        ALTER TABLE executions DROP COLUMN tags;
        ALTER TABLE executions DROP COLUMN view;
    ";
    make_older(&path, 1, &[before_version_2, BEFORE_VERSION_3, BEFORE_VERSION_4]);
    let backend = open(&path).await;
    let old = Client::new(&backend).handle(greets, ExecutionId::new("old").unwrap());
    let app = App::new().workflow(greets).backend(backend);
    let greeting = app.worker().await.unwrap().run_until(old.result()).await.unwrap();
    assert_eq!(greeting.unwrap(), "hello, Ada");
    assert_eq!(old.view::<String>().await.unwrap().as_deref(), Some("greeting"));
}

/// A new file in which the execution "old" was started.
async fn started() -> (TempDir, PathBuf) {
    let (folder, path) = new_path();
    let client = Client::new(&open(&path).await);
    client.start(greets, "Ada".to_owned()).id("old").await.unwrap();
    (folder, path)
}

async fn open(path: &Path) -> Backend {
    Backend::from_url(&format!("sqlite:{}", path.display())).await.unwrap()
}

/// Makes a file one that a program of `version` has left: takes back what newer ones have brought.
#[track_caller]
fn make_older(path: &Path, version: u32, newer: &[&str]) {
    let by_hand = Connection::open(path).unwrap();
    by_hand.execute_batch("DROP INDEX executions_by_status;").unwrap(); // of version 6
    for brought in newer {
        by_hand.execute_batch(brought).unwrap();
    }
    by_hand.pragma_update(None, "user_version", version).unwrap();
}

/// What version 3 has brought goes.
const BEFORE_VERSION_3: &str = "ALTER TABLE executions DROP COLUMN parent;";

/// What version 4 has brought goes.
const BEFORE_VERSION_4: &str = "
    ALTER TABLE executions DROP COLUMN born;
    DROP INDEX executions_by_telling;
    ALTER TABLE executions DROP COLUMN untold;
    DROP INDEX executions_by_expiry;
    DROP TABLE graves;
";

/// Version 3 knew nothing of deletions.
#[tokio::test]
async fn what_closed_in_a_file_of_version_3_is_deleted_by_name() {
    let (_folder, path) = new_path();
    let backend = open(&path).await;
    let old = Client::new(&backend).start(greets, "Ada".to_owned()).id("old").await.unwrap();
    old.terminate("enough").await.unwrap();
    let app = App::new().workflow(greets).backend(backend.clone());
    let closed = async {
        while !old.describe().await.unwrap().projection.status.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    app.worker().await.unwrap().run_until(closed).await.unwrap();
    drop((old, backend));
    make_older(&path, 3, &[BEFORE_VERSION_4]);
    let client = Client::new(&open(&path).await);
    assert!(client.delete_expired().await.unwrap().deleted.is_empty(), "it has no time");
    assert!(client.delete(&ExecutionId::new("old").unwrap()).await.unwrap().is_free);
    let rows = |table| {
        let count = format!("SELECT count(*) FROM {table}");
        Connection::open(&path).unwrap().query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for table in ["executions", "commits", "inbox", "graves"] {
        assert_eq!(rows(table), 0, "{table}");
    }
}

#[workflow]
async fn asks_a_child(name: String) -> everstep::Result<String> {
    everstep::set_tag("asks", name.as_str());
    Ok(everstep::child(greets, name).await?)
}

/// Version 2 did not know whose child an execution is.
#[tokio::test]
async fn a_file_of_version_2_goes_on_and_its_new_children_have_parents() {
    let (_folder, path) = new_path();
    let backend = open(&path).await;
    let client = Client::new(&backend);
    let start = client.start(asks_a_child, "Ada".to_owned()).id("old").tag("customer", "7");
    start.await.unwrap();
    drop((client, backend));
    make_older(&path, 2, &[BEFORE_VERSION_3, BEFORE_VERSION_4]);
    let backend = open(&path).await;
    let client = Client::new(&backend);
    let old = client.handle(asks_a_child, ExecutionId::new("old").unwrap());
    let app = App::new().workflow(greets).workflow(asks_a_child).backend(backend);
    let greeting = app.worker().await.unwrap().run_until(old.result()).await.unwrap();
    assert_eq!(greeting.unwrap(), "hello, Ada");
    let child = ExecutionId::new("old/greets#1").unwrap();
    let parent = client.describe(&child).await.unwrap().parent.unwrap();
    assert_eq!((parent.execution.as_str(), parent.run), ("old", 1));
    let record = client.describe(old.id()).await.unwrap();
    assert_eq!(record.parent, None);
    assert_eq!((&*record.tags["customer"], &*record.tags["asks"]), ("7", "Ada"));
}

/// Version 3 did not know what others had been told.
#[tokio::test]
async fn a_file_of_version_3_goes_on_and_knows_what_is_untold() {
    let (_folder, path) = started().await;
    make_older(&path, 3, &[BEFORE_VERSION_4]);
    let backend = open(&path).await;
    let id = ExecutionId::new("old").unwrap();
    let stored = backend.store.record(&id).await.unwrap().unwrap().projection;
    assert_eq!(stored.untold, None);
    let untold = Projection { commit: 1, untold: Some(0), ..stored };
    backend.store.project(&id, &untold).await.unwrap();
    assert_eq!(backend.store.record(&id).await.unwrap().unwrap().projection, untold);
}

/// Version 4 did not tell executions of one id apart.
#[tokio::test]
async fn a_file_of_version_4_goes_on_and_what_starts_in_it_is_told_apart() {
    let (_folder, path) = started().await;
    make_older(&path, 4, &["ALTER TABLE executions DROP COLUMN born;"]);
    let backend = open(&path).await;
    let client = Client::new(&backend);
    let old = client.handle(greets, ExecutionId::new("old").unwrap());
    let new = client.start(greets, "Bob".to_owned()).id("new").await.unwrap();
    let app = App::new().workflow(greets).backend(backend);
    let both = async { (old.result().await.unwrap(), new.result().await.unwrap()) };
    let greetings = app.worker().await.unwrap().run_until(both).await.unwrap();
    assert_eq!(greetings, ("hello, Ada".to_owned(), "hello, Bob".to_owned()));
    assert_eq!(old.describe().await.unwrap().born, None);
    assert!(new.describe().await.unwrap().born.is_some());
}

/// Version 5 read all executions for those of one status.
#[tokio::test]
async fn a_file_of_version_5_is_given_the_index_of_lists() {
    let (_folder, path) = started().await;
    make_older(&path, 5, &[]);
    drop(open(&path).await);
    let by_hand = Connection::open(&path).unwrap();
    let version: i64 = by_hand.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 6);
    by_hand.execute_batch("DROP INDEX executions_by_status").unwrap();
}
