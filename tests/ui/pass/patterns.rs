//! Patterns, `mut`, raw names, unused names and attributes of arguments.

#![deny(warnings)]

use everstep::step;
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Amount(u32);

#[derive(Clone, Serialize, Deserialize)]
struct Pair {
    left: u32,
    right: u32,
}

#[step(skip(r#type, arg3, _unused))]
async fn add(
    mut list: Vec<u32>,
    Amount(amount): Amount,
    Pair { left, right }: Pair,
    (a, _): (u32, String),
    &Amount(by_reference): &Amount,
    r#type: u32,
    _: u32,
    _unused: &str,
    #[cfg(any())] missing: Missing,
    #[cfg(all())] present: u32,
) -> everstep::Result<u32> {
    list.push(amount);
    let sum: u32 = list.iter().sum();
    Ok(sum + left + right + a + by_reference + r#type + present)
}

/// A step's options, all of them.
#[step(
    name = "all of them",
    retry(max_attempts = 3, initial = "1ms", max = "1s", factor = 2, jitter = false),
    retry_if = |error| !error.is_terminal(),
    timeout = "5s",
    at_most_once,
    crate = "everstep"
)]
async fn all() -> everstep::Result<u32> {
    if std::hint::black_box(false) {
        return Err(everstep::Error::msg("never"));
    }
    Ok("5".parse()?)
}

#[step(retry = none, retry_if = everstep::Error::is_terminal)]
async fn once() -> everstep::Result<()> {
    #![allow(clippy::unit_arg)]
    Ok(())
}

fn main() {
    let five = || Amount(5);
    let pair = Pair { left: 1, right: 2 };
    let sum = add(vec![1], five(), pair, (3, String::new()), &five(), 7, 8, "", 9);
    assert_eq!(block_on(sum).unwrap(), 33);
    assert_eq!(block_on(all()).unwrap(), 5);
    block_on(once()).unwrap();
}
