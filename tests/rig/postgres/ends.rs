//! How a transaction can end other than well, and what the workflow sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::client::ResultError;
use everstep::postgres::{self, PgPool, Rollback, TransactionError};
use everstep::prelude::*;
use everstep_tests::hosts::host;
use everstep_tests::postgres::Postgres;
use serde::{Deserialize, Serialize};

use super::{BankError, bank, book, booked, of_bob, rows};

/// What the one step of these tests does in its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Does {
    TooMuch,
    Twice,
    Unrecordable,
    Swallows,
    Commits,
    RollsBack,
    Keeps,
    InATask,
    Savepoint,
    Hangs,
}

/// How often a closure ran.
#[derive(Clone, Default)]
struct Ran(Arc<AtomicU32>);

const NOTE: &str = "INSERT INTO books (note, cents) VALUES ('note', 1)";

#[step(skip(pool, ran), retry(max_attempts = 2, initial = "10ms"), timeout = "2s")]
async fn act(pool: &PgPool, ran: &Ran, does: Does) -> everstep::Result<f64> {
    let closure = {
        let ran = ran.clone();
        async move |mut tx: postgres::Tx| {
            let run = ran.0.fetch_add(1, Ordering::SeqCst) + 1;
            sqlx::query(NOTE).execute(&mut *tx).await?;
            match does {
                Does::TooMuch => {
                    let all = "UPDATE accounts SET cents = cents - 2000000 WHERE name = 'Ada'";
                    sqlx::query(all).execute(&mut *tx).await?;
                }
                Does::Swallows => {
                    let _ = sqlx::query("SELECT 1 / 0").execute(&mut *tx).await;
                }
                Does::Commits => {
                    sqlx::raw_sql("COMMIT").execute(&mut *tx).await?;
                }
                Does::RollsBack => {
                    sqlx::raw_sql("ROLLBACK").execute(&mut *tx).await?;
                }
                Does::Keeps => {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        drop(tx);
                    });
                    return Ok(0.5);
                }
                Does::Savepoint => {
                    let mut inner = sqlx::Connection::begin(&mut *tx).await?;
                    sqlx::query(NOTE).execute(&mut *inner).await?;
                    inner.rollback().await?;
                }
                Does::Hangs if run == 1 => std::future::pending().await,
                Does::Unrecordable => return Ok(f64::NAN),
                Does::Twice | Does::InATask | Does::Hangs => {}
            }
            Ok::<_, Rollback<everstep::Error>>(0.5)
        }
    };
    match does {
        Does::Twice => {
            postgres::transaction(pool, closure.clone()).await?;
            postgres::transaction(pool, closure).await
        }
        Does::InATask => {
            let pool = pool.clone();
            tokio::spawn(async move { postgres::transaction(&pool, closure).await }).await?
        }
        // Another attempt would only wait for what this one keeps.
        Does::Keeps => {
            let kept: everstep::Result<f64> = postgres::transaction(pool, closure).await;
            kept.map_err(everstep::Error::terminal)
        }
        _ => postgres::transaction(pool, closure).await,
    }
}

#[workflow]
async fn run(
    State(pool): State<PgPool>,
    State(ran): State<Ran>,
    does: Does,
) -> everstep::Result<f64> {
    act(&pool, &ran, does).await
}

/// One bank, and what is left of each deed: what the workflow sees, and rows in books and table.
async fn check(deeds: &[(Does, Result<f64, &str>, usize, i64)]) {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let app = App::new().workflow(run).state(pool.clone()).state(Ran::default());
    let app = app.backend(backend);
    let work = async {
        for (does, expected, in_books, in_table) in deeds {
            sqlx::raw_sql("DELETE FROM books; DELETE FROM everstep_steps")
                .execute(&pool)
                .await
                .unwrap();
            let end = client.start(run, *does).await.unwrap().result().await;
            match (end, expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value.to_bits(), expected.to_bits()),
                (Err(ResultError::Failed(error)), Err(expected)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(expected), "{does:?}: {error}");
                }
                (end, expected) => panic!("{does:?}: {end:?}, not {expected:?}"),
            }
            assert_eq!(booked(&pool).await.len(), *in_books, "books after {does:?}");
            assert_eq!(rows(&pool).await, *in_table, "table after {does:?}");
        }
    };
    app.worker().await.unwrap().run_until(work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_a_transaction_leaves_nothing_and_is_told() {
    check(&[
        (Does::TooMuch, Err("violates check constraint \"accounts_cents_check\""), 0, 0),
        (Does::Unrecordable, Err("the transaction's result cannot be recorded"), 0, 0),
        (Does::Swallows, Err("current transaction is aborted"), 0, 0),
        (Does::InATask, Err("a transaction belongs in the body of a step"), 0, 0),
        (Does::Savepoint, Ok(0.5), 1, 1),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_that_ends_its_transaction_itself_or_keeps_it_is_found_out() {
    check(&[
        // What it has committed cannot be taken back; it is told at once, and not done twice.
        (Does::Commits, Err("committed, rolled back or kept by its closure"), 1, 1),
        (Does::RollsBack, Err("committed, rolled back or kept by its closure"), 0, 0),
        (Does::Keeps, Err("committed, rolled back or kept by its closure"), 0, 0),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_transaction_without_a_name_is_refused_and_the_first_stays_done_once() {
    check(&[(Does::Twice, Err("give each its own name"), 1, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_times_out_in_its_transaction_is_rolled_back_and_the_next_one_counts() {
    check(&[(Does::Hangs, Ok(0.5), 1, 1)]).await;
}

#[workflow]
async fn overdraw(State(pool): State<PgPool>, cents: i64) -> Result<String, BankError> {
    match book(&pool, "all", cents).await {
        Err(BankError::TooLittle(whose)) => Ok(format!("{whose} is told")),
        Err(other) => Err(other),
        Ok(_) => Ok("booked".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_steps_own_comes_out_as_it_is_and_nothing_was_done() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let app = App::new().workflow(overdraw).state(pool.clone());
    let start = async |client: &Client| client.start(overdraw, 2_000_000).await.unwrap();
    assert_eq!(host(app, start).await.unwrap(), "Ada is told");
    assert_eq!((of_bob(&pool).await, rows(&pool).await), (0, 0));
}

#[step(skip(pool), retry(max_attempts = 1))]
async fn take_number(pool: &PgPool, number: i64) -> Result<(), BankError> {
    postgres::transaction(pool, async move |mut tx| {
        let take = sqlx::query("INSERT INTO books (number, note, cents) VALUES ($1, 'taken', 0)");
        take.bind(number).execute(&mut *tx).await?;
        Ok(())
    })
    .await
}

#[workflow]
async fn take_twice(State(pool): State<PgPool>, number: i64) -> Result<String, BankError> {
    take_number(&pool, number).await?;
    match take_number(&pool, number).await {
        Err(BankError::Transaction(TransactionError::Database { code, constraint, .. })) => {
            Ok(format!("{} {}", code.unwrap_or_default(), constraint.unwrap_or_default()))
        }
        other => Ok(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_refuses_is_an_error_with_its_code_and_name() {
    let server = Postgres::start().await;
    let app = App::new().workflow(take_twice).state(bank(&server).await);
    let start = async |client: &Client| client.start(take_twice, 9).await.unwrap();
    assert_eq!(host(app, start).await.unwrap(), "23505 books_pkey");
}
