//! Processes that die between the commit in the database and the commit in the log, and elsewhere.

use std::time::Duration;

use everstep::postgres::PgPool;
use everstep::prelude::*;
use everstep_tests::lives::{Life, Program, Task};
use everstep_tests::postgres::{CommitFault, Postgres, Proxy, url_at};

use super::{BankError, Transfer, bank, booked, of_bob, rows, transfer};

const PROGRAM: &str = "postgres::kills::the_program";

/// How many processes have to die at a random moment between the two commits.
const DEATHS: usize = 5;

/// How long a process takes from the one commit to the other: long enough to die there.
const BETWEEN: Duration = Duration::from_millis(60);

#[step(skip(pool), retry(max_attempts = 10, initial = "20ms"))]
async fn book_and_wait(pool: &PgPool, note: &str) -> Result<Transfer, BankError> {
    let booked = transfer(pool, note, 5).await;
    tokio::time::sleep(BETWEEN).await;
    booked
}

/// Three transfers, one after the other.
#[workflow]
async fn pay_slowly(State(pool): State<PgPool>, note: String) -> Result<Vec<Transfer>, BankError> {
    let mut transfers = Vec::new();
    for number in 1..=3 {
        transfers.push(book_and_wait(&pool, &format!("{note}/{number}")).await?);
    }
    Ok(transfers)
}

/// The program that the tests here run and kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program for the other tests"]
async fn the_program() {
    let Some(task) = Task::of_this_process() else { return };
    let pool = PgPool::connect_lazy(&task.service).unwrap();
    let backend = Backend::from_url(&task.log).await.unwrap();
    let app = App::new().workflow(pay_slowly).state(pool).backend(backend.clone());
    let client = Client::new(&backend);
    let run = client.start(pay_slowly, task.id.clone()).id(task.id).await.unwrap();
    let paid = app.worker().await.unwrap().run_until(run.result()).await.unwrap();
    assert_eq!(paid.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_right_before_or_after_a_commit_of_its_effect_repeats_nothing() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let proxy = Proxy::start(&server.address()).await;
    let program = Program::new(PROGRAM);
    let url = url_at(proxy.address());
    // Each process dies at its first commit: of the first step, before and after it, and so on.
    let mut deaths = 0;
    for (killed, done) in [(1, false), (2, true), (3, false), (4, true), (5, false), (6, true)] {
        let life = Life::default();
        let dying = life.clone();
        let then = Box::new(move || dying.kill());
        proxy.fail(if done { CommitFault::Before(then) } else { CommitFault::Instead(then) });
        life.begin(&program, &url, "rent");
        assert!(!life.succeeds().await, "process {killed} was killed");
        deaths += usize::from(done);
        assert_eq!(booked(&pool).await.len(), deaths, "after process {killed}");
    }
    let life = Life::default();
    life.begin(&program, &url, "rent");
    assert!(life.succeeds().await, "the last one lives");
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
    let of = async |id: &str| {
        let of_id = format!("{id}/");
        booked(&pool).await.iter().filter(|(_, note)| note.starts_with(&of_id)).count()
    };
    let ids = Program::new(PROGRAM).die_at_random(&server.url(), DEATHS, of).await;
    let numbered = |id: &String| [1, 2, 3].map(|number| format!("{id}/{number}"));
    let mut expected: Vec<String> = ids.iter().flat_map(numbered).collect();
    expected.sort();
    let mut notes: Vec<String> = booked(&pool).await.into_iter().map(|(_, note)| note).collect();
    notes.sort();
    assert_eq!(notes, expected);
    assert_eq!(of_bob(&pool).await, 5 * i64::try_from(notes.len()).unwrap());
}
