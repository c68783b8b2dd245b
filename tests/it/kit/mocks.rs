//! What stands in for steps.

use everstep::client::ResultError;
use everstep::event::Event;
use everstep::prelude::*;
use everstep::testing::Env;

use super::{Refusal, charge, ok, panics, says, sell, ship, shop};

#[test]
fn a_mock_gets_the_arguments_and_what_it_returns_is_recorded() {
    let env = Env::new(shop());
    env.mock(charge, |(super::Bank, card, cents)| Ok(format!("{cents} from {card}")));
    env.mock(ship, |charge| Ok(format!("said to be shipped for {charge}")));
    let sale = env.start(sell, 5);
    sale.signal("approval", &true);
    assert_eq!(sale.result().unwrap(), "said to be shipped for 5 from 4242");
    let outputs: Vec<String> = sale
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::StepCompleted(done) => Some(done.output.read().unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(outputs, ["5 from 4242", "said to be shipped for 5 from 4242"]);
    assert_eq!((env.runs("charge"), env.runs("ship"), env.runs("other")), (1, 1, 0));
}

#[test]
fn an_error_of_a_mock_is_the_steps_error() {
    let env = Env::new(shop());
    env.mock(charge, |(_, _, cents)| Err(Refusal::NoMoney { cents }));
    let sale = env.start(sell, 5);
    let failed = sale.result();
    let Err(ResultError::Failed(refusal)) = failed else { panic!("{failed:?}") };
    assert_eq!(refusal, Refusal::NoMoney { cents: 5 });
    assert_eq!((env.runs("charge"), env.completed_runs("charge")), (6, 0), "six attempts");
}

#[test]
fn attempts_fail_as_told_and_the_others_run() {
    let env = Env::new(shop());
    env.mock(charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
    env.fail(charge, 1..=1, Refusal::Busy);
    env.fail(charge, 3..=4, Refusal::NoMoney { cents: 1 });
    env.fail(charge, 2..=2, Refusal::Busy);
    let sale = env.start(sell, 5);
    assert_eq!(sale.result().unwrap(), "not approved");
    let failures: Vec<String> = sale
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::StepAttemptFailed(failed) => Some(failed.failure.message()),
            _ => None,
        })
        .collect();
    let [busy, poor] = ["Busy", r#"{"NoMoney":{"cents":1}}"#];
    assert_eq!(failures, [busy, busy, poor, poor]);
    assert_eq!((env.runs("charge"), env.completed_runs("charge")), (5, 1));
}

#[test]
fn a_real_body_runs_where_no_mock_is_and_may_be_told_to_fail() {
    #[workflow]
    async fn only_ships(charge: String) -> everstep::Result<String> {
        ship(&charge).await
    }
    let env = Env::new(App::new().workflow(only_ships));
    env.fail(ship, 1..=2, everstep::Error::msg("no lorry"));
    assert_eq!(env.run(only_ships, "5".to_owned()).unwrap(), "shipped for 5");
    assert_eq!((env.runs("ship"), env.completed_runs("ship")), (3, 1));
}

#[test]
fn an_async_mock_takes_virtual_time() {
    #[step(timeout = "1h")]
    async fn ask(what: String) -> everstep::Result<String> {
        Ok(what)
    }
    #[workflow]
    async fn asks(what: String) -> everstep::Result<String> {
        ask(what).await
    }
    let env = Env::new(App::new().workflow(asks));
    env.mock_async(ask, |what| async move {
        // The second attempt is quick enough.
        tokio::time::sleep(if everstep::attempt() == 1 { hours(2) } else { minutes(59) }).await;
        Ok(format!("{what}, {}", everstep::attempt()))
    });
    assert_eq!(env.run(asks, "why".to_owned()).unwrap(), "why, 2");
}

/// A step that takes nothing, and one whose function no test can name.
#[workflow]
async fn others(_: ()) -> everstep::Result<(u8, u64, String)> {
    #[derive(Clone)]
    struct Press;
    impl Press {
        #[step]
        async fn print(&self, text: &str) -> everstep::Result<String> {
            Ok(text.to_owned())
        }
    }
    let die = roll().await?;
    let price = step("price", async || ok(7_u64)).input("die", &die).await?;
    Ok((die, price, Press.print("x").await?))
}

#[step]
async fn roll() -> everstep::Result<u8> {
    panic!("not in a test")
}

#[test]
fn steps_that_have_only_a_name_are_mocked_by_it() {
    #[derive(serde::Deserialize)]
    struct Priced {
        die: u64,
    }
    let env = Env::new(App::new().workflow(others));
    env.mock(roll, |()| Ok(4));
    env.mock_named("price", |Priced { die }| ok(die * 10));
    env.mock_named("print", |args: serde_json::Value| ok(args.to_string()));
    env.fail_named("print", 1..=1, everstep::Error::msg("no paper"));
    let printed = r#"{"text":"x"}"#.to_owned();
    assert_eq!(env.run(others, ()).unwrap(), (4, 40, printed));
}

#[test]
fn a_mock_of_a_step_that_is_not_there_fails_and_names_those_that_are() {
    let env = Env::new(App::new().workflow(others));
    env.mock(roll, |()| Ok(4));
    env.mock_named("prize", |_: serde_json::Value| ok(1_u64));
    let text = panics(|| env.run(others, ()));
    says(&text, &["no step named \"prize\" was called", "price, print, roll"]);
}

#[test]
fn a_mock_of_another_type_blocks_the_execution_and_says_so() {
    for wrong in ["mock", "failure"] {
        let env = Env::new(App::new().workflow(others));
        env.mock(roll, |()| Ok(4));
        let expected = if wrong == "mock" {
            env.mock_named("price", |_: serde_json::Value| ok(1_u8));
            ["what stands in for step price#1", "Result<u64, everstep::error::Error>"]
        } else {
            env.fail_named("price", 1..=1, Refusal::Busy);
            ["what stands in for step price#1", "the step's error is a everstep::error::Error"]
        };
        let blocked = env.run(others, ());
        let Err(ResultError::Blocked { reason }) = blocked else { panic!("{blocked:?}") };
        says(&reason, &expected);
    }
    let env = Env::new(App::new().workflow(others));
    env.fail_named("price", 1..=1, Refusal::Busy);
    let text = panics(|| env.fail_named("price", 2..=2, everstep::Error::msg("x")));
    says(&text, &["attempts of step price fail with another error"]);
}
