use std::fmt::Write;

use clap::Args;
use everstep::ExecutionId;
use serde::Serialize;

use super::show::finish;
use crate::backend;
use crate::failure::Failure;
use crate::output::Output;

/// Verify an execution's log: every hash, every link, all its runs, and that its end is there.
///
/// The head is the hash of the last commit. Whoever notes it can tell later whether anything up to
/// there was changed, whoever changed it.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The execution's id.
    id: ExecutionId,
}

#[derive(Serialize)]
struct Verified<'a> {
    id: &'a str,
    ok: bool,
    commits: usize,
    events: usize,
    head: Option<String>,
    /// The first commit that cannot be trusted.
    bad_commit: Option<u64>,
    problem: Option<&'a str>,
}

impl Verify {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let loaded = backend::existing(url).await?.load_all(&self.id).await?;
        let (commits, corrupt) = loaded.read();
        let events: usize = commits.iter().map(|commit| commit.events.len()).sum();
        let head = commits.last().map(|commit| hex(&commit.hash));
        if out.json {
            out.object(&Verified {
                id: self.id.as_str(),
                ok: corrupt.is_none(),
                commits: commits.len(),
                events,
                head,
                bad_commit: corrupt.as_ref().map(|corrupt| corrupt.number),
                problem: corrupt.as_ref().map(|corrupt| &*corrupt.problem),
            })?;
        } else {
            out.line(format_args!("good commits: {}, with {events} events", commits.len()))?;
            if let Some(head) = head {
                out.line(format_args!("head: {head}"))?;
            }
        }
        finish(corrupt)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
