use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use everstep::ExecutionId;
use everstep::client::Client;
use everstep::event::{CorruptCommit, HistoryLine};
use everstep::store::{Record, Status};
use serde::Serialize;

use super::history;
use super::show::finish;
use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Write executions' logs to files, as `history --json` prints them: tests replay these against
/// the code of the next release.
///
/// A log that cannot be read whole is left out; the others are written, and the exit code says so.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The executions' ids.
    #[arg(required_unless_present_any = ["status", "workflow"], value_name = "ID")]
    ids: Vec<ExecutionId>,

    /// Executions with this status, newest first: open (running, suspended or blocked) or one of
    /// running, suspended, blocked, completed, failed, cancelled or terminated.
    #[arg(long, value_parser = statuses, conflicts_with = "ids")]
    status: Option<Statuses>,

    /// Only executions of this workflow.
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    workflow: Option<String>,

    /// At most so many of each status.
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "ids")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// The folder for the files, made if it is missing: one file an execution, named by its id.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// What `--status` means.
#[derive(Debug, Clone)]
struct Statuses(Vec<Status>);

fn statuses(name: &str) -> Result<Statuses, String> {
    match (name, Status::parse(name)) {
        ("open", _) => {
            let open = Status::ALL.into_iter().filter(|status| !status.is_closed());
            Ok(Statuses(open.collect()))
        }
        (_, Some(status)) => Ok(Statuses(vec![status])),
        _ => {
            let names: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
            Err(format!("a status is open or one of {}", names.join(", ")))
        }
    }
}

#[derive(Serialize)]
struct Exported<'a> {
    execution: &'a str,
    file: &'a Path,
    events: usize,
}

impl Export {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let ids = if self.ids.is_empty() { self.find(&client).await? } else { self.ids };
        if ids.is_empty() {
            talk("there is no such execution");
        }
        fs::create_dir_all(&self.out).map_err(|error| unwritable(&self.out, error))?;
        let mut bad = None;
        for id in &ids {
            if let Some(corrupt) = export(&client, id, &self.out, out).await? {
                out.finish()?;
                talk(format_args!("{id} is left out: its log cannot be read whole"));
                bad.get_or_insert(corrupt);
            }
        }
        finish(bad)
    }

    async fn find(&self, client: &Client) -> Result<Vec<ExecutionId>, Failure> {
        let every = || Status::ALL.to_vec();
        let statuses = self.status.as_ref().map_or_else(every, |statuses| statuses.0.clone());
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut ids = Vec::new();
        for status in statuses {
            let mut found: Vec<Record> = Vec::new();
            let mut after = None;
            loop {
                let mut list = client.list().status(status).limit(limit - found.len());
                if let Some(workflow) = &self.workflow {
                    list = list.workflow(workflow);
                }
                if let Some(after) = after {
                    list = list.after(after);
                }
                let page = list.page().await?;
                found.extend(page.records);
                after = page.next;
                if found.len() >= limit || after.is_none() {
                    break;
                }
            }
            ids.extend(found.into_iter().take(limit).map(|record| record.id));
        }
        Ok(ids)
    }
}

async fn export(
    client: &Client,
    id: &ExecutionId,
    folder: &Path,
    out: &mut Output,
) -> Result<Option<CorruptCommit>, Failure> {
    let mut pages = client.history_pages(id);
    // Before a file is made: there may be no such execution.
    let mut next = history::next(&mut pages).await?;
    let path = folder.join(file_name(id));
    // A file of before stays until there is a whole one in its place.
    let unfinished =
        Unfinished(folder.join(format!(".everstep-{}.unfinished", std::process::id())));
    let failed = |error| unwritable(&path, error);
    let mut file = BufWriter::new(File::create(&unfinished.0).map_err(failed)?);
    let mut events = 0;
    while let Some(some) = next {
        let commits = match some {
            Ok(commits) => commits,
            Err(corrupt) => return Ok(Some(corrupt)),
        };
        for line in HistoryLine::of(id, &commits) {
            let line = line.to_text().map_err(|error| failed(error.into()))?;
            writeln!(file, "{line}").map_err(failed)?;
            events += 1;
        }
        next = history::next(&mut pages).await?;
    }
    history::say_sealed(out, pages.unopened())?;
    file.into_inner().map_err(|error| failed(error.into_error()))?;
    fs::rename(&unfinished.0, &path).map_err(failed)?;
    if out.json {
        out.object(&Exported { execution: id.as_str(), file: &path, events })?;
    } else {
        out.line(path.display())?;
    }
    Ok(None)
}

/// A file that is not whole: it goes with this, unless it has been given another name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A file's name for an id, different for different ids: what file systems may refuse, and the
/// sign that marks it, are written as `%` and two digits.
fn file_name(id: &ExecutionId) -> String {
    let mut name = String::new();
    for (place, c) in id.as_str().chars().enumerate() {
        let plain = c.is_alphanumeric() || "-_#@=+, ".contains(c) || (c == '.' && place > 0);
        if plain {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name += &format!("%{byte:02X}");
            }
        }
    }
    name + ".jsonl"
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    let text = format!("{} cannot be written: {error}", path.display());
    Failure::new(crate::exit::UNEXPECTED, text).todo("choose another folder with --out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_file_of_its_own_in_the_folder() {
        for (id, file) in [
            ("order-7", "order-7.jsonl"),
            ("order/7#1", "order%2F7#1.jsonl"),
            ("order%2F7#1", "order%252F7#1.jsonl"),
            ("..", "%2E..jsonl"),
            (".hidden", "%2Ehidden.jsonl"),
            ("a.b:c", "a.b%3Ac.jsonl"),
            ("größe", "größe.jsonl"),
        ] {
            assert_eq!(file_name(&ExecutionId::new(id).expect("an id")), file);
        }
    }
}
