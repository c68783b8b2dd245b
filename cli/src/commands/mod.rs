//! The commands, one a file.

mod cancel;
mod completions;
mod delete;
mod erase;
mod export;
mod history;
mod list;
mod promise;
mod promises;
mod record;
#[cfg(feature = "aws")]
mod redrive;
mod resume;
mod retention;
mod schedule;
mod setup;
mod show;
mod signal;
mod start;
mod sweep;
mod terminate;
mod update;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Setup(setup::Setup),
    Start(start::Start),
    List(list::List),
    Show(show::Show),
    History(history::History),
    Export(export::Export),
    Signal(signal::Signal),
    Promise(promise::Promise),
    Update(update::Update),
    Cancel(cancel::Cancel),
    #[cfg(feature = "aws")]
    Redrive(redrive::Redrive),
    Resume(resume::Resume),
    Terminate(terminate::Terminate),
    Erase(erase::Erase),
    Delete(delete::Delete),
    Retention(retention::Retention),
    Schedule(schedule::Schedule),
    Sweep(sweep::Sweep),
    Verify(verify::Verify),
    Completions(completions::Completions),
}

impl Command {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Setup(command) => command.run(url, out).await,
            Self::Start(command) => command.run(url, out).await,
            Self::List(command) => command.run(url, out).await,
            Self::Show(command) => command.run(url, out).await,
            Self::History(command) => command.run(url, out).await,
            Self::Export(command) => command.run(url, out).await,
            Self::Promise(command) => command.run(url, out).await,
            Self::Signal(command) => command.run(url, out).await,
            Self::Update(command) => command.run(url, out).await,
            Self::Cancel(command) => command.run(url, out).await,
            #[cfg(feature = "aws")]
            Self::Redrive(command) => command.run(url, out).await,
            Self::Resume(command) => command.run(url, out).await,
            Self::Terminate(command) => command.run(url, out).await,
            Self::Erase(command) => command.run(url, out).await,
            Self::Delete(command) => command.run(url, out).await,
            Self::Retention(command) => command.run(url, out).await,
            Self::Schedule(command) => command.run(url, out).await,
            Self::Sweep(command) => command.run(url, out).await,
            Self::Verify(command) => command.run(url, out).await,
            Self::Completions(command) => command.run(out),
        }
    }
}
