use clap::Args;
use everstep::ExecutionId;
use everstep::client::{ChildInfo, Family};
use everstep::event::{
    ChildOutcome, ClosePolicy, Commit, CorruptCommit, Event, Json, OperationKey, Parent,
    PromiseResult, WaitsFor,
};
use everstep::store::{InboxItem, Loaded, Message, Status};
use serde::Serialize;

use super::history::{name_one, name_sealed, outcome, say_sealed, waits_for};
use super::promises::{OpenPromise, open_promises};
use super::record::{Execution, or_dash, time};
use crate::backend;
use crate::exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::style::of_status;
use crate::table::{Rows, Text};

/// Show one execution: where it stands, its input and result, and what waits for it.
///
/// Reads the record, the log of the current run and the inbox. If the log cannot be read to its end,
/// what can be read is shown and the exit code says so.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The execution's id.
    id: ExecutionId,

    /// Print values whole.
    #[arg(long)]
    full: bool,
}

/// Everything that `show` tells. `null` where it is not known.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    execution: Execution<'a>,
    run: Option<u32>,
    commits: usize,
    events: usize,
    input: Option<&'a Json>,
    output: Option<&'a Json>,
    error: Option<&'a Json>,
    parent: Option<Parent>,
    children: Vec<Child>,
    /// The undo steps that failed for good.
    not_undone: &'a [OperationKey],
    /// The promises that can be completed.
    promises: Vec<OpenPromise>,
    /// What it has published last.
    view: Option<&'a Json>,
    /// The version of the Lambda function that takes its turns, if it is open and pinned to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_to: Option<u64>,
    /// Which messages it waits for, if it is suspended.
    waits_for: Option<&'a WaitsFor>,
    inbox: Vec<Waiting<'a>>,
}

/// A child, as this execution knows it.
#[derive(Serialize)]
struct Child {
    id: String,
    key: OperationKey,
    started: bool,
    awaited: bool,
    on_close: ClosePolicy,
    outcome: Option<ChildOutcome>,
}

#[derive(Serialize)]
struct Waiting<'a> {
    id: &'a str,
    arrived_at: String,
    message: &'a Message,
}

impl Show {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let mut loaded = client.load(&self.id).await?;
        let (mut commits, corrupt) = loaded.read();
        let unopened = client.open_payloads(&mut loaded, &mut commits).await?;
        if out.json {
            out.object(&shown(&loaded, &commits))?;
        } else {
            if unopened.is_some() {
                name_sealed(&mut commits);
                let inbox = loaded.inbox.iter_mut();
                inbox.filter_map(|item| item.message.payload_mut()).for_each(name_one);
                loaded.record.projection.view.iter_mut().for_each(name_one);
            }
            self.print(&loaded, &commits, out)?;
        }
        finish(corrupt).and_then(|()| say_sealed(out, unopened.as_ref()))
    }

    fn print(&self, loaded: &Loaded, commits: &[Commit], out: &mut Output) -> Result<(), Failure> {
        let shown = shown(loaded, commits);
        let (record, projection) = (&loaded.record, &loaded.record.projection);
        let mut rows = Rows::new(out, &[]);
        let mut row = |name: &str, value: Text| rows.add(vec![name.into(), value]);
        row("id", record.id.as_str().into());
        row("workflow", record.workflow.as_str().into());
        let color = Some(of_status(projection.status));
        row("status", Text::colored(projection.status.as_str(), color));
        if let Some(reason) = &projection.reason {
            row("reason", reason.into());
        }
        row("started", format!("{} UTC", time(record.started_at)).into());
        row("updated", format!("{} UTC", time(projection.updated_at)).into());
        let closed = projection.status.is_closed();
        // Where something is untold, it is when that is tried again.
        if let Some(wake_at) = projection.wake_at.filter(|_| !closed || projection.expires()) {
            let label = if closed { "kept until" } else { "wake at" };
            row(label, format!("{} UTC", time(wake_at)).into());
        }
        if let Some(run) = shown.run.filter(|run| *run > 1) {
            row("run", run.to_string().into());
        }
        for (name, value) in &record.tags {
            row("tag", format!("{name}={value}").into());
        }
        row("code", or_dash(&projection.code).into());
        if let Some(version) = shown.pinned_to {
            row("pinned to", format!("version {version} of the function").into());
        }
        let log = format!("{} commits, {} events", shown.commits, shown.events);
        row("log", log.into());
        for (name, value) in [
            ("input", shown.input),
            ("output", shown.output),
            ("error", shown.error),
            ("view", shown.view),
        ] {
            if let Some(value) = value {
                row(name, value.as_str().into());
            }
        }
        match (&shown.parent, &record.parent) {
            (Some(parent), _) => {
                row("parent", format!("{} ({})", parent.execution, parent.key).into());
            }
            // Of a log that cannot be read, the record knows it.
            (None, Some(parent)) => {
                row("parent", format!("{} (run {})", parent.execution, parent.run).into());
            }
            (None, None) => {}
        }
        for child in &shown.children {
            row("child", child.describe().into());
        }
        for key in shown.not_undone {
            row("NOT UNDONE", key.to_string().into());
        }
        for promise in &shown.promises {
            row("promise", promise.line().into());
        }
        if let Some(messages) = shown.waits_for.filter(|messages| !messages.is_empty()) {
            row("waits for", waits_for(messages).into());
        }
        for item in &loaded.inbox {
            row("inbox", describe(item).into());
        }
        rows.print(out, self.full)
    }
}

fn shown<'a>(loaded: &'a Loaded, commits: &'a [Commit]) -> Shown<'a> {
    let all: Vec<&Event> = commits.iter().flat_map(|commit| &commit.events).collect();
    let began = all.iter().rposition(|event| matches!(event, Event::WorkflowStarted(_)));
    // Of the run before there may be its end.
    let events = || all[began.unwrap_or(0)..].iter().copied();
    let start = events().next().and_then(|event| match event {
        Event::WorkflowStarted(start) => Some(start),
        _ => None,
    });
    let (output, error, not_undone) = match events().last() {
        Some(Event::WorkflowCompleted(end)) => (Some(&end.output), None, &[][..]),
        Some(Event::WorkflowFailed(end)) => (None, Some(&end.error), &end.not_undone[..]),
        Some(Event::WorkflowCancelled(end)) => (None, None, &end.not_undone[..]),
        _ => (None, None, &[][..]),
    };
    let last_claim = events().rev().find_map(|event| match event {
        Event::TurnStarted(claim) => Some(claim.function_version),
        _ => None,
    });
    let is_open = !loaded.record.projection.status.is_closed();
    let suspended = loaded.record.projection.status == Status::Suspended;
    let waits_for = match events().last() {
        Some(Event::TurnEnded(end)) if suspended => Some(&end.waits_for),
        _ => None,
    };
    let inbox = loaded.inbox.iter().map(|item| Waiting {
        id: &item.id,
        arrived_at: item.arrived_at.to_string(),
        message: &item.message,
    });
    let Family { parent, children, .. } = Family::of(commits);
    Shown {
        execution: Execution::from(&loaded.record),
        run: start.map(|start| start.run),
        commits: commits.len(),
        events: events().count(),
        input: start.map(|start| &start.input),
        output,
        error,
        parent,
        children: children.into_iter().map(Child::from).collect(),
        not_undone,
        promises: open_promises(&loaded.record, commits),
        view: loaded.record.projection.view.as_ref(),
        pinned_to: last_claim.flatten().filter(|_| is_open),
        waits_for,
        inbox: inbox.collect(),
    }
}

impl From<ChildInfo> for Child {
    fn from(child: ChildInfo) -> Self {
        let ChildInfo { id, key, started, waits: awaited, on_close, outcome, .. } = child;
        Self { id: id.to_string(), key, started, awaited, on_close, outcome }
    }
}

impl Child {
    fn describe(&self) -> String {
        let stands = match &self.outcome {
            Some(ended) => outcome(ended),
            None if !self.awaited => "not awaited".to_owned(),
            None if self.started => "started".to_owned(),
            None => "asked for".to_owned(),
        };
        format!("{}  {stands}", self.id)
    }
}

fn describe(item: &InboxItem) -> String {
    let at = time(item.arrived_at);
    match &item.message {
        Message::Signal { name, payload } => format!("{at} UTC  signal {name}: {payload}"),
        Message::Promise { key, result: PromiseResult::Completed { value }, .. } => {
            format!("{at} UTC  promise {key} completed: {value}")
        }
        Message::Promise { key, result, .. } => {
            format!("{at} UTC  promise {key} {}", result.summary())
        }
        Message::Heartbeat { key, .. } => format!("{at} UTC  heartbeat of promise {key}"),
        Message::Update { name, request } => format!("{at} UTC  update {name}: {request}"),
        Message::Cancel { reason } => format!("{at} UTC  cancel: {reason}"),
        Message::Resume => format!("{at} UTC  resume"),
        Message::Terminate { reason } => format!("{at} UTC  terminate: {reason}"),
        Message::ChildEnded { child, outcome: ended, .. } => {
            format!("{at} UTC  child {child}: {}", outcome(ended))
        }
        _ => format!("{at} UTC  {}", item.id),
    }
}

/// Ends a command that has printed what it could read of a log.
pub(super) fn finish(corrupt: Option<CorruptCommit>) -> Result<(), Failure> {
    let Some(corrupt) = corrupt else { return Ok(()) };
    let todo = "restore it from a backup: nothing is appended to a log that cannot be read";
    Err(Failure::new(exit::CORRUPT, corrupt).todo(todo))
}
