//! Payloads outside the log: large ones in a payload store, and what can be wrong with it.

mod attached;
mod codecs;
mod crashes;
mod erased;
mod gives_up;
mod large;
mod room;
mod slow;
mod stores;
mod unreadable;

pub(crate) use attached::film;

use std::sync::Arc;
use std::time::Duration;

use everstep::ExecutionId;
use everstep::payload::{MemoryPayloads, PayloadStore, Payloads};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::{Faults, FaultyPayloads};
use everstep::time::Clock;

/// So many bytes make a payload large in these tests.
const THRESHOLD: usize = 1_000;

/// Payloads in memory that count, and fail when they are told to.
fn counted(store: &MemoryPayloads, faults: &Faults) -> Payloads {
    let store: Arc<dyn PayloadStore> = Arc::new(store.clone());
    Payloads::of(Arc::new(FaultyPayloads::new(store, faults))).threshold(THRESHOLD)
}

fn text(bytes: usize) -> String {
    let mut text = "the quick brown fox jumps over the lazy dog ".repeat(bytes / 44 + 1);
    text.truncate(bytes);
    text
}

/// Runs a host until the execution stands so, and returns the reason that its record has.
async fn run_until(app: App, client: &Client, id: &ExecutionId, status: Status) -> Option<String> {
    let seen = async {
        loop {
            let record = client.describe(id).await.unwrap();
            if record.projection.status == status {
                return record.projection.reason;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    // Not before the start: a timer counts from then.
    let started_at = client.describe(id).await.unwrap().started_at;
    let clock = Clock::virtual_from(started_at);
    app.worker().await.unwrap().clock(clock).run_until(seen).await.unwrap()
}

#[step]
async fn fetch(bytes: usize) -> everstep::Result<String> {
    Ok(text(bytes))
}

#[step]
async fn count(whole: String) -> everstep::Result<usize> {
    Ok(whole.len())
}

/// A large result, which is passed on, and waits in between: so it is replayed.
#[workflow]
async fn fetch_and_count(bytes: usize) -> everstep::Result<usize> {
    let whole = fetch(bytes).await?;
    sleep(hours(1)).await;
    count(whole).await
}

/// Waits for a message, shows it, and returns it.
#[workflow]
async fn echo(_: ()) -> everstep::Result<String> {
    let said: String = signal("said").await?;
    publish(&said.len());
    Ok(said)
}

#[workflow]
async fn shout(said: String) -> everstep::Result<String> {
    Ok(said.to_uppercase())
}

/// Hands a large input to a child, and gets a large result of it.
#[workflow]
async fn ask_child(bytes: usize) -> everstep::Result<usize> {
    let loud = child(shout, text(bytes)).await?;
    Ok(loud.len())
}

fn app() -> App {
    App::new().workflow(fetch_and_count).workflow(echo).workflow(shout).workflow(ask_child)
}
