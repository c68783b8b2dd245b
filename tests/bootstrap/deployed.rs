//! A Lambda function for the tests of the templates: it has an HTTP front, schedules, code that kills
//! it, and timers and payloads that need more than table and queue.

use std::path::Path;
use std::time::Duration;

use everstep::http::Front;
use everstep::prelude::*;
use tracing_subscriber::filter::LevelFilter;

use super::ponder::ponder;
use super::travel::travel;

/// Takes its time, so that whoever dies beside it dies before it has ended.
#[step]
async fn compose(name: &str) -> everstep::Result<String> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(format!("Hello, {name}"))
}

#[workflow]
async fn greet(name: String) -> everstep::Result<String> {
    compose(&name).await
}

/// Hears a word, doubles a number for whoever asks, and is given another one; it shows how far it is.
#[workflow]
async fn converse(_: ()) -> everstep::Result<String> {
    let gift = promise::<u64>("gift");
    publish("listening");
    let word = signal::<String>("word").await?;
    publish(&format!("heard {word}"));
    let doubled = loop {
        let asked = update::<u64, u64>("double").await;
        let doubled = 2 * *asked.request();
        if doubled > 100 {
            asked.reject("that is too much");
            continue;
        }
        asked.reply(&doubled);
        break doubled;
    };
    Ok(format!("{word}, {doubled}, {}", gift.await?))
}

/// Kills its process, until the file of its input is there.
#[workflow]
async fn poison(antidote: String) -> everstep::Result<()> {
    overflow(&antidote);
    Ok(())
}

/// As a stack overflow does, or memory that is used up: nobody can catch it.
fn overflow(antidote: &str) {
    if !Path::new(antidote).exists() {
        std::process::abort();
    }
}

/// What begins at a version of `pinned` stays there, and it says what goes wrong. Who asks `signed` has signed, and its door is IAM: there is no room for a token in such a request.
pub(crate) async fn run(stack: &str) -> Result<(), lambda_runtime::Error> {
    let front = match stack {
        "signed" => Front::new(),
        _ => Front::new().bearer("a-long-secret"),
    };
    let app = App::new().workflow(greet).workflow(ponder).workflow(converse).workflow(poison);
    let mut app = app.workflow(travel).schedules();
    if stack == "pinned" {
        tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_ansi(false).init();
        app = app.pin_to_version();
    }
    Ok(app.http(front).run().await?)
}
