//! The step in which a schedule starts something, or decides not to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::state::Firing;
use super::{Overlap, Schedule};
use crate::backend::Backend;
use crate::client::{Client, HistoryError, OnConflict, SendError, StartError};
use crate::error::chain;
use crate::id::ExecutionId;
use crate::store::{Status, StoreError};
use crate::time::Clock;

/// The tag by which the executions of a schedule are found.
pub(super) const TAG: &str = "everstep.schedule";

/// What a host gives to the schedules that it serves.
#[derive(Clone, Default)]
pub(crate) struct Starter(Option<Client>);

impl Starter {
    /// It starts things here.
    pub(crate) fn new(backend: &Backend, clock: &Clock) -> Self {
        Self(Some(Client::on(backend, clock)))
    }
}

/// What came of a [`Firing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fired {
    /// Which of the open executions have ended.
    pub(super) ended: Vec<ExecutionId>,
    /// One of these that failed or was terminated, but by the policy.
    pub(super) failed: Option<ExecutionId>,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is there.
    Started,
    /// The policy says not to, or the failure does.
    Skipped,
    /// It is to wait until what is open has ended.
    Waits,
    /// It can never be started, for this reason.
    Refused(String),
}

/// One attempt to start something.
#[derive(Clone)]
pub(super) struct Fire {
    pub(super) starter: Starter,
    pub(super) id: String,
    pub(super) schedule: Arc<Schedule>,
    pub(super) open: Vec<ExecutionId>,
    pub(super) firing: Firing,
}

impl Fire {
    /// Does it. An error is one of store or queue and worth another attempt: nothing here does
    /// more if it is done again.
    pub(super) async fn run(self) -> Result<Fired, String> {
        let Some(client) = self.starter.0.clone() else {
            return Err("this program has no backend to start anything on".to_owned());
        };
        let (mut ended, mut failed, mut open) = (Vec::new(), None, Vec::new());
        for id in &self.open {
            match client.stored_record(id).await {
                Ok(record) if record.projection.status.is_closed() => {
                    ended.push(id.clone());
                    if self.is_failure(record.projection.status) {
                        failed = Some(id.clone());
                    }
                }
                Ok(_) => open.push(id),
                // What is not there any more has ended.
                Err(HistoryError::Unknown { .. }) => ended.push(id.clone()),
                Err(error) => return Err(chain(error)),
            }
        }
        let by_time = self.firing.time.is_some();
        let outcome = if self.schedule.pause_on_failure && failed.is_some() && by_time {
            Outcome::Skipped
        } else {
            match (self.schedule.overlap, open.is_empty()) {
                (_, true) | (Overlap::AllowAll, _) => self.start(&client).await?,
                (Overlap::Skip, false) => Outcome::Skipped,
                (Overlap::BufferOne, false) => Outcome::Waits,
                (Overlap::CancelOther, false) => {
                    for id in open {
                        sent(client.cancel(id, self.reason()).await.map(drop))?;
                    }
                    Outcome::Waits
                }
                (Overlap::TerminateOther, false) => {
                    for id in open {
                        sent(client.terminate(id, self.reason()).await)?;
                    }
                    Outcome::Waits
                }
            }
        };
        Ok(Fired { ended, failed, outcome })
    }

    /// Whether an execution that ended so has failed. What the schedule terminates itself has not.
    fn is_failure(&self, status: Status) -> bool {
        match status {
            Status::Failed => true,
            Status::Terminated => self.schedule.overlap != Overlap::TerminateOther,
            _ => false,
        }
    }

    fn reason(&self) -> String {
        format!("schedule {} starts {}", self.id, self.firing.execution)
    }

    async fn start(&self, client: &Client) -> Result<Outcome, String> {
        let Schedule { workflow, input, tags, .. } = &*self.schedule;
        // An execution of this id is this start's own: of a try that died, or of a schedule of the
        // same name that was deleted since.
        let mut start = client
            .start_named(workflow, input.clone())
            .id(self.firing.execution.clone())
            .on_conflict(OnConflict::AttachToAny);
        for (name, value) in tags {
            start = start.tag(name, value);
        }
        match start.tag(TAG, &self.id).await {
            Ok(_) => Ok(Outcome::Started),
            // What is too large now is so the next time.
            Err(error @ StartError::Store { source: StoreError::TooLarge { .. }, .. }) => {
                Ok(Outcome::Refused(chain(error)))
            }
            Err(
                error @ (StartError::Store { .. }
                | StartError::Wake { .. }
                | StartError::Send { .. }),
            ) => Err(chain(error)),
            Err(error) => Ok(Outcome::Refused(chain(error))),
        }
    }
}

/// What has ended meanwhile needs no message, and what has a log that nobody can read takes none: it
/// stays open, as what is blocked does.
fn sent(result: Result<(), SendError>) -> Result<(), String> {
    match result {
        Ok(())
        | Err(SendError::Closed { .. } | SendError::Unknown { .. } | SendError::Corrupt { .. }) => {
            Ok(())
        }
        Err(error) => Err(chain(error)),
    }
}
