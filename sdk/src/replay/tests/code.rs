//! Code that a row spells out call by call, and what it sees.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use super::{json, started};
use crate::event::{ChildOutcome, Event, PromiseResult, Reply};
use crate::replay::child::Asked as AskedChild;
use crate::replay::{Attempt, Body, Delivered, Engine, Note, Outcome, Policy, Request};
use crate::retry::Retry;
use crate::time::Timestamp;

/// The log of one row behind the start of its run, the engine that replays it, and what was seen:
/// a word for each thing the code did.
///
/// | word | |
/// |---|---|
/// | `a#1` | called; `a#1!` if the log has its outcome |
/// | `-` | polled: not ready. Else its outcome |
/// | `+` | an event was delivered, and the workflow is to be polled; `+0` after waking call 0 |
/// | `.` | an event was delivered that does not concern the workflow |
/// | `x` | dropped; `x1` if that woke call 1 |
/// | `fault` | what was delivered does not fit |
pub(super) struct Code {
    pub(super) engine: Engine,
    log: Vec<Event>,
    delivered: usize,
    woken: Arc<Mutex<Vec<u32>>>,
    seen: Vec<String>,
    /// Where each call stands: `file:line`.
    sites: Vec<String>,
}

impl Code {
    pub(super) fn new(log: &[Event]) -> Self {
        let start =
            if let Some(Event::WorkflowStarted(_)) = log.first() { None } else { Some(started()) };
        let log: Vec<Event> = start.into_iter().chain(log.iter().cloned()).collect();
        let Event::WorkflowStarted(start) = &log[0] else { unreachable!("put there") };
        let engine = Engine::new(start, Arc::new(log.clone()));
        Self {
            engine,
            log,
            delivered: 1,
            woken: Arc::default(),
            seen: Vec::new(),
            sites: Vec::new(),
        }
    }

    pub(super) fn saw(&mut self, word: impl Into<String>) -> &mut Self {
        self.seen.push(word.into());
        self
    }

    pub(super) fn seen(&self) -> String {
        self.seen.join(" ")
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        self.sites.len()
    }

    /// Calls a step without arguments.
    #[track_caller]
    pub(super) fn step(&mut self, name: &'static str) -> &mut Self {
        self.step_with(name, "{}")
    }

    #[track_caller]
    pub(super) fn step_with(&mut self, name: &'static str, input: &str) -> &mut Self {
        let (seq, settled) =
            self.engine.call_step(name.into(), Location::caller(), input.to_owned());
        if !settled {
            self.engine.set_body(seq, Box::new(Never));
        }
        self.called(seq, settled)
    }

    /// Calls a timer named `sleep`.
    #[track_caller]
    pub(super) fn sleep(&mut self, due: i64) -> &mut Self {
        let due = Timestamp(due);
        let seq = self.engine.call_timer("sleep".into(), Location::caller(), due);
        self.called(seq, false)
    }

    #[track_caller]
    pub(super) fn signal(&mut self, name: &'static str) -> &mut Self {
        let seq = self.engine.call_signal(name.into(), Location::caller());
        self.called(seq, false)
    }

    /// Asks which version of a change it is on: `x=2`.
    pub(super) fn version(&mut self, name: &'static str, known: RangeInclusive<u32>) -> &mut Self {
        let version = self.engine.version(name.into(), &known);
        self.saw(format!("{name}={version}"))
    }

    /// What the turn is told of versions that were decided: `(x=2)`.
    pub(super) fn chosen(&mut self) -> &mut Self {
        let chosen = self.engine.take_chosen();
        let each = chosen.iter().map(|chosen| format!("{}={}", chosen.name, chosen.version));
        let word = each.collect::<Vec<_>>().join(" ");
        self.saw(format!("({word})"))
    }

    /// Calls a child of this workflow.
    #[track_caller]
    pub(super) fn child(&mut self, workflow: &'static str, input: &str) -> &mut Self {
        let seq = self.engine.call_child(workflow, Location::caller(), json(input));
        self.called(seq, false)
    }

    /// Changes what call `seq` asks for.
    pub(super) fn ask(&mut self, seq: u32, change: impl FnOnce(&mut AskedChild)) -> &mut Self {
        change(self.engine.asked_child(seq));
        self
    }

    /// Calls a promise with these limits, in milliseconds.
    #[track_caller]
    pub(super) fn promise(
        &mut self,
        name: &'static str,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    ) -> &mut Self {
        let seq = self.engine.call_promise(name.into(), Location::caller());
        let in_time = self.engine.limit_promise(seq, |promise| {
            promise.timeout = timeout.map(Duration::from_millis);
            promise.heartbeat = heartbeat.map(Duration::from_millis);
        });
        assert!(in_time);
        self.called(seq, false)
    }

    /// The turn makes promise `seq` known.
    pub(super) fn announce(&mut self, seq: u32) -> Event {
        let at = self.engine.now();
        Event::PromiseCreated(self.engine.announce(seq, at).expect("a promise"))
    }

    #[track_caller]
    pub(super) fn update(&mut self, name: &'static str) -> &mut Self {
        let seq = self.engine.call_update(name.into(), Location::caller());
        self.called(seq, false)
    }

    /// Replies to the update with this id and name.
    #[track_caller]
    pub(super) fn reply(&mut self, name: &'static str, update: &str, reply: Reply) -> &mut Self {
        let note = Note::Reply { update: update.to_owned(), reply };
        self.engine.call_note(name.into(), Location::caller(), note);
        let seq = u32::try_from(self.sites.len()).expect("few");
        self.called(seq, self.engine.request(seq).is_none())
    }

    #[track_caller]
    pub(super) fn tag(&mut self, name: &str, value: &str) -> &mut Self {
        let note = Note::Tag { name: name.to_owned(), value: value.to_owned() };
        self.engine.call_note("tag".into(), Location::caller(), note);
        let seq = u32::try_from(self.sites.len()).expect("few");
        self.called(seq, self.engine.request(seq).is_none())
    }

    #[track_caller]
    pub(super) fn publish(&mut self, view: &str) -> &mut Self {
        self.engine.call_note("view".into(), Location::caller(), Note::View(json(view)));
        let seq = u32::try_from(self.sites.len()).expect("few");
        self.called(seq, self.engine.request(seq).is_none())
    }

    /// The turn records call `seq`, which only leaves an event.
    pub(super) fn record(&mut self, seq: u32) -> &mut Self {
        let event = self.engine.take_note(seq, Timestamp(200));
        self.saw(event.map_or("nothing", |event| event.kind()))
    }

    #[track_caller]
    fn called(&mut self, seq: u32, settled: bool) -> &mut Self {
        let here = Location::caller();
        self.sites.push(format!("{}:{}", here.file(), here.line()));
        let key = self.engine.key(seq);
        let word = format!("{key}{}", if settled { "!" } else { "" });
        self.saw(word)
    }

    /// Polls each of these calls once.
    pub(super) fn poll<const N: usize>(&mut self, seqs: [u32; N]) -> &mut Self {
        for seq in seqs {
            self.poll_as(seq, seq);
        }
        self
    }

    /// Polls call `seq` with the waker that is seen as `name`.
    pub(super) fn poll_as(&mut self, seq: u32, name: u32) -> &mut Self {
        let waker = Waker::from(Arc::new(Woken { name, woken: Arc::clone(&self.woken) }));
        let word = match self.engine.poll(seq, &waker).0 {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(Outcome::Value(value)) => value.to_string(),
            Poll::Ready(Outcome::Signal(kept)) => kept.message.payload.to_string(),
            Poll::Ready(Outcome::Failed(failure)) => format!("Err({})", failure.message()),
            Poll::Ready(Outcome::Fired) => "fired".to_owned(),
            Poll::Ready(Outcome::Started(child)) => format!("started({child})"),
            Poll::Ready(Outcome::Child(_, ChildOutcome::Completed { output })) => {
                output.to_string()
            }
            Poll::Ready(Outcome::Child(_, other)) => format!("{other:?}"),
            Poll::Ready(Outcome::Promise(PromiseResult::Completed { value })) => value.to_string(),
            Poll::Ready(Outcome::Promise(result)) => format!("({})", result.summary()),
            Poll::Ready(Outcome::Update(kept)) => {
                format!("{}?{}", kept.message.id, kept.message.request)
            }
        };
        self.saw(word)
    }

    pub(super) fn drop(&mut self, seq: u32) -> &mut Self {
        let dropped = self.engine.drop_call(seq);
        let woke = self.wake(dropped.wake);
        self.saw(format!("x{woke}"))
    }

    /// Delivers the next event of the log.
    pub(super) fn deliver(&mut self) -> &mut Self {
        let event = self.log[self.delivered].clone();
        self.delivered += 1;
        self.happens(&event)
    }

    /// Delivers what is left of the log.
    pub(super) fn deliver_all(&mut self) -> &mut Self {
        while self.delivered < self.log.len() {
            self.deliver();
        }
        self
    }

    /// Delivers an event that the loaded log does not have: it happens now.
    pub(super) fn happens(&mut self, event: &Event) -> &mut Self {
        let word = match self.engine.deliver(event) {
            Ok(Delivered::Moves(waker)) => format!("+{}", self.wake(waker)),
            Ok(Delivered::Quiet) => ".".to_owned(),
            Err(_) => "fault".to_owned(),
        };
        self.saw(word)
    }

    fn wake(&mut self, waker: Option<Waker>) -> String {
        waker.into_iter().for_each(Waker::wake);
        let mut words = String::new();
        for seq in self.woken.lock().expect("no panic").drain(..) {
            write!(words, "{seq}").expect("a text");
        }
        words
    }

    /// What the turn is told of calls that were polled for the first time.
    pub(super) fn asked(&mut self) -> &mut Self {
        let mut asked = Vec::new();
        self.engine.take_asked(&mut asked);
        self.saw(format!("{asked:?}"))
    }

    /// What call `seq` still needs.
    pub(super) fn needs(&mut self, seq: u32) -> &mut Self {
        let word = match self.engine.request(seq) {
            None => "nothing".to_owned(),
            Some(Request::Step) => "body".to_owned(),
            Some(Request::Signal) => "signal".to_owned(),
            Some(Request::Note) => "to-be-recorded".to_owned(),
            Some(Request::Timer { due, started: false }) => format!("new-timer@{}", due.0),
            Some(Request::Timer { due, started: true }) => format!("timer@{}", due.0),
            Some(Request::Child { requested: false, .. }) => "new-child".to_owned(),
            Some(Request::Child { started: false, .. }) => "child-to-start".to_owned(),
            Some(Request::Child { .. }) => "child".to_owned(),
            Some(Request::Promise { due, announced }) => {
                let new = if announced { "" } else { "new-" };
                let due = due.map(|due| format!("@{}", due.0)).unwrap_or_default();
                format!("{new}promise{due}")
            }
            Some(Request::GiveUp) => "end".to_owned(),
        };
        self.saw(word)
    }

    pub(super) fn now(&mut self) -> &mut Self {
        let word = self.engine.now().0.to_string();
        self.saw(word)
    }
}

/// Replays `log` against `code`, which must see `expected` and meet no fault.
#[track_caller]
pub(super) fn check(log: &[Event], code: impl FnOnce(&mut Code) -> &mut Code, expected: &str) {
    let mut bench = Code::new(log);
    code(&mut bench);
    assert_eq!(bench.seen(), expected);
    assert_eq!(bench.engine.fault(), None);
}

/// Replays `log` against `code`, which must meet a fault of this text; `(@1)` in it is where the
/// first call stands in the source.
#[track_caller]
pub(super) fn check_fault(log: &[Event], code: impl FnOnce(&mut Code) -> &mut Code, text: &str) {
    let mut bench = Code::new(log);
    code(&mut bench);
    let fault = bench.engine.fault().map(ToString::to_string);
    let expected = (1..).zip(&bench.sites).fold(text.to_owned(), |text, (call, site)| {
        text.replace(&format!("(@{call})"), &format!("({site})"))
    });
    assert_eq!(fault, Some(expected), "it saw {}", bench.seen());
}

struct Woken {
    name: u32,
    woken: Arc<Mutex<Vec<u32>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.lock().expect("no panic").push(self.name);
    }
}

/// A body that nobody runs here.
pub(super) struct Never;

impl Body for Never {
    fn attempt(&self) -> BoxFuture<'static, Attempt> {
        Box::pin(std::future::pending())
    }

    fn policy(&self) -> Policy {
        Policy {
            retry: Retry::new(),
            at_most_once: false,
            total_timeout: None,
            takes_failures: true,
        }
    }
}
