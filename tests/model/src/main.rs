//! An explicit-state model of the turn and wake protocol: it visits every state that a small world
//! with hostile faults can reach, with each rule of `docs/protocol.md` kept and with it removed.
//!
//! ```text
//! cargo run -p everstep-model                  every configuration
//! cargo run -p everstep-model -- 12- hostile   those whose names begin so
//! cargo run -p everstep-model -- --trace 9-    with the trace of what breaks, wanted or not
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `story`, `host`, `state`, `normal` | what is in the log, the record, the inbox, the queue and the hosts |
//! | `workflow` | the workflows, and their replay |
//! | `rules`, `setup` | the switches, the times, the faults |
//! | `world`, `people`, `queue`, `time` | what happens around the hosts |
//! | `turn`, `run`, `append` | what a host does |
//! | `check` | the search, and the three things that can be wrong |
//! | `configurations` | what is searched, and what must come of it |
//! | `family` | a model of its own, of a parent and its child |
//! | `alarms` | another one, of an alarm clock beside the queue |
//! | `telling` | another one, of what others are told |
//! | `lives` | another one, of executions that have one id, one after the other |
//! | `small` | the search of these four |
//!
//! One action is one atomic call of the store or the queue, or one decision between two of them.

mod alarms;
mod append;
mod check;
mod configurations;
mod family;
mod host;
mod lives;
mod normal;
mod people;
mod queue;
mod report;
mod rules;
mod run;
mod setup;
mod small;
mod state;
mod story;
mod telling;
mod time;
mod turn;
mod workflow;
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use check::Finding;
use configurations::Configuration;

/// Where a search is given up. The configurations are chosen so that none comes near.
const STATES_MAX: usize = 2_000_000;

fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let wants_traces = options.iter().any(|option| option == "--trace");
    let chosen: Vec<_> = configurations::all()
        .into_iter()
        .filter(|configuration| {
            names.is_empty() || names.iter().any(|name| configuration.name.starts_with(name))
        })
        .collect();
    let (mut passed, mut failed) = (0, 0);
    search(&chosen, |configuration, found| {
        let is_right = found.verdict == configuration.expected;
        report::line(configuration, found);
        if !is_right || wants_traces {
            report::trace(found);
        }
        if is_right { passed += 1 } else { failed += 1 }
    });
    let chosen_case = |name: &str| names.is_empty() || names.iter().any(|it| name.starts_with(it));
    let small = [family::cases(), alarms::cases(), telling::cases(), lives::cases()];
    for case in small.into_iter().flatten() {
        if !chosen_case(&case.name) {
            continue;
        }
        let found = case.check();
        let is_right = found.verdict == case.expected;
        report::small_line(&case, &found);
        if !is_right || wants_traces {
            report::small_trace(&found);
        }
        if is_right { passed += 1 } else { failed += 1 }
    }
    report::closing(passed, failed);
    // A run that checked nothing must not look like one that found nothing.
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Searches all on every core, and hands out what was found in the order of the table.
fn search(chosen: &[Configuration], mut each: impl FnMut(&Configuration, &Finding)) {
    let (sender, found) = mpsc::channel();
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((at, configuration)) = take(chosen, next) {
                    let finding = check::check(&configuration.setup, STATES_MAX);
                    if sender.send((at, finding)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        for (at, configuration) in chosen.iter().enumerate() {
            let finding = loop {
                match early.remove(&at) {
                    Some(finding) => break finding,
                    None => early.extend([found.recv().expect("a search panicked")]),
                }
            };
            each(configuration, &finding);
        }
    });
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    items.get(at).map(|item| (at, item))
}
