//! Every reachable state, and what is wrong with them.

use std::collections::HashMap;

use super::Verdict;
use super::world::{Setup, State};

/// What was found, with the way there.
pub(super) struct Found {
    pub(super) verdict: Verdict,
    pub(super) states: usize,
    pub(super) trace: Vec<&'static str>,
}

/// Explores `setup`. Promises are judged first, then ends that cannot be reached.
pub(super) fn search(setup: &Setup) -> Found {
    let mut states = vec![State::new(setup)];
    let mut known = HashMap::from([(states[0], 0)]);
    // From which state each was reached first, and by what.
    let mut from = vec![(0, "")];
    // Who reaches a state without a fault.
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut actions = Vec::new();
    let mut at = 0;
    while at < states.len() {
        let state = states[at];
        if let Some(violation) = state.violation {
            let trace = trace(&from, at);
            return Found { verdict: Verdict::Breaks(violation), states: states.len(), trace };
        }
        state.actions(setup, &mut actions);
        for action in actions.drain(..) {
            let to = *known.entry(action.to).or_insert_with(|| {
                states.push(action.to);
                from.push((at, action.what));
                before.push(Vec::new());
                states.len() - 1
            });
            if !action.is_fault {
                before[to].push(at);
            }
        }
        at += 1;
    }
    let mut reaches: Vec<bool> = states.iter().map(State::is_goal).collect();
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
    Found { verdict, states: states.len(), trace }
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
