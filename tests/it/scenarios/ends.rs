//! How executions end, or do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everstep::client::{OnConflict, ResultError, StartError};
use everstep::memory::MemoryQueue;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep_tests::dynamodb::{DynamoDb, FEW_SHARDS, new_table, store_at};
use everstep_tests::scenario::{ALL, CALM, Effects, check};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum OrderError {
    SoldOut { item: String, left: u32 },
}

#[step(skip(effects))]
async fn effect(effects: &Effects, what: &str) -> everstep::Result<String> {
    effects.note(what);
    Ok(what.to_owned())
}

#[workflow]
async fn failing(State(effects): State<Effects>, item: String) -> Result<u32, OrderError> {
    effect(&effects, &item)
        .await
        .map_err(|_| OrderError::SoldOut { item: item.clone(), left: 1 })?;
    Err(OrderError::SoldOut { item, left: 0 })
}

/// E3
#[test]
fn a_workflow_that_returns_an_error_has_failed_with_that_typed_error() {
    check(
        ALL,
        || App::new().workflow(failing),
        async |world| {
            let handle = world.start(failing, "shoe".to_owned()).await;
            let error = world.result(&handle).await.unwrap_err();
            let ResultError::Failed(error) = error else { panic!("{error:?}") };
            assert_eq!(error, OrderError::SoldOut { item: "shoe".into(), left: 0 });
            assert_eq!(handle.describe().await.unwrap().projection.status, Status::Failed);
            world.did("shoe", 1);
        },
    );
}

mod broken {
    use super::*;

    #[workflow(name = "panics")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        _input: (),
    ) -> everstep::Result<u32> {
        effect(&effects, "before").await?;
        panic!("a workflow's own panic")
    }
}

mod mended {
    use super::*;

    #[workflow(name = "panics")]
    pub(super) async fn workflow(
        State(effects): State<Effects>,
        _input: (),
    ) -> everstep::Result<u32> {
        effect(&effects, "before").await?;
        Ok(5)
    }
}

/// E4
#[test]
fn a_workflow_that_panics_is_blocked_and_goes_on_after_a_fix() {
    check(
        ALL,
        || App::new().workflow(broken::workflow),
        async |world| {
            let handle = world.start(broken::workflow, ()).await;
            let record = world.until(world.settled(handle.id())).await;
            assert_eq!(record.projection.status, Status::Blocked);
            let reason = record.projection.reason.unwrap();
            assert!(
                reason.contains("a workflow's own panic") && reason.contains("ends.rs:"),
                "{reason}"
            );
            let mended = || App::new().workflow(mended::workflow);
            world.until_with(&mended, world.status_is(handle.id(), Status::Completed)).await;
            assert_eq!(handle.result().await.unwrap(), 5);
            world.did("before", 1);
        },
    );
}

#[step(skip(effects, healthy))]
async fn kills_its_host(effects: &Effects, healthy: &Arc<AtomicBool>) -> everstep::Result<u32> {
    effects.note("deadly");
    if !healthy.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    Ok(7)
}

#[workflow]
async fn deadly(
    State(effects): State<Effects>,
    State(healthy): State<Arc<AtomicBool>>,
    _input: (),
) -> everstep::Result<u32> {
    kills_its_host(&effects, &healthy).await
}

/// E5
#[test]
fn a_step_that_kills_its_host_each_time_is_blocked_as_poison_and_a_resume_revives_it() {
    let healthy = Arc::new(AtomicBool::new(false));
    let states = Arc::clone(&healthy);
    let app = move || App::new().workflow(deadly).state(Arc::clone(&states));
    check(CALM, app, async |world| {
        healthy.store(false, Ordering::SeqCst);
        let handle = world.start(deadly, ()).await;
        let mut deaths = 0;
        loop {
            let dies = async {
                while world.effects().count("deadly") == deaths {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            };
            let blocked = world.status_is(handle.id(), Status::Blocked);
            world
                .die_when(async {
                    tokio::select! {
                        () = dies => {}
                        _ = blocked => {}
                    }
                })
                .await;
            let status = handle.describe().await.unwrap().projection.status;
            if status == Status::Blocked {
                break;
            }
            deaths += 1;
            assert!(deaths <= 10, "nobody counts the deaths");
        }
        assert!((5..=6).contains(&deaths), "{deaths} deaths");
        let reason = handle.describe().await.unwrap().projection.reason.unwrap();
        assert!(reason.contains("without progress"), "{reason}");
        healthy.store(true, Ordering::SeqCst);
        world.client().resume(handle.id()).await.unwrap();
        world.until(world.status_is(handle.id(), Status::Completed)).await;
        assert_eq!(handle.result().await.unwrap(), 7);
    });
}

#[workflow]
async fn echo(State(effects): State<Effects>, text: String) -> everstep::Result<String> {
    effect(&effects, &text).await
}

/// E7
#[test]
fn starting_twice_with_one_id_is_one_execution() {
    check(
        ALL,
        || App::new().workflow(echo),
        async |world| {
            let client = world.client();
            let first = client.start(echo, "x".to_owned()).id("one").await.unwrap();
            let second = client.start(echo, "x".to_owned()).id("one").await.unwrap();
            assert!(first.is_new() && !second.is_new());
            assert_eq!(world.result(&first).await.unwrap(), "x");
            assert_eq!(second.result().await.unwrap(), "x");
            let third = client.start(echo, "x".to_owned()).id("one").await.unwrap();
            assert!(!third.is_new());
            assert_eq!(world.result(&third).await.unwrap(), "x");
            world.did("x", 1);
        },
    );
}

/// Starts one execution from sixteen threads at once, each with a backend as it were in a process of
/// its own, and then runs it.
async fn check_sixteen_starts(backend: impl AsyncFn() -> Backend + Sync) {
    let barrier = std::sync::Barrier::new(16);
    let handles: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let client = Client::new(&runtime.block_on(backend()));
                    barrier.wait();
                    let start = async { client.start(echo, "x".to_owned()).id("one").await };
                    runtime.block_on(start).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(handles.iter().filter(|handle| handle.is_new()).count(), 1);

    let effects = Effects::default();
    let app = App::new().workflow(echo).state(effects.clone()).backend(backend().await);
    let worker = app.worker().await.unwrap();
    let results = async {
        for handle in &handles {
            assert_eq!(handle.result().await.unwrap(), "x");
        }
    };
    worker.run_until(results).await.unwrap();
    assert_eq!(effects.count("x"), 1);
}

/// E7
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_threads_that_start_one_id_at_once_start_one_execution() {
    let memory = Backend::memory();
    check_sixteen_starts(async || memory.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("everstep.db").display());
    let sqlite = Backend::from_url(&url).await.unwrap();
    check_sixteen_starts(async || sqlite.clone()).await;
    let (dynamodb, table) = (DynamoDb::start(), new_table());
    let store = async || store_at(dynamodb.url(), &table).await.with_shards(FEW_SHARDS);
    store().await.setup().await.unwrap();
    let queue = Arc::new(MemoryQueue::new());
    check_sixteen_starts(async || Backend::new(Arc::new(store().await), queue.clone())).await;
}

/// E8
#[test]
fn one_id_with_another_input_is_refused_and_says_so() {
    check(
        ALL,
        || App::new().workflow(echo).workflow(failing),
        async |world| {
            let client = world.client();
            let first = client.start(echo, "x".to_owned()).id("one").await.unwrap();
            let error = client.start(echo, "y".to_owned()).id("one").await.unwrap_err();
            assert!(matches!(error, StartError::Exists { .. }), "{error:?}");
            assert!(error.to_string().contains("another input"), "{error}");
            let error = client.start(failing, "x".to_owned()).id("one").await.unwrap_err();
            assert!(error.to_string().contains("another workflow"), "{error}");
            let any =
                client.start(echo, "y".to_owned()).id("one").on_conflict(OnConflict::AttachToAny);
            assert!(!any.await.unwrap().is_new());
            assert_eq!(world.result(&first).await.unwrap(), "x");
            assert_eq!(world.effects().count("y"), 0);
        },
    );
}
