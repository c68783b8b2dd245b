use clap::Args;
use everstep::ExecutionId;
use everstep::client::Erased;
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Make the payloads of an execution that has ended unreadable, for ever.
///
/// Its data key and its blobs are deleted. The log stays and verifies. What was never encrypted and
/// stands in the log stays too, and is counted.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The execution's id.
    id: ExecutionId,
}

#[derive(Serialize)]
struct Done<'a> {
    execution: &'a str,
    key: bool,
    blobs: usize,
    readable: usize,
}

impl Erase {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let Erased { key, blobs, readable, .. } = client.erase(&self.id).await?;
        if out.json {
            return out.object(&Done { execution: self.id.as_str(), key, blobs, readable });
        }
        let the_key = if key { "its data key" } else { "no data key" };
        talk(format_args!("{} is erased: {the_key} and {blobs} blobs are deleted", self.id));
        if readable > 0 {
            talk(format_args!("{readable} payloads were never encrypted, and stay in its log"));
        }
        Ok(())
    }
}
