//! Writes that a step returns: one transaction with the event that has its result, where the log is in
//! DynamoDB.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::client::ResultError;
use everstep::dynamodb::{Transact, TransactError};
use everstep::event::{Event, Failure};
use everstep::host::RunError;
use everstep::id::ExecutionId;
use everstep::limits::TRANSACT_WRITES_MAX;
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep::store::{Buried, EventStore, Grave, Projection, Status};
use everstep::time::{Clock, Timestamp};
use everstep_tests::dynamodb::{DynamoDb, FEW_SHARDS, new_table, store_at};
use everstep_tests::hosts::host;
use everstep_tests::lives::{Life, Program, Task};
use everstep_tests::proxy::{Fault, Hook, Proxy};
use everstep_tests::scenario::{Backing, MOST, World, check_at, emulator, finished};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::races::cancelled;
use super::{SHOP, ShopError, count, count_sale, look, new_item, shop, take_a_cup};

/// The weather of these scenarios: each host's death, at all of its writes, on DynamoDB.
#[track_caller]
fn check(app: impl Fn() -> App + 'static, scenario: impl AsyncFn(&World)) {
    shop_in_emulator();
    check_at(Backing::DynamoDb, MOST, app, scenario);
}

/// A shop without cups in the emulator that the worlds share: the notes of each are its own.
fn shop_in_emulator() {
    static OPEN: std::sync::Once = std::sync::Once::new();
    OPEN.call_once(|| {
        let url = emulator().endpoint_url().unwrap().to_owned();
        finished(async move { drop(shop(&url, 0).await) });
    });
}

/// How often this was sold.
fn sold(note: &str) -> i64 {
    let (url, note) = (emulator().endpoint_url().unwrap().to_owned(), note.to_owned());
    finished(async move { look(&url, &note, "sold").await })
}

#[step(retry(max_attempts = 4, initial = "20ms"))]
async fn sell(note: &str) -> Result<Transact<String>, ShopError> {
    Ok(Transact::new(format!("sold {note}")).update("sale", count_sale(note)))
}

#[workflow]
async fn sell_three(note: String) -> Result<Vec<String>, ShopError> {
    let mut sold = vec![sell(&format!("{note}/1")).await?];
    let (second, third) = (format!("{note}/2"), format!("{note}/3"));
    let (second, third) = tokio::join!(sell(&second), sell(&third));
    sold.extend([second?, third?]);
    Ok(sold)
}

#[test]
fn writes_that_a_step_returns_are_done_once_in_any_weather() {
    check(
        || App::new().workflow(sell_three),
        async |world| {
            let note = Uuid::new_v4().to_string();
            let sale = world.start(sell_three, note.clone()).await;
            let expected = [1, 2, 3].map(|number| format!("sold {note}/{number}"));
            assert_eq!(world.result(&sale).await.unwrap(), expected);
            for number in 1..=3 {
                assert_eq!(sold(&format!("{note}/{number}")), 1);
            }
            assert_eq!(world.number_of(sale.id(), "StepCompleted").await, 3);
        },
    );
}

#[step(retry(max_attempts = 3, initial = "20ms"))]
async fn sell_the_last(note: &str) -> Result<Transact<()>, ShopError> {
    let none = new_item("cups"); // There is one already.
    Ok(Transact::new(()).update("sale", count_sale(note)).put("stock", none))
}

#[workflow]
async fn sold_out(note: String) -> Result<String, ShopError> {
    match sell_the_last(&note).await {
        Err(ShopError::Transact(TransactError::Refused { writes })) => Ok(writes.join(", ")),
        other => Ok(format!("{other:?}")),
    }
}

#[test]
fn a_condition_that_does_not_hold_is_the_step_s_error_after_its_attempts_in_any_weather() {
    check(
        || App::new().workflow(sold_out),
        async |world| {
            let note = Uuid::new_v4().to_string();
            let sale = world.start(sold_out, note.clone()).await;
            assert_eq!(world.result(&sale).await.unwrap(), "stock");
            assert_eq!(sold(&note), 0);
            assert_eq!(world.number_of(sale.id(), "StepAttemptFailed").await, 2);
            assert_eq!(world.number_of(sale.id(), "StepFailed").await, 1);
        },
    );
}

async fn give_back(note: &str, _sold: &str) -> Result<Transact<()>, ShopError> {
    Ok(Transact::new(()).update("return", count_sale(&format!("{note} back"))))
}

#[step(undo = give_back, retry(max_attempts = 4, initial = "20ms"))]
async fn sell_for_now(note: &str) -> Result<Transact<String>, ShopError> {
    Ok(Transact::new(note.to_owned()).update("sale", count_sale(note)))
}

#[workflow]
async fn regretted(note: String) -> Result<(), ShopError> {
    sell_for_now(&note).await?;
    let never = format!("{note} never");
    let other = sell_for_now(&never);
    sleep(Duration::from_secs(60)).await;
    drop(other);
    Err(ShopError::SoldOut(note))
}

#[test]
fn what_is_undone_is_written_back_once_in_any_weather() {
    check(
        || App::new().workflow(regretted),
        async |world| {
            let note = Uuid::new_v4().to_string();
            let sale = world.start(regretted, note.clone()).await;
            let end = world.result(&sale).await;
            assert!(matches!(end, Err(ResultError::Failed(ShopError::SoldOut(_)))), "{end:?}");
            assert_eq!((sold(&note), sold(&format!("{note} back"))), (1, 1));
            let never = format!("{note} never");
            assert_eq!(sold(&never), sold(&format!("{never} back")), "what was done is undone");
        },
    );
}

/// A host with its log in DynamoDB at `url`.
async fn backend(url: &str, table: &str) -> Backend {
    let store = store_at(url, table).await.with_shards(FEW_SHARDS);
    let backend = Backend::new(Arc::new(store), Arc::new(MemoryQueue::new()));
    backend.setup().await.unwrap();
    backend
}

/// What the step of these tests wants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Wants {
    TwoAndAnItem,
    Nothing,
    Many(usize),
    TheSameTwice,
    NoSuchTable,
    Unrecordable,
}

#[step(retry(max_attempts = 2, initial = "10ms"))]
async fn act(wants: Wants) -> Result<Transact<f64>, ShopError> {
    let with = Transact::new(0.5);
    Ok(match wants {
        Wants::Nothing => with,
        Wants::TwoAndAnItem => with
            .update("sale", count_sale("sale"))
            .update("stock", take_a_cup())
            .put("receipt", new_item("receipt")),
        Wants::Many(writes) => (0..writes)
            .fold(with, |with, at| with.put(format!("item {at}"), new_item(&format!("item-{at}")))),
        Wants::TheSameTwice => with.update("one", take_a_cup()).update("two", take_a_cup()),
        Wants::NoSuchTable => {
            let put = aws_sdk_dynamodb::types::Put::builder().table_name("no-such-table");
            with.put("it", put.item("name", super::text("it")).build().unwrap())
        }
        Wants::Unrecordable => Transact::new(f64::INFINITY).update("stock", take_a_cup()),
    })
}

#[workflow]
async fn run(wants: Wants) -> Result<f64, ShopError> {
    act(wants).await
}

type End = Result<f64, ResultError<ShopError>>;

/// How an execution ends whose calls go through a proxy with these faults, what its log says, and the
/// shop it was in.
async fn end_of(
    wants: Wants,
    faults: &[(&str, usize, Fault)],
) -> (End, Vec<Event>, Proxy, DynamoDb) {
    let db = DynamoDb::start();
    shop(db.url(), 5).await;
    let (proxy, table) = (Proxy::start(db.url()).await, new_table());
    let backend = backend(proxy.url(), &table).await;
    let client = Client::new(&backend);
    let handle = client.start(run, wants).await.unwrap();
    for (operation, times, fault) in faults {
        proxy.fail(operation, *times, fault.clone());
    }
    let worker = App::new().workflow(run).backend(backend).worker().await.unwrap();
    let end = worker.run_until(handle.result()).await.unwrap();
    let log = handle.history().await.unwrap();
    let events = log.into_iter().flat_map(|commit| commit.events).collect();
    (end, events, proxy, db)
}

fn attempts_failed(events: &[Event]) -> usize {
    let failed =
        |event: &&Event| matches!(event, Event::StepAttemptFailed(_) | Event::StepFailed(_));
    events.iter().filter(failed).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_s_writes_and_its_event_are_one_call() {
    let (end, _, proxy, db) = end_of(Wants::TwoAndAnItem, &[]).await;
    assert_eq!(end.unwrap().to_bits(), 0.5_f64.to_bits());
    assert_eq!(look(db.url(), "sale", "sold").await, 1);
    assert_eq!(count(db.url(), SHOP).await, 3);
    // The start, and the step; the claim and the end are plain puts.
    let calls = ["TransactWriteItems", "PutItem"].map(|operation| proxy.calls(operation));
    assert_eq!(calls, [2, 2]);
    assert_eq!(count(db.url(), "markers").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_writes_is_one_all_the_same() {
    assert!(end_of(Wants::Nothing, &[]).await.0.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dynamodb_does_not_take_is_an_error_of_the_step_and_the_log_goes_on() {
    let most = TRANSACT_WRITES_MAX;
    let (end, _, _, db) = end_of(Wants::Many(most), &[]).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(count(db.url(), SHOP).await, 1 + i32::try_from(most).unwrap());
    for (wants, expected) in [
        (Wants::Many(most + 1), "99 writes are too many"),
        (Wants::TheSameTwice, "does not take these writes"),
        (Wants::NoSuchTable, "does not take these writes"),
        (Wants::Unrecordable, "cannot be recorded"),
    ] {
        let (end, events, _, db) = end_of(wants, &[]).await;
        let Err(ResultError::Failed(error)) = end else { panic!("{wants:?}: {end:?}") };
        assert!(error.to_string().contains(expected), "{wants:?}: {error}");
        assert_eq!(attempts_failed(&events), 2, "{wants:?}");
        assert_eq!(count(db.url(), SHOP).await, 1, "{wants:?}");
        assert_eq!(look(db.url(), "cups", "pieces").await, 5, "{wants:?}");
    }
}

/// The first two of a transaction are the commit and its record.
const OURS: [&str; 2] = ["None", "None"];

fn refused(codes: [&str; 3]) -> Fault {
    cancelled(&[&OURS[..], &codes].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_conflicts_are_found_out_in_the_same_attempt() {
    let commit_conflicts = cancelled(&["TransactionConflict", "None", "None", "None", "None"]);
    for fault in [
        Fault::RequestLost,
        Fault::AnswerLost,
        refused(["None", "TransactionConflict", "None"]),
        commit_conflicts,
    ] {
        // More often than the SDK tries by itself.
        let faults = [("TransactWriteItems", 5, fault)];
        let (end, events, _, db) = end_of(Wants::TwoAndAnItem, &faults).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!((attempts_failed(&events), look(db.url(), "sale", "sold").await), (0, 1));
    }
}

/// DynamoDB need not name every condition that did not hold. The failure's commit finds the result.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_refuse_themselves_the_second_time_are_recognised_as_done() {
    let faults = [
        ("TransactWriteItems", 3, Fault::AnswerLost),
        ("TransactWriteItems", 1, refused(["None", "None", "ConditionalCheckFailed"])),
    ];
    let (end, events, _, db) = end_of(Wants::TwoAndAnItem, &faults).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!((attempts_failed(&events), look(db.url(), "sale", "sold").await), (0, 1));
}

/// A try that is on its way until it is told to arrive, as the fault after it says, and the next one, which
/// is refused. How many attempts have failed in the end; the sale is made once.
async fn failed_around_a_late_try(
    then: impl FnOnce(Fault) -> Vec<(&'static str, usize, Fault)>,
) -> usize {
    let release = Arc::new(Notify::new());
    let released = Arc::clone(&release);
    let until_released = Hook::awaiting(async move || released.notified().await);
    let mut faults = vec![
        ("TransactWriteItems", 1, Fault::Late(until_released)),
        ("TransactWriteItems", 1, refused(["None", "ConditionalCheckFailed", "None"])),
    ];
    faults.extend(then(Fault::Instead(Hook::new(move || release.notify_one()))));
    let (end, events, proxy, db) = end_of(Wants::TwoAndAnItem, &faults).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!((proxy.faults_left(), look(db.url(), "sale", "sold").await), (0, 1));
    attempts_failed(&events)
}

/// It arrives when the turn is about to write the attempt's failure under the same number: the result
/// is there, by a writer of its own, and the turn takes no failure for written.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_try_that_arrives_after_its_refusal_and_before_the_failure_is_the_step_s_result() {
    // The claim is the first put, the failure the second, which is cut while the late try arrives.
    let failed = failed_around_a_late_try(|arrives| {
        vec![
            ("PutItem", 1, Fault::Pass),
            ("PutItem", 1, arrives),
            ("PutItem", 4, Fault::RequestLost),
        ]
    });
    assert_eq!(failed.await, 0);
}

/// It arrives after that: its number is taken, and nothing of it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_try_that_arrives_after_the_failure_does_nothing() {
    // The second attempt's writes are the third transaction: by then the failure is written.
    let failed = failed_around_a_late_try(|arrives| vec![("TransactWriteItems", 1, arrives)]);
    assert_eq!(failed.await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_always_in_the_way_fail_the_attempt_and_a_log_that_is_fails_nothing() {
    let theirs = refused(["None", "ThrottlingError", "None"]);
    // Patience waits six times; then the attempt has failed. The second one meets what is left of it.
    let (end, events, _, db) =
        end_of(Wants::TwoAndAnItem, &[("TransactWriteItems", 7, theirs)]).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(attempts_failed(&events), 1);
    assert_eq!(look(db.url(), "sale", "sold").await, 1);
    let ours = cancelled(&["ThrottlingError", "None", "None", "None", "None"]);
    let (end, events, _, _) =
        end_of(Wants::TwoAndAnItem, &[("TransactWriteItems", 20, ours)]).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(attempts_failed(&events), 0, "an outage of the log is no outcome of a step");
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("never made")]
struct Panics;

impl From<TransactError> for Panics {
    fn from(error: TransactError) -> Self {
        panic!("there is no place for {error:?}")
    }
}

impl From<everstep::StepFailure> for Panics {
    fn from(_: everstep::StepFailure) -> Self {
        Self
    }
}

#[step(retry(max_attempts = 1))]
async fn refuses() -> Result<Transact<()>, Panics> {
    Ok(Transact::new(()).put("cups", new_item("cups")))
}

#[workflow]
async fn panics_at_it(_: ()) -> Result<(), Panics> {
    refuses().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_type_that_panics_at_a_refusal_fails_its_attempt() {
    let db = DynamoDb::start();
    shop(db.url(), 1).await;
    let backend = backend(db.url(), &new_table()).await;
    let handle = Client::new(&backend).start(panics_at_it, ()).await.unwrap();
    let worker = App::new().workflow(panics_at_it).backend(backend).worker().await.unwrap();
    let end = worker.run_until(handle.result()).await.unwrap();
    assert!(matches!(end, Err(ResultError::Failed(Panics))), "{end:?}");
    let log = handle.history().await.unwrap();
    let text = log.iter().flat_map(|commit| &commit.events).find_map(|event| match event {
        Event::StepFailed(failed) => match &failed.failure {
            Failure::Panicked { message } => Some(message.clone()),
            _ => None,
        },
        _ => None,
    });
    assert!(text.unwrap().contains("there is no place for"));
}

/// Who is at its body, and who has made up for it.
#[derive(Clone, Default)]
struct Late(Arc<(AtomicU32, Notify, Notify)>);

#[step(skip(late), retry(max_attempts = 1))]
async fn sell_late(late: &Late) -> Result<Transact<()>, ShopError> {
    if late.0.0.fetch_add(1, Ordering::SeqCst) > 0 {
        return Err(ShopError::SoldOut("cups".to_owned()));
    }
    late.0.1.notify_one();
    late.0.2.notified().await;
    Ok(Transact::new(()).update("sale", count_sale("late")))
}

#[workflow]
async fn late_sale(State(late): State<Late>, _: ()) -> Result<(), ShopError> {
    sell_late(&late).await
}

#[step(skip(late), undo = give_back_late)]
async fn sell_when_told(late: &Late) -> Result<Transact<()>, ShopError> {
    late.0.1.notify_one();
    late.0.2.notified().await;
    Ok(Transact::new(()).update("sale", count_sale("told")))
}

async fn give_back_late(_late: &Late, _sold: &()) -> Result<Transact<()>, ShopError> {
    Ok(Transact::new(()).update("return", count_sale("told back")))
}

#[workflow]
async fn told_sale(State(late): State<Late>, _: ()) -> Result<(), ShopError> {
    sell_when_told(&late).await
}

/// Its body ends while the turn reads of the cancel: its result is in the log before what undoes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_has_returned_when_a_cancel_is_seen_is_done_and_undone() {
    let db = DynamoDb::start();
    shop(db.url(), 1).await;
    let (proxy, late) = (Proxy::start(db.url()).await, Late::default());
    let table = new_table();
    let beside = backend(db.url(), &table).await;
    let mut through = backend(proxy.url(), &table).await;
    through.queue = Arc::clone(&beside.queue);
    let handle = Client::new(&beside).start(told_sale, ()).await.unwrap();
    let app = App::new().workflow(told_sale).state(late.clone()).backend(through);
    let worker = app.worker().await.unwrap();
    let cancels = async {
        late.0.1.notified().await;
        handle.cancel("regretted").await.unwrap();
        let told = late.clone();
        proxy.fail("GetItem", 1, Fault::Before(Hook::new(move || told.0.2.notify_one())));
        handle.result().await
    };
    let end = worker.run_until(cancels).await.unwrap();
    let log = handle.history().await.unwrap();
    assert!(matches!(end, Err(ResultError::Cancelled { .. })), "{end:?} {log:#?}");
    assert_eq!(proxy.faults_left(), 0);
    let sold = [look(db.url(), "told", "sold").await, look(db.url(), "told back", "sold").await];
    assert_eq!(sold, [1, 1]);
    let kinds = log.iter().flat_map(|commit| &commit.events).filter_map(|event| match event {
        Event::StepCompleted(done) => Some(done.key.name.to_string()),
        Event::CompensationStarted(_) => Some("undoing".to_owned()),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["sell_when_told", "undoing", "undo sell_when_told"]);
}

/// A host in the middle of a body, whose writes come late.
struct Owner {
    db: DynamoDb,
    table: String,
    proxy: Proxy,
    late: Late,
    client: Client,
    stop: Arc<Notify>,
    works: JoinHandle<Result<(), RunError>>,
}

impl Owner {
    async fn at_work() -> Self {
        let db = DynamoDb::start();
        shop(db.url(), 1).await;
        let (table, late) = (new_table(), Late::default());
        let proxy = Proxy::start(db.url()).await;
        let backend = backend(proxy.url(), &table).await;
        let client = Client::new(&backend);
        client.start(late_sale, ()).id("late").await.unwrap();
        let app = App::new().workflow(late_sale).state(late.clone()).backend(backend);
        let (stop, worker) = (Arc::new(Notify::new()), app.worker().await.unwrap());
        let stopped = Arc::clone(&stop);
        let works = tokio::spawn(worker.run_until(async move { stopped.notified().await }));
        late.0.1.notified().await;
        Self { db, table, proxy, late, client, stop, works }
    }

    /// Its body returns. How often it was sold when the host has written, or tried to.
    async fn returns(&mut self) -> i64 {
        let before = self.proxy.calls("TransactWriteItems");
        self.late.0.2.notify_one();
        while self.proxy.calls("TransactWriteItems") == before {
            tokio::task::yield_now().await;
        }
        self.stop.notify_one();
        (&mut self.works).await.unwrap().unwrap();
        look(self.db.url(), "late", "sold").await
    }
}

/// Its successor's attempt has failed, and the log says so: no transaction of its own may say anything
/// else. With a marker it would be done.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_lost_its_place_does_not_do_its_writes() {
    let mut owner = Owner::at_work().await;
    let second = backend(owner.db.url(), &owner.table).await;
    let again = Client::new(&second).start(late_sale, ()).id("late").await.unwrap();
    let app = App::new().workflow(late_sale).state(owner.late.clone());
    // By its clock the owner's claim is over.
    let successor = app.backend(second).worker().await.unwrap();
    let successor = successor.clock(Clock::system().skewed(120_000));
    let end = successor.run_until(again.result()).await.unwrap();
    assert!(matches!(end, Err(ResultError::Failed(ShopError::SoldOut(_)))), "{end:?}");
    assert_eq!(owner.returns().await, 0);
    let end = again.result().await;
    assert!(matches!(end, Err(ResultError::Failed(ShopError::SoldOut(_)))), "{end:?}");
}

/// Its execution has ended, was deleted and started anew: a plain append would be a stray that nobody
/// sees. Its writes would be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_execution_was_deleted_does_not_do_its_writes() {
    let mut owner = Owner::at_work().await;
    let store = store_at(owner.db.url(), &owner.table).await.with_shards(FEW_SHARDS);
    let id = ExecutionId::new("late").unwrap();
    let record = store.record(&id).await.unwrap().unwrap();
    let ended = Projection {
        commit: 1,
        status: Status::Terminated,
        life: Some(record.life()),
        ..record.projection
    };
    let record = store.project(&id, &ended).await.unwrap();
    let grave = Grave { look_at: Timestamp(0), emptied: true };
    assert_eq!(store.bury(&record, &grave).await.unwrap(), Buried::Done);
    store.remove(&id, &grave).await.unwrap();
    owner.client.start(late_sale, ()).id("late").await.unwrap();
    assert_eq!(owner.returns().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_log_is_elsewhere_a_marker_stands_in_for_the_event() {
    let db = DynamoDb::start();
    let markers = shop(db.url(), 5).await;
    let start = async |client: &Client| client.start(run, Wants::TwoAndAnItem).await.unwrap();
    let end = host(App::new().workflow(run), start).await;
    let Err(ResultError::Failed(ShopError::Transact(error))) = end else { panic!("{end:?}") };
    assert_eq!(error, TransactError::OtherLog);
    let app = App::new().workflow(run).state(markers);
    for _ in 0..2 {
        let start = async |client: &Client| {
            client.start(run, Wants::TwoAndAnItem).id("once").await.unwrap()
        };
        assert!(host(app.clone(), start).await.is_ok());
    }
    assert_eq!(look(db.url(), "sale", "sold").await, 1);
    assert_eq!(count(db.url(), "markers").await, 1);
}

#[tokio::test]
async fn outside_a_workflow_there_is_no_event_to_write_with() {
    let end = act(Wants::Nothing).await;
    assert!(matches!(end, Err(ShopError::Transact(TransactError::OutsideStep))), "{end:?}");
}

const PROGRAM: &str = "transact::returned::the_program";

/// The program that the test below runs and kills. Its service is followed by how far its clock is
/// ahead, so that it waits for no claim of the dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program for the other tests"]
async fn the_program() {
    let Some(task) = Task::of_this_process() else { return };
    let (url, ahead) = task.service.split_once(' ').unwrap();
    let backend = backend(url, "log").await;
    let run = Client::new(&backend).start(sell_three, task.id.clone()).id(task.id).await.unwrap();
    let worker = App::new().workflow(sell_three).backend(backend).worker().await.unwrap();
    let worker = worker.clock(Clock::system().skewed(ahead.parse().unwrap()));
    assert_eq!(worker.run_until(run.result()).await.unwrap().unwrap().len(), 3);
}

/// The first transaction of the first process is its start, and so is none of the others'.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_right_before_or_after_its_writes_repeats_nothing() {
    let program = Program::new(PROGRAM);
    let db = DynamoDb::on_file(&program.folder().join("dynamodb.sqlite"));
    shop(db.url(), 0).await;
    let proxy = Proxy::start(db.url()).await;
    let first = backend(db.url(), "log").await;
    Client::new(&first).start(sell_three, "kills".to_owned()).id("kills").await.unwrap();
    let sales = async || {
        let mut sales = 0;
        for number in 1..=3 {
            sales += look(db.url(), &format!("kills/{number}"), "sold").await;
        }
        sales
    };
    let service = |life: i64| format!("{} {}", proxy.url(), life * 60_000);
    let mut done = 0;
    for (number, after) in (1..).zip([false, true, false, true, false, true]) {
        let life = Life::default();
        let dying = life.clone();
        let hook = Hook::new(move || dying.kill());
        proxy.heal();
        // A start of what is there is a transaction that does nothing.
        proxy.fail("TransactWriteItems", 1, Fault::Pass);
        proxy.fail(
            "TransactWriteItems",
            1,
            if after { Fault::Before(hook) } else { Fault::Instead(hook) },
        );
        life.begin(&program, &service(number), "kills");
        assert!(!life.succeeds().await, "process {number} was killed");
        done += i64::from(after);
        assert_eq!(sales().await, done, "after process {number}");
    }
    proxy.heal();
    let life = Life::default();
    life.begin(&program, &service(9), "kills");
    assert!(life.succeeds().await, "the last one lives");
    for number in 1..=3 {
        assert_eq!(look(db.url(), &format!("kills/{number}"), "sold").await, 1);
    }
}
