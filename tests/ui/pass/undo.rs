//! Undos of every shape: free functions, methods, generics, steps, and arguments by value and by
//! reference.

use std::sync::Arc;

use everstep::{StepFailure, step, workflow};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Card(String);

#[derive(Clone)]
struct Bank(#[allow(dead_code, reason = "only its type matters")] Arc<u32>);

/// A result that is no `Clone`.
#[derive(serde::Serialize, serde::Deserialize)]
struct Charge(String);

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Refused {
    No,
}

impl From<StepFailure> for Refused {
    fn from(_: StepFailure) -> Self {
        Self::No
    }
}

#[step(
    skip(bank),
    undo = refunds::refund,
    undo_retry(max_attempts = 20, initial = "1s"),
    timeout = "3s"
)]
async fn charge(bank: &Bank, card: &Card, cents: u64, memo: String) -> Result<Charge, Refused> {
    let _ = bank;
    if cents == 0 { Err(Refused::No) } else { Ok(Charge(format!("{cents} {} {memo}", card.0))) }
}

mod refunds {
    use super::{Bank, Card, Charge};

    /// Its error is not the step's.
    pub(super) async fn refund(
        bank: &Bank,
        card: &Card,
        cents: u64,
        memo: &str,
        charge: &Charge,
    ) -> Result<(), String> {
        let _ = (bank, card);
        Err(format!("{cents} {memo} {}", charge.0))
    }
}

#[step(undo = unlist)]
async fn list(names: Vec<String>, (a, _b): (u8, u8), text: String) -> everstep::Result<String> {
    Ok(format!("{} {a} {text}", names.len()))
}

#[step]
async fn unlist(
    names: &[String],
    pair: (u8, u8),
    text: &String,
    listed: &str,
) -> everstep::Result<usize> {
    Ok(names.len() + usize::from(pair.0) + text.len() + listed.len())
}

impl Bank {
    #[step(undo = Self::close)]
    async fn open(&self, name: &str) -> everstep::Result<u32> {
        Ok(name.len() as u32)
    }

    async fn close(&self, name: &str, account: &u32) -> everstep::Result<()> {
        let _ = (name, account);
        Ok(())
    }
}

#[step(undo = forget::<T>)]
async fn keep<T: Clone + Send + Sync + serde::Serialize + 'static>(value: T) -> everstep::Result<u32> {
    let _ = value;
    Ok(1)
}

async fn forget<T: Clone>(value: &T, kept: &u32) -> everstep::Result<()> {
    let _ = (value.clone(), kept);
    Ok(())
}

#[step(undo = none)]
async fn look_up(name: String) -> everstep::Result<usize> {
    Ok(name.len())
}

#[workflow]
async fn all(name: String) -> everstep::Result<usize> {
    let bank = Bank(Arc::new(1));
    let _ = charge(&bank, &Card(name.clone()), 5, String::new()).await;
    let listed = list(vec![name.clone()], (1, 2), String::new()).await?;
    bank.open(&name).await?;
    keep(5_u8).await?;
    everstep::compensate("all", async move || Ok::<_, everstep::Error>(()));
    Ok(look_up(name).await? + listed.len())
}

fn main() {
    let _ = everstep::App::new().workflow(all);
}
