//! The bodies that run: tasks of their own, never polled through the workflow's future.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::JoinSet;

use super::TurnError;
use super::children::ChildStarted;
use crate::context::{StepScope, catch_panic, in_body};
use crate::replay::{Attempt, Body};

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
    running: HashMap<u32, u32>,
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
    pub(super) fn start(&mut self, seq: u32, scope: StepScope, body: &dyn Body, alone: bool) {
        let attempt = scope.attempt;
        let started = Instant::now();
        let end = move |result| {
            let took_us = started.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
            Over::Body(Ended { seq, attempt, took_us, result })
        };
        // An attempt is made of clones of the user's arguments, whose code may panic.
        let mut body = match catch_panic(|| body.attempt()) {
            Ok(body) => in_body(scope, body),
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
        self.running.insert(seq, attempt);
        self.tasks.spawn(async move { end(body.await) });
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
        while let Some(joined) = self.tasks.try_join_next() {
            self.ended.extend(joined.ok());
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
            Some(joined) => self.ended.extend(joined.ok()),
            None => std::future::pending().await,
        }
    }

    /// Aborts what still runs and returns which attempts that was, once none of it runs any more.
    pub(super) async fn abort(&mut self) -> Vec<(u32, u32)> {
        self.tasks.shutdown().await;
        self.ended.clear();
        self.sends = 0;
        let mut aborted: Vec<_> = self.running.drain().collect();
        aborted.sort_unstable();
        aborted
    }
}
