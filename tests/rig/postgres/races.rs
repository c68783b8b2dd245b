//! Two hosts at one step, conflicts between steps, and answers that are lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use everstep::client::ResultError;
use everstep::limits::TRANSACTION_TRIES_MAX;
use everstep::postgres::{self, Isolation, PgPool, TransactionError};
use everstep::prelude::*;
use everstep_tests::hosts::host;
use everstep_tests::postgres::{CommitFault, Postgres, Proxy, url_at};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinHandle;

use super::{BankError, bank, booked, of_bob, pay, rows, until_one_waits};

/// Connections through a proxy, for which nobody waits long.
async fn through(proxy: &Proxy) -> PgPool {
    let options = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1));
    options.connect(&url_at(proxy.address())).await.unwrap()
}

/// How two hosts that race are brought to the same place.
#[derive(Clone, Default)]
struct Race(Arc<Gates>);

#[derive(Default)]
struct Gates {
    bodies: AtomicUsize,
    inside: Notify,
    go_on: Notify,
}

#[step(skip(pool, race), retry(max_attempts = 1))]
async fn slow(pool: &PgPool, race: &Race) -> Result<i64, BankError> {
    postgres::transaction(pool, async move |mut tx| {
        let first = race.0.bodies.fetch_add(1, Ordering::SeqCst) == 0;
        let number = sqlx::query_scalar::<_, i64>(
            "INSERT INTO books (note, cents) VALUES ('slow', 1) RETURNING number",
        );
        let number = number.fetch_one(&mut *tx).await?;
        if first {
            race.0.inside.notify_one();
            race.0.go_on.notified().await;
        }
        Ok(number)
    })
    .await
}

#[workflow]
async fn race(
    State(pool): State<PgPool>,
    State(gates): State<Race>,
    _: (),
) -> Result<i64, BankError> {
    slow(&pool, &gates).await
}

type Ended = Result<i64, ResultError<BankError>>;

/// A first host in its transaction, and a second, which waits for the end of that; each with its own
/// connections.
async fn one_waits_for_the_other(pools: [&PgPool; 2], gates: &Race) -> [JoinHandle<Ended>; 2] {
    let [first, second] =
        pools.map(|pool| App::new().workflow(race).state(pool.clone()).state(gates.clone()));
    let start = async |client: &Client| client.start(race, ()).id("race").await.unwrap();
    let first = tokio::spawn(host(first, start));
    gates.0.inside.notified().await;
    let second = tokio::spawn(host(second, start));
    until_one_waits(pools[0]).await;
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_at_one_step_have_one_effect_and_both_its_result() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let gates = Race::default();
    let [first, second] = one_waits_for_the_other([&pool, &pool], &gates).await;
    gates.0.go_on.notify_one();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_eq!(first, second);
    assert_eq!(booked(&pool).await, [(first, "slow".to_owned())]);
    assert_eq!(gates.0.bodies.load(Ordering::SeqCst), 1, "the second did not even begin");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_transaction_that_is_rolled_back_runs_its_own() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let gates = Race::default();
    let [first, second] = one_waits_for_the_other([&pool, &pool], &gates).await;
    first.abort(); // The first host dies: its worker, and with it the body.
    let number = second.await.unwrap().unwrap();
    assert_eq!(booked(&pool).await, [(number, "slow".to_owned())]);
    assert_eq!(gates.0.bodies.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_wait_long_for_a_lock_waits_again_in_the_same_attempt() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let hasty: PgConnectOptions = server.url().parse().unwrap();
    let hasty = PgPool::connect_with(hasty.options([("lock_timeout", "500ms")])).await.unwrap();
    let gates = Race::default();
    let [first, second] = one_waits_for_the_other([&pool, &hasty], &gates).await;
    let mut waits = HashSet::new();
    while waits.len() < 2 && !second.is_finished() {
        let begun = "SELECT xact_start::text FROM pg_stat_activity \
                     WHERE wait_event_type = 'Lock' AND xact_start IS NOT NULL";
        waits.extend(sqlx::query_scalar::<_, String>(begun).fetch_all(&pool).await.unwrap());
        tokio::task::yield_now().await;
    }
    gates.0.go_on.notify_one();
    assert_eq!(first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_eq!(waits.len(), 2, "it has waited, and waits again");
    assert_eq!(gates.0.bodies.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hosts_at_the_same_steps_write_each_effect_once() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let app = App::new().workflow(pay).state(pool.clone());
    let start =
        async |client: &Client| client.start(pay, "rent".to_owned()).id("rent").await.unwrap();
    let hosts: Vec<_> = (0..6).map(|_| tokio::spawn(host(app.clone(), start))).collect();
    let mut results = Vec::new();
    for host in hosts {
        results.push(host.await.unwrap().unwrap());
    }
    results.dedup();
    assert_eq!(results.len(), 1, "all have the same results");
    let numbers: Vec<i64> = booked(&pool).await.into_iter().map(|(number, _)| number).collect();
    let returned: Vec<i64> = results[0].iter().map(|transfer| transfer.number).collect();
    assert_eq!(numbers, returned);
    assert_eq!((of_bob(&pool).await, rows(&pool).await), (15, 3));
}

/// How many steps add at once.
const ADDING: u32 = 4;

/// How often a closure ran, and where the first ones meet: when each has read, and none has written.
#[derive(Clone)]
struct Ran(Arc<(AtomicU32, Barrier)>);

/// Reads a sum and writes what follows from it: with others at the same moment, wrong, unless the
/// transactions are as if alone.
#[step(skip(pool, ran), retry(max_attempts = 1))]
async fn add_one(pool: &PgPool, ran: &Ran, number: u32) -> Result<i64, BankError> {
    let add = async move |mut tx: postgres::Tx| {
        let sum = "SELECT coalesce(sum(cents), 0)::bigint FROM books";
        let sum: i64 = sqlx::query_scalar(sum).fetch_one(&mut *tx).await?;
        if ran.0.0.fetch_add(1, Ordering::SeqCst) < ADDING {
            ran.0.1.wait().await;
        }
        let add = sqlx::query("INSERT INTO books (note, cents) VALUES ($1, $2)");
        add.bind(number.to_string()).bind(sum + 1).execute(&mut *tx).await?;
        Ok(sum)
    };
    postgres::transaction(pool, add).isolation(Isolation::Serializable).await
}

#[workflow]
async fn add(
    State(pool): State<PgPool>,
    State(ran): State<Ran>,
    steps: u32,
) -> Result<Vec<i64>, BankError> {
    let adding = (0..steps).map(|number| add_one(&pool, &ran, number));
    everstep::join_all(adding).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_of_serializable_transactions_are_no_failures_of_their_attempts() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let ran = Ran(Arc::new((AtomicU32::new(0), Barrier::new(ADDING as usize))));
    let app = App::new().workflow(add).state(pool.clone()).state(ran.clone());
    let start = async |client: &Client| client.start(add, ADDING).id("add").await.unwrap();
    // Each step has one attempt only.
    let mut sums = host(app, start).await.unwrap();
    sums.sort_unstable();
    assert_eq!(sums, [0, 1, 3, 7], "each saw all that came before it");
    assert!(ran.0.0.load(Ordering::SeqCst) > ADDING, "there were conflicts");
}

#[step(skip(pool), retry(max_attempts = 1))]
async fn note_once(pool: &PgPool) -> Result<i64, BankError> {
    postgres::transaction(pool, async |mut tx| {
        let number = "INSERT INTO books (note, cents) VALUES ('once', 1) RETURNING number";
        Ok(sqlx::query_scalar::<_, i64>(number).fetch_one(&mut *tx).await?)
    })
    .await
}

#[workflow]
async fn once(State(pool): State<PgPool>, _: ()) -> Result<i64, BankError> {
    note_once(&pool).await
}

/// Why a transaction had no result.
#[track_caller]
fn failure(ended: Ended) -> TransactionError {
    match ended {
        Err(ResultError::Failed(BankError::Transaction(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_commit_that_is_lost_is_found_out_in_the_same_attempt() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let proxy = Proxy::start(&server.address()).await;
    proxy.fail(CommitFault::RequestLost);
    proxy.fail(CommitFault::AnswerLost);
    let through = through(&proxy).await;
    let app = App::new().workflow(once).state(through);
    let start = async |client: &Client| client.start(once, ()).id("once").await.unwrap();
    let number = host(app, start).await.unwrap();
    assert_eq!(booked(&pool).await, [(number, "once".to_owned())]);
    assert_eq!(proxy.commits(), 2, "the third try found the row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_can_be_asked_about_is_in_doubt_and_settled_by_a_later_attempt() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let proxy = Arc::new(Proxy::start(&server.address()).await);
    let through = through(&proxy).await;
    // The answer is lost, and from then on nobody gets through.
    let held = Arc::clone(&proxy);
    proxy.fail(CommitFault::Before(Box::new(move || held.refuse())));
    let app = App::new().workflow(once).state(through);
    let start = async |client: &Client| client.start(once, ()).id("once").await.unwrap();
    let error = failure(host(app, start).await);
    assert!(matches!(error, TransactionError::InDoubt { .. }), "{error}");
    assert_eq!(booked(&pool).await.len(), 1, "it was committed");
    // Another host, with a way to the database.
    let app = App::new().workflow(once).state(pool.clone());
    let number = host(app, start).await.unwrap();
    assert_eq!(booked(&pool).await, [(number, "once".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_fails_the_attempt_and_says_so() {
    let server = Postgres::start().await;
    let proxy = Proxy::start(&server.address()).await;
    let pool = bank(&server).await;
    let through = through(&proxy).await;
    for _ in 0..TRANSACTION_TRIES_MAX {
        proxy.fail(CommitFault::RequestLost);
    }
    let app = App::new().workflow(once).state(through.clone());
    let start = async |client: &Client| client.start(once, ()).id("once").await.unwrap();
    let error = failure(host(app, start).await);
    assert!(matches!(error, TransactionError::InDoubt { .. }), "{error}");
    assert_eq!((booked(&pool).await.len(), rows(&pool).await), (0, 0));

    proxy.refuse();
    let app = App::new().workflow(once).state(through.clone());
    let start = async |client: &Client| client.start(once, ()).await.unwrap();
    let error = failure(host(app, start).await);
    assert!(matches!(error, TransactionError::Unavailable { .. }), "{error}");

    // A program that ends.
    through.close().await;
    let app = App::new().workflow(once).state(through);
    let error = failure(host(app, start).await);
    assert!(matches!(error, TransactionError::Unavailable { .. }), "{error}");
}
