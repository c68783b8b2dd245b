//! Processes that die right before and after their writes, and elsewhere. Their log is in a file,
//! their tables in the emulator.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everstep::prelude::*;
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::proxy::{Fault, Hook, Proxy};
use everstep_tests::seed::Seeded;

use super::{at, count, look, sell_three, shop};

const URL: &str = "EVERSTEP_TEST_PROGRAM_URL";
const LOG: &str = "EVERSTEP_TEST_PROGRAM_LOG";
const ID: &str = "EVERSTEP_TEST_PROGRAM_ID";

/// How many processes die at a random moment.
const KILLS: usize = 12;

/// A life is at most so long: most of them die in the middle of their work.
const LIFE_MS_MAX: u64 = 500;

/// The program that the tests here run and kill: this very binary, with nothing but this test.
/// It starts an execution, or goes on with it, and ends when that has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program for the other tests"]
async fn the_program() {
    let Ok(url) = std::env::var(URL) else { return };
    let backend = Backend::from_url(&std::env::var(LOG).unwrap()).await.unwrap();
    let app = App::new().workflow(sell_three).state(at(&url).await).backend(backend.clone());
    let client = Client::new(&backend);
    let id = std::env::var(ID).unwrap();
    let run = client.start(sell_three, id.clone()).id(id).await.unwrap();
    let sold = app.worker().await.unwrap().run_until(run.result()).await.unwrap();
    assert_eq!(sold.unwrap().len(), 3);
}

fn begin(url: &str, folder: &Path, id: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "transact::kills::the_program", "--ignored"]);
    let log = format!("sqlite:{}/everstep.db", folder.display());
    command.env(URL, url).env(LOG, log).env(ID, id);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A process that somebody else may kill.
type Life = Arc<Mutex<Child>>;

/// Waits without the lock, which whoever kills needs.
async fn succeeds(life: &Life) -> bool {
    loop {
        if let Some(exit) = life.lock().unwrap().try_wait().unwrap() {
            return exit.success();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_right_before_or_after_its_writes_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = DynamoDb::on_file(&folder.path().join("dynamodb.sqlite"));
    shop(db.url(), 10).await;
    let proxy = Proxy::start(db.url()).await;
    // Each process dies at its first writes: of the first step, before and after them, and so on.
    let mut deaths = 0;
    for (killed, done) in [(1, false), (2, true), (3, false), (4, true), (5, false), (6, true)] {
        let dying: Arc<Mutex<Option<Life>>> = Arc::default();
        let victim = Arc::clone(&dying);
        let hook = Hook::new(move || {
            victim.lock().unwrap().as_ref().unwrap().lock().unwrap().kill().unwrap();
        });
        let fault = if done { Fault::Before(hook) } else { Fault::Instead(hook) };
        proxy.fail("TransactWriteItems", 1, fault);
        let life: Life = {
            let mut dying = dying.lock().unwrap();
            let life = Arc::new(Mutex::new(begin(proxy.url(), folder.path(), "cups")));
            *dying = Some(Arc::clone(&life));
            life
        };
        assert!(!succeeds(&life).await, "process {killed} was killed");
        deaths += i64::from(done);
        assert_eq!(look(db.url(), "cups", "pieces").await, 10 - deaths, "after process {killed}");
    }
    let life: Life = Arc::new(Mutex::new(begin(proxy.url(), folder.path(), "cups")));
    assert!(succeeds(&life).await, "the last one lives");
    for number in 1..=3 {
        assert_eq!(look(db.url(), &format!("cups/{number}"), "sold").await, 1);
    }
    assert_eq!(look(db.url(), "cups", "pieces").await, 7);
    assert_eq!(count(db.url(), "markers").await, 3);
    assert_eq!(proxy.calls("TransactWriteItems"), 6, "what was done is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_them_processes_never_repeat_their_writes() {
    let folder = tempfile::tempdir().unwrap();
    let db = DynamoDb::on_file(&folder.path().join("dynamodb.sqlite"));
    shop(db.url(), 1_000).await;
    let mut random = Seeded::from_env();
    let (mut kills, mut executions) = (0, 0);
    while kills < KILLS {
        executions += 1;
        let id = format!("cups-{executions}");
        loop {
            let mut life = begin(db.url(), folder.path(), &id);
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
    for execution in 1..=executions {
        for number in 1..=3 {
            let note = format!("cups-{execution}/{number}");
            assert_eq!(look(db.url(), &note, "sold").await, 1, "{note}");
        }
    }
    assert_eq!(look(db.url(), "cups", "pieces").await, 1_000 - 3 * executions);
    tracing::info!("{executions} executions, {kills} kills");
}
