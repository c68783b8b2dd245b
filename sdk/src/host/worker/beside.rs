//! What a worker does beside its turns: it sweeps, deletes and resumes.

use std::convert::Infallible;
use std::time::Duration;

use super::{SWEEP_FIRST_AFTER, store_usable, usable};
use crate::backend::Backend;
use crate::client::Client;
use crate::host::error::RunError;
use crate::limits::DELETE_EVERY;
use crate::sweep::{SweepError, sweep};
use crate::turn::Kitchen;

pub(super) async fn sweep_forever(
    kitchen: &Kitchen,
    every: Duration,
    grace: Duration,
) -> Result<Infallible, RunError> {
    loop {
        let watchers = kitchen.registry.watchers();
        match sweep(&*kitchen.store, &*kitchen.queue, &kitchen.clock, grace, watchers).await {
            Ok(0) => {}
            Ok(woken) => tracing::info!(woken, "the sweeper woke overdue executions"),
            Err(SweepError::Store(error)) => {
                tracing::warn!(%error, "sweep again");
                store_usable(error)?;
            }
            Err(SweepError::Queue(error)) => {
                tracing::warn!(%error, "sweep again");
                usable(Err(error))?;
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// Deletes what is no longer kept, if anything that closes here ever is. What goes wrong with it stops
/// no turn.
pub(super) async fn delete_forever(backend: &Backend, kitchen: &Kitchen) {
    if !kitchen.registry.deletes() {
        return;
    }
    let client = Client::on(backend, &kitchen.clock);
    tokio::time::sleep(SWEEP_FIRST_AFTER).await;
    loop {
        match client.delete_expired().await {
            Ok(pass) => {
                pass.report();
                if pass.goes_on() {
                    continue;
                }
            }
            Err(error) => tracing::warn!(%error, "nothing is deleted; it is tried again"),
        }
        tokio::time::sleep(DELETE_EVERY).await;
    }
}

/// A new worker may be the fix that blocked executions wait for: each gets another look.
pub(super) async fn resume_blocked(kitchen: &Kitchen) {
    let client = Client::of(&kitchen.store, &kitchen.queue, &kitchen.clock);
    for workflow in kitchen.registry.names() {
        if let Err(error) = client.resume_blocked(workflow).await {
            tracing::warn!(%error, workflow, "blocked executions wait for a resume");
        }
    }
}
