//! Hosts that share nothing but what their steps work on.

use everstep::client::{Handle, ResultError};
use everstep::{App, Backend, Client};
use serde::de::DeserializeOwned;

/// How an execution ends on a host with a log of its own. Two of them that run an execution of one id
/// are, for a database, two hosts that run the same step at once: one that has lost its lease, and
/// its successor.
///
/// # Panics
/// The host does not start, or fails.
pub async fn host<T: DeserializeOwned, E: DeserializeOwned>(
    app: App,
    start: impl AsyncFnOnce(&Client) -> Handle<T, E>,
) -> Result<T, ResultError<E>> {
    let backend = Backend::memory();
    let client = Client::new(&backend);
    let run = start(&client).await;
    let worker = app.backend(backend).worker().await.expect("it starts");
    worker.run_until(run.result()).await.expect("it runs")
}
