//! The bodies that run: tasks of their own, never polled through the workflow's future.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinError, JoinSet};
use tracing::Instrument;

use super::TurnError;
use super::children::ChildStarted;
use crate::context::{StepScope, Watch, catch_panic, in_body};
use crate::replay::{Attempt, Body};
use crate::telemetry::{AttemptSpan, Attempted};

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) seq: u32,
    pub(super) attempt: u32,
    pub(super) took_us: u64,
    /// `Err` is a panic's text.
    pub(super) result: Result<Attempt, String>,
}

/// What has ended.
pub(super) enum Over {
    Body(Ended),
    /// The start of the child that this call asked for.
    Child(u32, Result<ChildStarted, TurnError>),
}

/// All bodies of a turn. Dropping it aborts them.
#[derive(Default)]
pub(super) struct Bodies {
    tasks: JoinSet<Over>,
    /// Which attempt runs of which step.
    running: BTreeMap<u32, (u32, AbortHandle)>,
    /// How many children are being started.
    sends: usize,
    ended: VecDeque<Over>,
}

impl Bodies {
    /// Whether no body runs and none has ended unnoticed.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.sends == 0 && self.ended.is_empty()
    }

    /// Starts an attempt. One that is `alone` is first polled right here: most sequential steps
    /// are over sooner than a task is made, and there is nothing it could hold up.
    pub(super) fn start(
        &mut self,
        seq: u32,
        scope: StepScope,
        body: &dyn Body,
        alone: bool,
        told: AttemptSpan,
    ) {
        debug_assert!(!self.running.contains_key(&seq), "two attempts of one step at a time");
        let attempt = scope.attempt;
        let started = Instant::now();
        let span = told.span();
        let end = move |result| {
            told.ended(match &result {
                Ok(Attempt::Completed(_) | Attempt::Together(_)) => Attempted::Completed,
                Ok(Attempt::Failed { failure, .. }) => Attempted::Failed(failure),
                Ok(Attempt::Postponed { .. }) => Attempted::Postponed,
                Err(_) => Attempted::Panicked,
            });
            let took_us = started.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
            Over::Body(Ended { seq, attempt, took_us, result })
        };
        // An attempt is made of clones of the user's arguments, whose code may panic.
        let mut body = match catch_panic(|| body.attempt()) {
            Ok(body) => in_body(scope, body).instrument(span),
            Err(message) => return self.ended.push_back(end(Err(message))),
        };
        if alone {
            // A body that is not ready is polled again as a task, which sets its real waker.
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = Pin::new(&mut body).poll(&mut context) {
                self.ended.push_back(end(result));
                return;
            }
        }
        let task = self.tasks.spawn(async move { end(body.await) });
        self.running.insert(seq, (attempt, task));
    }

    /// Starts a child, for call `seq`.
    pub(super) fn send(
        &mut self,
        seq: u32,
        send: impl Future<Output = Result<ChildStarted, TurnError>> + Send + 'static,
    ) {
        self.sends += 1;
        self.tasks.spawn(async move { Over::Child(seq, send.await) });
    }

    /// The next that has ended by now.
    pub(super) fn next_ended(&mut self) -> Option<Over> {
        // Without tasks no lock is taken.
        while !self.tasks.is_empty()
            && let Some(joined) = self.tasks.try_join_next()
        {
            self.joined(joined);
        }
        let over = self.ended.pop_front()?;
        match &over {
            Over::Body(body) => _ = self.running.remove(&body.seq),
            Over::Child(..) => self.sends -= 1,
        }
        Some(over)
    }

    /// Waits until an attempt has ended; for ever if none runs.
    pub(super) async fn wait(&mut self) {
        if !self.ended.is_empty() {
            return;
        }
        match self.tasks.join_next().await {
            Some(joined) => self.joined(joined),
            None => std::future::pending().await,
        }
    }

    /// A task is over: what it says counts, unless it was to be aborted.
    fn joined(&mut self, joined: Result<Over, JoinError>) {
        let counts = |over: &Over| match over {
            Over::Body(body) => self.running.contains_key(&body.seq),
            Over::Child(..) => true,
        };
        self.ended.extend(joined.ok().filter(counts));
    }

    /// The steps whose bodies run, in order.
    pub(super) fn running(&self) -> Vec<u32> {
        self.running.keys().copied().collect()
    }

    /// Whether a body of this step runs.
    pub(super) fn is_running(&self, seq: u32) -> bool {
        self.running.contains_key(&seq)
    }

    /// Aborts all that runs but the bodies of these steps, and returns once none of it runs.
    pub(super) async fn abort_others(&mut self, kept: &[u32]) {
        let others = |seq: &u32, _: &mut (u32, AbortHandle)| !kept.contains(seq);
        let aborted: Vec<_> =
            self.running.extract_if(.., others).map(|(_, (_, task))| task).collect();
        aborted.iter().for_each(AbortHandle::abort);
        while !aborted.iter().all(AbortHandle::is_finished) {
            match self.tasks.join_next().await {
                Some(joined) => self.joined(joined),
                None => return,
            }
        }
    }

    /// Waits until no body runs that listens to `watch`, but for those of the `kept` steps, or the
    /// time is up. What has ended is still to be [taken](Self::next_ended).
    pub(super) async fn let_clean_up(&mut self, watch: &Watch, kept: &[u32], grace: Duration) {
        let cleaned_up = async {
            while self.still_runs(|seq| watch.has_listener(seq) && !kept.contains(&seq)) {
                let Some(joined) = self.tasks.join_next().await else { return };
                self.joined(joined);
            }
        };
        // Whoever takes longer is aborted.
        let _ = tokio::time::timeout(grace, cleaned_up).await;
    }

    /// Whether a body of such a step runs and has not ended unnoticed.
    fn still_runs(&self, such: impl Fn(u32) -> bool) -> bool {
        let ended = |seq: u32| {
            self.ended.iter().any(|over| matches!(over, Over::Body(body) if body.seq == seq))
        };
        self.running.keys().any(|seq| such(*seq) && !ended(*seq))
    }

    /// Aborts what still runs and returns which attempts that was, once none of it runs any more.
    pub(super) async fn abort(&mut self) -> Vec<(u32, u32)> {
        self.tasks.shutdown().await;
        self.ended.clear();
        self.sends = 0;
        let running = std::mem::take(&mut self.running);
        running.into_iter().map(|(seq, (attempt, _))| (seq, attempt)).collect()
    }
}
