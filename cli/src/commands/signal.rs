use clap::Args;
use everstep::ExecutionId;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::{backend, exit, input};

/// Send a signal to an execution.
///
/// It is kept until the workflow takes it, whether or not it waits already.
#[derive(Debug, Args)]
pub(crate) struct Signal {
    /// The execution's id.
    id: ExecutionId,

    /// The signal's name.
    name: String,

    /// What it carries: JSON, @FILE, or - for standard input.
    #[arg(value_name = "PAYLOAD", default_value = "null", allow_negative_numbers = true)]
    payload: String,

    /// The signal's id: a second signal with the same id is the same signal. A random one if
    /// absent.
    #[arg(long, value_name = "ID")]
    signal_id: Option<String>,
}

#[derive(Serialize)]
struct Sent<'a> {
    execution: &'a str,
    signal: &'a str,
    signal_id: &'a str,
}

impl Signal {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let payload = input::read("the payload", &self.payload)?;
        // Chosen here and not by the client, so that a failure can name it.
        let signal_id = self.signal_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let client = backend::existing(url).await?;
        let sending = client.signal(&self.id, &self.name, &payload).id(&signal_id);
        if let Err(error) = sending.await {
            let failure = Failure::from(error);
            return Err(match failure.code {
                exit::UNAVAILABLE => {
                    failure.todo(format!("repeat it with --signal-id {signal_id}"))
                }
                _ => failure,
            });
        }
        if out.json {
            let (execution, signal) = (self.id.as_str(), &self.name);
            return out.object(&Sent { execution, signal, signal_id: &signal_id });
        }
        talk(format_args!("signal {} is sent to {}", self.name, self.id));
        Ok(())
    }
}
