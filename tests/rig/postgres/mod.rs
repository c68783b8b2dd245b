//! Steps in transactions of a real PostgreSQL.

mod ends;
mod kills;
mod parts;
mod races;
mod table;

use everstep::postgres::{self, PgPool, Rollback, TransactionError};
use everstep::prelude::*;
use everstep_tests::postgres::Postgres;
use serde::{Deserialize, Serialize};

/// What a bank's steps fail by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
enum BankError {
    #[error("{0} has too little")]
    TooLittle(String),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// A transfer, and its number in the bank's books: what `book` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Transfer {
    number: i64,
    cents: i64,
}

/// The bank, open for business: 1,000,000 cents with Ada, none with Bob.
async fn bank(server: &Postgres) -> PgPool {
    let pool = server.pool().await;
    postgres::setup(&pool).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE accounts (name text PRIMARY KEY, cents bigint NOT NULL CHECK (cents >= 0));
         CREATE TABLE books (number bigserial PRIMARY KEY, note text NOT NULL, cents bigint NOT NULL);
         INSERT INTO accounts VALUES ('Ada', 1000000), ('Bob', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool
}

/// Moves `cents` from Ada to Bob, and writes it into the books: an effect that shows how often it
/// happened.
async fn transfer(pool: &PgPool, note: &str, cents: i64) -> Result<Transfer, BankError> {
    postgres::transaction(pool, async move |mut tx| {
        let left = sqlx::query_scalar::<_, i64>(
            "UPDATE accounts SET cents = cents - $1 WHERE name = 'Ada' AND cents >= $1 \
             RETURNING cents",
        );
        if left.bind(cents).fetch_optional(&mut *tx).await?.is_none() {
            return Err(Rollback::Because(BankError::TooLittle("Ada".to_owned())));
        }
        let more = sqlx::query("UPDATE accounts SET cents = cents + $1 WHERE name = 'Bob'");
        more.bind(cents).execute(&mut *tx).await?;
        let write = "INSERT INTO books (note, cents) VALUES ($1, $2) RETURNING number";
        let number = sqlx::query_scalar::<_, i64>(write).bind(note).bind(cents);
        Ok(Transfer { number: number.fetch_one(&mut *tx).await?, cents })
    })
    .await
}

#[step(skip(pool), retry(max_attempts = 10, initial = "20ms"))]
async fn book(pool: &PgPool, note: &str, cents: i64) -> Result<Transfer, BankError> {
    transfer(pool, note, cents).await
}

/// Three transfers, one after the other.
#[workflow]
async fn pay(State(pool): State<PgPool>, note: String) -> Result<Vec<Transfer>, BankError> {
    let mut transfers = Vec::new();
    for number in 1..=3 {
        transfers.push(book(&pool, &format!("{note}/{number}"), 5).await?);
    }
    Ok(transfers)
}

/// What is in the books.
async fn booked(pool: &PgPool) -> Vec<(i64, String)> {
    sqlx::query_as("SELECT number, note FROM books ORDER BY note").fetch_all(pool).await.unwrap()
}

/// Bob's account.
async fn of_bob(pool: &PgPool) -> i64 {
    let cents = "SELECT cents FROM accounts WHERE name = 'Bob'";
    sqlx::query_scalar(cents).fetch_one(pool).await.unwrap()
}

/// Results that are recorded.
async fn rows(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM everstep_steps").fetch_one(pool).await.unwrap()
}

/// Returns when a transaction waits for another one to end: the database says so.
async fn until_one_waits(pool: &PgPool) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(pool).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}
