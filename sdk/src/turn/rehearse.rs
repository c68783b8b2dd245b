//! A replay that runs no step and writes nothing: what this program does with a log.

use std::sync::Arc;

use super::new_steps;
use crate::context::{Progress, Run, WorkflowEnd};
use crate::event::{Event, Json, OperationKey, TurnEnd, WorkflowStarted};
use crate::host::Registry;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::replay::{Engine, Fault, Request, site};
use crate::telemetry::silently;

/// A workflow that was given the events of one run, as a turn gives them.
pub(crate) struct Rehearsal {
    pub(super) run: Run,
    end: Option<WorkflowEnd>,
}

impl Rehearsal {
    /// Replays `events`, of which the first is the start of the run.
    ///
    /// # Errors
    /// What a turn would block the execution with.
    pub(crate) fn of(registry: &Registry, events: &Arc<Vec<Event>>) -> Result<Self, Fault> {
        silently(|| Self::given(registry, events))
    }

    fn given(registry: &Registry, events: &Arc<Vec<Event>>) -> Result<Self, Fault> {
        let start = start_of(events);
        let Some(workflow) = registry.workflow(&start.workflow) else {
            return Err(Fault::UnknownWorkflow { name: start.workflow.clone() });
        };
        let future = (workflow.make)(registry.states(), &start.input).map_err(|problem| {
            let what = format!("the input of workflow {}", workflow.name);
            Fault::Value { what, problem }
        })?;
        // Whoever wrote the log may have had a payload store.
        let engine = Engine::new(start, Arc::clone(events))
            .with_value_bytes_max(PAYLOAD_BYTES_MAX)
            .declared_at(workflow.location);
        let run = Run::new(engine, future);
        let mut rehearsal = Self { run, end: None };
        let progress = rehearsal.run.poll();
        rehearsal.progress(progress)?;
        for event in &events[1..] {
            rehearsal.deliver(event)?;
        }
        if let Some(fault) = rehearsal.run.fault() {
            return Err(fault);
        }
        match new_steps::refused(workflow, registry.code(), events, &rehearsal.run) {
            Some(fault) => Err(fault),
            None => Ok(rehearsal),
        }
    }

    /// Gives it one event more than it was made with.
    ///
    /// # Errors
    /// What a turn would block the execution with.
    pub(super) fn give(&mut self, event: &Event) -> Result<(), Fault> {
        silently(|| self.deliver(event))?;
        self.run.fault().map_or(Ok(()), Err)
    }

    fn deliver(&mut self, event: &Event) -> Result<(), Fault> {
        if let Event::CompensationStarted(_) = event {
            self.end = None; // What undoes it goes on from here.
        }
        match self.run.deliver(event) {
            Some(progress) => self.progress(progress),
            None => Ok(()),
        }
    }

    fn progress(&mut self, progress: Progress) -> Result<(), Fault> {
        match progress {
            Progress::Waits => Ok(()),
            Progress::Faulted(fault) => Err(fault),
            Progress::Ended(WorkflowEnd::Unrecordable(problem)) => {
                Err(Fault::Value { what: "what it returned".into(), problem })
            }
            Progress::Ended(end) => {
                self.end = Some(end);
                Ok(())
            }
        }
    }

    /// How its end differs from that of another run which was given the same.
    pub(super) fn ends_otherwise(&self, other: Option<&WorkflowEnd>) -> Option<String> {
        match (other, &self.end) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => return None,
            (Some(WorkflowEnd::Completed(a)), Some(WorkflowEnd::Completed(b)))
            | (Some(WorkflowEnd::Failed(a)), Some(WorkflowEnd::Failed(b)))
            | (Some(WorkflowEnd::Continued(a)), Some(WorkflowEnd::Continued(b)))
                if a.same(b) =>
            {
                return None;
            }
            _ => {}
        }
        let said = |end: Option<&WorkflowEnd>| end.map_or("waits".to_owned(), says);
        let (first, again) = (said(other), said(self.end.as_ref()));
        Some(format!("run twice over the same log, the workflow first {first}, then {again}"))
    }

    /// Whether it has decided a version of which the log has none.
    fn decides(&self) -> bool {
        self.run.engine().decides()
    }

    /// How what the code came to differs from the end of the log. No turn would block for it: the
    /// execution has ended, or would end where the code of before went on waiting.
    /// `next` is the input of the run that continues this one, where it is known.
    pub(crate) fn difference(&self, events: &[Event], next: Option<&Json>) -> Option<String> {
        let name = &start_of(events).workflow;
        match (events.last(), &self.end) {
            (Some(Event::WorkflowCancelled(_)), None) if !self.run.engine().compensates() => None,
            (
                Some(
                    Event::WorkflowCompleted(_)
                    | Event::WorkflowFailed(_)
                    | Event::ContinuedAsNew(_)
                    | Event::WorkflowCancelled(_),
                ),
                None,
            ) => {
                let waits = self.waits_for();
                Some(format!("the log says that {name} ended, the code waits for {waits}"))
            }
            (Some(Event::WorkflowCompleted(logged)), Some(end)) => {
                let same =
                    matches!(end, WorkflowEnd::Completed(output) if logged.output.same(output));
                (!same).then(|| both("returned", &logged.output, end))
            }
            (Some(Event::WorkflowFailed(logged)), Some(end)) => {
                let same = match end {
                    WorkflowEnd::Failed(error) => logged.error.same(error),
                    WorkflowEnd::Undone { left, .. } => *left == logged.not_undone,
                    _ => false,
                };
                (!same).then(|| both("failed with", &logged.error, end))
            }
            (Some(Event::ContinuedAsNew(_)), Some(end)) => {
                let next = next?;
                let same = matches!(end, WorkflowEnd::Continued(input) if next.same(input));
                (!same).then(|| both("continued as new with", next, end))
            }
            (Some(Event::WorkflowCancelled(logged)), Some(WorkflowEnd::Undone { left, .. })) => {
                (*left != logged.not_undone).then(|| {
                    let (then, now) = (keys(&logged.not_undone), keys(left));
                    format!("the log says that {name} left {then} as it was, the code leaves {now}")
                })
            }
            (Some(Event::TurnEnded(logged)), Some(end))
                if logged.reason == TurnEnd::Suspended && !self.decides() =>
            {
                Some(format!("the log says that {name} waits, the code {}", says(end)))
            }
            _ => None,
        }
    }

    /// The operations that the code has asked for and the log has no outcome of.
    fn waits_for(&self) -> String {
        let mut engine = self.run.engine();
        let mut asked = Vec::new();
        engine.take_asked(&mut asked);
        asked.retain(|seq| engine.request(*seq).is_some_and(|it| it != Request::GiveUp));
        let named = asked
            .iter()
            .map(|seq| format!("{} ({})", engine.key(*seq), site(engine.location(*seq))));
        match named.collect::<Vec<_>>().join(", ") {
            nothing if nothing.is_empty() => "none of its operations".to_owned(),
            named => named,
        }
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        // The destructors of what it holds are user code, too.
        silently(|| self.run.drop_future());
    }
}

fn start_of(events: &[Event]) -> &WorkflowStarted {
    match events.first() {
        Some(Event::WorkflowStarted(start)) => start,
        _ => unreachable!("the events of a run begin with its start"),
    }
}

fn both(logged: &str, value: &Json, end: &WorkflowEnd) -> String {
    format!("the log says that the workflow {logged} {value}, the code {}", says(end))
}

fn says(end: &WorkflowEnd) -> String {
    match end {
        WorkflowEnd::Completed(output) => format!("returns {output}"),
        WorkflowEnd::Failed(error) => format!("fails with {error}"),
        WorkflowEnd::Continued(input) => format!("continues as new with {input}"),
        WorkflowEnd::Unrecordable(problem) => format!("returns what cannot be recorded: {problem}"),
        WorkflowEnd::Undone { left, .. } => format!("undoes all but {}", keys(left)),
    }
}

fn keys(keys: &[OperationKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
