use std::time::Duration;

use clap::Args;
use everstep::ExecutionId;
use everstep::event::Json;
use everstep::limits::UPDATE_WAIT;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::{backend, input};

/// Ask an execution something and print its answer.
///
/// The update is kept until the workflow takes it, and answered once: the same id gets the same
/// answer, also after the execution's end.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The execution's id.
    id: ExecutionId,

    /// The update's name.
    name: String,

    /// What is asked: JSON, @FILE, or - for standard input.
    #[arg(value_name = "REQUEST", default_value = "null", allow_negative_numbers = true)]
    request: String,

    /// The update's id: a second update with the same id is the same update. A random one if
    /// absent.
    #[arg(long, value_name = "ID")]
    update_id: Option<String>,

    /// How long to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = UPDATE_WAIT.as_secs())]
    wait: u64,
}

#[derive(Serialize)]
struct Answered<'a> {
    execution: &'a str,
    update: &'a str,
    update_id: &'a str,
    reply: Json,
}

impl Update {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let request = input::read("the request", &self.request)?;
        // Chosen here and not by the client, so that a failure can name it.
        let update_id = self.update_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let client = backend::existing(url).await?;
        let updating = client.update::<Json>(&self.id, &self.name, &request).id(&update_id);
        let reply = match updating.wait(Duration::from_secs(self.wait)).await {
            Ok(reply) => reply,
            Err(error) => return Err(Failure::of_update(error, &update_id)),
        };
        if out.json {
            let (execution, update) = (self.id.as_str(), &self.name);
            return out.object(&Answered { execution, update, update_id: &update_id, reply });
        }
        out.line(reply.as_str())
    }
}
