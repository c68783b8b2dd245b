//! A Lambda function that starts an execution for each thing that happens, whose result says what
//! it was. What says `refuse` is refused until the file that `ANTIDOTE` names is there, and objects
//! of any bucket but `pictures` always. Beside that there are messages and events which are meant for
//! an execution that is there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use everstep::PromiseError;
use everstep::prelude::*;
use everstep::trigger::{Action, TableRow, Trigger};
use serde::Deserialize;

#[workflow]
async fn notice(what: String) -> everstep::Result<String> {
    Ok(what)
}

/// Listens until it is told that all is said, and then waits for an answer.
#[workflow]
async fn listen(_: ()) -> everstep::Result<String> {
    let answer = promise::<String>("answer");
    let mut said = signals::<String>("said");
    let mut heard = Vec::new();
    loop {
        match said.next().await? {
            over if over == "over" => break,
            more => heard.push(more),
        }
    }
    heard.push(match answer.await {
        Ok(answer) => answer,
        Err(PromiseError::Failed { reason, .. }) => format!("no answer: {reason}"),
        Err(error) => return Err(error.into()),
    });
    Ok(heard.join(", "))
}

/// What an event says of a promise.
#[derive(Deserialize)]
enum Answer {
    Given { to: PromiseToken, answer: String },
    Refused { to: PromiseToken, why: String },
}

/// Whether this process was asked about a message for an execution.
static TOLD: AtomicBool = AtomicBool::new(false);

/// `tell ID: WORD` is for an execution.
fn told(message: &str) -> Option<Action> {
    let (id, word) = message.strip_prefix("tell ")?.split_once(": ")?;
    TOLD.store(true, Ordering::Relaxed);
    Some(Action::signal(id, "said", word).into())
}

/// At the end of an invocation that has had such a message the process dies, before Lambda hears that
/// all is done: once for the file that `DEATH` names.
fn die() {
    let death = std::env::var_os("DEATH").unwrap_or_default();
    if TOLD.swap(false, Ordering::Relaxed) && std::fs::remove_file(&death).is_ok() {
        std::process::abort();
    }
}

fn on(trigger: Trigger) -> everstep::Result<Action> {
    match &trigger {
        Trigger::Sqs(message) => {
            if let Some(action) = told(&message.body) {
                return Ok(action);
            }
        }
        Trigger::EventBridge(event) if event.detail_type == "Answer" => {
            return Ok(match event.json()? {
                Answer::Given { to, answer } => Action::complete(&to, &answer),
                Answer::Refused { to, why } => Action::fail(&to, why),
            });
        }
        _ => {}
    }
    let what = match trigger {
        Trigger::S3(object) if object.bucket != "pictures" => {
            let why = format_args!("nobody knows the bucket {:?}", object.bucket);
            return Err(everstep::Error::msg(why));
        }
        Trigger::S3(object) => format!("{:?} {}/{}", object.change, object.bucket, object.key),
        Trigger::Sqs(message) => message.body,
        Trigger::Sns(message) => {
            format!("{}, {}", message.subject.unwrap_or_default(), message.message)
        }
        Trigger::EventBridge(event) => format!("{}: {}", event.detail_type, event.detail),
        Trigger::Table(change) => match change.row {
            TableRow::Inserted { new: Some(new) } => format!("new in {}: {new}", change.table),
            row => format!("{row:?}"),
        },
        Trigger::Invoke(invoke) => invoke.json()?,
        Trigger::Schedule(schedule) => format!("{} is due", schedule.schedule),
    };
    let antidote = std::env::var_os("ANTIDOTE").unwrap_or_default();
    if what.contains("refuse") && !Path::new(&antidote).exists() {
        return Err(everstep::Error::msg("as it asks for"));
    }
    Ok(Action::start(notice, what).into())
}

pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    Ok(App::new().workflow(notice).workflow(listen).on(on).flush(die).run().await?)
}
