//! Recorded histories as tests; these are of every released form of the log. The files in
//! `fixtures/histories` are never edited: a history of something new is a new file.

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::prose::fulfil_order;

#[derive(Serialize, Deserialize)]
pub(crate) struct Parcel {
    pieces: u32,
}

#[step]
async fn box_up(pieces: u32) -> everstep::Result<String> {
    panic!("not the branch of this history: {pieces}")
}

#[step]
async fn bag_up(pieces: u32) -> everstep::Result<String> {
    panic!("recorded, so not run: {pieces}")
}

#[workflow]
pub(crate) async fn pack(parcel: Parcel) -> everstep::Result<String> {
    match version("packing", 1..=2) {
        1 => box_up(parcel.pieces).await,
        _ => bag_up(parcel.pieces).await,
    }
}

#[step(at_most_once)]
async fn pay(cents: u32) -> everstep::Result<String> {
    panic!("recorded, so not run: {cents}")
}

/// Its code panicked behind the first step; it was corrected, and the execution resumed.
#[workflow]
async fn revive(cents: u32) -> everstep::Result<String> {
    let paid = pay(cents).await?;
    let refused = everstep::step("ship", async || Err::<(), _>(everstep::Error::msg("no van")))
        .retry(Retry::new().max_attempts(1))
        .await;
    Ok(format!("{paid}: {}", refused.unwrap_err()))
}

fn app() -> App {
    App::new().workflow(fulfil_order).workflow(pack).workflow(revive)
}

everstep::testing::histories!("fixtures/histories", app);

/// What the macro's tests do when code and history differ.
#[test]
#[should_panic(
    expected = "order-2.jsonl does not replay: the app has no workflow \"fulfil_order\""
)]
fn a_history_that_does_not_replay_fails_by_its_file() {
    let history = include_str!("../../fixtures/histories/order-2.jsonl");
    everstep::testing::check_history(App::new().workflow(pack), "order-2.jsonl", history);
}

#[test]
#[should_panic(expected = "packed-1.jsonl does not replay")]
fn a_file_that_is_newer_than_the_build_is_replayed_too() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/histories");
    let app = || App::new().workflow(fulfil_order);
    everstep::testing::check_histories_but(app, folder, &["order-2.jsonl", "revived-1.jsonl"]);
}
