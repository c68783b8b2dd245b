use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Output;

/// Print completions for a shell.
///
/// For example: everstep completions bash > ~/.local/share/bash-completion/completions/everstep
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, out: &mut Output) -> Result<(), Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command(), "everstep", &mut text);
        out.raw(&text)
    }
}
