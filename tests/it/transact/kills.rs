//! Processes that die right before and after their writes, and elsewhere. Their log is in a file,
//! their tables in the emulator.

use std::time::Duration;

use everstep::dynamodb::Markers;
use everstep::prelude::*;
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::lives::{Life, Program, Task};
use everstep_tests::proxy::{Fault, Hook, Proxy};

use super::{ShopError, at, count, look, sale, shop};

const PROGRAM: &str = "transact::kills::the_program";

/// How many processes have to die at a random moment between their writes and the log's.
const DEATHS: usize = 5;

/// How long a process takes from the one to the other: long enough to die there.
const BETWEEN: Duration = Duration::from_millis(60);

#[step(skip(markers), retry(max_attempts = 10, initial = "20ms"))]
async fn sell_and_wait(markers: &Markers, note: &str) -> Result<String, ShopError> {
    let sold = sale(markers, note).await;
    tokio::time::sleep(BETWEEN).await;
    sold
}

/// Three sales, one after the other.
#[workflow]
async fn sell_slowly(
    State(markers): State<Markers>,
    note: String,
) -> Result<Vec<String>, ShopError> {
    let mut sold = Vec::new();
    for number in 1..=3 {
        sold.push(sell_and_wait(&markers, &format!("{note}/{number}")).await?);
    }
    Ok(sold)
}

/// The program that the tests here run and kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program for the other tests"]
async fn the_program() {
    let Some(task) = Task::of_this_process() else { return };
    let backend = Backend::from_url(&task.log).await.unwrap();
    let app = App::new().workflow(sell_slowly).state(at(&task.service).await);
    let app = app.backend(backend.clone());
    let client = Client::new(&backend);
    let run = client.start(sell_slowly, task.id.clone()).id(task.id).await.unwrap();
    let sold = app.worker().await.unwrap().run_until(run.result()).await.unwrap();
    assert_eq!(sold.unwrap().len(), 3);
}

/// How often something was sold for an execution.
async fn sold_for(db: &DynamoDb, id: &str) -> i64 {
    let mut sold = 0;
    for number in 1..=3 {
        sold += look(db.url(), &format!("{id}/{number}"), "sold").await;
    }
    sold
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_right_before_or_after_its_writes_repeats_nothing() {
    let program = Program::new(PROGRAM);
    let db = DynamoDb::on_file(&program.folder().join("dynamodb.sqlite"));
    shop(db.url(), 10).await;
    let proxy = Proxy::start(db.url()).await;
    // Each process dies at its first writes: of the first step, before and after them, and so on.
    let mut deaths = 0;
    for (killed, done) in [(1, false), (2, true), (3, false), (4, true), (5, false), (6, true)] {
        let life = Life::default();
        let dying = life.clone();
        let hook = Hook::new(move || dying.kill());
        let fault = if done { Fault::Before(hook) } else { Fault::Instead(hook) };
        proxy.fail("TransactWriteItems", 1, fault);
        life.begin(&program, proxy.url(), "cups");
        assert!(!life.succeeds().await, "process {killed} was killed");
        deaths += i64::from(done);
        assert_eq!(look(db.url(), "cups", "pieces").await, 10 - deaths, "after process {killed}");
    }
    let life = Life::default();
    life.begin(&program, proxy.url(), "cups");
    assert!(life.succeeds().await, "the last one lives");
    for number in 1..=3 {
        assert_eq!(look(db.url(), &format!("cups/{number}"), "sold").await, 1);
    }
    assert_eq!(look(db.url(), "cups", "pieces").await, 7);
    assert_eq!(count(db.url(), "markers").await, 3);
    assert_eq!(proxy.calls("TransactWriteItems"), 6, "what was done is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_them_processes_never_repeat_their_writes() {
    let program = Program::new(PROGRAM);
    let db = DynamoDb::on_file(&program.folder().join("dynamodb.sqlite"));
    shop(db.url(), 1_000).await;
    let of = async |id: &str| usize::try_from(sold_for(&db, id).await).unwrap();
    let ids = program.die_at_random(db.url(), DEATHS, of).await;
    for id in &ids {
        for number in 1..=3 {
            let note = format!("{id}/{number}");
            assert_eq!(look(db.url(), &note, "sold").await, 1, "{note}");
        }
    }
    let sold = 3 * i64::try_from(ids.len()).unwrap();
    assert_eq!(look(db.url(), "cups", "pieces").await, 1_000 - sold);
}
