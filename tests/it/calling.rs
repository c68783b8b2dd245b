//! Calls to others over HTTP that are made once, however often their step runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use everstep::prelude::*;
use everstep::{StepFailure, idempotency_header, postpone};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../docs/guide/calling-others.md");

// What is between the marks is what the guide shows.
// guide
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum BankError {
    #[error("the bank declines")]
    Declined,
    #[error("the bank cannot be asked: {0}")]
    NoAnswer(String),
}

impl From<StepFailure> for BankError {
    fn from(failure: StepFailure) -> Self {
        Self::NoAnswer(failure.to_string())
    }
}

#[step(
    skip(http),
    timeout = "30s",
    total_timeout = "12h",
    retry_if = |error: &BankError| !matches!(error, BankError::Declined)
)]
async fn charge(http: &reqwest::Client, url: &str, cents: u64) -> Result<String, BankError> {
    let no_answer = |error: reqwest::Error| BankError::NoAnswer(error.without_url().to_string());
    let (name, value) = idempotency_header();
    let request = http.post(url).header(name, value).body(cents.to_string());
    let answer = request.send().await.map_err(no_answer)?;
    if answer.status() == 429 {
        let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok());
        let wait = seconds(wait.and_then(|wait| wait.parse().ok()).unwrap_or(60));
        let not_yet = postpone(wait, "the bank is busy").await;
        return Err(BankError::NoAnswer(not_yet.to_string()));
    }
    match answer.error_for_status() {
        Ok(answer) => answer.text().await.map_err(no_answer),
        Err(error) if error.status().is_some_and(|status| status == 402) => {
            Err(BankError::Declined)
        }
        Err(error) => Err(no_answer(error)),
    }
}
// end

#[workflow]
async fn sell(
    State(http): State<reqwest::Client>,
    State(url): State<String>,
    cents: u64,
) -> Result<String, BankError> {
    charge(&http, &url, cents).await
}

#[test]
fn the_guide_shows_the_code_that_is_tested_here() {
    let source = include_str!("calling.rs");
    let code = source.split("// guide\n").nth(1).unwrap().split("// end\n").next().unwrap();
    assert!(PAGE.contains(code), "docs/guide/calling-others.md must have:\n{code}");
}

/// A bank that takes each key once.
#[derive(Clone, Default)]
struct Bank {
    charges: Arc<Mutex<HashMap<String, String>>>,
    calls: Arc<Mutex<Vec<String>>>,
    /// What it does to the next calls, the last one first.
    moods: Arc<Mutex<Vec<Mood>>>,
}

enum Mood {
    /// It charges, and its answer is lost.
    LosesItsAnswer,
    Busy,
    Declines,
}

async fn take(
    Shared(bank): Shared<Bank>,
    headers: HeaderMap,
    cents: String,
) -> (StatusCode, HeaderMap, String) {
    let key = headers.get("Idempotency-Key").unwrap().to_str().unwrap().to_owned();
    bank.calls.lock().unwrap().push(key.clone());
    let mood = bank.moods.lock().unwrap().pop();
    let mut answer = HeaderMap::new();
    match mood {
        Some(Mood::Busy) => {
            answer.insert("retry-after", "1".parse().unwrap());
            return (StatusCode::TOO_MANY_REQUESTS, answer, String::new());
        }
        Some(Mood::Declines) => return (StatusCode::PAYMENT_REQUIRED, answer, String::new()),
        Some(Mood::LosesItsAnswer) | None => {}
    }
    let mut charges = bank.charges.lock().unwrap();
    let number = charges.len() + 1;
    let charge =
        charges.entry(key).or_insert_with(|| format!("charge {number} of {cents}")).clone();
    match mood {
        Some(_) => (StatusCode::BAD_GATEWAY, answer, String::new()),
        None => (StatusCode::OK, answer, charge),
    }
}

/// Sells once, with a bank that does this first.
async fn sale(mut moods: Vec<Mood>) -> (Bank, Result<String, String>) {
    moods.reverse();
    let bank = Bank { moods: Arc::new(Mutex::new(moods)), ..Bank::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/charges", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/charges", post(take)).with_state(bank.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let backend = Backend::memory();
    let app = App::new().workflow(sell).state(reqwest::Client::new()).state(url);
    let app = app.backend(backend.clone());
    let sale = Client::new(&backend).start(sell, 6_980).await.unwrap();
    let result = app.worker().await.unwrap().run_until(sale.result()).await.unwrap();
    server.abort();
    (bank, result.map_err(|error| format!("{error:?}")))
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_asked_for_again_and_made_once() {
    let (bank, result) = sale(vec![Mood::LosesItsAnswer, Mood::LosesItsAnswer]).await;
    assert_eq!(result.unwrap(), "charge 1 of 6980");
    let calls = bank.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|key| *key == calls[0] && uuid::Uuid::parse_str(key).is_ok()));
    assert_eq!(bank.charges.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bank_that_is_busy_is_asked_when_it_said_and_one_that_declines_is_not_asked_again() {
    let begun = std::time::Instant::now();
    let (bank, result) = sale(vec![Mood::Busy, Mood::Busy]).await;
    assert_eq!(result.unwrap(), "charge 1 of 6980");
    assert_eq!(bank.calls.lock().unwrap().len(), 3);
    assert!(begun.elapsed() >= seconds(2), "{:?}", begun.elapsed());
    let (bank, result) = sale(vec![Mood::Declines]).await;
    assert!(result.unwrap_err().contains("Declined"));
    assert_eq!(bank.calls.lock().unwrap().len(), 1);
}

#[test]
fn outside_of_a_workflow_each_call_has_a_key_of_its_own() {
    let (one, two) = (idempotency_header(), idempotency_header());
    assert_eq!((one.0, two.0), ("idempotency-key", "idempotency-key"));
    assert_ne!(one.1, two.1);
}
