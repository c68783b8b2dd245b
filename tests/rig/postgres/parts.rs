//! Several transactions in one step.

use everstep::attempt;
use everstep::postgres::{self, PgPool, Rollback};
use everstep::prelude::*;
use everstep_tests::hosts::host;
use everstep_tests::postgres::Postgres;

use super::{bank, booked, rows};

type Numbers = (i64, i64);

/// Two transactions; the first attempt fails between them.
#[step(skip(pool), retry(max_attempts = 3, initial = "10ms"))]
async fn two(pool: &PgPool) -> everstep::Result<Numbers> {
    let note = |note: &'static str| {
        async move |mut tx: postgres::Tx| {
            let number = "INSERT INTO books (note, cents) VALUES ($1, 1) RETURNING number";
            let number = sqlx::query_scalar::<_, i64>(number).bind(note);
            Ok::<_, Rollback<everstep::Error>>(number.fetch_one(&mut *tx).await?)
        }
    };
    let debit = postgres::transaction(pool, note("debit")).part("debit").await?;
    if attempt() == 1 {
        return Err(everstep::Error::msg("the line is bad"));
    }
    let credit = postgres::transaction(pool, note("credit")).part("credit").await?;
    if attempt() == 2 {
        return Err(everstep::Error::msg("the line is bad again"));
    }
    Ok((debit, credit))
}

#[workflow]
async fn both(State(pool): State<PgPool>, _: ()) -> everstep::Result<(Numbers, Numbers)> {
    // Two calls of one step are two steps.
    Ok((two(&pool).await?, two(&pool).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_with_names_happen_once_each_over_all_attempts() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let app = App::new().workflow(both).state(pool.clone());
    let start = async |client: &Client| client.start(both, ()).id("both").await.unwrap();
    let ((debit, credit), (debit_2, credit_2)) = host(app, start).await.unwrap();
    let mut expected =
        vec![(credit, "credit"), (credit_2, "credit"), (debit, "debit"), (debit_2, "debit")];
    expected.sort_unstable_by_key(|(number, note)| (*note, *number));
    let mut books = booked(&pool).await;
    books.sort_by(|(a, x), (b, y)| (x, a).cmp(&(y, b)));
    let books: Vec<_> = books.iter().map(|(number, note)| (*number, note.as_str())).collect();
    assert_eq!(books, expected);
    assert_eq!(rows(&pool).await, 4);
    let steps = "SELECT execution || ' ' || run || ' ' || step || ' ' || part FROM everstep_steps ORDER BY 1";
    let steps: Vec<String> = sqlx::query_scalar(steps).fetch_all(&pool).await.unwrap();
    let expected =
        ["both 1 two#1 credit", "both 1 two#1 debit", "both 1 two#2 credit", "both 1 two#2 debit"];
    assert_eq!(steps, expected);
}
