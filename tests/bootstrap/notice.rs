//! A Lambda function that starts an execution for each thing that happens, whose result says what
//! it was. What says `refuse` is refused until the file that `ANTIDOTE` names is there, and objects
//! of any bucket but `pictures` always.

use std::path::Path;

use everstep::prelude::*;
use everstep::trigger::{Action, TableRow, Trigger};

#[workflow]
async fn notice(what: String) -> everstep::Result<String> {
    Ok(what)
}

fn on(trigger: Trigger) -> everstep::Result<Action> {
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
    Ok(App::new().workflow(notice).on(on).run().await?)
}
