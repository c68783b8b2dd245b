//! Whether there are colours, and which.

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::ValueEnum;
use comfy_table::Color;
use everstep::event::{ChildOutcome, Event};
use everstep::store::Status;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set and not empty (<https://no-color.org>).
    Auto,
    /// Whatever the output is.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The choice in a command line that could not be parsed.
    pub(crate) fn scan(arguments: &[OsString]) -> Self {
        let mut words = arguments.iter().filter_map(|argument| argument.to_str());
        while let Some(word) = words.next() {
            let value = match word.split_once('=') {
                Some(("--color", value)) => Some(value),
                _ if word == "--color" => words.next(),
                _ => None,
            };
            if let Some(choice) = value.and_then(|value| Self::from_str(value, false).ok()) {
                return choice;
            }
        }
        Self::Auto
    }

    fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && stream.is_terminal()
            }
        }
    }
}

/// The styles of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Styles {
    /// Whether there are any.
    pub(crate) color: bool,
}

impl Styles {
    pub(crate) fn stdout(choice: ColorChoice) -> Self {
        Self { color: choice.on(&std::io::stdout()) }
    }

    pub(crate) fn stderr(choice: ColorChoice) -> Self {
        Self { color: choice.on(&std::io::stderr()) }
    }

    /// The word that begins an error.
    pub(crate) fn error(self) -> &'static str {
        if self.color { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" }
    }
}

/// The colour of a status.
pub(crate) fn of_status(status: Status) -> Color {
    match status {
        Status::Running => Color::Cyan,
        Status::Suspended => Color::Blue,
        Status::Completed => Color::Green,
        Status::Blocked | Status::Failed => Color::Red,
        _ => Color::Yellow,
    }
}

/// The colour of an event: none for what only keeps the books.
pub(crate) fn of_event(event: &Event) -> Option<Color> {
    match event {
        Event::ChildCompleted(child) => Some(match child.outcome {
            ChildOutcome::Completed { .. } => Color::Green,
            ChildOutcome::Cancelled { .. } => Color::Yellow,
            _ => Color::Red,
        }),
        Event::StepCompleted(_) | Event::WorkflowCompleted(_) => Some(Color::Green),
        Event::StepFailed(_) | Event::WorkflowFailed(_) | Event::WorkflowTerminated(_) => {
            Some(Color::Red)
        }
        Event::CompensationStarted(_)
        | Event::StepAttemptFailed(_)
        | Event::StepPostponed(_)
        | Event::WorkflowCancelled(_)
        | Event::CancelRequested(_) => Some(Color::Yellow),
        Event::TurnStarted(_)
        | Event::TurnEnded(_)
        | Event::LeaseRenewed(_)
        | Event::Carried(_) => Some(Color::DarkGrey),
        _ => None,
    }
}
