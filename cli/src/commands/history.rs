use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use everstep::ExecutionId;
use everstep::client::{HistoryError, HistoryPages};
use everstep::event::{
    Carried, ChildOutcome, Commit, CompensationCause, CompensationStarted, CorruptCommit, Event,
    HistoryLine, Json, OperationKey, PromiseCreated, PromiseResult, TurnEnd, TurnEnded, WaitsFor,
};
use everstep::payload::{PayloadError, SealedPayload};
use everstep::time::Timestamp;

use super::record::time;
use super::show::finish;
use crate::backend;
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, talk};
use crate::style::of_event;
use crate::table::{Rows, Text};

/// Print an execution's log, event by event, with every hash verified.
///
/// If a commit cannot be trusted, the ones before it are printed, then the bad one is named and
/// the exit code says so.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The execution's id.
    id: ExecutionId,

    /// Print values whole instead of cutting them to the terminal's width.
    #[arg(long)]
    full: bool,

    /// Only this run: the first is 1, and each that continues or starts the execution again is one
    /// more.
    #[arg(long, value_name = "NUMBER")]
    run: Option<u32>,
}

impl History {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let client = backend::existing(url).await?;
        let mut pages = client.history_pages(&self.id);
        let mut table = Table::new(out);
        let mut run = 0;
        let corrupt = loop {
            let Some(some) = next(&mut pages).await? else { break None };
            let mut commits = match some {
                Ok(commits) => commits,
                Err(corrupt) => break Some(corrupt),
            };
            if !out.json && pages.unopened().is_some() {
                name_sealed(&mut commits);
            }
            for commit in &commits {
                for event in &commit.events {
                    if let Event::WorkflowStarted(start) = event {
                        run = start.run;
                    }
                    if self.run.is_some_and(|wanted| wanted != run) {
                        continue;
                    }
                    if out.json {
                        let line = HistoryLine::new(&self.id, commit.number, event).to_text();
                        let line = line.map_err(|error| Failure::new(exit::UNEXPECTED, error))?;
                        out.line(line)?;
                    } else {
                        table.add(event, self.full);
                    }
                }
            }
        };
        if !out.json {
            table.rows.print(out, self.full)?;
        }
        finish(corrupt).and_then(|()| say_sealed(out, pages.unopened()))
    }
}

/// What came of asking for the next commits: these, or the one that cannot be trusted.
pub(super) type Next = Result<Vec<Commit>, CorruptCommit>;

/// The next commits of a log; `None` after the last.
pub(super) async fn next(pages: &mut HistoryPages<'_>) -> Result<Option<Next>, Failure> {
    match pages.next().await {
        Ok(commits) => Ok(commits.map(Ok)),
        Err(HistoryError::Corrupt { source, .. }) => Ok(Some(Err(source))),
        Err(error) => Err(error.into()),
    }
}

/// The events, a row each: columns are as wide as what is in them, so nothing is printed before all is
/// known.
struct Table {
    rows: Rows,
    timers: HashMap<OperationKey, Timestamp>,
}

impl Table {
    fn new(out: &Output) -> Self {
        let head = ["TIME (UTC)", "EVENT", "KEY", "ATTEMPT", "DURATION", "RESULT"];
        Self { rows: Rows::new(out, &head), timers: HashMap::new() }
    }

    fn add(&mut self, event: &Event, full: bool) {
        if let Event::TimerStarted(timer) = event {
            self.timers.insert(timer.key.clone(), timer.at);
        }
        let Details { attempt, took, mut result } = details(event, &self.timers);
        if !full {
            cut(&mut result, RESULT_MAX);
        }
        self.rows.add(vec![
            time(event.at()).into(),
            Text::colored(event.kind(), of_event(event)),
            event.key().map(ToString::to_string).unwrap_or_default().into(),
            attempt.map(|attempt| attempt.to_string()).unwrap_or_default().into(),
            took.map(duration).unwrap_or_default().into(),
            result.into(),
        ]);
    }
}

/// No terminal is so wide, in bytes: more of a result is not kept where it is cut anyway.
const RESULT_MAX: usize = 8 * 1024;

/// Leaves about so many bytes of `text`.
fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.shrink_to_fit();
    }
}

/// Puts into the place of each payload that is sealed what is known of it, for people.
pub(super) fn name_sealed(commits: &mut [Commit]) {
    for event in commits.iter_mut().flat_map(|commit| &mut commit.events) {
        event.payloads_mut(&mut name_one);
    }
}

/// The same of one payload.
pub(super) fn name_one(json: &mut Json) {
    if let Some(Ok(name)) = SealedPayload::of(json).map(|sealed| Json::record(&sealed.to_string()))
    {
        *json = name;
    }
}

/// Says why payloads stay sealed.
pub(super) fn say_sealed(out: &mut Output, why: Option<&PayloadError>) -> Result<(), Failure> {
    let Some(why) = why else { return Ok(()) };
    out.finish()?;
    talk(format_args!("payloads are sealed: {why}"));
    Ok(())
}

#[derive(Default)]
struct Details {
    attempt: Option<u32>,
    took: Option<Duration>,
    result: String,
}

impl Details {
    fn of(result: impl ToString) -> Self {
        Self { result: result.to_string(), ..Self::default() }
    }

    fn step(attempt: u32, took_us: Option<u64>, result: impl ToString) -> Self {
        let took = took_us.map(Duration::from_micros);
        Self { attempt: Some(attempt), took, result: result.to_string() }
    }
}

fn details(event: &Event, timers: &HashMap<OperationKey, Timestamp>) -> Details {
    match event {
        Event::WorkflowStarted(e) => Details::of(format!("{}({})", e.workflow, e.input)),
        Event::TurnStarted(e) => Details::of(&e.host),
        Event::LeaseRenewed(e) => Details::of(format!("until {}", time(e.lease_end))),
        Event::StepStarted(e) => Details::step(e.attempt, None, ""),
        Event::StepAttemptFailed(e) => {
            let result = format!("{}; again at {}", e.failure.message(), time(e.retry_at));
            Details::step(e.attempt, Some(e.took_us), result)
        }
        Event::StepPostponed(e) => {
            let result = format!("not yet: {}; again at {}", e.reason, time(e.retry_at));
            Details::step(e.attempt, Some(e.took_us), result)
        }
        Event::StepHeartbeat(e) => Details::step(e.attempt, None, &e.details),
        Event::StepCompleted(e) => Details::step(e.attempt, Some(e.took_us), &e.output),
        Event::StepFailed(e) => Details::step(e.attempt, Some(e.took_us), e.failure.message()),
        Event::TimerStarted(e) => Details::of(format!("due {}", time(e.due))),
        Event::TimerFired(e) => {
            let took = timers.get(&e.key).map(|started| e.at.since(*started));
            Details { took, ..Details::default() }
        }
        Event::ChildRequested(e) => Details::of(format!("{}: {}", e.child, e.input)),
        Event::ChildStarted(e) => Details::of(&e.child),
        Event::ChildCompleted(e) => Details::of(outcome(&e.outcome)),
        Event::SignalReceived(e) => Details::of(format!("{}: {}", e.name, e.payload)),
        Event::VersionChosen(e) => Details::of(format!("{}: version {}", e.name, e.version)),
        Event::PromiseCreated(e) => Details::of(limits(e)),
        Event::PromiseResolved(e) => Details::of(match &e.result {
            PromiseResult::Completed { value } => value.to_string(),
            result => result.summary(),
        }),
        Event::UpdateReceived(e) => Details::of(format!("{}: {}", e.name, e.request)),
        Event::UpdateReplied(e) => Details::of(&e.reply),
        Event::ViewPublished(e) => Details::of(&e.view),
        Event::TagSet(e) => Details::of(format!("{}={}", e.name, e.value)),
        Event::CancelRequested(e) => Details::of(&e.reason),
        Event::TurnEnded(e) => Details::of(turn_end(e)),
        Event::WorkflowCompleted(e) => Details::of(&e.output),
        Event::CompensationStarted(e) => Details::of(undoes(e)),
        Event::WorkflowFailed(e) => Details::of(format!("{}{}", e.error, left(&e.not_undone))),
        Event::WorkflowCancelled(e) => Details::of(format!("{}{}", e.reason, left(&e.not_undone))),
        Event::WorkflowTerminated(e) => Details::of(&e.reason),
        Event::Carried(e) => Details::of(carried(e)),
        _ => Details::default(),
    }
}

pub(super) fn outcome(outcome: &ChildOutcome) -> String {
    match outcome {
        ChildOutcome::Completed { output } => output.to_string(),
        ChildOutcome::Failed { error } => format!("failed: {error}"),
        ChildOutcome::Cancelled { reason } => format!("cancelled: {reason}"),
        ChildOutcome::Terminated { reason } => format!("terminated: {reason}"),
        ChildOutcome::NotStarted { problem } => format!("not started: {problem}"),
        _ => String::new(),
    }
}

fn carried(carried: &Carried) -> String {
    let messages = match carried.messages.len() {
        0 => "no message".to_owned(),
        1 => "1 message".to_owned(),
        many => format!("{many} messages"),
    };
    let hours: usize = carried.hours.iter().map(|hour| hour.ids.len()).sum();
    let ids = carried.taken.len() + hours;
    format!("{messages} not consumed, {ids} ids")
}

fn undoes(started: &CompensationStarted) -> String {
    let why = match &started.cause {
        CompensationCause::Cancelled { .. } => "cancelled",
        CompensationCause::Failed { .. } => "failed",
        _ => "ended",
    };
    match started.finishing.len() {
        0 => format!("{why}: what it did is undone"),
        1 => format!("{why}: what it did is undone, after a step that may be running"),
        count => format!("{why}: what it did is undone, after {count} steps that may be running"),
    }
}

/// What the end of an execution leaves as it is.
fn left(keys: &[OperationKey]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    format!("; NOT UNDONE: {}", keys.join(", "))
}

fn limits(promise: &PromiseCreated) -> String {
    let due = promise.due.map(|due| format!("due {}", time(due)));
    let heartbeat = promise.heartbeat_ms.map(|ms| {
        format!("a heartbeat every {}", humantime::format_duration(Duration::from_millis(ms)))
    });
    due.into_iter().chain(heartbeat).collect::<Vec<_>>().join(", ")
}

fn turn_end(end: &TurnEnded) -> String {
    match (end.reason, end.wake_at) {
        (TurnEnd::Suspended, Some(wake_at)) if end.waits_for.is_empty() => {
            format!("suspended until {}", time(wake_at))
        }
        (TurnEnd::Suspended, Some(wake_at)) => {
            format!("suspended until {} or {} comes", time(wake_at), waits_for(&end.waits_for))
        }
        (TurnEnd::Suspended, None) if end.waits_for.is_empty() => {
            "suspended until a message comes".to_owned()
        }
        (TurnEnd::Suspended, None) => {
            format!("suspended until {} comes", waits_for(&end.waits_for))
        }
        (TurnEnd::Yielded, _) => "handed over to another turn".to_owned(),
        (TurnEnd::Blocked, _) => "blocked".to_owned(),
        (TurnEnd::GaveUp, Some(wake_at)) => {
            format!("gave up: no answer from what it needs; again at {}", time(wake_at))
        }
        _ => String::new(),
    }
}

/// `signal "confirmed", update "add"`.
pub(super) fn waits_for(waits_for: &WaitsFor) -> String {
    let signals = waits_for.signals.iter().map(|name| format!("signal {name:?}"));
    let updates = waits_for.updates.iter().map(|name| format!("update {name:?}"));
    signals.chain(updates).collect::<Vec<_>>().join(", ")
}

/// Three digits or so and a unit: `250us`, `31.4ms`, `2.72s`, `1h 5m`.
fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let seconds = duration.as_secs_f64();
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{:.1}ms", seconds * 1e3),
        1_000_000..60_000_000 => format!("{seconds:.2}s"),
        _ => humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn a_turn_that_gave_up_says_so_and_when_the_next_one_is() {
        let end = r#"{"at":0,"reason":"gave_up","wake_at":1000,"armed":[]}"#;
        let said = super::turn_end(&serde_json::from_str(end).expect("as it is stored"));
        let again = super::time(everstep::time::Timestamp(1_000));
        assert_eq!(said, format!("gave up: no answer from what it needs; again at {again}"));
    }

    #[test]
    fn durations_are_short() {
        for (micros, text) in [
            (0, "0us"),
            (999, "999us"),
            (1_000, "1.0ms"),
            (31_415, "31.4ms"),
            (2_718_281, "2.72s"),
            (3_900_000_000, "1h 5m"),
        ] {
            assert_eq!(super::duration(Duration::from_micros(micros)), text);
        }
    }
}
