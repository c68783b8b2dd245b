//! Promises: what was said of each from outside, and until when it may be said.

use std::collections::BTreeMap;
use std::panic::Location;
use std::time::Duration;

use super::call::{Call, Detail, Kind, Outcome, State};
use super::engine::{Delivered, Engine, Request};
use super::fault::{Fault, Mismatch, Side};
use crate::event::{
    OperationKey, PromiseCreated, PromiseHeartbeat, PromiseResolved, PromiseResult,
};
use crate::id::PromiseToken;
use crate::time::Timestamp;

/// All promises of a run by their keys: what comes from outside knows no other name.
#[derive(Default)]
pub(super) struct Promises {
    by_key: BTreeMap<OperationKey, Known>,
}

#[derive(Default)]
struct Known {
    /// Its call, once it is made.
    seq: Option<u32>,
    resolved: bool,
    /// What came before its call was made.
    early: Option<PromiseResult>,
}

/// What a call of a promise has beside its key.
pub(crate) struct PromiseState {
    created_at: Timestamp,
    /// The limits, each a time from its creation or from the last heartbeat.
    pub(crate) timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
    last_heartbeat: Timestamp,
    /// Whether PromiseCreated is in the log or on its way there.
    announced: bool,
    /// Whether the turn knows that it was dropped.
    given_up: bool,
}

impl PromiseState {
    /// When it is over by itself if nothing comes, and how.
    fn lapses(&self) -> Option<(Timestamp, PromiseResult)> {
        let after_ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let timeout = self.timeout.map(|limit| {
            let after_ms = after_ms(limit);
            (self.created_at.after(limit), PromiseResult::TimedOut { after_ms })
        });
        let missed = self.heartbeat.map(|limit| {
            let after_ms = after_ms(limit);
            (self.last_heartbeat.after(limit), PromiseResult::HeartbeatMissed { after_ms })
        });
        timeout.into_iter().chain(missed).min_by_key(|(at, _)| *at)
    }

    fn due(&self) -> Option<Timestamp> {
        self.timeout.map(|limit| self.created_at.after(limit))
    }

    fn heartbeat_ms(&self) -> Option<u64> {
        self.heartbeat.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Engine {
    /// A promise is called. The turn hears of it at once, since it can be completed before the
    /// workflow waits for it.
    pub(crate) fn call_promise(
        &mut self,
        name: std::borrow::Cow<'static, str>,
        location: &'static Location<'static>,
    ) -> u32 {
        let state = PromiseState {
            created_at: self.now,
            timeout: None,
            heartbeat: None,
            last_heartbeat: self.now,
            announced: false,
            given_up: false,
        };
        let (seq, _) = self.call(name, location, Detail::Promise(state));
        let known = self.promises.by_key.entry(self.calls[seq as usize].key.clone()).or_default();
        known.seq = Some(seq);
        if let Some(result) = known.early.take() {
            self.calls[seq as usize].state = State::Ready(Outcome::Promise(result));
        }
        self.asked.push(seq);
        seq
    }

    /// Gives promise `seq` a limit. `false` if it is too late for that: the log has others.
    pub(crate) fn limit_promise(&mut self, seq: u32, set: impl FnOnce(&mut PromiseState)) -> bool {
        match self.promise(seq) {
            Some(promise) if !promise.announced => {
                set(promise);
                true
            }
            _ => false,
        }
    }

    /// What names promise `seq` to others.
    pub(crate) fn token(&self, seq: u32) -> PromiseToken {
        PromiseToken::new(self.execution().clone(), self.run, self.key(seq).clone())
    }

    /// The event that makes promise `seq` known, which is on its way to the log from now on.
    pub(crate) fn announce(&mut self, seq: u32, at: Timestamp) -> Option<PromiseCreated> {
        let (key, site) = self.place(seq);
        let promise = self.promise(seq)?;
        promise.announced = true;
        let (due, heartbeat_ms) = (promise.due(), promise.heartbeat_ms());
        Some(PromiseCreated { at, seq, key, site, due, heartbeat_ms })
    }

    /// How promise `seq` ends now that nobody has ended it.
    pub(crate) fn lapse(&mut self, seq: u32, at: Timestamp) -> Option<PromiseResolved> {
        let result = self.promise(seq)?.lapses()?.1;
        Some(self.resolved(seq, at, result))
    }

    /// How promise `seq` ends now that the workflow has dropped it.
    pub(crate) fn give_up(&mut self, seq: u32, at: Timestamp) -> Option<PromiseResolved> {
        self.promise(seq)?.given_up = true;
        Some(self.resolved(seq, at, PromiseResult::GivenUp))
    }

    fn resolved(&self, seq: u32, at: Timestamp, result: PromiseResult) -> PromiseResolved {
        PromiseResolved { at, id: None, run: self.run, key: self.key(seq).clone(), result }
    }

    /// Whether the workflow waits for any promise.
    pub(crate) fn waits_for_promises(&self) -> bool {
        let mut calls = self.promises.by_key.values().filter_map(|known| known.seq);
        calls.any(|seq| matches!(self.calls[seq as usize].state, State::Wanted))
    }

    /// What the turn has to do for a promise.
    pub(super) fn request_of_promise(
        &self,
        call: &Call,
        promise: &PromiseState,
    ) -> Option<Request> {
        let due = promise.lapses().map(|(at, _)| at);
        match call.state {
            State::Called | State::Wanted => {
                Some(Request::Promise { due, announced: promise.announced })
            }
            // One that was never announced was known to nobody.
            State::Dropped if promise.announced && !promise.given_up => {
                let resolved = self.promises.by_key.get(&call.key).is_some_and(|k| k.resolved);
                (!resolved).then_some(Request::GiveUp)
            }
            State::Ready(_) | State::Taken | State::Dropped => None,
        }
    }

    /// The log has the promise: it must be this one, with these limits.
    pub(super) fn promise_created(&mut self, event: &PromiseCreated) -> Result<(), Fault> {
        self.check(Kind::Promise, event.seq, &event.key, &event.site)?;
        let Some(promise) = self.promise(event.seq) else { return Ok(()) };
        promise.announced = true;
        let detail = if promise.due() != event.due {
            let said = |due: Option<Timestamp>| match due {
                Some(due) => format!("its time was up at {due}"),
                None => "it had no time-out".to_owned(),
            };
            format!("{}, and now {}", said(event.due), said(promise.due()))
        } else if promise.heartbeat_ms() != event.heartbeat_ms {
            let said = |limit: Option<u64>| match limit {
                Some(ms) => format!("a heartbeat was due every {ms} ms"),
                None => "no heartbeats were due".to_owned(),
            };
            format!("{}, and now {}", said(event.heartbeat_ms), said(promise.heartbeat_ms()))
        } else {
            return Ok(());
        };
        let (key, site) = (event.key.to_string(), event.site.clone());
        let recorded = Some(Side { kind: Kind::Promise, key: key.clone(), site });
        let site = super::site(self.location(event.seq));
        let asked = Some(Side { kind: Kind::Promise, key, site });
        let fault = Fault::from(Mismatch { seq: event.seq, recorded, asked, detail });
        self.fail(fault.clone());
        Err(fault)
    }

    /// A heartbeat pushes the limit, and the turn must know the new one.
    pub(super) fn promise_heartbeat(&mut self, event: &PromiseHeartbeat) {
        if event.run != self.run {
            return;
        }
        let Some(seq) = self.promises.by_key.get(&event.key).and_then(|known| known.seq) else {
            return;
        };
        if let Some(promise) = self.promise(seq) {
            promise.last_heartbeat = event.at;
            self.asked.push(seq);
        }
    }

    /// A promise has ended. What comes after that changes nothing.
    pub(super) fn promise_resolved(&mut self, event: &PromiseResolved) -> Delivered {
        if event.run != self.run {
            return Delivered::Quiet;
        }
        let known = self.promises.by_key.entry(event.key.clone()).or_default();
        if std::mem::replace(&mut known.resolved, true) {
            return Delivered::Quiet;
        }
        if event.result == PromiseResult::GivenUp {
            // The workflow knows.
            return Delivered::Quiet;
        }
        let Some(seq) = known.seq else {
            known.early = Some(event.result.clone());
            return Delivered::Quiet;
        };
        let waker = self.settle(seq, Outcome::Promise(event.result.clone()));
        self.now = event.at;
        Delivered::Moves(waker)
    }

    fn promise(&mut self, seq: u32) -> Option<&mut PromiseState> {
        match &mut self.calls[seq as usize].detail {
            Detail::Promise(promise) => Some(promise),
            _ => None,
        }
    }
}
