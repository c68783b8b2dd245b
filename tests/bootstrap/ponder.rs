//! A workflow that a deployed function has, and a worker of `tests/rig` that takes its first turn.

use everstep::prelude::*;

#[step]
async fn think(bytes: usize) -> everstep::Result<String> {
    Ok("x".repeat(bytes))
}

/// Has a thought of so many bytes, and then a rest that no queue can keep a message for.
#[workflow]
pub async fn ponder(bytes: usize) -> everstep::Result<usize> {
    let thought = think(bytes).await?;
    sleep(hours(1)).await;
    Ok(thought.len())
}
