//! A Lambda function that starts an execution for each thing that happens, whose result says what
//! it was. A text `refuse` is refused.

use everstep::prelude::*;
use everstep::trigger::{Action, TableRow, Trigger};

#[workflow]
async fn notice(what: String) -> everstep::Result<String> {
    Ok(what)
}

fn on(trigger: Trigger) -> everstep::Result<Action> {
    let what = match trigger {
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
        Trigger::Schedule(_) => return Ok(Action::ignore()),
    };
    if what == "refuse" {
        return Err(everstep::Error::msg("as it asks for"));
    }
    Ok(Action::start(notice, what).into())
}

#[tokio::main]
async fn main() -> Result<(), everstep::host::RunError> {
    App::new().workflow(notice).on(on).run().await
}
