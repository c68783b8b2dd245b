//! What every command takes.

use clap::Parser;
use everstep::backend::{DEFAULT_URL, URL_VARIABLE};

use crate::commands::Command;
use crate::exit;
use crate::style::ColorChoice;

/// Set up, start, inspect and steer durable workflows.
#[derive(Debug, Parser)]
#[command(name = "everstep", version, about, after_help = exit::help())]
pub(crate) struct Arguments {
    /// The store and the queue: sqlite:PATH or dynamodb://TABLE?queue=QUEUE.
    #[arg(long, global = true, env = URL_VARIABLE, default_value = DEFAULT_URL)]
    #[arg(hide_env_values = true)]
    pub(crate) url: String,

    /// Print JSON for programs, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to use colours. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,

    #[command(subcommand)]
    pub(crate) command: Command,
}
