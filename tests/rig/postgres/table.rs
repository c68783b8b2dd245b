//! The table of results: how it is made, what stays in a session, and how it is cleaned.

use std::time::Duration;

use everstep::client::ResultError;
use everstep::postgres::{self, PgPool, SetupError};
use everstep::prelude::*;
use everstep_tests::hosts::host;
use everstep_tests::postgres::Postgres;
use sqlx::postgres::PgPoolOptions;

use super::{bank, pay, rows, until_one_waits};

/// What a newer program says of its table.
const NEWER: &str = "COMMENT ON TABLE everstep_steps IS 'everstep schema 2'";

#[tokio::test(flavor = "multi_thread")]
async fn many_hosts_may_set_it_up_at_once_and_again() {
    let server = Postgres::start().await;
    let pool = server.pool().await;
    let setups = (0..8).map(|_| postgres::setup(&pool));
    for done in futures::future::join_all(setups).await {
        done.unwrap();
    }
    postgres::setup(&pool).await.unwrap();
    assert_eq!(rows(&pool).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_a_newer_version_is_refused() {
    let server = Postgres::start().await;
    let pool = server.pool().await;
    postgres::setup(&pool).await.unwrap();
    sqlx::raw_sql(NEWER).execute(&pool).await.unwrap();
    let refused = postgres::setup(&pool).await;
    assert!(matches!(refused, Err(SetupError::Newer { found: 2 })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_a_migration_makes_at_the_same_moment_is_taken_for_what_it_is() {
    let server = Postgres::start().await;
    let pool = server.pool().await;
    let mut migration = pool.begin().await.unwrap();
    sqlx::raw_sql(postgres::SCHEMA).execute(&mut *migration).await.unwrap();
    sqlx::raw_sql(NEWER).execute(&mut *migration).await.unwrap();
    let commit = async {
        until_one_waits(&pool).await;
        migration.commit().await.unwrap();
    };
    let (refused, ()) = tokio::join!(postgres::setup(&pool), commit);
    assert!(matches!(refused, Err(SetupError::Newer { found: 2 })), "{refused:?}");
}

#[workflow]
async fn pay_in_a_hurry(State(pool): State<PgPool>, _: ()) -> everstep::Result<()> {
    everstep::step("pay", async move || {
        let done: everstep::Result<()> = postgres::transaction(&pool, async |_| Ok(())).await;
        done.map_err(everstep::Error::terminal)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_named_with_what_makes_it() {
    let server = Postgres::start().await;
    let app = App::new().workflow(pay_in_a_hurry).state(server.pool().await);
    let start = async |client: &Client| client.start(pay_in_a_hurry, ()).await.unwrap();
    let end = host(app, start).await;
    let Err(ResultError::Failed(error)) = end else { panic!("{end:?}") };
    assert!(error.to_string().contains("call everstep::postgres::setup"), "{error}");
}

#[workflow]
async fn pay_unprepared(State(pool): State<PgPool>, _: ()) -> everstep::Result<i64> {
    everstep::step("pay", async move || -> everstep::Result<i64> {
        postgres::transaction(&pool, async |mut tx| {
            let number = "INSERT INTO books (note, cents) VALUES ('rent', 1) RETURNING number";
            let number = sqlx::query_scalar::<_, i64>(number).persistent(false);
            Ok(number.fetch_one(&mut *tx).await?)
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_in_a_session_that_a_pooler_would_have_to_keep() {
    let server = Postgres::start().await;
    bank(&server).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let app = App::new().workflow(pay_unprepared).state(pool.clone());
    let start = async |client: &Client| client.start(pay_unprepared, ()).await.unwrap();
    let settings = "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings \
                    WHERE source = 'session'";
    let settings = || sqlx::query_scalar::<_, Option<String>>(settings).persistent(false);
    let before = settings().fetch_one(&pool).await.unwrap();
    host(app, start).await.unwrap();
    assert_eq!(settings().fetch_one(&pool).await.unwrap(), before);
    let kept = "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> '') \
                + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
    let kept = sqlx::query_scalar::<_, i64>(kept).persistent(false).fetch_one(&pool).await;
    assert_eq!(kept.unwrap(), 0);
}

#[workflow]
async fn pay_and_wait(State(pool): State<PgPool>, _: ()) -> everstep::Result<()> {
    everstep::step("pay", async move || -> everstep::Result<()> {
        postgres::transaction(&pool, async |_| Ok(())).await
    })
    .await?;
    everstep::signal::<()>("go").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_old_results_of_executions_that_are_over_are_cleaned() {
    let server = Postgres::start().await;
    let pool = bank(&server).await;
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let app = App::new().workflow(pay).workflow(pay_and_wait).state(pool.clone());
    let app = app.backend(backend);
    let work = async {
        let over = client.start(pay, "rent".to_owned()).id("over").await.unwrap();
        over.result().await.unwrap();
        let open = client.start(pay_and_wait, ()).id("open").await.unwrap();
        while rows(&pool).await < 4 {
            tokio::task::yield_now().await;
        }
        let hour = Duration::from_secs(3_600);
        assert_eq!(postgres::clean(&pool, &client, hour).await.unwrap(), 0, "all are new");
        // More than are looked at in one go, before and after the open one.
        let lost = "INSERT INTO everstep_steps (key, part, execution, run, step) \
                    SELECT gen_random_uuid(), '', 'forgotten-' || n, 1, 'pay#1' \
                    FROM generate_series(1, 450) n \
                    UNION ALL SELECT gen_random_uuid(), '', 'unknown-' || n, 1, 'pay#1' \
                    FROM generate_series(1, 450) n";
        sqlx::raw_sql(lost).execute(&pool).await.unwrap();
        let age = "UPDATE everstep_steps SET at = at - interval '2 hours'";
        sqlx::raw_sql(age).execute(&pool).await.unwrap();
        assert_eq!(postgres::clean(&pool, &client, hour).await.unwrap(), 3 + 900);
        let left = "SELECT execution FROM everstep_steps";
        let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&pool).await.unwrap();
        assert_eq!(left, ["open"]);
        open.signal("go", &()).await.unwrap();
        open.result().await.unwrap();
        assert_eq!(postgres::clean(&pool, &client, hour).await.unwrap(), 1);
    };
    app.worker().await.unwrap().run_until(work).await.unwrap();
}
