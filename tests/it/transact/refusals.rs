//! What does not go into a transaction, and what the workflow sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use everstep::client::ResultError;
use everstep::dynamodb::{Markers, Transact, TransactError, transact};
use everstep::limits::TRANSACT_WRITES_MAX;
use everstep::prelude::*;
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::hosts::host;
use serde::{Deserialize, Serialize};

use super::{ShopError, count, count_sale, look, new_item, shop, take_a_cup};

/// What the step of these tests wants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Wants {
    TheLastButOne,
    Nothing,
    Many(usize),
    TheSameTwice,
    Unrecordable,
    Twice,
    Parts,
    InATask,
}

/// How often a plan ran.
#[derive(Clone, Default)]
struct Ran(Arc<AtomicU32>);

#[step(skip(markers, ran), retry(max_attempts = 3, initial = "10ms"))]
async fn act(markers: &Markers, ran: &Ran, wants: Wants) -> Result<f64, ShopError> {
    let plan = async || {
        ran.0.fetch_add(1, Ordering::SeqCst);
        let with = Transact::new(0.5);
        Ok::<_, ShopError>(match wants {
            Wants::TheLastButOne => with
                .update("sale", count_sale("sale"))
                .update("stock", take_a_cup())
                .put("receipt", new_item("receipt")),
            Wants::Many(writes) => (0..writes).fold(with, |with, at| {
                with.put(format!("item {at}"), new_item(&format!("item-{at}")))
            }),
            Wants::TheSameTwice => with.update("one", take_a_cup()).update("two", take_a_cup()),
            Wants::Unrecordable => Transact::new(f64::INFINITY).update("stock", take_a_cup()),
            Wants::Nothing => with,
            Wants::Twice | Wants::Parts | Wants::InATask => with.update("sale", count_sale("sale")),
        })
    };
    match wants {
        Wants::Twice => {
            transact(markers, &plan).await?;
            transact(markers, &plan).await
        }
        Wants::Parts => {
            transact(markers, &plan).part("one").await?;
            transact(markers, &plan).part("two").await
        }
        Wants::InATask => {
            let markers = markers.clone();
            let task = tokio::spawn(async move {
                transact(&markers, async || Ok::<_, TransactError>(Transact::new(0.5))).await
            });
            Ok(task.await.unwrap()?)
        }
        _ => transact(markers, plan).await,
    }
}

#[workflow]
async fn run(
    State(markers): State<Markers>,
    State(ran): State<Ran>,
    wants: Wants,
) -> Result<f64, ShopError> {
    act(&markers, &ran, wants).await
}

/// What the workflow sees, how often the plan ran, and how many markers there are, of a shop with
/// this many cups.
async fn check(
    cups: u32,
    wants: Wants,
    expected: Result<f64, &str>,
    plans: u32,
    markers: i32,
) -> DynamoDb {
    let db = DynamoDb::start();
    let ran = Ran::default();
    let app = App::new().workflow(run).state(shop(db.url(), cups).await).state(ran.clone());
    let end = host(app, async |client: &Client| client.start(run, wants).await.unwrap()).await;
    match (end, expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value.to_bits(), expected.to_bits()),
        (Err(ResultError::Failed(error)), Err(expected)) => {
            assert!(error.to_string().contains(expected), "{wants:?}: {error}");
        }
        (end, expected) => panic!("{wants:?}: {end:?}, not {expected:?}"),
    }
    assert_eq!(ran.0.load(Ordering::SeqCst), plans, "plans of {wants:?}");
    assert_eq!(count(db.url(), "markers").await, markers, "markers of {wants:?}");
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_does_not_hold_is_an_error_of_the_step_and_nothing_is_written() {
    // The retry policy has seen it: three attempts.
    let refused = Err("conditions did not hold, of the writes stock");
    let db = check(0, Wants::TheLastButOne, refused, 3, 0).await;
    assert_eq!(look(db.url(), "sale", "sold").await, 0);
    assert_eq!(count(db.url(), super::SHOP).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_without_conditions_that_fail_are_done_together() {
    let db = check(1, Wants::TheLastButOne, Ok(0.5), 1, 1).await;
    assert_eq!(look(db.url(), "sale", "sold").await, 1);
    assert_eq!(count(db.url(), super::SHOP).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_writes_only_keeps_its_result() {
    check(0, Wants::Nothing, Ok(0.5), 1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_takes_as_many_writes_as_dynamodb_and_no_more() {
    let most = TRANSACT_WRITES_MAX;
    let db = check(0, Wants::Many(most), Ok(0.5), 1, 1).await;
    assert_eq!(count(db.url(), super::SHOP).await, 99);
    let too_many = Err("99 writes are too many for one transaction, which takes 98");
    let db = check(0, Wants::Many(most + 1), too_many, 3, 0).await;
    assert_eq!(count(db.url(), super::SHOP).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dynamodb_does_not_take_is_told() {
    let db = check(5, Wants::TheSameTwice, Err("DynamoDB does not take these writes"), 3, 0).await;
    assert_eq!(look(db.url(), "cups", "pieces").await, 5);
    let db = check(5, Wants::Unrecordable, Err("cannot be recorded"), 3, 0).await;
    assert_eq!(look(db.url(), "cups", "pieces").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_time_needs_a_name_and_a_task_has_no_step() {
    let db = check(0, Wants::Twice, Err("give each their own name"), 1, 1).await;
    assert_eq!(look(db.url(), "sale", "sold").await, 1);
    let db = check(0, Wants::Parts, Ok(0.5), 2, 2).await;
    assert_eq!(look(db.url(), "sale", "sold").await, 2);
    check(0, Wants::InATask, Err("belong in the body of a step"), 0, 0).await;
}
