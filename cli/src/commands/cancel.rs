use clap::Args;
use everstep::ExecutionId;
use everstep::store::Status;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Ask for an execution to be cancelled.
///
/// It ends at what it waits for now, as soon as a worker looks at it; if it is blocked, after a fix
/// and a resume. Asking twice is asking once.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The execution's id.
    id: ExecutionId,

    /// Why, for those who read the log.
    #[arg(long, default_value = "asked for with the everstep command")]
    reason: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    execution: &'a str,
    reason: &'a str,
}

impl Cancel {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        client.cancel(&self.id, &self.reason).await?;
        if out.json {
            return out.object(&Asked { execution: self.id.as_str(), reason: &self.reason });
        }
        if client.describe(&self.id).await?.projection.status == Status::Blocked {
            talk(format_args!(
                "{} is blocked, and ends when it can go on: after a fix and `everstep resume`",
                self.id
            ));
        } else {
            talk(format_args!("{} is asked to end; a worker does it", self.id));
        }
        Ok(())
    }
}
