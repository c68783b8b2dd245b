use clap::Args;
use everstep::ExecutionId;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// End an execution without its code, blocked or not: nothing is undone.
///
/// It ends as soon as a worker looks at it, any worker. This is for executions that cannot go on:
/// `cancel` lets all others undo what they did. Asking twice is asking once.
#[derive(Debug, Args)]
pub(crate) struct Terminate {
    /// The execution's id.
    id: ExecutionId,

    /// Why, for those who read the log.
    #[arg(long)]
    reason: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    execution: &'a str,
    reason: &'a str,
}

impl Terminate {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        client.terminate(&self.id, &self.reason).await?;
        if out.json {
            return out.object(&Asked { execution: self.id.as_str(), reason: &self.reason });
        }
        talk(format_args!("{} is to end without its code; a worker does it", self.id));
        Ok(())
    }
}
