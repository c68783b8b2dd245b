use clap::Args;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Make the tables and queues that the backend needs.
///
/// Safe to repeat: what is there already is left as it is.
#[derive(Debug, Args)]
pub(crate) struct Setup {}

#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
}

impl Setup {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        backend::new(url).await?.setup().await?;
        if out.json {
            return out.object(&Ready { url });
        }
        talk(format_args!("{url} is ready"));
        Ok(())
    }
}
