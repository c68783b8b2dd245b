//! A program is changed while its executions are open: the log of the old one, cut anywhere, goes
//! on with the new one, which asks for a version where it differs.
//!
//! For every change, seed and cut: the new program goes on and ends; a replay of the whole log
//! makes the same trace and end; and a second host that comes later, anywhere, does too. Some logs
//! keep the old branch, and some take the new one.

use std::collections::BTreeSet;

use super::programs::{CHANGES, Program};
use super::rng::Rng;
use super::world::World;
use super::{Repeat, number};
use crate::event::Event;

/// Seeds a change, unless the environment says otherwise.
const SEEDS: u64 = 200;

#[test]
fn open_executions_go_on_after_a_change() {
    for change in CHANGES {
        let first = number("EVERSTEP_FUZZ_FIRST", 0);
        let seeds = number("EVERSTEP_FUZZ_SEEDS", SEEDS);
        let mut answers = BTreeSet::new();
        for seed in first..first + seeds {
            let _repeat = Repeat { program: change.after.name, seed };
            let mut rng = Rng::new(seed ^ 0xc0de);
            let old = ended(World::new(&change.before, seed));
            let cut = 1 + rng.index(old.log.len() - 1);
            // Cut between two turns of the old program: what was decided later is not there.
            let mut log = old.log[..cut].to_vec();
            let mut deployed = World::resume(&change.after, &log);
            deployed.reseed(!seed);
            deployed.go_on_to(cut + 1 + rng.index(6));
            log.clone_from(&deployed.log);
            let mut second = World::resume(&change.after, &log);
            second.reseed(seed);
            let second = ended(second);
            answers.insert(answers_of(&second.log));
            says_all(&change.after, &second);
        }
        let runs_on_the_old_branch = answers.iter().any(Vec::is_empty);
        let runs_on_the_new_branch = answers.iter().any(|answers| answers.contains(&2));
        assert!(seeds < 50 || runs_on_the_old_branch, "{}: {answers:?}", change.after.name);
        assert!(seeds < 50 || runs_on_the_new_branch, "{}: {answers:?}", change.after.name);
    }
}

fn ended(mut world: World) -> World {
    world.go_on_to_the_end();
    world
}

fn says_all(program: &Program, live: &World) {
    let replayed = World::replay(program, &live.log);
    assert_eq!(live.take_trace(), replayed.take_trace(), "log: {:#?}", live.log);
    assert_eq!(live.end, replayed.end, "log: {:#?}", live.log);
    assert!(replayed.decides_nothing(), "log: {:#?}", live.log);
}

/// The versions that a log has.
fn answers_of(log: &[Event]) -> Vec<u32> {
    let version = |event: &Event| match event {
        Event::VersionChosen(e) => Some(e.version),
        _ => None,
    };
    log.iter().filter_map(version).collect()
}
