//! What a run prints.
#![expect(clippy::print_stdout, reason = "this program's output is its purpose")]

use crate::check::{Finding, Verdict};
use crate::configurations::Configuration;
use crate::small;
use crate::state::Violation;
use crate::world::{Action, Who};

/// One configuration, one line.
pub(crate) fn line(configuration: &Configuration, found: &Finding) {
    let Configuration { name, expected, .. } = configuration;
    let (mark, but) = if found.verdict == *expected {
        ("ok  ", String::new())
    } else {
        ("FAIL", format!("  (expected: {})", verdict(*expected)))
    };
    println!("{mark}  {name:<38} {:>8} states  {}{but}", found.states, verdict(found.verdict));
}

/// How it comes to what was found, one action a line; `!` marks a fault.
pub(crate) fn trace(found: &Finding) {
    for action in &found.trace {
        println!("        {}", describe(action));
    }
}

/// A case of a model of its own, one line.
pub(crate) fn small_line(case: &small::Case, found: &small::Finding) {
    let small::Case { name, expected, .. } = case;
    let is_right = found.verdict == *expected;
    let mark = if is_right { "ok  " } else { "FAIL" };
    let but = if is_right { String::new() } else { format!("  (expected: {expected:?})") };
    println!("{mark}  {name:<38} {:>8} states  {:?}{but}", found.states, found.verdict);
}

/// How it comes to that.
pub(crate) fn small_trace(found: &small::Finding) {
    for what in &found.trace {
        println!("        {what}");
    }
}

/// The last line.
pub(crate) fn closing(passed: usize, failed: usize) {
    println!("{passed} passed, {failed} failed");
}

fn describe(action: &Action) -> String {
    let Action { what, who, detail, is_fault } = *action;
    let mark = if is_fault { '!' } else { ' ' };
    let who = match who {
        Who::World => String::new(),
        Who::Host(at) => format!("host {}: ", ["A", "B"][usize::from(at)]),
        Who::Sender(item) => format!("sender {item}: "),
    };
    // Only these end in a word that asks for its number.
    let asks = ["message", "by", "step", "branch"].iter().any(|word| what.ends_with(word));
    let detail = if asks { format!(" {detail}") } else { String::new() };
    format!("{mark} {who}{what}{detail}")
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Stuck => "stuck: no way to the end without another fault",
        Verdict::Livelock => "livelock: it can go round for ever",
        Verdict::TooLarge => "too large: not decided",
        Verdict::Breaks(violation) => match violation {
            Violation::RanAgain => "breaks: a body starts although its step's result is logged",
            Violation::Zombie => "breaks: a body goes on after its turn, its result being logged",
            Violation::Barrier => "breaks: a body starts before what it depends on is durable",
            Violation::NotUndone => "what a cancelled execution did is not undone",
            Violation::OnceTwice => "breaks: one attempt of an at_most_once step runs twice",
            Violation::SignalTwice => "breaks: a signal is received twice",
            Violation::SignalLost => "breaks: a signal was accepted and is lost",
            Violation::TimerEarly => "breaks: a timer fires early",
            Violation::Waits => "breaks: work waits for a delayed wake, and nobody is at it",
            Violation::Flood => "breaks: wakes pile up",
            Violation::WronglyBlocked => "breaks: a healthy execution is blocked",
            Violation::Deadly => "breaks: poison kills more hosts than the limit says",
        },
    }
}
