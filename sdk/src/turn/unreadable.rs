//! An execution whose log this program cannot read: it is damaged, or a newer program has written it.

use super::end::{Stand, brief};
use super::shown::Shown;
use super::{ELSEWHERE_AFTER, Kitchen, Lease, TurnError, Verdict};
use crate::event::CorruptCommit;
use crate::limits::{NOTIFY_AGAIN_AFTER_MAX, STRIKES_MAX};
use crate::replay::Fault;
use crate::store::{Loaded, Projection, Record, Status};

impl Kitchen {
    /// What comes of a wake for it. What has ended has ended, whoever can read it. A log that is
    /// damaged blocks at once; one that is only newer is left to other hosts first.
    pub(super) async fn cannot_read(
        &self,
        loaded: &Loaded,
        corrupt: &CorruptCommit,
        receive_count: u32,
        lease: Lease,
    ) -> Result<Verdict, TurnError> {
        let record = &loaded.record;
        let stored = &record.projection;
        let (problem, life) = (corrupt.to_string(), record.life());
        if stored.status.is_closed() {
            // What is untold of it stays so: the sweeper comes again.
            tracing::error!(
                everstep.execution.id = %record.id,
                problem,
                "the log of an execution that has ended cannot be read"
            );
        } else if !corrupt.is_newer {
            // The record may know of more than is left, and then only that replaces it.
            let last = loaded.commits.last().map_or(0, |commit| commit.number);
            let stand = Stand { last: last.max(stored.commit), first: stored.first, life };
            let outbox = self.outbox_of_unreadable(record, stand.last);
            let fault = Fault::Corrupt { problem };
            self.block(record, stand, Shown::default(), &fault, outbox, lease).await?;
        } else if receive_count < STRIKES_MAX {
            // Perhaps another host reads it: a rolling deploy.
            return Ok(Verdict::Return(ELSEWHERE_AFTER));
        } else {
            let fault = Fault::NewerLog { problem };
            if stored.untold.is_some() {
                self.block_untold(record, &fault).await?;
            } else {
                // Behind what the record takes into account, and no further: what a newer host has
                // appended since, that host shows and tells.
                let stand = Stand { last: stored.commit, first: stored.first, life };
                let outbox = self.outbox_of_unreadable(record, stand.last);
                self.block(record, stand, Shown::default(), &fault, outbox, lease).await?;
            }
        }
        Ok(Verdict::Delete)
    }

    /// Blocks it and tells nothing: what is untold comes first, and only a newer host can read that.
    async fn block_untold(&self, record: &Record, fault: &Fault) -> Result<(), TurnError> {
        let (stored, now) = (&record.projection, self.clock.now());
        let mut projection = Projection {
            wake_at: Some(now.after(NOTIFY_AGAIN_AFTER_MAX)),
            view: None,
            life: Some(record.life()),
            ..stored.clone()
        };
        if stored.status != Status::Blocked {
            projection.status = Status::Blocked;
            projection.reason = Some(brief(self.reason_of(fault)));
            projection.updated_at = now;
        }
        self.store.project(&record.id, &projection).await?;
        Ok(())
    }
}
