//! Looking for the answer to an update, as the log grows.

use crate::client::{Client, HistoryError, ask};
use crate::event::{Commit, Event, Reply};
use crate::id::{CommitNumber, ExecutionId};
use crate::store::Status;
use crate::time::Timestamp;

/// The answers to one update, as the log grows.
pub(super) struct Answers<'a> {
    pub(super) client: &'a Client,
    pub(super) to: ExecutionId,
    pub(super) item: String,
    /// Whether it may have been sent before, and answered in an earlier run.
    pub(super) known: bool,
    /// It was sent after this time, if it is not known.
    pub(super) since: Timestamp,
    /// Where the run began that the log was last read of.
    pub(super) first: Option<CommitNumber>,
    /// Up to which commit the log was read.
    pub(super) seen: Option<CommitNumber>,
    /// Whether the log has the update.
    pub(super) taken: bool,
}

pub(super) enum Answer {
    None,
    Reply(Reply),
    Closed(Status),
    Blocked(String),
}

impl Answers<'_> {
    /// Asks the record, and reads the log only if it has grown since.
    pub(super) async fn look(&mut self) -> Result<Answer, HistoryError> {
        let projection = match ask(|| self.client.store.record(&self.to)).await {
            Ok(Some(record)) => record.projection,
            Ok(None) => return Err(HistoryError::Unknown { id: self.to.clone() }),
            // No answer now: the caller has said how long to wait.
            Err(error) if error.is_retryable() => return Ok(Answer::None),
            Err(error) => return Err(error.into()),
        };
        if self.seen.is_none_or(|seen| projection.commit > seen) {
            let commits = self.commits(projection.first).await?;
            self.seen = commits.last().map(|commit| commit.number);
            self.taken = false;
            for event in commits.into_iter().flat_map(|commit| commit.events) {
                match event {
                    Event::UpdateReceived(update) if update.id == self.item => self.taken = true,
                    Event::UpdateReplied(mut replied) if replied.update == self.item => {
                        if let Reply::Value(json) | Reply::Rejected(json) = &mut replied.reply {
                            self.client.open_payload(&self.to, json).await?;
                        }
                        return Ok(Answer::Reply(replied.reply));
                    }
                    // A later run does not answer it.
                    end if end.is_end() && self.taken => {
                        return Ok(Answer::Closed(status_of(&end)));
                    }
                    _ => {}
                }
            }
        }
        Ok(match projection.status {
            status if status.is_closed() => Answer::Closed(status),
            Status::Blocked => Answer::Blocked(projection.reason.unwrap_or_default()),
            _ => Answer::None,
        })
    }

    /// The commits that may hold the answer. Those of earlier runs are read only if it may be
    /// there: an execution that continues as new for years has many.
    async fn commits(&mut self, first: CommitNumber) -> Result<Vec<Commit>, HistoryError> {
        let before = self.first.replace(first);
        let anywhere = before.map_or(self.known, |before| before != first);
        if !anywhere {
            let commits = self.client.current_run(&self.to).await?;
            let begun = commits.iter().flat_map(|commit| &commit.events).find_map(|e| match e {
                Event::WorkflowStarted(start) => Some(start.at),
                _ => None,
            });
            if first == 0 || begun.is_some_and(|at| at < self.since) {
                return Ok(commits);
            }
        }
        self.client.stored_history(&self.to).await
    }
}

/// How a run ended that ended with this.
fn status_of(end: &Event) -> Status {
    match end {
        Event::WorkflowFailed(_) => Status::Failed,
        Event::WorkflowCancelled(_) => Status::Cancelled,
        Event::WorkflowTerminated(_) => Status::Terminated,
        _ => Status::Completed,
    }
}
