//! Processes that die between the commit in the database and the commit in the log, and elsewhere.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everstep::postgres::PgPool;
use everstep::prelude::*;
use everstep_tests::postgres::{CommitFault, Postgres, Proxy, url_at};
use everstep_tests::seed::Seeded;

use super::{bank, booked, of_bob, pay, rows};

const URL: &str = "EVERSTEP_TEST_PROGRAM_URL";
const FILE: &str = "EVERSTEP_TEST_PROGRAM_FILE";
const ID: &str = "EVERSTEP_TEST_PROGRAM_ID";

/// How many processes die at a random moment.
const KILLS: usize = 15;

/// A life is at most so long: most of them die in the middle of their work.
const LIFE_MS_MAX: u64 = 400;

/// The program that the tests here run and kill: this very binary, with nothing but this test.
/// It starts an execution, or goes on with it, and ends when that has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program for the other tests"]
async fn the_program() {
    let Ok(url) = std::env::var(URL) else { return };
    let pool = PgPool::connect_lazy(&url).unwrap();
    let backend = Backend::from_url(&std::env::var(FILE).unwrap()).await.unwrap();
    let app = App::new().workflow(pay).state(pool).backend(backend.clone());
    let client = Client::new(&backend);
    let id = std::env::var(ID).unwrap();
    let run = client.start(pay, id.clone()).id(id).await.unwrap();
    let paid = app.worker().await.unwrap().run_until(run.result()).await.unwrap();
    assert_eq!(paid.unwrap().len(), 3);
}

fn begin(url: &str, folder: &Path, id: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres::kills::the_program", "--ignored"]);
    command.env(URL, url).env(FILE, format!("sqlite:{}/everstep.db", folder.display())).env(ID, id);
    command.env_remove("NEXTEST_BIN_EXE_it").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// A process that somebody else may kill.
type Life = Arc<Mutex<Option<Child>>>;

fn kill(life: &Life) {
    life.lock().unwrap().as_mut().unwrap().kill().unwrap();
}

async fn over(life: &Life) -> bool {
    let life = life.clone();
    let wait = move || life.lock().unwrap().take().unwrap().wait().unwrap().success();
    tokio::task::spawn_blocking(wait).await.unwrap()
}

/// Waits without the lock, which whoever kills needs.
async fn ends(life: &Life) -> bool {
    loop {
        if life.lock().unwrap().as_mut().unwrap().try_wait().unwrap().is_some() {
            return over(life).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_right_before_or_after_a_commit_of_its_effect_repeats_nothing() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let proxy = Proxy::start(&server.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = url_at(proxy.address());
    // Each process dies at its first commit: of the first step, before and after it, and so on.
    let mut deaths = 0;
    for (killed, done) in [(1, false), (2, true), (3, false), (4, true), (5, false), (6, true)] {
        let life: Life = Arc::default();
        let dying = life.clone();
        let then = Box::new(move || kill(&dying));
        proxy.fail(if done { CommitFault::Before(then) } else { CommitFault::Instead(then) });
        *life.lock().unwrap() = Some(begin(&url, folder.path(), "rent"));
        assert!(!ends(&life).await, "process {killed} was killed");
        deaths += usize::from(done);
        assert_eq!(booked(&pool).await.len(), deaths, "after process {killed}");
    }
    let life: Life = Arc::new(Mutex::new(Some(begin(&url, folder.path(), "rent"))));
    assert!(ends(&life).await, "the last one lives");
    let notes: Vec<String> = booked(&pool).await.into_iter().map(|(_, note)| note).collect();
    assert_eq!(notes, ["rent/1", "rent/2", "rent/3"]);
    assert_eq!((of_bob(&pool).await, rows(&pool).await), (15, 3));
    // What a process found in the table it did not do again: each commit came by once before it
    // was done, and once when it was.
    assert_eq!(proxy.commits(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_them_processes_never_repeat_an_effect() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let mut random = Seeded::from_env();
    let (mut kills, mut executions) = (0, 0);
    while kills < KILLS {
        executions += 1;
        let id = format!("rent-{executions}");
        loop {
            let mut life = begin(&server.url(), folder.path(), &id);
            if kills < KILLS {
                std::thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX)));
                if life.try_wait().unwrap().is_none() {
                    kills += 1;
                    life.kill().unwrap();
                }
            }
            if life.wait().unwrap().success() {
                break;
            }
        }
    }
    let mut expected: Vec<String> = (1..=executions)
        .flat_map(|execution| (1..=3).map(move |number| format!("rent-{execution}/{number}")))
        .collect();
    expected.sort();
    let mut notes: Vec<String> = booked(&pool).await.into_iter().map(|(_, note)| note).collect();
    notes.sort();
    assert_eq!(notes, expected);
    assert_eq!(of_bob(&pool).await, 15 * executions);
    tracing::info!("{executions} executions, {kills} kills");
}
