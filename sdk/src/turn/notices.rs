//! What the events of a log tell others: notifications, from what is stored and nothing else, so that
//! whoever tells them again tells the same.

use std::time::Duration;

use super::end::brief;
use crate::event::{Event, Failure, Json, TurnEnd, error_text, reason_with};
use crate::id::{CommitNumber, ExecutionId};
use crate::notify::{Choice, Notice, Notification, StepEnd};
use crate::payload::SealedPayload;
use crate::store::{Place, Status};
use crate::time::Timestamp;

/// Reads commits, in order, and knows where the execution stands after each.
#[derive(Clone)]
pub(super) struct Reader {
    choice: Choice,
    execution: ExecutionId,
    workflow: String,
    run: Option<u32>,
    /// After the last commit that was read.
    status: Status,
}

impl Reader {
    /// Of an execution that has this status before the first commit that is read.
    pub(super) fn new(
        choice: Choice,
        execution: ExecutionId,
        workflow: String,
        run: Option<u32>,
        status: Status,
    ) -> Self {
        Self { choice, execution, workflow, run, status }
    }

    /// Goes to a place of the log before whose commit the execution has this status.
    pub(super) fn go_to(&mut self, place: &Place, status: Status) {
        self.run = place.run.or(self.run);
        self.workflow.clone_from(&place.workflow);
        self.status = status;
    }

    /// This is where the execution stands.
    pub(super) fn stands(&mut self, status: Status) {
        self.status = status;
    }

    /// Where the execution stands after what was read.
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// The notifications of a commit, as it is stored. Of all that the execution has been within one
    /// commit only the last counts, and only if it was something else before: nobody has seen the
    /// rest. The beginning of a run always counts.
    pub(super) fn read(&mut self, commit: CommitNumber, events: &[Event]) -> Vec<Notification> {
        let mut before = self.status;
        let mut told: Vec<Notification> = Vec::new();
        // What has the status it has now: its place in `told`, and its index.
        let mut last = None;
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::WorkflowStarted(start) => {
                    self.run = Some(start.run);
                    self.workflow.clone_from(&start.workflow);
                    (self.status, before, last) = (Status::Running, Status::Running, None);
                    told.extend(self.read_one(commit, index, event));
                    continue;
                }
                Event::Resumed(_) => {
                    // It was blocked, whatever its record has been since.
                    before = Status::Blocked;
                    (self.status, last) = (Status::Running, Some((told.len(), index)));
                }
                _ => {}
            }
            if let Some(status) = status_after(event).filter(|status| *status != self.status) {
                (self.status, last) = (status, Some((told.len(), index)));
            }
            let notice = self.notice_of(event);
            told.extend(
                notice.map(|notice| self.notification(commit, Some(index), event.at(), notice)),
            );
        }
        if let Some((place, index)) = last.filter(|_| self.status != before) {
            let notification = self.read_one(commit, index, &events[index]);
            notification.into_iter().for_each(|it| told.insert(place, it));
        }
        told
    }

    /// The notification of an event that is known to have one, whatever was before it.
    pub(super) fn read_one(
        &self,
        commit: CommitNumber,
        index: usize,
        event: &Event,
    ) -> Option<Notification> {
        let status = match event {
            Event::Resumed(_) => Some(Status::Running),
            event => status_after(event),
        };
        let notice = match status {
            Some(status) => {
                let reason = end_of(event).and_then(|(_, reason)| reason).map(brief);
                let result = result_of(event).and_then(|result| self.shown(result));
                status_notice(status, reason, result)
            }
            None => self.notice_of(event)?,
        };
        Some(self.notification(commit, Some(index), event.at(), notice))
    }

    /// The notification of a block behind `commit`.
    pub(super) fn blocked(
        &mut self,
        commit: CommitNumber,
        at: Timestamp,
        reason: Option<String>,
    ) -> Notification {
        self.status = Status::Blocked;
        let notice = status_notice(Status::Blocked, reason.map(brief), None);
        self.notification(commit, None, at, notice)
    }

    fn notice_of(&self, event: &Event) -> Option<Notice> {
        if let Event::ViewPublished(published) = event {
            return self.choice.views.then(|| Notice::View { view: plain(&published.view) });
        }
        if !self.choice.steps {
            return None;
        }
        let (key, attempt, took_us, end, result) = match event {
            Event::StepCompleted(it) => {
                (&it.key, it.attempt, it.took_us, StepEnd::Completed, Some(&it.output))
            }
            Event::StepAttemptFailed(it) => {
                let error = error_of(&it.failure);
                (&it.key, it.attempt, it.took_us, StepEnd::AttemptFailed, error)
            }
            Event::StepFailed(it) => {
                (&it.key, it.attempt, it.took_us, StepEnd::Failed, error_of(&it.failure))
            }
            _ => return None,
        };
        let (key, took) = (key.clone(), Duration::from_micros(took_us));
        let result = result.and_then(|result| self.shown(result));
        Some(Notice::Step { key, attempt, end, took, result })
    }

    /// A value, where values are told and nothing hides it.
    fn shown(&self, value: &Json) -> Option<Json> {
        if self.choice.payloads { plain(value) } else { None }
    }

    fn notification(
        &self,
        commit: CommitNumber,
        index: Option<usize>,
        at: Timestamp,
        notice: Notice,
    ) -> Notification {
        let index = index.and_then(|index| u32::try_from(index).ok());
        let place = index.map_or_else(|| "blocked".to_owned(), |index| index.to_string());
        Notification {
            id: format!("{}/{commit}/{place}", self.execution),
            execution: self.execution.clone(),
            workflow: self.workflow.clone(),
            run: self.run,
            commit,
            index,
            at,
            notice,
            source: self.choice.source.clone(),
        }
    }
}

fn status_notice(status: Status, reason: Option<String>, result: Option<Json>) -> Notice {
    Notice::Status { status, reason, result }
}

/// What is sealed is nobody's to read who gets a notification.
fn plain(value: &Json) -> Option<Json> {
    SealedPayload::of(value).is_none().then(|| value.clone())
}

/// Where an execution stands after `event`; `None` where it stands as before.
fn status_after(event: &Event) -> Option<Status> {
    match event {
        Event::WorkflowStarted(_) | Event::TurnStarted(_) => Some(Status::Running),
        Event::TurnEnded(end) => match end.reason {
            TurnEnd::Suspended => Some(Status::Suspended),
            TurnEnd::Yielded | TurnEnd::GaveUp => Some(Status::Running),
            // The record says so, and why: see `Reader::blocked`.
            TurnEnd::Blocked => None,
        },
        _ => end_of(event).map(|(status, _)| status),
    }
}

/// How an execution has ended, if it has with `event`, and what its record says of it.
pub(super) fn end_of(event: &Event) -> Option<(Status, Option<String>)> {
    Some(match event {
        Event::WorkflowCompleted(_) => (Status::Completed, None),
        Event::WorkflowFailed(failed) => {
            let error = match SealedPayload::of(&failed.error) {
                Some(sealed) => sealed.to_string(),
                None => error_text(&failed.error),
            };
            (Status::Failed, Some(reason_with(error, &failed.not_undone)))
        }
        Event::WorkflowCancelled(cancelled) => {
            let reason = reason_with(cancelled.reason.clone(), &cancelled.not_undone);
            (Status::Cancelled, Some(reason))
        }
        Event::WorkflowTerminated(terminated) => {
            (Status::Terminated, Some(terminated.reason.clone()))
        }
        _ => return None,
    })
}

fn result_of(event: &Event) -> Option<&Json> {
    match event {
        Event::WorkflowCompleted(end) => Some(&end.output),
        Event::WorkflowFailed(end) => Some(&end.error),
        _ => None,
    }
}

fn error_of(failure: &Failure) -> Option<&Json> {
    match failure {
        Failure::Error { value } => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
