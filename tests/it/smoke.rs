//! The thinnest path from a workflow to its result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use everstep::prelude::*;

#[step(skip(calls))]
async fn add(calls: &Arc<AtomicU32>, a: u32, b: u32) -> everstep::Result<u32> {
    calls.fetch_add(1, Ordering::SeqCst);
    Ok(a + b)
}

#[workflow]
async fn sums(State(calls): State<Arc<AtomicU32>>, input: u32) -> everstep::Result<u32> {
    let a = add(&calls, input, 1).await?;
    sleep(Duration::from_millis(20)).await;
    let (b, c) = tokio::join!(add(&calls, a, 1), add(&calls, a, 2));
    Ok(b? + c?)
}

#[tokio::test]
async fn a_workflow_runs_to_its_result_and_each_step_once() {
    let backend = Backend::memory();
    let calls = Arc::new(AtomicU32::new(0));
    let app = App::new().workflow(sums).state(Arc::clone(&calls)).backend(backend.clone());
    let client = Client::new(&backend);
    let worker = app.worker().await.unwrap();
    let handle = client.start(sums, 1).id("one").await.unwrap();
    let result = worker.run_until(handle.result()).await.unwrap().unwrap();
    assert_eq!(result, 7);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// Its argument has its own name, and it joins what borrows.
#[workflow]
async fn totals(totals: Vec<u32>) -> everstep::Result<u32> {
    let calls = Arc::new(AtomicU32::new(0));
    let sums = join_all(totals.iter().flat_map(|n| [add(&calls, *n, 0), add(&calls, *n, 1)])).await;
    sums.into_iter().sum()
}

#[tokio::test]
async fn a_workflow_may_name_its_argument_after_itself_and_join_over_borrows() {
    let backend = Backend::memory();
    let worker = App::new().workflow(totals).backend(backend.clone()).worker().await.unwrap();
    let handle = Client::new(&backend).start(totals, vec![1, 2]).await.unwrap();
    assert_eq!(worker.run_until(handle.result()).await.unwrap().unwrap(), 8);
}
