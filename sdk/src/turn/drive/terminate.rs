//! A terminate that is found while bodies run.

use super::{Driven, Halt, Turn};
use crate::event::{Event, WorkflowTerminated};
use crate::store::Status;

impl Turn<'_> {
    /// Ends the execution where it stands. What was done to the world by now stands in the log.
    pub(super) async fn terminated(&mut self, mut end: WorkflowTerminated) -> Result<Driven, Halt> {
        self.let_clean_up(&[]).await;
        self.collect_bodies();
        self.run.drop_future();
        self.bodies.abort().await;
        end.at = self.now();
        let reason = end.reason.clone();
        let event = Event::WorkflowTerminated(end);
        self.last_commit(event, Status::Terminated, None, Some(reason)).await
    }
}
