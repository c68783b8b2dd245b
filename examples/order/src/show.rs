//! What the terminal shows: a line for each thing that happened, then the history as a table.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use comfy_table::{Table, presets};
use everstep::event::{Commit, Event};
use everstep::time::Timestamp;

use crate::world::Effect;

/// How lines are written: with colour on a terminal, unless `NO_COLOR` is set.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    colour: bool,
}

const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

impl Show {
    /// For this process's standard output.
    pub fn stdout() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !plain && std::io::stdout().is_terminal() }
    }

    /// A heading or a remark.
    pub fn say(self, text: &str) {
        println!("{text}");
    }

    /// What to do next: a command.
    pub fn next(self, why: &str, command: &str) {
        println!("\n{why}\n\n    {command}");
    }

    /// Something that just became durable.
    pub fn happened(self, event: &Event) {
        match event {
            Event::StepCompleted(e) => self.line(GREEN, "done", &e.key.name, &took(e.took_us)),
            Event::StepAttemptFailed(e) => {
                self.line(RED, "retry", &e.key.name, &e.failure.message())
            }
            Event::StepFailed(e) => self.line(RED, "failed", &e.key.name, &e.failure.message()),
            Event::TimerStarted(e) => {
                let wait = format!("{:.1} s", e.due.since(e.at).as_secs_f64());
                self.line(DIM, "wait", &e.key.name, &wait);
            }
            Event::TimerFired(e) => self.line(GREEN, "done", &e.key.name, ""),
            _ => {}
        }
    }

    /// Something an earlier process has left in the log.
    pub fn recorded(self, event: &Event) {
        match event {
            Event::StepCompleted(e) => {
                self.line(DIM, "in log", &e.key.name, "is not run again");
            }
            Event::TimerFired(e) => self.line(DIM, "in log", &e.key.name, ""),
            _ => {}
        }
    }

    fn line(self, colour: &str, what: &str, name: &str, note: &str) {
        let what = format!("{what:<6}");
        let what = if self.colour { format!("\x1b[{colour}m{what}\x1b[0m") } else { what };
        println!("  {what}  {}", format!("{name:<14}{note}").trim_end());
    }

    /// The history, one event a row.
    pub fn history(self, commits: &[Commit]) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["commit", "after", "event", "key", "took", "says"]);
        let start = commits.first().and_then(|commit| commit.events.first()).map(Event::at);
        for commit in commits {
            for event in &commit.events {
                let (took, says) = details(event);
                let key = event.key().map(ToString::to_string).unwrap_or_default();
                let after = after(start.unwrap_or_default(), event.at());
                let number = commit.number.to_string();
                table.add_row([number, after, event.kind().to_owned(), key, took, says]);
            }
        }
        println!("\n{}", table.trim_fmt());
    }

    /// How often each thing was done to the outside world.
    pub fn effects(self, effects: &[Effect], done_by: &str) {
        println!("\nwhat the outside world saw ({done_by}):");
        let mut seen = BTreeSet::new();
        for Effect { service, idempotency_key, .. } in effects {
            if !seen.insert(idempotency_key) {
                continue;
            }
            let times = effects.iter().filter(|e| e.idempotency_key == *idempotency_key).count();
            let note = if times == 1 { "" } else { " (a process died before it had the answer)" };
            println!("  {service:<9}{times} x{note}");
        }
    }
}

fn details(event: &Event) -> (String, String) {
    match event {
        Event::WorkflowStarted(e) => (String::new(), e.workflow.clone()),
        Event::TurnStarted(e) => (String::new(), e.host.to_string()),
        Event::StepCompleted(e) => (took(e.took_us), e.output.to_string()),
        Event::StepAttemptFailed(e) => (took(e.took_us), e.failure.message()),
        Event::StepFailed(e) => (took(e.took_us), e.failure.message()),
        Event::TimerStarted(e) => (String::new(), format!("due {}", after(e.at, e.due))),
        Event::TurnEnded(e) => (String::new(), format!("{:?}", e.reason).to_lowercase()),
        Event::WorkflowCompleted(e) => (String::new(), e.output.to_string()),
        Event::WorkflowFailed(e) => (String::new(), e.error.to_string()),
        _ => Default::default(),
    }
}

fn took(micros: u64) -> String {
    format!("{} ms", micros / 1000)
}

fn after(start: Timestamp, at: Timestamp) -> String {
    format!("+{:.3} s", at.since(start).as_secs_f64())
}
