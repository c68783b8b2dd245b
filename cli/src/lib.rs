//! The `everstep` command: set up a backend, start executions, look at them and steer them.
//!
//! Standard output is data, standard error is talk. `docs/cli.md` shows every command at work;
//! [`exit`] has the exit codes.

mod archive;
mod arguments;
mod backend;
mod commands;
pub mod exit;
mod failure;
mod input;
mod output;
mod style;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::Arguments;
use failure::Failure;
use output::Output;
use style::{ColorChoice, Styles};

/// Runs the command with these arguments, the program's name first, and returns what the process
/// ends with (see [`exit`]).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => return output::usage(&error, ColorChoice::scan(&arguments)),
    };
    let mut out = Output::new(parsed.json, Styles::stdout(parsed.color));
    let result = attempt(parsed.command, &parsed.url, &mut out).and_then(|()| out.finish());
    match result {
        Ok(()) => exit::DONE.into(),
        // Whoever reads, like `head`, has had enough: that is no failure of ours.
        Err(failure) if failure.is_closed_pipe() => exit::DONE.into(),
        Err(failure) => {
            // What could be read comes before the complaint about the rest.
            let _ = out.finish();
            failure.print(Styles::stderr(parsed.color));
            failure.code.into()
        }
    }
}

fn attempt(command: commands::Command, url: &str, out: &mut Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::UNEXPECTED, error))?;
    runtime.block_on(command.run(url, out))
}

/// The command line as clap knows it: for completions and manuals.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}
