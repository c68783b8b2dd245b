use clap::Args;
use everstep::ExecutionId;
use everstep::store::Status;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Ask blocked executions to go on, after what blocked them was fixed.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The execution's id.
    #[arg(required_unless_present = "all", conflicts_with_all = ["all", "workflow"])]
    id: Option<ExecutionId>,

    /// Every blocked execution of one workflow.
    #[arg(long, requires = "workflow")]
    all: bool,

    /// Which workflow.
    #[arg(long, value_name = "NAME", requires = "all")]
    workflow: Option<String>,
}

#[derive(Serialize)]
struct Asked {
    resumed: usize,
}

impl Resume {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let resumed = match (&self.id, &self.workflow) {
            (Some(id), _) => {
                let status = client.describe(id).await?.projection.status;
                // Sent even if it is not blocked: the record may be behind, and it does no harm.
                client.resume(id).await?;
                if status != Status::Blocked {
                    talk(format_args!("{id} is {status}, not blocked: it takes no notice"));
                }
                usize::from(status == Status::Blocked)
            }
            (None, Some(workflow)) => client.resume_blocked(workflow).await?,
            (None, None) => return Err(Failure::usage("no execution is named: give an id")),
        };
        if out.json {
            return out.object(&Asked { resumed });
        }
        out.line(format_args!("asked to go on: {resumed}"))
    }
}
