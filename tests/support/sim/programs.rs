//! The workflows that the simulation runs.

use std::time::Duration;

use everstep::prelude::*;
use everstep::{Error, Retry};
use serde::{Deserialize, Serialize};

use super::Ledger;

/// What [`everything`] returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The sum of all that its steps returned.
    pub total: u64,
    /// Whether the at-most-once step is known to have run.
    pub charged: bool,
    /// What the signals said.
    pub signals: Vec<u64>,
}

/// A step that enters itself in the ledger, takes some time and returns its name's length. `needs`
/// are the steps whose results it could have seen.
pub async fn act(
    ledger: &Ledger,
    id: &str,
    name: &'static str,
    needs: &'static [&'static str],
    takes: Duration,
) -> everstep::Result<u64> {
    let (ledger, of) = (ledger.clone(), id.to_owned());
    step(name, async move || {
        ledger.begin(&of, name, needs, false).await;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        Ok::<_, Error>(name.len() as u64)
    })
    .input("of", id)
    .await
}

/// Sequential, retried (in place, and with a back-off that suspends), parallel and at-most-once
/// steps, a timer, a signal that comes before its wait and one that comes after.
#[workflow]
pub async fn everything(State(ledger): State<Ledger>, id: String) -> everstep::Result<Report> {
    let (ledger, id) = (&ledger, &*id);
    let mut total = act(ledger, id, "reserve", &[], Duration::ZERO).await?;
    total += flaky(ledger, id, "flaky", &["reserve"]).await?;

    let left = act(ledger, id, "left", &["reserve", "flaky"], Duration::from_millis(30));
    let middle = async {
        let first = act(ledger, id, "middle", &["flaky"], Duration::from_millis(80)).await?;
        let then = act(ledger, id, "middle-then", &["middle"], Duration::ZERO).await?;
        Ok::<_, Error>(first + then)
    };
    let right = act(ledger, id, "right", &["flaky"], Duration::from_millis(500));
    let (left, middle, right) = tokio::join!(left, middle, right);
    total += left? + middle? + right?;

    let charged = charge(ledger, id, &["left", "middle-then", "right"]).await.is_ok();
    sleep(seconds(40)).await;
    total += act(ledger, id, "label", &["charge"], Duration::ZERO).await?;
    let early = signal::<u64>("early").await?;
    let late = signal::<u64>("late").await?;
    total += act(ledger, id, "confirm", &["label"], Duration::from_millis(10)).await?;
    Ok(Report { total, charged, signals: vec![early, late] })
}

/// Fails twice; the first back-off is waited for in place, the second suspends.
async fn flaky(
    ledger: &Ledger,
    id: &str,
    name: &'static str,
    needs: &'static [&'static str],
) -> everstep::Result<u64> {
    let (ledger, of) = (ledger.clone(), id.to_owned());
    let retry =
        Retry::new().max_attempts(4).initial(Duration::from_secs(1)).factor(5.0).jitter(false);
    step(name, async move || {
        ledger.begin(&of, name, needs, false).await;
        match everstep::attempt() {
            1 | 2 => Err(Error::msg("not yet")),
            attempt => Ok(u64::from(attempt)),
        }
    })
    .input("of", id)
    .retry(retry)
    .await
}

/// An at-most-once step.
async fn charge(
    ledger: &Ledger,
    id: &str,
    needs: &'static [&'static str],
) -> everstep::Result<u64> {
    let (ledger, of) = (ledger.clone(), id.to_owned());
    step("charge", async move || {
        ledger.begin(&of, "charge", needs, true).await;
        Ok::<_, Error>(1)
    })
    .input("of", id)
    .at_most_once()
    .await
}

/// Steps that take about as long as a lease holds, alone and side by side, timers and signals.
#[workflow]
pub async fn busy(State(ledger): State<Ledger>, id: String) -> everstep::Result<u64> {
    let (ledger, id) = (&ledger, &*id);
    let mut total = act(ledger, id, "one", &[], Duration::ZERO).await?;
    let left = act(ledger, id, "left", &["one"], seconds(14));
    let right = async {
        let first = act(ledger, id, "right", &["one"], seconds(3)).await?;
        Ok::<_, Error>(first + act(ledger, id, "right-then", &["right"], seconds(4)).await?)
    };
    let (left, right) = tokio::join!(left, right);
    total += left? + right?;
    for name in ["signal-0", "signal-1"] {
        let _: u64 = signal("go").await?;
        total += act(ledger, id, name, &["left", "right-then"], Duration::ZERO).await?;
    }
    sleep(seconds(7)).await;
    total += act(ledger, id, "last", &["signal-0", "signal-1"], Duration::ZERO).await?;
    Ok(total)
}

/// What [`busy`] returns.
#[must_use]
pub fn busy_total() -> u64 {
    ["one", "left", "right", "right-then", "signal-0", "signal-1", "last"]
        .iter()
        .map(|name| name.len() as u64)
        .sum()
}

/// Tells the ledger of every error it meets. None of its own steps fails, but the one that runs at most
/// once may be interrupted.
#[workflow]
pub async fn wary(State(ledger): State<Ledger>, id: String) -> everstep::Result<u64> {
    let (ledger, id) = (&ledger, &*id);
    let mut total = 0;
    let mut add = |result: everstep::Result<u64>| match result {
        Ok(number) => total += number,
        Err(error) => ledger.saw(&error),
    };
    add(act(ledger, id, "first", &[], Duration::ZERO).await);
    let left = act(ledger, id, "left", &["first"], Duration::from_millis(5));
    let right = act(ledger, id, "right", &["first"], Duration::from_millis(20));
    let (left, right) = tokio::join!(left, right);
    add(left);
    add(right);
    if let Err(error) = charge(ledger, id, &["left", "right"]).await
        && !error.to_string().contains("interrupted")
    {
        ledger.saw(&error);
    }
    add(signal::<u64>("go").await.map_err(Error::from));
    sleep(Duration::from_millis(300)).await;
    add(act(ledger, id, "last", &["left", "right"], Duration::ZERO).await);
    Ok(total)
}

/// What [`wary`] returns if the signal is 1.
#[must_use]
pub fn wary_total() -> u64 {
    1 + ["first", "left", "right", "last"].iter().map(|name| name.len() as u64).sum::<u64>()
}
