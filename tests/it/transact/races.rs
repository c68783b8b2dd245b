//! Two hosts at one step, other transactions in the way, and answers that are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use everstep::client::ResultError;
use everstep::dynamodb::{Markers, Transact, TransactError, transact};
use everstep::prelude::*;
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::hosts::host;
use everstep_tests::proxy::{Fault, Proxy};
use tokio::sync::{Barrier, Notify};

use super::{ShopError, at, count, count_sale, look, shop, take_a_cup};

/// Where hosts that race meet: in their plans.
#[derive(Clone)]
struct Meeting(Arc<Barrier>);

#[step(skip(markers, meeting), retry(max_attempts = 1))]
async fn sell_together(markers: &Markers, meeting: &Meeting) -> Result<String, ShopError> {
    let here = uuid::Uuid::new_v4();
    transact(markers, async move || {
        meeting.0.wait().await;
        let sold = Transact::new(format!("sold by {here}"));
        Ok(sold.update("stock", take_a_cup()).update("sale", count_sale("together")))
    })
    .await
}

#[workflow]
async fn together(
    State(markers): State<Markers>,
    State(meeting): State<Meeting>,
    _: (),
) -> Result<String, ShopError> {
    sell_together(&markers, &meeting).await
}

async fn check_race(cups: u32) {
    let db = DynamoDb::start();
    let markers = shop(db.url(), cups).await;
    let app =
        App::new().workflow(together).state(markers).state(Meeting(Arc::new(Barrier::new(2))));
    let start = async |client: &Client| client.start(together, ()).id("race").await.unwrap();
    let (first, second) = tokio::join!(host(app.clone(), start), host(app, start));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(look(db.url(), "together", "sold").await, 1);
    assert_eq!(look(db.url(), "cups", "pieces").await, i64::from(cups) - 1);
    assert_eq!(count(db.url(), "markers").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_at_one_step_write_once_and_both_have_its_result() {
    check_race(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_to_the_last_cup_has_the_result_of_the_first_and_no_refusal() {
    check_race(1).await;
}

/// Holds the first host in its plan until the second has sold the last cup.
#[derive(Clone, Default)]
struct Turns(Arc<(AtomicUsize, Notify, Notify)>);

#[step(skip(markers, turns), retry(max_attempts = 1))]
async fn sell_what_is_seen(
    markers: &Markers,
    turns: &Turns,
    url: &str,
) -> Result<String, ShopError> {
    transact(markers, async || {
        if turns.0.0.fetch_add(1, Ordering::SeqCst) == 0 {
            turns.0.1.notify_one();
            turns.0.2.notified().await;
        }
        if look(url, "cups", "pieces").await == 0 {
            return Err(ShopError::SoldOut("cups".to_owned()));
        }
        Ok(Transact::new("sold".to_owned()).update("stock", take_a_cup()))
    })
    .await
}

#[workflow]
async fn seen(
    State(markers): State<Markers>,
    State(turns): State<Turns>,
    url: String,
) -> Result<String, ShopError> {
    sell_what_is_seen(&markers, &turns, &url).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_has_seen_the_writes_of_its_own_step_is_no_failure() {
    let db = DynamoDb::start();
    let markers = shop(db.url(), 1).await;
    let turns = Turns::default();
    let app = App::new().workflow(seen).state(markers).state(turns.clone());
    let url = db.url().to_owned();
    let start = async |client: &Client| client.start(seen, url.clone()).id("race").await.unwrap();
    let second = async {
        turns.0.1.notified().await;
        let sold = host(app.clone(), start).await.unwrap();
        turns.0.2.notify_one();
        sold
    };
    let (first, second) = tokio::join!(host(app.clone(), start), second);
    assert_eq!((first.unwrap().as_str(), second.as_str()), ("sold", "sold"));
}

#[step(skip(markers), retry(max_attempts = 1))]
async fn sell_once(markers: &Markers) -> Result<String, ShopError> {
    transact(markers, async || {
        let sold = Transact::new("sold".to_owned());
        Ok(sold.update("stock", take_a_cup()).update("sale", count_sale("once")))
    })
    .await
}

#[workflow]
async fn once(State(markers): State<Markers>, _: ()) -> Result<String, ShopError> {
    sell_once(&markers).await
}

/// The one attempt of a step whose calls go through a proxy with these faults.
async fn check_once(faults: &[(&str, usize, Fault)]) -> (Result<String, ShopError>, i64) {
    let db = DynamoDb::start();
    shop(db.url(), 10).await;
    let proxy = Proxy::start(db.url()).await;
    for (operation, times, fault) in faults {
        proxy.fail(operation, *times, fault.clone());
    }
    let app = App::new().workflow(once).state(at(proxy.url()).await);
    let start = async |client: &Client| client.start(once, ()).id("once").await.unwrap();
    let end = match host(app, start).await {
        Ok(sold) => Ok(sold),
        Err(ResultError::Failed(error)) => Err(error),
        Err(other) => panic!("{other}"),
    };
    let sold = look(db.url(), "once", "sold").await;
    assert_eq!(look(db.url(), "cups", "pieces").await, 10 - sold);
    // Whatever it was, another host finds it done, or does it.
    let app = App::new().workflow(once).state(at(db.url()).await);
    assert_eq!(host(app, start).await.unwrap(), "sold");
    assert_eq!(look(db.url(), "once", "sold").await, 1);
    (end, sold)
}

/// A transaction that is cancelled for these reasons, one for each of its writes.
pub(super) fn cancelled(codes: &[&str]) -> Fault {
    let reasons = codes.iter().map(|code| format!(r#"{{"Code":"{code}","Message":"injected"}}"#));
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons = reasons.collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"__type":"{kind}","Message":"no","CancellationReasons":[{reasons}]}}"#);
    Fault::Answer { status: 400, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_conflict_are_waited_for_within_the_attempt() {
    let conflict = cancelled(&["None", "TransactionConflict", "None"]);
    let (end, sold) = check_once(&[("TransactWriteItems", 3, conflict)]).await;
    assert_eq!((end, sold), (Ok("sold".to_owned()), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_that_do_not_end_fail_the_attempt_and_nothing_was_written() {
    let conflict = cancelled(&["TransactionConflict", "None", "None"]);
    let (end, sold) = check_once(&[("TransactWriteItems", 100, conflict)]).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::Unavailable { .. }))), "{end:?}");
    assert_eq!(sold, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_requests_and_answers_are_found_out_in_the_same_attempt() {
    for fault in [Fault::RequestLost, Fault::AnswerLost] {
        // More often than the SDK tries by itself.
        let (end, sold) = check_once(&[("TransactWriteItems", 5, fault)]).await;
        assert_eq!((end, sold), (Ok("sold".to_owned()), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_nobody_can_be_asked_about_are_in_doubt() {
    let faults = [
        ("TransactWriteItems", 1, Fault::AnswerLost),
        ("TransactWriteItems", 100, Fault::RequestLost),
    ];
    let (end, sold) = check_once(&faults).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::InDoubt { .. }))), "{end:?}");
    assert_eq!(sold, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_does_not_hold_after_a_lost_answer_is_no_refusal() {
    let refused = cancelled(&["None", "ConditionalCheckFailed", "None"]);
    // The first was done: DynamoDB need not name the marker among what did not hold.
    let faults =
        [("TransactWriteItems", 3, Fault::AnswerLost), ("TransactWriteItems", 1, refused.clone())];
    let (end, sold) = check_once(&faults).await;
    assert_eq!((end, sold), (Ok("sold".to_owned()), 1));
    // The first may still be on its way: nobody may say that it was refused.
    let faults =
        [("TransactWriteItems", 3, Fault::RequestLost), ("TransactWriteItems", 1, refused)];
    let (end, sold) = check_once(&faults).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::InDoubt { .. }))), "{end:?}");
    assert_eq!(sold, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_marker_cannot_be_looked_for_any_more_are_in_doubt() {
    let no_marker = Fault::Answer { status: 200, body: "{}".to_owned() };
    let refused = cancelled(&["None", "ConditionalCheckFailed", "None"]);
    let faults = [
        ("GetItem", 1, no_marker),
        ("GetItem", 100, Fault::RequestLost),
        ("TransactWriteItems", 3, Fault::AnswerLost),
        ("TransactWriteItems", 1, refused),
    ];
    let (end, sold) = check_once(&faults).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::InDoubt { .. }))), "{end:?}");
    assert_eq!(sold, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_cannot_be_looked_for_fails_the_attempt_before_anything() {
    let (end, sold) = check_once(&[("GetItem", 100, Fault::RequestLost)]).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::Unavailable { .. }))), "{end:?}");
    assert_eq!(sold, 0);
}
