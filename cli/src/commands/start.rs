use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use everstep::ExecutionId;
use everstep::client::{Client, OnConflict};
use everstep::event::{Event, Json};
use everstep::store::{Record, Status};
use serde::Serialize;

use super::record::tag;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::{backend, input};

/// Start an execution of a workflow, and print its id.
///
/// Whether there is a workflow of that name, and whether it can read the input, shows when a
/// worker takes the execution up: if not, it is blocked and says why; `--wait` waits for that.
/// Starting twice with one id is starting once.
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

    /// What to find it by with `list --tag`; several times for several tags.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,

    /// A signal that comes with the start; an execution that exists gets it too. May be repeated.
    #[arg(long, value_name = "NAME=JSON", value_parser = signal)]
    signal: Vec<(String, Json)>,

    /// The signals' ids, in the same order: a second signal with the same id is the same signal.
    /// Random ones if absent.
    #[arg(long, value_name = "ID", requires = "signal")]
    signal_id: Vec<String>,

    /// What to do if an execution with this id exists.
    #[arg(long, value_name = "POLICY", default_value = "attach")]
    on_conflict: Policy,

    /// Wait until a worker has taken it up, so many seconds at most, and fail if it is blocked.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10"
    )]
    wait: Option<u64>,
}

/// How often `--wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    /// Where it stands after `--wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

impl Start {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let input = input::read("the input", &self.input)?;
        if self.signal_id.len() > self.signal.len() {
            return Err(Failure::usage("there are more signal ids than signals"));
        }
        let id = self.id.unwrap_or_else(ExecutionId::random);
        let client = Client::new(&backend::new(url).await?);
        let policy = match self.on_conflict {
            Policy::Attach => OnConflict::Attach,
            Policy::AttachToAny => OnConflict::AttachToAny,
            Policy::Reject => OnConflict::Reject,
            Policy::Restart => OnConflict::Restart,
        };
        let mut start = client.start_named(&self.workflow, input).id(id).on_conflict(policy);
        for (name, value) in self.tags {
            start = start.tag(name, value);
        }
        let mut ids = self.signal_id.into_iter();
        for (name, payload) in self.signal {
            start = start.signal(name, &payload);
            if let Some(id) = ids.next() {
                start = start.signal_id(id);
            }
        }
        let handle = start.await?;
        let (id, new) = (handle.id().as_str(), handle.is_new());
        let seen = match self.wait {
            Some(seconds) => Some(wait(&client, handle.id(), Duration::from_secs(seconds)).await?),
            None => None,
        };
        if out.json {
            let status = seen.as_ref().map(|record| record.projection.status);
            out.object(&Started { id, workflow: &self.workflow, new, status })?;
        } else {
            if !new {
                talk("it was there already");
            }
            out.line(id)?;
        }
        match seen.map(|record| record.projection) {
            Some(now) if now.status == Status::Blocked => {
                let reason = now.reason.unwrap_or_default();
                let error = format!("execution {id} is blocked: {reason}");
                let todo = "put it right, deploy, then `everstep resume`";
                Err(Failure::new(exit::BLOCKED, error).todo(todo))
            }
            _ => Ok(()),
        }
    }
}

/// `NAME=JSON`, or `NAME` for null.
fn signal(text: &str) -> Result<(String, Json), String> {
    let (name, payload) = text.split_once('=').unwrap_or((text, "null"));
    let payload = Json::parse(payload.to_owned());
    let payload =
        payload.map_err(|error| format!("what the signal carries is not JSON: {error}"))?;
    Ok((name.to_owned(), payload))
}

/// Waits until the execution is blocked or something was done in it.
async fn wait(client: &Client, id: &ExecutionId, most: Duration) -> Result<Record, Failure> {
    let start = Instant::now();
    loop {
        let loaded = client.load(id).await?;
        let commits = loaded.read().0;
        let last = commits.last().into_iter().flat_map(|commit| &commit.events);
        // A run that continues another one has been taken up.
        let waits = last
            .into_iter()
            .any(|event| matches!(event, Event::WorkflowStarted(e) if e.first_input.is_none()));
        if !waits || loaded.record.projection.status == Status::Blocked {
            return Ok(loaded.record);
        }
        if start.elapsed() >= most {
            talk(format_args!("no worker has taken it up within {} s", most.as_secs()));
            return Ok(loaded.record);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
