//! The search of the models of their own, whose worlds are small, and what must come of it.

use std::collections::HashMap;
use std::hash::Hash;

use super::family::Violation;

/// A small world, and how it goes on.
pub(crate) trait Model {
    type State: Copy + Eq + Hash;

    fn start(&self) -> Self::State;

    fn actions(&self, state: Self::State) -> Vec<Action<Self::State>>;

    /// Whether this is an end that must stay within reach.
    fn is_goal(&self, state: &Self::State) -> bool;

    fn violation(&self, _: &Self::State) -> Option<Violation> {
        None
    }
}

/// A step of such a world.
pub(crate) struct Action<S> {
    pub(crate) what: &'static str,
    pub(crate) is_fault: bool,
    pub(crate) to: S,
}

/// The steps that a state allows, as they are found.
pub(crate) struct Actions<S> {
    from: S,
    found: Vec<Action<S>>,
}

impl<S: Copy> Actions<S> {
    pub(crate) fn of(state: S) -> Self {
        Self { from: state, found: Vec::new() }
    }

    /// What goes on by itself, and what it makes of the state.
    pub(crate) fn step(&mut self, what: &'static str, change: impl FnOnce(&mut S)) {
        self.add(what, false, change);
    }

    /// What may go wrong.
    pub(crate) fn fault(&mut self, what: &'static str, change: impl FnOnce(&mut S)) {
        self.add(what, true, change);
    }

    fn add(&mut self, what: &'static str, is_fault: bool, change: impl FnOnce(&mut S)) {
        let mut to = self.from;
        change(&mut to);
        self.found.push(Action { what, is_fault, to });
    }

    pub(crate) fn all(self) -> Vec<Action<S>> {
        self.found
    }
}

/// What must come of a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing is wrong in any reachable state.
    Holds,
    /// A promise is broken.
    Breaks(Violation),
    /// From some state no end can be reached without a further fault.
    Stuck,
}

/// What came of it, with the way there.
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) states: usize,
    pub(crate) trace: Vec<&'static str>,
}

/// A world and what must come of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) expected: Verdict,
    search: Box<dyn Fn() -> Finding>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        model: impl Model + 'static,
        expected: Verdict,
    ) -> Self {
        Self { name: name.into(), expected, search: Box::new(move || search(&model)) }
    }

    /// A rule that is kept and holds, and what comes of its removal.
    pub(crate) fn pair<M: Model + 'static>(
        name: &str,
        kept: M,
        removed: M,
        expected: Verdict,
    ) -> [Self; 2] {
        [
            Self::new(name, kept, Verdict::Holds),
            Self::new(format!("{name}, removed"), removed, expected),
        ]
    }

    pub(crate) fn check(&self) -> Finding {
        (self.search)()
    }
}

/// Visits every state. Promises are judged first, then ends that cannot be reached.
fn search(model: &impl Model) -> Finding {
    let mut states = vec![model.start()];
    let mut known = HashMap::from([(states[0], 0)]);
    // From which state each was reached first, and by what.
    let mut from = vec![(0, "")];
    // Who reaches a state without a fault.
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < states.len() {
        let state = states[at];
        if let Some(violation) = model.violation(&state) {
            let trace = trace(&from, at);
            return Finding { verdict: Verdict::Breaks(violation), states: states.len(), trace };
        }
        for Action { what, is_fault, to } in model.actions(state) {
            let to = *known.entry(to).or_insert_with(|| {
                states.push(to);
                from.push((at, what));
                before.push(Vec::new());
                states.len() - 1
            });
            if !is_fault {
                before[to].push(at);
            }
        }
        at += 1;
    }
    let mut reaches: Vec<bool> = states.iter().map(|state| model.is_goal(state)).collect();
    let mut open: Vec<usize> = (0..states.len()).filter(|&at| reaches[at]).collect();
    while let Some(at) = open.pop() {
        for &from in &before[at] {
            if !std::mem::replace(&mut reaches[from], true) {
                open.push(from);
            }
        }
    }
    let (verdict, trace) = match reaches.iter().position(|reaches| !reaches) {
        Some(at) => (Verdict::Stuck, trace(&from, at)),
        None => (Verdict::Holds, Vec::new()),
    };
    Finding { verdict, states: states.len(), trace }
}

fn trace(from: &[(usize, &'static str)], mut at: usize) -> Vec<&'static str> {
    let mut trace = Vec::new();
    while at != 0 {
        let (before, what) = from[at];
        trace.push(what);
        at = before;
    }
    trace.reverse();
    trace
}
