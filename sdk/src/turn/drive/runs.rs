//! From one run to the next: rule 19.

use super::{Driven, Ended, Halt, Turn};
use crate::event::{
    Carried, ContinuedAsNew, Event, InputHash, Json, ShortIds, TakenHour, WorkflowStarted,
};
use crate::id::ExecutionId;
use crate::limits::VALUE_BYTES_MAX;
use crate::payload::Payloads;
use crate::replay::Fault;
use crate::store::{Status, StoreError};
use crate::time::Timestamp;
use crate::turn::outbox::owing;
use crate::turn::{Kitchen, Lease};

impl Turn<'_> {
    /// The workflow goes on as a new run. What has ended by now is in the old one's log; what was
    /// received and not consumed, and what is known to be taken, is handed on by the very write
    /// that ends the one and starts the other.
    ///
    /// The turn and its claim end with it: the new run is one that has never run, for anybody.
    pub(super) async fn continued(&mut self, input: Json) -> Result<Driven, Halt> {
        if let Some(problem) = self.refuses(&input) {
            let what = "the input of the next run".to_owned();
            return self.blocked(Fault::Value { what, problem }).await;
        }
        self.let_clean_up(&[]).await;
        self.collect_bodies();
        self.bodies.abort().await;
        let at = self.now();
        let (unconsumed, start, tags) = {
            let engine = self.run.engine();
            (engine.unconsumed(), engine.start().clone(), engine.tags().clone())
        };
        let mark = self.sequence.unwritten().len();
        let taken = self.taken.carried(at, self.seen.iter().map(|item| &item.id));
        for carried in carry(at, unconsumed, taken, &self.kitchen.payloads) {
            self.happened(Event::Carried(carried));
        }
        self.happened(Event::ContinuedAsNew(ContinuedAsNew { at }));
        let first_input = start.first_input.or_else(|| Some(InputHash::of(&start.input)));
        let run = start.run.saturating_add(1);
        self.happened(Event::WorkflowStarted(WorkflowStarted {
            at,
            run,
            input,
            tags,
            first_input,
            ..start
        }));
        self.first = self.write_noting(mark).await?.unwrap_or(self.log.last);
        Ok(Driven::Continued(Ended {
            stand: self.stand(),
            status: Status::Running,
            wake_at: Some(at),
            reason: None,
            shown: self.visible.take(),
            arrivals: self.arrivals,
            family: None,
            seen: std::mem::take(&mut self.seen),
            disarm: self.let_go(&[]),
            outbox: self.outbox.take(),
        }))
    }

    /// Why no run of this workflow can begin with `input`.
    fn refuses(&self, input: &Json) -> Option<String> {
        let bytes = input.as_str().len();
        let bytes_max = self.kitchen.payloads.value_bytes_max();
        if bytes > bytes_max {
            return Some(format!(
                "it has {bytes} bytes and at most {bytes_max} can be recorded: store it \
                 elsewhere and pass where it is"
            ));
        }
        let name = self.run.engine().start().workflow.clone();
        let workflow = self.kitchen.registry.workflow(&name)?;
        (workflow.accepts)(input).err().map(|wrong| wrong.to_string())
    }
}

impl Kitchen {
    /// Rules 14 and 16 between two runs: the record knows where the new one begins, and what the
    /// log has is deleted. The turn goes on, on the same wake.
    pub(in crate::turn) async fn go_on(
        &self,
        id: &ExecutionId,
        ended: Ended,
        lease: Lease,
    ) -> Result<(), StoreError> {
        let Ended { stand, status, wake_at, reason, shown, seen, disarm, mut outbox, .. } = ended;
        if let Some(outbox) = &mut outbox {
            outbox.leave_start(stand.last);
        }
        self.tell(outbox.as_mut(), lease).await;
        let projection = self.projection_of(stand, status, wake_at, reason, shown);
        let projection = owing(projection, outbox.as_ref());
        if self.write_record(id, &projection).await?.is_none() {
            return Ok(());
        }
        self.disarm(&disarm).await;
        if seen.is_empty() {
            return Ok(());
        }
        self.store.remove_items(id, stand.life, &seen).await
    }
}

/// What is handed on, in as few events as their size allows.
fn carry(
    at: Timestamp,
    messages: Vec<Event>,
    hours: Vec<TakenHour>,
    payloads: &Payloads,
) -> Vec<Carried> {
    let mut all: Vec<Carried> = Vec::new();
    let mut bytes = 0;
    // One message may be as large as a value; no event becomes larger than two.
    let mut next = |all: &mut Vec<Carried>, more: usize| {
        if all.is_empty() || bytes + more > VALUE_BYTES_MAX {
            all.push(Carried { at, messages: Vec::new(), taken: Vec::new(), hours: Vec::new() });
            bytes = 0;
        }
        bytes += more;
        all.len() - 1
    };
    for message in messages {
        let place = next(&mut all, payloads.stored_bytes(message.weight()));
        all[place].messages.push(message);
    }
    for hour in hours {
        let place = next(&mut all, hour.ids.len() * ShortIds::WIDTH + 40);
        all[place].hours.push(hour);
    }
    all
}
