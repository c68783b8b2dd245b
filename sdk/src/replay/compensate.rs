//! Undoing: what is registered, which steps may still be running, and what is next.
//!
//! A step with an undo that was started and whose end nobody knows may have done its effect. When
//! compensation starts such a step is *in doubt*: it is driven to its end first, to learn whether
//! there is anything to undo, and with which result.

use std::borrow::Cow;
use std::panic::Location;

use super::body::Body;
use super::call::{Call, Detail, State, StepState};
use super::engine::{Engine, site};
use super::fault::Fault;
use crate::event::{
    CompensationStarted, Event, Failure, Json, OperationKey, Text, TurnEnd, TurnEnded,
};
use crate::retry::Retry;
use crate::time::Timestamp;

/// How to undo something. Nothing has run when it is made.
pub(crate) trait Undo: Send {
    /// The body of the undo step `key`, with this input; `output` is the result of what it undoes.
    /// `Err` says why that cannot be read.
    fn body(
        self: Box<Self>,
        key: &OperationKey,
        input: Json,
        output: &Json,
        retry: Option<Retry>,
    ) -> Result<Box<dyn Body>, String>;
}

/// What only a step with an undo has.
pub(crate) struct Undoable {
    undo: Option<Box<dyn Undo>>,
    /// How to run it, after its future was dropped.
    kept: Option<Box<dyn Body>>,
    /// Whether its outcome was delivered.
    settled: bool,
    /// Whether the turn that the log is at may have started an attempt of it.
    in_turn: bool,
    /// Whether an attempt of it may have run to its end unseen.
    in_doubt: bool,
    /// Whether it is driven to its end before anything is undone.
    finishing: bool,
}

/// What a run has to undo, and how far it is with that.
#[derive(Default)]
pub(super) struct Compensation {
    /// Whether anything with an undo was ever called: all else is idle without.
    in_use: bool,
    /// What is to be undone, the next one last.
    registered: Vec<Registered>,
    /// What the log has the undoing of. It holds the user's values, and is dropped with the run.
    spent: Vec<Registered>,
    /// Steps with an undo that were waited for and have no outcome.
    open: Vec<u32>,
    /// How many of the calls that were asked for are in `open`, if they belong there.
    asked_seen: usize,
    /// The claim of a turn that has not ended, as far as the log was delivered.
    lease_end: Option<Timestamp>,
    finishing: usize,
    started: bool,
}

/// One thing to be undone.
pub(crate) struct Registered {
    /// What it is called, without the count.
    name: Cow<'static, str>,
    location: &'static Location<'static>,
    /// The undo step's, a JSON text.
    input: String,
    output: Json,
    undo: Box<dyn Undo>,
    retry: Option<Retry>,
}

/// What compensation does next.
pub(crate) enum NextUndo {
    /// A step is still being driven to its end.
    Waits,
    /// This undo step was called; it has a body unless the log has its outcome.
    Called(u32),
    /// All is undone that could be.
    Done,
}

impl Engine {
    // --- What operations ask ---

    /// Step `seq` says that there is nothing to undo.
    pub(crate) fn set_nothing_to_undo(&mut self, seq: u32) {
        self.step(seq).covered = true;
    }

    /// Step `seq` has an undo.
    pub(crate) fn set_undo(&mut self, seq: u32, undo: Box<dyn Undo>) {
        self.compensation.in_use = true;
        self.step(seq).covered = true;
        self.step(seq).undoable = Some(Box::new(Undoable {
            undo: Some(undo),
            kept: None,
            settled: false,
            in_turn: false,
            in_doubt: false,
            finishing: false,
        }));
    }

    /// Something is to be undone by hand. Returns its place, for [`retry_of_undo`].
    ///
    /// [`retry_of_undo`]: Self::retry_of_undo
    pub(crate) fn register_undo(
        &mut self,
        name: &str,
        location: &'static Location<'static>,
        undo: Box<dyn Undo>,
    ) -> usize {
        self.compensation.in_use = true;
        self.push_undo(name, location, "{}".to_owned(), Json::null(), undo)
    }

    /// How often the undo that was registered at this place is tried.
    pub(crate) fn retry_of_undo(&mut self, place: usize, retry: Retry) {
        if let Some(registered) = self.compensation.registered.get_mut(place) {
            registered.retry = Some(retry);
        }
    }

    /// Calls the next undo step, if it is time for it. The lock is not to be held while its body is
    /// made of the user's values: [`NextUndo::Called`] comes with what makes it.
    pub(crate) fn next_undo(&mut self) -> (NextUndo, Option<Registered>) {
        if self.compensation.finishing > 0 {
            return (NextUndo::Waits, None);
        }
        let Some(registered) = self.compensation.registered.pop() else {
            return (NextUndo::Done, None);
        };
        let (name, location) = (registered.name.clone(), registered.location);
        let (seq, settled) = self.call_step(name, location, registered.input.clone());
        // Nothing undoes an undo.
        self.step(seq).covered = true;
        if settled {
            self.compensation.spent.push(registered);
            return (NextUndo::Called(seq), None);
        }
        (NextUndo::Called(seq), Some(registered))
    }

    // --- What the turn asks ---

    /// Whether there may be something to undo: a cheap answer, for workflows that use none of it.
    pub(crate) fn uses_undo(&self) -> bool {
        self.compensation.in_use
    }

    /// The calls from the one at `from` on that are steps and say nothing of their undoing: their
    /// names, and where they stand in the source. And how many calls there are by now. Nothing of a
    /// workflow that uses no undo, up to here.
    pub(crate) fn gaps(&self, from: usize) -> (Vec<(String, Text)>, usize) {
        if !self.compensation.in_use {
            return (Vec::new(), from);
        }
        let is_gap = |call: &&Call| matches!(&call.detail, Detail::Step(step) if !step.covered);
        let gaps = self.calls.iter().skip(from).filter(is_gap);
        let named = gaps.map(|call| (call.key.name.to_string(), site(call.location)));
        (named.collect(), self.calls.len())
    }

    /// Whether compensation has started.
    pub(crate) fn compensates(&self) -> bool {
        self.compensation.started
    }

    /// Whether step `seq` has an undo and no outcome.
    pub(crate) fn has_open_undo(&mut self, seq: u32) -> bool {
        self.step(seq).undoable.as_ref().is_some_and(|undoable| !undoable.settled)
    }

    /// Whether nobody waits for step `seq` any more, and what it may have done matters all the same.
    pub(crate) fn matters_though_dropped(&mut self, seq: u32) -> bool {
        self.step(seq)
            .undoable
            .as_ref()
            .is_some_and(|undoable| !undoable.settled && undoable.kept.is_some())
    }

    /// Whether step `seq` is being driven to its end for compensation.
    pub(crate) fn is_finishing(&self, seq: u32) -> bool {
        match &self.calls[seq as usize].detail {
            Detail::Step(step) => step.is_finishing(),
            _ => false,
        }
    }

    /// The steps to be driven to their ends if compensation starts now, while bodies of `running`
    /// run; `None` if there is nothing to undo either.
    pub(crate) fn finishing(&mut self, running: &[u32]) -> Option<Vec<u32>> {
        let open = std::mem::take(&mut self.compensation.open);
        let doubtful =
            open.iter().copied().filter(|seq| self.undoable(*seq).is_some_and(|it| it.in_doubt));
        let mut finishing: Vec<u32> = doubtful.collect();
        self.compensation.open = open;
        finishing.extend(running.iter().filter(|seq| self.has_open_undo(**seq)));
        finishing.sort_unstable();
        finishing.dedup();
        let nothing = finishing.is_empty() && self.compensation.registered.is_empty();
        (!nothing).then_some(finishing)
    }

    // --- Delivery ---

    /// Takes note of what was asked for since the last event, and may run from now on.
    pub(super) fn see_asked(&mut self) {
        if !self.compensation.in_use {
            return;
        }
        let seen = self.compensation.asked_seen.min(self.asked.len());
        for index in seen..self.asked.len() {
            let seq = self.asked[index];
            let call = &mut self.calls[seq as usize];
            let wanted = matches!(call.state, State::Wanted);
            if wanted && let Some(undoable) = undoable_of(call) {
                undoable.in_turn = true;
                self.compensation.open.push(seq);
            }
        }
        self.compensation.asked_seen = self.asked.len();
    }

    /// The turn has taken what was asked for.
    pub(super) fn asked_taken(&mut self) {
        self.see_asked();
        self.compensation.asked_seen = 0;
    }

    /// What claims and their ends say of steps with an undo: of those too that are called later, by
    /// the turn whose claim it is.
    pub(super) fn note_undoables(&mut self, event: &Event) {
        match event {
            Event::TurnStarted(claim) => {
                let died = self.compensation.lease_end.replace(claim.lease_end);
                let mut open = std::mem::take(&mut self.compensation.open);
                open.retain(|seq| self.begin_turn(*seq, died));
                self.compensation.open = open;
            }
            Event::LeaseRenewed(renewed) => {
                self.compensation.lease_end = Some(renewed.lease_end);
            }
            // What a turn that blocks or gives up has stopped is not in the log: as if it had died.
            Event::TurnEnded(TurnEnded { reason: TurnEnd::Blocked | TurnEnd::GaveUp, .. }) => {}
            Event::TurnEnded(_) => self.compensation.lease_end = None,
            _ => {}
        }
    }

    /// A turn begins, after one that died with its lease ending at `died`, if one did. Whether step
    /// `seq` is still open.
    fn begin_turn(&mut self, seq: u32, died: Option<Timestamp>) -> bool {
        let call = &mut self.calls[seq as usize];
        let wanted = matches!(call.state, State::Wanted);
        let Detail::Step(StepState { retry_at, undoable: Some(undoable), .. }) = &mut call.detail
        else {
            return false;
        };
        if undoable.settled {
            return false;
        }
        // No attempt starts under a lease that ends before its time.
        let could_run = died.is_some_and(|end| retry_at.is_none_or(|retry_at| retry_at < end));
        undoable.in_doubt |= undoable.in_turn && could_run;
        undoable.in_turn = wanted || undoable.finishing;
        wanted || undoable.finishing || undoable.in_doubt
    }

    /// An attempt of step `seq` failed, and another may follow. Whether compensation waited for it
    /// and waits no more.
    pub(super) fn attempt_of_undoable_failed(&mut self, seq: u32, failure: &Failure) -> bool {
        let Some(undoable) = self.undoable(seq) else { return false };
        undoable.in_doubt = failure.leaves_doubt();
        if undoable.in_doubt || !undoable.finishing {
            return false;
        }
        // It said itself that it did nothing: there is nothing to undo.
        undoable.finishing = false;
        self.compensation.finishing -= 1;
        true
    }

    /// An attempt of step `seq` did nothing, and another follows. Whether compensation waited for it
    /// and waits no more.
    pub(super) fn attempt_of_undoable_postponed(&mut self, seq: u32) -> bool {
        let Some(undoable) = self.undoable(seq) else { return false };
        // It knows nothing of the attempts before it.
        if undoable.in_doubt || !undoable.finishing {
            return false;
        }
        undoable.finishing = false;
        self.compensation.finishing -= 1;
        true
    }

    /// Step `seq` has its outcome: an output, if it completed, is what there is to undo.
    pub(super) fn undoable_settled(&mut self, seq: u32, output: Option<&Json>) {
        let call = &mut self.calls[seq as usize];
        let location = call.location;
        let Some(undoable) = undoable_of(call) else { return };
        let was_finishing = std::mem::take(&mut undoable.finishing);
        (undoable.settled, undoable.in_doubt) = (true, false);
        // What is not taken stays until the run is dropped: it holds the user's values, whose
        // destructors are not for this lock.
        let undo = output.and_then(|_| undoable.undo.take());
        self.compensation.finishing -= usize::from(was_finishing);
        if let (Some(undo), Some(output)) = (undo, output) {
            let key = self.calls[seq as usize].key.clone();
            let input = Undoes { undoes: &key }.to_json();
            self.push_undo(&key.name, location, input, output.clone(), undo);
        }
    }

    /// The workflow's future is gone, and what it did is undone from now on.
    pub(super) fn start_compensation(&mut self, event: &CompensationStarted) -> Result<(), Fault> {
        self.see_asked();
        self.compensation.started = true;
        // A next run that it has asked for does not begin: this one is undone.
        self.continues = None;
        for &seq in &event.finishing {
            let call = self.calls.get_mut(seq as usize);
            let step = call.and_then(|call| match &mut call.detail {
                Detail::Step(step) => Some(step),
                _ => None,
            });
            let Some((step, undoable)) = step.and_then(StepState::split) else {
                let fault = Fault::NoUndo { call: seq + 1 };
                self.fail(fault.clone());
                return Err(fault);
            };
            undoable.finishing = true;
            if let Some(kept) = undoable.kept.take() {
                *step = Some(kept);
            }
            self.compensation.finishing += 1;
            // On replay the workflow has asked for it already, and one attempt is enough.
            if !self.asked.contains(&seq) {
                self.asked.push(seq);
            }
            if !self.compensation.open.contains(&seq) {
                self.compensation.open.push(seq);
            }
        }
        self.compensation.asked_seen = self.asked.len();
        Ok(())
    }

    fn undoable(&mut self, seq: u32) -> Option<&mut Undoable> {
        undoable_of(&mut self.calls[seq as usize])
    }

    fn push_undo(
        &mut self,
        name: &str,
        location: &'static Location<'static>,
        input: String,
        output: Json,
        undo: Box<dyn Undo>,
    ) -> usize {
        let name = Cow::Owned(format!("undo {name}"));
        let registered = Registered { name, location, input, output, undo, retry: None };
        self.compensation.registered.push(registered);
        self.compensation.registered.len() - 1
    }
}

impl Registered {
    /// Makes the body of the undo step `key`. User code: outside the engine's lock.
    pub(crate) fn body(self, key: &OperationKey) -> Result<Box<dyn Body>, String> {
        self.undo.body(key, Json::from_written(self.input), &self.output, self.retry)
    }
}

impl StepState {
    pub(super) fn is_finishing(&self) -> bool {
        self.undoable.as_ref().is_some_and(|undoable| undoable.finishing)
    }

    /// Nobody waits for it any more. What is left to be dropped.
    pub(super) fn give_up(&mut self, was_wanted: bool) -> Option<Box<dyn Body>> {
        let body = self.body.take();
        match &mut self.undoable {
            Some(undoable) if was_wanted && !undoable.settled => {
                undoable.kept = body;
                None
            }
            _ => body,
        }
    }

    fn split(&mut self) -> Option<(&mut Option<Box<dyn Body>>, &mut Undoable)> {
        let undoable = self.undoable.as_deref_mut()?;
        Some((&mut self.body, undoable))
    }
}

/// The input of an undo step, for people.
#[derive(serde::Serialize)]
struct Undoes<'a> {
    undoes: &'a OperationKey,
}

impl Undoes<'_> {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

fn undoable_of(call: &mut Call) -> Option<&mut Undoable> {
    match &mut call.detail {
        Detail::Step(step) => step.undoable.as_deref_mut(),
        _ => None,
    }
}
