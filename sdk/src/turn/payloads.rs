//! What a turn does to payloads before it has a claim: it opens what it has read. What it does later
//! is in `drive/seal.rs`.

use super::children::Family;
use super::{Items, Kitchen};
use crate::id::ExecutionId;
use crate::payload::PayloadError;
use crate::replay::{Fault, History};

/// What a turn cannot read.
pub(super) struct Sealed {
    pub(super) fault: Fault,
    /// Another host may well be able to: this one is not configured for it.
    pub(super) elsewhere: bool,
}

impl Kitchen {
    /// Opens what replay needs, and nothing before it is needed: the log of the run and what a turn
    /// is about to take. The history's view stays as it is stored.
    pub(super) async fn open(
        &self,
        id: &ExecutionId,
        history: &mut History,
        items: &mut Items,
    ) -> Result<Option<Sealed>, PayloadError> {
        let in_log = self.payloads.open_events(id, &mut history.events).await?;
        let unopened = match in_log {
            None => self.payloads.open_arrived(id, items).await?,
            unopened => unopened,
        };
        Ok(unopened.map(|error| {
            let elsewhere = error.is_of_program();
            Sealed { fault: Fault::Payload { problem: error.to_string() }, elsewhere }
        }))
    }

    /// Opens what an execution that has ended says to others, as its log has it. What cannot be read
    /// cannot be said: then this fails, and is tried again.
    pub(super) async fn open_end(
        &self,
        id: &ExecutionId,
        family: &mut Family,
    ) -> Result<(), PayloadError> {
        for said in family.said_at_end() {
            self.payloads.open(id, said).await?;
        }
        Ok(())
    }
}
