use clap::{Args, ValueEnum};
use everstep::ExecutionId;
use everstep::client::OnConflict;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::{backend, input};

/// Start an execution of a workflow, and print its id.
///
/// Whether there is a workflow of that name, and whether it can read the input, shows when a
/// worker takes the execution up: if not, it is blocked and says why. Starting twice with one id
/// is starting once.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The workflow's name.
    workflow: String,

    /// The execution's id, and the key by which a repeated start is known; a random one if absent.
    #[arg(long)]
    id: Option<ExecutionId>,

    /// The workflow's input: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
    input: String,

    /// What to do if an execution with this id exists.
    #[arg(long, value_name = "POLICY", default_value = "attach")]
    on_conflict: Policy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// Fine if workflow and input are the same, else an error.
    Attach,
    /// Fine, whatever its input.
    AttachToAny,
    /// An error.
    Reject,
    /// A closed one starts again, as a new run in the same log; an open one is an error.
    Restart,
}

#[derive(Serialize)]
struct Started<'a> {
    id: &'a str,
    workflow: &'a str,
    new: bool,
}

impl Start {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let input = input::read("the input", &self.input)?;
        let id = self.id.unwrap_or_else(ExecutionId::random);
        let client = backend::new_or_existing(url).await?;
        let policy = match self.on_conflict {
            Policy::Attach => OnConflict::Attach,
            Policy::AttachToAny => OnConflict::AttachToAny,
            Policy::Reject => OnConflict::Reject,
            Policy::Restart => OnConflict::Restart,
        };
        let start = client.start_named(&self.workflow, input).id(id).on_conflict(policy);
        let handle = start.await?;
        let (id, new) = (handle.id().as_str(), handle.is_new());
        if out.json {
            return out.object(&Started { id, workflow: &self.workflow, new });
        }
        if !new {
            talk("it was there already");
        }
        out.line(id)
    }
}
