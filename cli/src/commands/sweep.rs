use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::Output;

/// Wake what is overdue, once.
///
/// Workers do it by themselves; on AWS a schedule does. It writes nothing but wakes, so it does no
/// harm at any time.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// How overdue an execution must be, for example 10m. By default a minute.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    grace: Option<Duration>,
}

#[derive(Serialize)]
struct Swept {
    woken: usize,
}

impl Sweep {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let woken = backend::existing(url).await?.sweep(self.grace).await?;
        if out.json {
            return out.object(&Swept { woken });
        }
        out.line(format_args!("woken: {woken}"))
    }
}
