//! A Lambda function that does what its request says: it returns, raises, crashes, takes too long,
//! or replies to a promise.

use std::time::Duration;

use everstep::invoke::Call;
use everstep::prelude::*;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// To return twice the number.
    Double(u64),
    /// To fail of an error of one's own.
    Raise(String),
    /// To end the process.
    Crash,
    /// To take longer than the function may.
    Sleep,
    /// Something else than what is expected.
    Text,
    /// To reply so many times, with this number and the next ones.
    Reply { times: u64, with: u64 },
    /// To reply with a failure.
    ReplyFailure(String),
}

#[derive(Debug)]
struct Raised(String);

impl From<Raised> for Diagnostic {
    fn from(raised: Raised) -> Self {
        Self { error_type: "Raised".to_owned(), error_message: raised.0 }
    }
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Raised> {
    let raised = |error: &dyn std::fmt::Display| Raised(error.to_string());
    let call = serde_json::from_value::<Call<Request>>(event.payload.clone());
    let request = match &call {
        Ok(call) => serde_json::from_value(event.payload["request"].clone())
            .map(|r: Request| (r, Some(call))),
        Err(_) => serde_json::from_value(event.payload).map(|r: Request| (r, None)),
    };
    let (request, call) = request.map_err(|error| raised(&error))?;
    match (request, call) {
        (Request::Double(number), _) => Ok(json!(2 * number)),
        (Request::Raise(what), _) => Err(Raised(what)),
        (Request::Crash, _) => std::process::exit(7),
        (Request::Sleep, _) => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(Value::Null)
        }
        (Request::Text, _) => Ok(json!("text")),
        (Request::Reply { times, with }, Some(call)) => {
            let backend = Backend::from_env().await.map_err(|error| raised(&error))?;
            let client = Client::new(&backend);
            let mut said = Vec::new();
            for number in with..with + times {
                let reply = call.reply(&client, &Ok::<_, String>(number)).await;
                said.push(reply.map_or_else(|error| error.to_string(), |done| format!("{done:?}")));
            }
            Ok(json!(said))
        }
        (Request::ReplyFailure(why), Some(call)) => {
            let backend = Backend::from_env().await.map_err(|error| raised(&error))?;
            let reply = call.reply(&Client::new(&backend), &Err::<(), _>(why)).await;
            reply.map_err(|error| raised(&error))?;
            Ok(json!(call.idempotency_key()))
        }
        (_, None) => Err(Raised("there is nobody to reply to".to_owned())),
    }
}

pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(handle)).await
}
