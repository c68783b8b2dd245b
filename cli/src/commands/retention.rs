use clap::Args;
use everstep::client::Pass;
use serde::Serialize;

use super::delete;
use crate::archive::Archiving;
use crate::backend;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, printable, talk};

/// Delete what has ended and is no longer kept, once.
///
/// How long that is says the app that ended it (`App::retention`); its workers do this by themselves,
/// and on AWS the schedule of the sweeper does. Histories go into the archive first: which one, or that
/// there is none, has to be said. What cannot be deleted is named and does not keep the others.
#[derive(Debug, Args)]
pub(crate) struct Retention {
    /// Delete no more than so many executions.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// Delete nothing, and print the ids of what would be deleted.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    archiving: Archiving,
}

#[derive(Serialize)]
struct Expired<'a> {
    execution: &'a str,
}

#[derive(Serialize)]
struct Kept<'a> {
    execution: &'a str,
    kept: String,
}

#[derive(Serialize)]
struct Sum {
    deleted: usize,
    freed: usize,
    kept: usize,
    more: bool,
}

impl Retention {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let archive = if self.dry_run { None } else { self.archiving.open().await? };
        let client = backend::existing_with(url, archive).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let pass = client.delete_expired().limit(limit);
        let pass = if self.dry_run { pass.dry_run().await? } else { pass.await? };
        for (id, deleted) in &pass.deleted {
            match self.dry_run {
                true if !out.json => out.line(id)?,
                true => out.object(&Expired { execution: id.as_str() })?,
                false => delete::show(id, deleted, out)?,
            }
        }
        self.sum(pass, out)
    }

    fn sum(&self, pass: Pass, out: &mut Output) -> Result<(), Failure> {
        let Pass { deleted, freed, kept, more, .. } = pass;
        for (id, error) in &kept {
            let text = format!("{:#}", everstep::Error::from(error));
            if out.json {
                out.object(&Kept { execution: id.as_str(), kept: text })?;
            } else {
                out.finish()?;
                talk(printable(&text));
            }
        }
        let sum = Sum { deleted: deleted.len(), freed, kept: kept.len(), more };
        if out.json {
            out.object(&sum)?;
        } else {
            out.finish()?;
            let done = if self.dry_run { "to delete" } else { "deleted" };
            talk(format_args!("{done}: {}, kept: {}", sum.deleted, sum.kept));
            if more {
                talk("there are more: ask again, or with a higher --limit");
            }
        }
        match kept.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(exit::CONFLICT, "not everything could be deleted")
                .todo("put right what was named; the next pass tries again")),
        }
    }
}
