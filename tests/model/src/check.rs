//! The search: every reachable state, then what is wrong with them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::setup::Setup;
use crate::state::{State, Violation};
use crate::world::{Action, Next};

/// What a configuration came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing is wrong in any reachable state.
    Holds,
    /// A promise is broken.
    Breaks(Violation),
    /// From some state the goal cannot be reached without a further fault.
    Stuck,
    /// Some run goes round in a circle.
    Livelock,
    /// More message slots or states than there is room for.
    TooLarge,
}

/// What was found, with the way there.
pub(crate) struct Finding {
    pub verdict: Verdict,
    pub states: usize,
    pub trace: Vec<Action>,
}

struct Graph {
    states: Vec<State>,
    parents: Vec<u32>,
    /// Where each state's edges begin in `edges`.
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy)]
struct Edge {
    to: u32,
    is_fault: bool,
}

/// Explores `setup`. Promises are judged first, then circles, then ends that cannot be reached.
pub(crate) fn check(setup: &Setup, states_max: usize) -> Finding {
    let mut graph = Graph {
        states: vec![State::new(setup.faults)],
        parents: vec![u32::MAX],
        starts: vec![0],
        edges: Vec::new(),
    };
    let (verdict, trace) = if let Some((verdict, at)) = graph.explore(setup, states_max) {
        (verdict, graph.trace(setup, at))
    } else if let Some(circle) = graph.circle() {
        (Verdict::Livelock, graph.trace_of_circle(setup, &circle))
    } else if let Some(at) = graph.stuck(setup) {
        (Verdict::Stuck, graph.trace(setup, at))
    } else {
        (Verdict::Holds, Vec::new())
    };
    Finding { verdict, states: graph.states.len(), trace }
}

impl Graph {
    fn explore(&mut self, setup: &Setup, states_max: usize) -> Option<(Verdict, usize)> {
        let mut known: HashMap<u64, u32, BuildHasherDefault<Ready>> = HashMap::default();
        known.insert(fingerprint(&self.states[0]), 0);
        let mut next: Next = Vec::new();
        let mut at = 0;
        while at < self.states.len() {
            let state = self.states[at];
            if let Some(violation) = state.violation {
                return Some((Verdict::Breaks(violation), at));
            }
            if state.overflow || self.states.len() >= states_max {
                return Some((Verdict::TooLarge, at));
            }
            setup.next(&state, &mut next);
            for (action, state) in next.drain(..) {
                let to = *known.entry(fingerprint(&state)).or_insert_with(|| {
                    self.states.push(state);
                    self.parents.push(at as u32);
                    self.states.len() as u32 - 1
                });
                if to as usize != at {
                    self.edges.push(Edge { to, is_fault: action.is_fault });
                }
            }
            self.starts.push(self.edges.len() as u32);
            at += 1;
        }
        None
    }

    fn edges_of(&self, at: usize) -> &[Edge] {
        &self.edges[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// A state from which no run without faults reaches the goal.
    fn stuck(&self, setup: &Setup) -> Option<usize> {
        let mut before = vec![Vec::new(); self.states.len()];
        for at in 0..self.states.len() {
            for edge in self.edges_of(at).iter().filter(|edge| !edge.is_fault) {
                before[edge.to as usize].push(at as u32);
            }
        }
        let mut reaches: Vec<bool> = self.states.iter().map(|state| setup.is_goal(state)).collect();
        let mut open: Vec<usize> = (0..reaches.len()).filter(|&at| reaches[at]).collect();
        while let Some(at) = open.pop() {
            for &from in &before[at] {
                if !std::mem::replace(&mut reaches[from as usize], true) {
                    open.push(from as usize);
                }
            }
        }
        (0..reaches.len()).find(|&at| !reaches[at] && !setup.is_excused(&self.states[at]))
    }

    /// States that follow each other in a circle.
    fn circle(&self) -> Option<Vec<usize>> {
        let mut degree = vec![0_u32; self.states.len()];
        for edge in &self.edges {
            degree[edge.to as usize] += 1;
        }
        let mut open: Vec<usize> = (0..degree.len()).filter(|&at| degree[at] == 0).collect();
        while let Some(at) = open.pop() {
            for edge in self.edges_of(at) {
                degree[edge.to as usize] -= 1;
                if degree[edge.to as usize] == 0 {
                    open.push(edge.to as usize);
                }
            }
        }
        // What is left has a predecessor that is left: going back from any of it meets itself.
        let mut at = degree.iter().position(|&degree| degree > 0)?;
        let mut from = HashMap::new();
        for before in (0..degree.len()).filter(|&before| degree[before] > 0) {
            for edge in self.edges_of(before) {
                from.insert(edge.to as usize, before);
            }
        }
        let mut seen = Vec::new();
        while !seen.contains(&at) {
            seen.push(at);
            at = from[&at];
        }
        let first = seen.iter().position(|&state| state == at)?;
        let mut circle = seen.split_off(first);
        circle.reverse();
        Some(circle)
    }

    fn trace(&self, setup: &Setup, mut at: usize) -> Vec<Action> {
        let mut trace = Vec::new();
        while self.parents[at] != u32::MAX {
            let parent = self.parents[at] as usize;
            trace.extend(self.action(setup, parent, at));
            at = parent;
        }
        trace.reverse();
        trace
    }

    fn trace_of_circle(&self, setup: &Setup, circle: &[usize]) -> Vec<Action> {
        let mut trace = self.trace(setup, circle[0]);
        trace.push(crate::world::act(crate::world::Who::World, "and now round and round:", 0));
        for (at, &state) in circle.iter().enumerate() {
            let to = circle[(at + 1) % circle.len()];
            trace.extend(self.action(setup, state, to));
        }
        trace
    }

    fn action(&self, setup: &Setup, from: usize, to: usize) -> Option<Action> {
        let mut next = Vec::new();
        setup.next(&self.states[from], &mut next);
        let found = next.into_iter().find(|(_, state)| *state == self.states[to]);
        found.map(|(action, _)| action)
    }
}

/// Two states with one fingerprint would be taken for one: at a million states, once in ten
/// million runs.
fn fingerprint(state: &State) -> u64 {
    let mut hasher = Mix(0x9e37_79b9_7f4a_7c15);
    state.hash(&mut hasher);
    hasher.finish()
}

struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// A key that is a hash already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
