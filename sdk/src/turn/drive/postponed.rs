//! Attempts that ask to be made later: they count for nothing but the step's total time.

use std::time::Duration;

use super::Turn;
use crate::event::{Event, Failure, StepPostponed};
use crate::limits::POSTPONE_MIN;
use crate::turn::end::brief;

impl Turn<'_> {
    /// An attempt has said that it did nothing, and when the next one may begin.
    pub(super) fn postponed(
        &mut self,
        seq: u32,
        attempt: u32,
        took_us: u64,
        delay: Duration,
        reason: String,
    ) {
        let at = self.now();
        let retry_at = at.after(delay.max(POSTPONE_MIN));
        let (total, asked_at) = {
            let mut engine = self.run.engine();
            let step = engine.step(seq);
            let policy = step.body.as_ref().map(|body| body.policy());
            (policy.and_then(|policy| policy.total_timeout), step.asked_at)
        };
        if let Some(total) = total.filter(|total| retry_at >= asked_at.after(*total)) {
            // No attempt begins after the step's total time, and none has failed.
            let after_ms = total.as_millis().try_into().unwrap_or(u64::MAX);
            let failure = Failure::TimedOut { after_ms };
            return self.note_failed(seq, attempt, took_us, failure, false);
        }
        self.note_last_heartbeat(seq, attempt);
        let event = {
            let mut engine = self.run.engine();
            let (key, site) = engine.place(seq);
            let input = engine.step(seq).input.clone();
            let reason = brief(reason);
            StepPostponed { at, seq, key, site, attempt, took_us, input, reason, retry_at }
        };
        self.happened(Event::StepPostponed(event));
        self.backoffs.insert((retry_at, seq));
    }
}
