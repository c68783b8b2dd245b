//! What is seen of a run, as text.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, StoredCommit};
use crate::id::WriterId;
use crate::replay::{Engine, History, site};

/// How a line begins that the driver notes, and no program.
const DRIVER: &str = "> ";

/// What a program says happens in it, and the driver of it, in one order.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub(super) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Notes what the driver does.
    pub(super) fn driver(&self, what: impl std::fmt::Display) {
        self.note(format!("{DRIVER}{what}"));
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The bytes a store would keep.
pub(super) fn encoded(log: &[Event]) -> StoredCommit {
    StoredCommit::encode(0, WriterId(uuid::Uuid::nil()), None, log)
}

/// `log` as a host that was not there reads it.
pub(super) fn stored_and_read(log: &[Event]) -> Vec<Event> {
    History::read(&[encoded(log)], 0).expect("a sound log").events
}

/// What the code asks for at call `seq`: all that an event about it says of the call itself.
pub(super) fn call(engine: &mut Engine, seq: u32) -> String {
    let (key, at) = (engine.key(seq).to_string(), site(engine.location(seq)));
    format!("call {seq}: {key} at {at}")
}

/// `event` with the call it is about as `engine` has it.
pub(super) fn remade(event: &Event, engine: &mut Engine) -> Event {
    let mut event = event.clone();
    macro_rules! step {
        ($e:ident) => {{
            $e.key = engine.key($e.seq).clone();
            $e.site = site(engine.location($e.seq));
            $e.input = engine.step($e.seq).input.clone();
        }};
    }
    match &mut event {
        Event::StepStarted(e) => step!(e),
        Event::StepAttemptFailed(e) => step!(e),
        Event::StepPostponed(e) => step!(e),
        Event::StepCompleted(e) => step!(e),
        Event::StepFailed(e) => step!(e),
        Event::TimerStarted(e) => {
            e.key = engine.key(e.seq).clone();
            e.site = site(engine.location(e.seq));
        }
        Event::PromiseCreated(e) => {
            // All that the code says of it, its limits too.
            *e = engine.announce(e.seq, e.at).expect("a promise");
        }
        Event::UpdateReplied(e) => {
            e.key = engine.key(e.seq).clone();
            e.site = site(engine.location(e.seq));
        }
        Event::TagSet(e) => {
            e.key = engine.key(e.seq).clone();
            e.site = site(engine.location(e.seq));
        }
        Event::ViewPublished(e) => {
            e.key = engine.key(e.seq).clone();
            e.site = site(engine.location(e.seq));
        }
        Event::TimerFired(e) => e.key = engine.key(e.seq).clone(),
        Event::VersionChosen(e) => e.version = engine.version(e.name.clone().into(), &(1..=9)),
        Event::ChildRequested(e) => {
            e.key = engine.key(e.seq).clone();
            e.site = site(engine.location(e.seq));
            let asked = engine.asked_child(e.seq);
            e.on_close = asked.on_close();
            (e.child, e.input, e.waits) = (asked.child.clone(), asked.input.clone(), asked.waits);
        }
        Event::ChildStarted(e) => e.key = engine.key(e.seq).clone(),
        Event::ChildCompleted(e) => e.key = engine.key(e.seq).clone(),
        _ => {}
    }
    event
}

/// Of a trace, what the program says.
pub(super) fn notes(mut trace: Vec<String>) -> Vec<String> {
    trace.retain(|line| !line.starts_with(DRIVER));
    trace
}
