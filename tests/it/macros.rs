//! S14: steps and workflows outside a workflow are the functions they were written as.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use everstep::{State, StepFailure, step, workflow};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum PaymentError {
    Refused { cents: u32 },
    Busy,
}

impl From<StepFailure> for PaymentError {
    fn from(_: StepFailure) -> Self {
        Self::Busy
    }
}

/// Counts what a step does with it.
#[derive(Debug, Default)]
struct Counts {
    clones: AtomicU32,
    runs: AtomicU32,
}

#[derive(Debug)]
struct Card(Arc<Counts>);

impl Clone for Card {
    fn clone(&self) -> Self {
        self.0.clones.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Card {
    fn new() -> (Self, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        (Self(Arc::clone(&counts)), counts)
    }
}

#[step(
    skip(card),
    retry(max_attempts = 5, initial = "1ms"),
    retry_if = |error| *error == PaymentError::Busy,
    timeout = "1m"
)]
async fn charge(card: &Card, cents: u32) -> Result<u32, PaymentError> {
    card.0.runs.fetch_add(1, Ordering::Relaxed);
    match cents {
        0 => Err(PaymentError::Busy),
        1..100 => Ok(cents + 1),
        _ => Err(PaymentError::Refused { cents }),
    }
}

#[tokio::test]
async fn a_step_called_outside_a_workflow_is_the_plain_function() {
    let (card, _) = Card::new();
    assert_eq!(charge(&card, 5).await, Ok(6));
    assert_eq!(charge(&card, 500).await, Err(PaymentError::Refused { cents: 500 }));
}

#[tokio::test]
async fn outside_a_workflow_an_error_is_not_tried_again() {
    let (card, counts) = Card::new();
    assert_eq!(charge(&card, 0).await, Err(PaymentError::Busy));
    assert_eq!(counts.runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_step_clones_a_reference_once_and_runs_when_awaited() {
    let (card, counts) = Card::new();
    let charging = charge(&card, 5);
    assert_eq!(counts.runs.load(Ordering::Relaxed), 0);
    charging.await.unwrap();
    assert_eq!(counts.runs.load(Ordering::Relaxed), 1);
    assert_eq!(counts.clones.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_step_outlives_what_it_was_called_with() {
    let spawned = {
        let (card, _) = Card::new();
        tokio::spawn(charge(&card, 7))
    };
    assert_eq!(spawned.await.unwrap(), Ok(8));
}

#[derive(Debug, Clone)]
struct Shop {
    open: bool,
}

impl Shop {
    #[step]
    async fn sell(&self, mut basket: Vec<String>, one_more: &str) -> everstep::Result<usize> {
        if !self.open {
            return Err(everstep::Error::msg("closed").terminal());
        }
        basket.push(one_more.to_owned());
        // A step in a step's body is the plain function.
        count(&basket).await
    }
}

#[step]
async fn count(basket: &[String]) -> everstep::Result<usize> {
    let number: usize = "1".parse()?;
    Ok(basket.len() * number)
}

#[tokio::test]
async fn a_method_is_a_step_and_leaves_its_arguments_as_they_were() {
    let basket = vec!["tea".to_owned()];
    assert_eq!(Shop { open: true }.sell(basket.clone(), "cup").await, Ok(2));
    assert_eq!(basket.len(), 1);
    let closed = Shop { open: false }.sell(basket, "cup").await.unwrap_err();
    assert!(closed.is_terminal());
}

/// Sells what it is asked for.
#[workflow]
async fn sell(State(shop): State<Shop>, basket: Vec<String>) -> everstep::Result<usize> {
    let (first, second) =
        tokio::join!(shop.sell(basket.clone(), "tea"), shop.sell(basket.clone(), "cup"));
    let receipt = everstep::step("print", async || Ok::<_, everstep::Error>(1)).await?;
    Ok(first? + second? + receipt)
}

#[tokio::test]
async fn a_workflow_called_directly_is_the_plain_function() {
    assert_eq!(sell(State(Shop { open: true }), Vec::new()).await, Ok(3));
    let closed = sell(State(Shop { open: false }), Vec::new()).await.unwrap_err();
    assert_eq!(closed.to_string(), "closed");
}

#[derive(Debug, Clone)]
struct Carrier;

impl Carrier {
    #[step(name = "print the label", skip(_copies), retry = none)]
    async fn label(&self, to: &str, (a, b): (u8, u8), _copies: u8) -> Result<u8, PaymentError> {
        let _ = to;
        a.checked_sub(b).ok_or(PaymentError::Busy)
    }
}

/// Where the one call of `label` stands.
const LABEL_LINE: u32 = line!() + 5;

/// Prints a label.
#[workflow]
async fn ship(State(carrier): State<Carrier>, to: String) -> Result<u8, PaymentError> {
    let label = carrier.label(&to, (5, 3), 9);
    label.await
}

#[tokio::test]
async fn in_a_workflow_a_step_records_its_name_its_arguments_and_the_line_of_its_call() {
    let backend = everstep::Backend::memory();
    let app = everstep::App::new().workflow(ship).state(Carrier).backend(backend.clone());
    let worker = app.worker().await.unwrap();
    let handle = everstep::Client::new(&backend).start(ship, "Ada".to_owned()).await.unwrap();
    assert_eq!(worker.run_until(handle.result()).await.unwrap().unwrap(), 2);

    let history = handle.history().await.unwrap();
    let step = history
        .iter()
        .flat_map(|commit| &commit.events)
        .find_map(|event| match event {
            everstep::event::Event::StepCompleted(step) => Some(step),
            _ => None,
        })
        .unwrap();
    assert_eq!(step.key.to_string(), "print the label#1");
    assert_eq!(step.input.as_str(), r#"{"to":"Ada","arg2":[5,3]}"#);
    assert!(step.site.ends_with(&format!("macros.rs:{LABEL_LINE}")), "{}", step.site);
}
