//! Histories in files instead of what is open: for a check where no backend can be reached.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::Looked;
use super::{Check, CheckError, CheckReport, Found, found, stays};
use crate::event::{Event, Runs, TurnEnd, read_lines};
use crate::host::error::AppError;
use crate::host::registry::Registry;
use crate::store::StoreError;

/// What the file of a history ends with.
const EXTENSION: &str = "jsonl";

impl Check {
    /// Replays the histories, in the order of their files' names.
    pub(super) async fn run_histories(mut self) -> Result<CheckReport, CheckError> {
        let payloads = self.app.payloads_alone().await.map_err(AppError::from)?;
        let registry = self.app.clone().registry()?;
        let mut report = CheckReport { of_histories: true, ..CheckReport::default() };
        for file in files(&self.histories)? {
            let mut events = read(&file)?;
            let Some(Event::WorkflowStarted(start)) = events.first().cloned() else {
                unreachable!("what is read begins with its start")
            };
            if !self.workflows.is_empty() && !self.workflows.contains(&start.workflow) {
                continue;
            }
            if report.checked() >= self.limit {
                report.limited = true;
                break;
            }
            let opened = payloads.open_events(&start.execution, &mut events).await;
            let unopened = opened.map_err(StoreError::from)?;
            let runs = Runs::of(events).unwrap_or_else(|_| unreachable!("it begins with a start"));
            let found = match unopened {
                Some(unopened) => Found::Unreadable(unopened.to_string()),
                None if is_open(runs.last()) && stays(&registry, runs.last()) => Found::Pinned,
                None => found_of_all(&registry, &runs),
            };
            let looked = Looked {
                execution: &start.execution,
                workflow: &start.workflow,
                file: Some(&file),
                blocked_now: is_blocked(runs.last()),
                ended: matches!(found, Found::EndsOtherwise(_)) || !is_open(runs.last()),
            };
            report.add(&looked, found);
            if let Some(progress) = &mut self.progress {
                progress(&report);
            }
        }
        if report.checked() == 0 && !report.limited {
            return Err(self.nothing());
        }
        report.sort();
        Ok(report)
    }

    fn nothing(&self) -> CheckError {
        let places: Vec<String> =
            self.histories.iter().map(|path| path.display().to_string()).collect();
        let mut workflows: Vec<&str> = self.workflows.iter().map(String::as_str).collect();
        workflows.sort_unstable();
        let of = match workflows.join(" or ") {
            any if any.is_empty() => any,
            named => format!("of workflow {named} "),
        };
        CheckError::NoHistories { places: places.join(", "), of }
    }
}

/// What becomes of a history: of its first run that does not replay, if there is one.
fn found_of_all(registry: &Registry, runs: &Runs) -> Found {
    for (events, next) in runs.each() {
        match found(registry, events, next) {
            Found::Fine => {}
            other => return other,
        }
    }
    Found::Fine
}

/// Whether the last run of a history has not ended.
fn is_open(events: &[Event]) -> bool {
    !events.last().is_some_and(Event::is_end)
}

/// Whether the last turn that is in the log could not go on.
fn is_blocked(events: &[Event]) -> bool {
    let turn = events.iter().rev().find_map(|event| match event {
        Event::TurnStarted(_) => Some(false),
        Event::TurnEnded(end) => Some(end.reason == TurnEnd::Blocked),
        end => end.is_end().then_some(false),
    });
    turn.unwrap_or(false)
}

/// The files that `paths` are or have in them, each once.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CheckError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            of_folder(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn of_folder(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CheckError> {
    let unreadable = |source| CheckError::Unreadable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // A link to a folder is not followed: it may lead back.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            of_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    Ok(())
}

/// The events in a file, the first of them the start of a run.
fn read(file: &Path) -> Result<Vec<Event>, CheckError> {
    let bytes = fs::read(file)
        .map_err(|source| CheckError::Unreadable { path: file.to_owned(), source })?;
    let damaged = |line, problem| CheckError::History { file: file.to_owned(), line, problem };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        damaged(line, "this is no text in UTF-8: export the execution again".to_owned())
    })?;
    read_lines(text).map_err(|unreadable| damaged(unreadable.line, unreadable.why.to_string()))
}
