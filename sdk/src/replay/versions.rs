//! Which version of each change a run is on.
//!
//! A change is known by its name alone and has one answer in the whole run. It takes no place in
//! the order of calls, so a call can be added to and removed from code that has open executions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::fault::{Fault, VersionGone};
use crate::event::Event;
use crate::limits::{NAME_RULE, is_name};

/// What a run is on that came by a change before there was a call for it.
const BEFORE: u32 = 1;

/// The answers of a run.
#[derive(Default)]
pub(super) struct Versions {
    known: BTreeMap<Cow<'static, str>, Answer>,
    /// Those that were decided since the turn last asked.
    chosen: Vec<Chosen>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    version: u32,
    /// Whether the log has it, or has only calls that were made without it.
    recorded: bool,
}

/// A version that was decided and is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) version: u32,
}

impl Versions {
    /// Those that the log has.
    pub(super) fn recorded(events: &[Event]) -> Self {
        let mut known = BTreeMap::new();
        for event in events {
            if let Event::VersionChosen(e) = event {
                let answer = Answer { version: e.version, recorded: true };
                // The first one is the one that code has seen.
                known.entry(e.name.clone().into()).or_insert(answer);
            }
        }
        Self { known, chosen: Vec::new() }
    }

    /// The version of change `name`, which this code knows from the start of `range` to its end.
    /// `is_past` if the log goes on behind this call: whoever wrote it has been here already.
    ///
    /// After a fault, some version of the range: nothing comes of what is done with it.
    pub(super) fn of(
        &mut self,
        name: Cow<'static, str>,
        range: &RangeInclusive<u32>,
        is_past: bool,
    ) -> (u32, Option<Fault>) {
        let newest = (*range.end()).max(*range.start());
        if let Some(problem) = misuse(&name, range) {
            let what = format!("version(\"{name:.64}\", {range:?})");
            return (newest, Some(Fault::Value { what, problem }));
        }
        let answer = match self.known.get(&name) {
            Some(answer) => *answer,
            None if is_past => Answer { version: BEFORE, recorded: false },
            None => {
                self.chosen.push(Chosen { name: name.to_string(), version: newest });
                Answer { version: newest, recorded: true }
            }
        };
        if !range.contains(&answer.version) {
            let Answer { version, recorded } = answer;
            let gone = VersionGone { name: name.into(), version, recorded, range: range.clone() };
            return (newest, Some(Fault::VersionGone(Box::new(gone))));
        }
        self.known.entry(name).or_insert(answer);
        (answer.version, None)
    }

    /// Whether anything was decided since the turn last asked.
    pub(super) fn decides(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// What was decided since this was last asked, in the order of the calls.
    pub(super) fn take_chosen(&mut self) -> Vec<Chosen> {
        // Most polls decide nothing, and an empty vector costs nothing.
        std::mem::take(&mut self.chosen)
    }
}

fn misuse(name: &str, range: &RangeInclusive<u32>) -> Option<String> {
    if !is_name(name) {
        Some(NAME_RULE.to_owned())
    } else if range.is_empty() {
        Some("the range has no version in it: write the oldest first, as in 1..=2".to_owned())
    } else if *range.start() < BEFORE {
        Some("versions count from 1, which is the code before the change".to_owned())
    } else {
        None
    }
}
