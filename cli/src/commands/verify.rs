use std::fmt::Write;

use clap::Args;
use everstep::ExecutionId;
use serde::Serialize;

use super::history;
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
        let client = backend::existing(url).await?;
        let mut pages = client.history_pages(&self.id).sealed();
        let (mut commits, mut events, mut head) = (0, 0, None);
        let corrupt = loop {
            let Some(some) = history::next(&mut pages).await? else { break None };
            let some = match some {
                Ok(some) => some,
                Err(corrupt) => break Some(corrupt),
            };
            commits += some.len();
            events += some.iter().map(|commit| commit.events.len()).sum::<usize>();
            head = some.last().map(|commit| hex(&commit.hash)).or(head);
        };
        if out.json {
            out.object(&Verified {
                id: self.id.as_str(),
                ok: corrupt.is_none(),
                commits,
                events,
                head,
                bad_commit: corrupt.as_ref().map(|corrupt| corrupt.number),
                problem: corrupt.as_ref().map(|corrupt| &*corrupt.problem),
            })?;
        } else {
            out.line(format_args!("good commits: {commits}, with {events} events"))?;
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
