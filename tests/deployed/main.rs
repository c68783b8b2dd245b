//! A Lambda function for the tests of the templates: it has an HTTP front, and code that kills it.

use std::path::Path;
use std::time::Duration;

use everstep::http::Front;
use everstep::prelude::*;

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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let front = Front::new().bearer("a-long-secret");
    Ok(App::new().workflow(greet).workflow(poison).http(front).run().await?)
}
