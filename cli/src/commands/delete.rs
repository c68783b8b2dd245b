use clap::Args;
use everstep::ExecutionId;
use everstep::client::Deleted;
use serde::Serialize;

use crate::archive::Archiving;
use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, printable, talk};

/// Delete executions that have ended, with all that is stored of them.
///
/// The history goes into the archive first, as `export` writes it, and the name it has there is printed.
/// Which archive, or that there is none, has to be said. One that is open is never deleted: cancel or
/// terminate it first.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The executions' ids.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<ExecutionId>,

    #[command(flatten)]
    archiving: Archiving,
}

#[derive(Serialize)]
struct Done<'a> {
    execution: &'a str,
    archived_as: Option<&'a str>,
    /// Whether the id is free at once.
    free: bool,
}

impl Delete {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing_with(url, self.archiving.open().await?).await?;
        let mut first = None;
        for id in &self.ids {
            match client.delete(id).await {
                Ok(deleted) => show(id, &deleted, out)?,
                Err(error) if self.ids.len() == 1 => return Err(error.into()),
                Err(error) => {
                    out.finish()?;
                    talk(printable(&format!("{:#}", everstep::Error::from(&error))));
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What was deleted, and where its history is.
pub(super) fn show(id: &ExecutionId, deleted: &Deleted, out: &mut Output) -> Result<(), Failure> {
    let Deleted { archived_as, is_free, .. } = deleted;
    if out.json {
        let archived_as = archived_as.as_deref();
        return out.object(&Done { execution: id.as_str(), archived_as, free: *is_free });
    }
    out.line(archived_as.as_deref().unwrap_or(id.as_str()))?;
    if !is_free {
        out.finish()?;
        talk(format_args!("the id {id} is free after `everstep retention` in some minutes"));
    }
    Ok(())
}
