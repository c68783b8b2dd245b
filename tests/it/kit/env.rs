//! Running workflows in an `Env`.

use std::time::{Duration, Instant};

use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::Env;

use super::{ok, panics, says, sell, shop};

fn env() -> Env {
    let env = Env::new(shop());
    env.mock(super::charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
    env
}

#[test]
fn a_signal_comes_when_it_was_said_to_and_ten_days_take_no_time() {
    let began = Instant::now();
    let env = env();
    let sale = env.start(sell, 5);
    sale.signal_after(days(9), "approval", &true);
    assert_eq!(sale.result().unwrap(), "shipped for 5 from 4242");
    assert_eq!((env.now() - chrono_at("2024-01-01T00:00:00Z")).num_days(), 9);
    assert_eq!(env.run(sell, 6).unwrap(), "not approved");
    assert_eq!((env.now() - chrono_at("2024-01-01T00:00:00Z")).num_days(), 19);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

fn chrono_at(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().unwrap()
}

#[test]
fn a_history_is_there_with_its_types() {
    let env = env();
    let sale = env.start(sell, 5);
    assert_eq!(sale.status(), Status::Suspended);
    sale.signal("approval", &true);
    sale.result().unwrap();
    let events = sale.events();
    let Some(Event::StepCompleted(charged)) = events.iter().find(|it| it.kind() == "StepCompleted")
    else {
        panic!("{events:?}")
    };
    assert_eq!(charged.key.to_string(), "charge#1");
    assert_eq!(charged.input.as_str(), r#"{"card":"4242","cents":5}"#);
    assert_eq!(charged.output.read::<String>().unwrap(), "5 from 4242");
    assert!(matches!(events.last(), Some(Event::WorkflowCompleted(_))));
    assert_eq!(sale.status(), Status::Completed);
    assert_eq!(sale.history().len() as u64, sale.history().last().unwrap().number + 1);
}

#[test]
fn executions_have_ids_of_their_own_or_the_tests() {
    let env = env();
    assert_eq!(env.start(sell, 1).id().as_str(), "e-1");
    assert_eq!(env.start_as("sale-1", sell, 1).id().as_str(), "sale-1");
    assert_eq!(env.start(sell, 1).id().as_str(), "e-2");
}

#[test]
fn a_cancel_comes_when_it_was_said_to() {
    let env = env();
    let sale = env.start(sell, 5);
    sale.cancel_after(days(3), "the shop has burnt down");
    let cancelled = sale.result();
    let Err(ResultError::Cancelled { reason }) = cancelled else { panic!("{cancelled:?}") };
    assert_eq!(reason, "the shop has burnt down");
    assert_eq!((env.now() - chrono_at("2024-01-01T00:00:00Z")).num_days(), 3);
}

#[test]
fn other_futures_run_in_the_time_of_the_executions() {
    let env = env();
    let sale = env.start(sell, 5);
    let client = env.client();
    let status = env.block_on(async {
        tokio::time::sleep(days(1)).await;
        client.signal(sale.id(), "approval", &true).await.unwrap();
        tokio::time::sleep(seconds(1)).await;
        client.describe(sale.id()).await.unwrap().projection.status
    });
    assert_eq!(status, Status::Completed);
}

#[tokio::test]
async fn an_env_also_works_in_an_async_test() {
    let env = env();
    let sale = env.start(sell, 5);
    sale.signal_after(days(9), "approval", &true);
    assert_eq!(sale.result().unwrap(), "shipped for 5 from 4242");
}

#[test]
fn writes_are_counted_and_a_promised_cost_that_is_exceeded_fails() {
    let env = env();
    let sale = env.start(sell, 5);
    sale.signal_after(days(9), "approval", &true);
    sale.result().unwrap();
    // Two steps, one wait, one signal.
    let most = 2 + 2 + 4 + 3;
    assert!((8..=most).contains(&env.writes()), "{}", env.writes());
    env.assert_cost(most);
    let text = panics(|| env.assert_cost(7));
    says(&text, &["items were written, and at most 7 should be: 1 starts (2 each), "]);
}

#[test]
fn an_execution_that_nothing_moves_fails_its_test_and_says_where_it_stands() {
    #[workflow]
    async fn waits(_: ()) -> everstep::Result<u64> {
        Ok(signal::<u64>("go").await?)
    }
    let env = Env::new(App::new().workflow(waits)).limit(days(400));
    let text = panics(|| env.run(waits, ()));
    says(&text, &["after 1year", "e-1 is suspended, for a message that nobody sends", "TurnEnded"]);
}

#[test]
fn an_app_that_cannot_run_fails_at_once() {
    says(
        &panics(|| Env::new(App::new().workflow(sell))),
        &["this app cannot run", "State<", "Bank"],
    );
    #[workflow]
    async fn other(_: ()) -> everstep::Result<()> {
        Ok(())
    }
    says(&panics(|| env().start(other, ())), &["workflow other is not in the app of this Env"]);
}

/// The workflow's code as it is between two looks at it: a global decides.
#[test]
fn a_workflow_that_differs_between_runs_fails_its_test() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RUNS: AtomicU64 = AtomicU64::new(0);
    #[workflow]
    async fn fickle(_: ()) -> everstep::Result<u64> {
        let run = RUNS.fetch_add(1, Ordering::SeqCst);
        step("count", async move || ok(run)).input("run", &run).await
    }
    let env = Env::new(App::new().workflow(fickle));
    let text = panics(|| env.run(fickle, ()));
    says(&text, &["execution e-1: the replay check: ", "count#1", "its arguments were"]);
}
