//! Ending an execution without its code: what a terminate asks for.

use super::Kitchen;
use super::log::{LogEnd, Written};
use crate::event::{Event, WorkflowTerminated};
use crate::id::WriterId;
use crate::replay::History;
use crate::store::{InboxItem, Loaded, Message, StoreError};
use crate::telemetry::Meter;
use crate::time::Timestamp;

/// The event that ends an execution if `item` is a terminate.
pub(super) fn end_asked_for(item: &InboxItem, at: Timestamp) -> Option<WorkflowTerminated> {
    let Message::Terminate { reason } = &item.message else { return None };
    Some(WorkflowTerminated { at, id: item.id.clone(), reason: reason.clone() })
}

impl Kitchen {
    /// Rule 22: one commit, whatever the code would say. Nothing is claimed, for nothing runs; who
    /// loses the number to somebody else decides afresh, as everybody does.
    pub(super) async fn terminate(
        &self,
        loaded: &Loaded,
        history: &History,
        mut end: WorkflowTerminated,
        meter: &Meter,
    ) -> Result<(), StoreError> {
        let id = &loaded.record.id;
        end.at = end.at.max(history.time);
        let event = [Event::WorkflowTerminated(end)];
        let (last, hash) = (history.last, history.last_hash);
        let (life, writer) = (loaded.record.life(), WriterId::random());
        let mut log = LogEnd::new(&*self.store, id, life, writer, last, hash);
        if log.append(&event).await? == Written::Durable {
            meter.ends(history.start(), &event[0]);
            self.registry.observe(id, &event[0]);
        }
        Ok(())
    }
}
