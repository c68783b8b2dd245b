//! A model that is played: an HTTP server in this process with a fixed line of thought.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::workflow::{Call, Message, Question, Reply, Says};

/// How long it thinks.
const THINKS: Duration = Duration::from_millis(300);

/// Serves the model on a free port of this machine, for as long as the process lives. Returns its
/// URL. It is busy every third time it is asked.
pub async fn serve() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1/reply", listener.local_addr()?);
    let asked = Arc::new(AtomicU32::new(0));
    let model = Router::new().route("/v1/reply", post(reply)).with_state(asked);
    tokio::spawn(async move { axum::serve(listener, model).await });
    Ok(url)
}

async fn reply(
    State(asked): State<Arc<AtomicU32>>,
    Json(question): Json<Question>,
) -> Result<Json<Reply>, StatusCode> {
    if asked.fetch_add(1, Ordering::Relaxed) % 3 == 1 {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    tokio::time::sleep(THINKS).await;
    let says = think(&question.conversation);
    Ok(Json(Reply { says, tokens: 40 * question.conversation.len() as u32 }))
}

/// What to say next: both temperatures, their difference, a sentence.
fn think(conversation: &[Message]) -> Says {
    let call = |tool: &str, argument: String| Call { tool: tool.to_owned(), argument };
    let results: Vec<&str> = conversation
        .iter()
        .filter_map(|message| match message {
            Message::Tool(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match results[..] {
        [] => {
            let towns = ["Lisbon", "Oslo"];
            Says::Use(towns.map(|town| call("weather", town.to_owned())).to_vec())
        }
        [lisbon, oslo] => Says::Use(vec![call("subtract", format!("{lisbon} - {oslo}"))]),
        [.., difference] => {
            Says::Answer(format!("Lisbon is {difference} degrees warmer than Oslo."))
        }
    }
}
