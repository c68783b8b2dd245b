//! A step's attempts: when the next one comes, and what one that has ended leads to.

use super::Turn;
use super::together::Waiting;
use crate::event::{
    Event, Failure, Json, StepAttemptFailed, StepCompleted, StepFailed, StepStarted,
};
use crate::replay::{Attempt, Fault};
use crate::telemetry::attempt_failed;
use crate::turn::bodies::Ended as EndedBody;
use crate::turn::end::brief;

impl Turn<'_> {
    /// Puts a step's next attempt where it belongs: to the barrier, or to wait for its time.
    pub(super) fn schedule(&mut self, seq: u32) -> Option<Fault> {
        let (attempts, retry_at, begun, policy) = {
            let mut engine = self.run.engine();
            let step = engine.step(seq);
            let Some(body) = &step.body else { return None };
            if self.bodies.is_running(seq) {
                return None; // Let end, and already at it.
            }
            (step.attempts, step.retry_at, step.begun, body.policy())
        };
        if let Some(attempt) = begun {
            // An at-most-once attempt began and nobody knows how it ended.
            let message = "the host died or was stopped during this attempt".to_owned();
            let failure = Failure::Interrupted { message };
            return self.attempt_failed(seq, attempt, 0, failure, true);
        }
        let used_up = attempts > 0 && !policy.retry.allows_after(attempts);
        if used_up && self.run.engine().is_finishing(seq) {
            // Nobody knows what its last attempt did. Another one tells, if there may be one.
            if policy.at_most_once {
                let message = "nobody knows how its last attempt ended".to_owned();
                let failure = Failure::Interrupted { message };
                return self.attempt_failed(seq, attempts + 1, 0, failure, false);
            }
        } else if used_up {
            let problem = format!("all {attempts} attempts failed");
            let key = self.run.engine().key(seq).to_string();
            return Some(Fault::StepGaveUp { key, problem });
        }
        if let Some(ended) = self.total_time_is_up(seq, attempts, &policy) {
            return ended;
        }
        match retry_at {
            Some(retry_at) => {
                self.backoffs.insert((retry_at, seq));
            }
            None => self.make_ready(seq, policy.at_most_once),
        }
        None
    }

    /// The next attempt waits for the barrier from now on. What runs `at_most_once` leaves a trace
    /// before it starts.
    fn make_ready(&mut self, seq: u32, at_most_once: bool) {
        if at_most_once {
            let at = self.now();
            let started = {
                let mut engine = self.run.engine();
                let (key, site) = engine.place(seq);
                let step = engine.step(seq);
                let (attempt, input) = (step.attempts + 1, step.input.clone());
                StepStarted { at, seq, key, site, attempt, input }
            };
            self.happened(Event::StepStarted(started));
        }
        self.ready.push_back(seq);
    }

    /// The time of a back-off has come.
    pub(super) fn backed_off(&mut self, seq: u32) {
        let policy = self.run.engine().step(seq).body.as_ref().map(|body| body.policy());
        self.make_ready(seq, policy.is_some_and(|policy| policy.at_most_once));
    }

    pub(super) fn body_ended(&mut self, body: EndedBody) {
        let EndedBody { seq, attempt, took_us, result } = body;
        match result {
            Ok(Attempt::Completed(output)) => {
                let completed = self.completed(seq, attempt, took_us, output);
                self.note_completed(seq);
                self.happened(completed);
            }
            Ok(Attempt::Together(together)) => {
                self.together.push_back(Waiting { seq, attempt, took_us, together });
            }
            Ok(Attempt::Failed { failure, retryable }) => {
                self.note_failed(seq, attempt, took_us, failure, retryable);
            }
            Ok(Attempt::Postponed { delay, reason }) => {
                self.postponed(seq, attempt, took_us, delay, reason);
            }
            Err(message) => {
                let failure = Failure::Panicked { message: brief(message) };
                self.note_failed(seq, attempt, took_us, failure, true);
            }
        }
    }

    /// The event of a step's result.
    pub(super) fn completed(
        &mut self,
        seq: u32,
        attempt: u32,
        took_us: u64,
        output: Json,
    ) -> Event {
        let at = self.now();
        let mut engine = self.run.engine();
        let (key, site) = engine.place(seq);
        let input = engine.step(seq).input.clone();
        Event::StepCompleted(StepCompleted { at, seq, key, site, attempt, took_us, input, output })
    }

    pub(super) fn note_completed(&mut self, seq: u32) {
        self.watch.ended(seq);
        self.steps.completed(seq);
    }

    pub(super) fn note_failed(
        &mut self,
        seq: u32,
        attempt: u32,
        took: u64,
        failure: Failure,
        retry: bool,
    ) {
        self.note_last_heartbeat(seq, attempt);
        if let Some(fault) = self.attempt_failed(seq, attempt, took, failure, retry) {
            self.run.engine().fail(fault);
        }
    }

    /// An attempt has failed: another follows, or the step has failed, or the execution cannot go
    /// on because the step's error type has no room for this failure.
    pub(super) fn attempt_failed(
        &mut self,
        seq: u32,
        attempt: u32,
        took_us: u64,
        failure: Failure,
        retryable: bool,
    ) -> Option<Fault> {
        let at = self.now();
        let (key, site, input, asked_at, policy, open, finishing) = {
            let mut engine = self.run.engine();
            let (key, site) = engine.place(seq);
            let step = engine.step(seq);
            let (input, asked_at) = (step.input.clone(), step.asked_at);
            let policy = step.body.as_ref().map(|body| body.policy());
            // Given up by the workflow, with an effect that may be there and would have to be undone.
            let open = failure.leaves_doubt() && engine.matters_though_dropped(seq);
            (key, site, input, asked_at, policy, open, engine.is_finishing(seq))
        };
        // Nobody waits for the step any more: its failure is its end.
        let retry = policy.map(|policy| policy.retry).filter(|_| retryable);
        let next = retry.filter(|retry| retry.allows_after(attempt));
        let next = next.map(|retry| at.after(retry.delay_after(attempt, jitter())));
        // No attempt begins after the step's total time.
        let end = policy.and_then(|policy| Some(asked_at.after(policy.total_timeout?)));
        let next = next.filter(|next| end.is_none_or(|end| *next < end));
        let takes = policy.is_none_or(|policy| policy.takes_failures)
            || matches!(failure, Failure::Error { .. })
            || finishing;
        let retry_in = next.filter(|_| !open).map(|next| next.since(at));
        let hides = self.kitchen.payloads.hides();
        attempt_failed(&self.steps, seq, attempt, &failure, hides, retry_in);
        if next.is_none() && takes && !open {
            self.steps.failed(seq, &failure);
            let failed = StepFailed { at, seq, key, site, attempt, took_us, input, failure };
            self.happened(Event::StepFailed(failed));
            return None;
        }
        let retry_at = next.unwrap_or(at);
        let problem = failure.message();
        let gave_up = key.to_string();
        let event =
            StepAttemptFailed { at, seq, key, site, attempt, took_us, input, failure, retry_at };
        self.happened(Event::StepAttemptFailed(event));
        if open {
            return None;
        }
        if next.is_none() {
            return Some(Fault::StepGaveUp { key: gave_up, problem });
        }
        self.backoffs.insert((retry_at, seq));
        None
    }
}

/// A random number in `[0, 1)`: of no consequence for any history, so it need not replay.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
fn jitter() -> f64 {
    (uuid::Uuid::new_v4().as_u64_pair().1 << 11 >> 11) as f64 / (1_u64 << 53) as f64
}
