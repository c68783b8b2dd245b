use clap::Args;
use everstep::ExecutionId;
use everstep::client::Cancelling;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Ask for an execution to be cancelled.
///
/// It ends at what it waits for now, as soon as a worker looks at it, and undoes what it did where
/// its code says how. A blocked one does so after a fix and a resume: `terminate` ends it as it is.
/// Asking twice is asking once.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The execution's id.
    id: ExecutionId,

    /// Why, for those who read the log.
    #[arg(long, default_value = "asked for with the everstep command")]
    reason: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    execution: &'a str,
    reason: &'a str,
}

impl Cancel {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let cancelling = client.cancel(&self.id, &self.reason).await?;
        if out.json {
            return out.object(&Asked { execution: self.id.as_str(), reason: &self.reason });
        }
        if cancelling == Cancelling::WaitsForResume {
            talk(format_args!(
                "{} is blocked, and ends when it can go on: after a fix and `everstep resume`. To end \
                 it as it is, with nothing undone: `everstep terminate`",
                self.id
            ));
        } else {
            talk(format_args!("{} is asked to end; a worker does it", self.id));
        }
        Ok(())
    }
}
