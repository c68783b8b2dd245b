//! The test kit of `everstep::testing`: what it promises, and that it fails where it should.

mod crashes;
mod env;
mod explore;
mod histories;
mod mocks;
mod replays;
mod twice;
mod undo;

pub(crate) use histories::pack;

use std::panic::{AssertUnwindSafe, catch_unwind};

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Refusal {
    Busy,
    NoMoney { cents: u64 },
}

/// Somebody else's computer, which no test can reach.
#[derive(Clone)]
struct Bank;

#[step(skip(bank))]
async fn charge(bank: &Bank, card: &str, cents: u64) -> Result<String, Refusal> {
    let Bank = bank;
    panic!("no bank is there to take {cents} from {card}")
}

#[step]
async fn ship(charge: &str) -> everstep::Result<String> {
    Ok(format!("shipped for {charge}"))
}

/// Charges, waits up to ten days for an approval, and ships.
#[workflow]
async fn sell(State(bank): State<Bank>, cents: u64) -> Result<String, Refusal> {
    let charged = charge(&bank, "4242", cents).await?;
    let approved = timeout(days(10), signal::<bool>("approval")).await;
    if !matches!(approved, Ok(Ok(true))) {
        return Ok("not approved".to_owned());
    }
    Ok(ship(&charged).await.unwrap_or_default())
}

fn shop() -> App {
    App::new().workflow(sell).state(Bank)
}

/// An `Ok` where nothing else says what error there could be.
fn ok<T>(value: T) -> everstep::Result<T> {
    Ok(value)
}

/// The text that `f` panics with.
#[track_caller]
fn panics<T>(f: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it should fail") };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
