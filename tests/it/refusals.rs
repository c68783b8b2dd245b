//! What no log takes is named where it is made, and blocks no more than it must.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use everstep::client::ResultError;
use everstep::limits::{NAME_BYTES_MAX, REASON_BYTES_MAX, VALUE_BYTES_MAX};
use everstep::prelude::*;
use everstep::{Error, Workflow};

/// The result of one execution in this process.
async fn result<A, W, T>(workflow: W, input: u32) -> (Result<T, ResultError<Error>>, String)
where
    W: Workflow<A> + Copy,
    W::Spec: everstep::__private::WorkflowSpec<Input = u32, Output = T, Error = Error>,
    T: serde::de::DeserializeOwned,
{
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let worker = App::new().workflow(workflow).backend(backend).worker().await.unwrap();
    let handle = client.start(workflow, input).await.unwrap();
    let result = worker.run_until(handle.result()).await.unwrap();
    (result, handle.describe().await.unwrap().projection.reason.unwrap_or_default())
}

#[track_caller]
fn check_blocked<T: std::fmt::Debug>(result: Result<T, ResultError<Error>>, says: &[&str]) {
    let Err(ResultError::Blocked { reason }) = result else { panic!("{result:?}") };
    for part in says {
        assert!(reason.contains(part), "{reason:?} does not say {part:?}");
    }
}

#[workflow]
async fn returns(bytes: u32) -> everstep::Result<String> {
    Ok("x".repeat(bytes as usize))
}

#[workflow]
async fn fails(bytes: u32) -> everstep::Result<()> {
    Err(Error::msg("x".repeat(bytes as usize)))
}

#[tokio::test]
async fn a_workflow_that_returns_more_than_can_be_recorded_is_blocked_and_says_so() {
    let most = u32::try_from(VALUE_BYTES_MAX).unwrap();
    let limit = most.to_string();
    // The quotes count.
    let (whole, _) = result(returns, most - 2).await;
    assert_eq!(whole.unwrap().len(), VALUE_BYTES_MAX - 2);
    for bytes in [most, 3 * most] {
        check_blocked(result(returns, bytes).await.0, &["the output of workflow returns", &limit]);
        check_blocked(result(fails, bytes).await.0, &["the error of workflow fails", &limit]);
    }
}

#[tokio::test]
async fn a_record_holds_the_beginning_of_a_long_reason_and_the_log_all_of_it() {
    let (failed, reason) = result(fails, 100_000).await;
    let Err(ResultError::Failed(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.to_string().len(), 100_000);
    assert!(reason.starts_with("xxx") && reason.len() <= REASON_BYTES_MAX + '…'.len_utf8());
}

#[workflow]
async fn odd_step(bytes: u32) -> everstep::Result<()> {
    step("x".repeat(bytes as usize), async || Ok::<_, Error>(())).await
}

#[workflow]
async fn odd_signal(bytes: u32) -> everstep::Result<()> {
    Ok(signal("x".repeat(bytes as usize)).await?)
}

#[tokio::test]
async fn a_name_that_is_empty_or_too_long_blocks_with_the_rule() {
    let most = u32::try_from(NAME_BYTES_MAX).unwrap();
    assert_eq!(result(odd_step, most).await.0.unwrap(), ());
    for bytes in [0, most + 1, 1_000_000] {
        check_blocked(result(odd_step, bytes).await.0, &["a name has 1 to 256 bytes"]);
        check_blocked(result(odd_signal, bytes).await.0, &["a name has 1 to 256 bytes"]);
    }
}

/// Its clones are made at each attempt.
struct Fragile(Arc<AtomicU32>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "it broke");
        Self(Arc::clone(&self.0))
    }
}

impl Fragile {
    fn clones(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[workflow]
async fn clones(attempts: u32) -> everstep::Result<u32> {
    let fragile = Fragile(Arc::default());
    let retry = Retry::new().max_attempts(attempts).initial(seconds(0));
    let body = async move || Ok::<_, Error>(fragile.clones());
    step("clone", body).retry(retry).await
}

#[tokio::test]
async fn a_panic_while_arguments_are_cloned_is_a_failed_attempt() {
    assert_eq!(result(clones, 2).await.0.unwrap(), 2);
    let (failed, _) = result(clones, 1).await;
    let Err(failed @ ResultError::Failed(_)) = failed else { panic!("{failed:?}") };
    assert!(failed.to_string().contains("the workflow failed: the step panicked: it broke"));
}
