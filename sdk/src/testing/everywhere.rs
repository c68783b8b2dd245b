//! A workflow, with a crash at every boundary.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::env::{AttemptOf, Death, Env, Execution, Runs};
use crate::client::Family;
use crate::event::{Event, Failure, PromiseResult, WorkflowStarted, reason_with};

/// Long enough for whatever a crash leaves behind: a lease to end and a wake to come back.
const AFTERWARDS: Duration = Duration::from_secs(600);

/// What [`crash_everywhere`] has seen.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::testing::{Crashes, crash_everywhere};
/// # #[step] async fn charge(card: &str) -> everstep::Result<String> { Ok(card.to_owned()) }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { charge(&card).await }
///
/// let seen: Crashes = crash_everywhere(
///     || Env::new(App::new().workflow(sell)),
///     |env| env.start(sell, "4242".to_owned()),
/// );
/// // The only step of all whose effect must bear to be repeated; and no attempt was given up.
/// assert!(seen.repeated.iter().eq(["charge#1"]));
/// assert_eq!(seen.interrupted, 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crashes {
    /// How many crashes there were, each in a run of its own.
    pub crashes: usize,
    /// The steps, such as `charge#1`, whose body ran to its end once more after one of them, since
    /// the host died before the result was durable. Their effects must bear that:
    /// [`idempotency_key`](crate::idempotency_key()) is the same each time.
    pub repeated: BTreeSet<String>,
    /// How many crashes interrupted an `at_most_once` step, which is no more run then: what the
    /// execution came to may differ, and was not compared.
    pub interrupted: usize,
}

/// What became of the story in one run of it.
pub(super) struct Tale {
    calls: Vec<&'static str>,
    died: bool,
    pub(super) blocked: Option<String>,
    essence: Essence,
    runs: BTreeMap<AttemptOf, Runs>,
}

/// What a log says without claims, turns and times: of each operation, in order.
type Essence = BTreeMap<String, Vec<String>>;

/// Tells `story` once without a crash, and then again and again, each time in a new `env`, with a
/// host that dies at another boundary: before and after each call it makes of store and queue. A
/// second host goes on, as soon as the claim of the first has ended.
///
/// `story` starts the execution that is looked at, and sends what it needs: with
/// [`signal_after`](Execution::signal_after), since it returns before anything has happened.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::testing::{Env, crash_everywhere};
///
/// # #[step] async fn charge(card: &str) -> everstep::Result<String> { Ok(card.to_owned()) }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { sleep(days(1)).await; charge(&card).await }
/// let crashes = crash_everywhere(
///     || Env::new(App::new().workflow(sell)),
///     |env| env.start(sell, "4242".to_owned()),
/// );
/// assert!(crashes.crashes > 20);
/// assert!(crashes.repeated.contains("charge#1")); // so the bank must know the idempotency key
/// ```
///
/// # Panics
/// After one of the crashes, which is named, something is different from the run without:
/// - the result, or what the log says of any operation (attempts, arguments, results; not claims and
///   times), also in the logs of its children; or the view and the tags that its record shows;
/// - the number of times a body ran to its end: fewer, or more than once more;
/// - the execution is blocked, or does not end.
///
/// A crash makes things late by half a minute: a workflow whose result depends on how long something
/// takes may differ for that alone.
#[track_caller]
pub fn crash_everywhere<T, E>(
    env: impl Fn() -> Env,
    story: impl Fn(&Env) -> Execution<T, E>,
) -> Crashes {
    let clean = tell(&env, &story, None);
    if let Some(reason) = &clean.blocked {
        panic!("without any crash the execution is blocked: {reason}");
    }
    let mut seen = Crashes::default();
    for (at, call) in clean.calls.iter().enumerate() {
        for after in [false, true] {
            let tale = tell(&env, &story, Some(Death { at, after }));
            if !tale.died {
                continue;
            }
            seen.crashes += 1;
            if let Err(difference) = compare(&clean, &tale, 1, &mut seen) {
                let place = if after { "after" } else { "before" };
                let (number, of) = (at + 1, clean.calls.len());
                let commits = clean.calls[..at].iter().filter(|call| **call == "append").count();
                panic!(
                    "a crash {place} {call} (call {number} of {of} of the host, {commits} commits \
                     after the start) makes a difference: {difference}"
                );
            }
        }
    }
    seen
}

#[track_caller]
fn tell<T, E>(
    env: &impl Fn() -> Env,
    story: &impl Fn(&Env) -> Execution<T, E>,
    death: Option<Death>,
) -> Tale {
    let env = env();
    if let Some(death) = death {
        env.world().let_die(death);
    }
    told(&env, story)
}

/// What becomes of the story in this environment.
#[track_caller]
pub(super) fn told<T, E>(env: &Env, story: &impl Fn(&Env) -> Execution<T, E>) -> Tale {
    let execution = story(env);
    execution.settle();
    env.advance(AFTERWARDS);
    let (calls, died) = env.world().first_host_calls();
    Tale {
        calls,
        died,
        blocked: execution.blocked(),
        essence: with_record(essence_of_all(env, &execution), env, &execution),
        runs: env.world().stands.runs(),
    }
}

/// What the logs of an execution and of its children, and theirs, say.
fn essence_of_all<T, E>(env: &Env, execution: &Execution<T, E>) -> Essence {
    let mut all = essence(&execution.events());
    let mut parents = vec![execution.history()];
    while let Some(log) = parents.pop() {
        for child in Family::of(&log).children {
            let client = env.client();
            let log = env.block_on(async move { client.history(&child.id).await });
            // It was asked for when its parent ended, and need not exist.
            let Ok(log) = log else { continue };
            let events: Vec<Event> = log.iter().flat_map(|it| it.events.iter().cloned()).collect();
            let cut_short = matches!(events.last(), Some(Event::WorkflowCancelled(_)));
            for (of, said) in essence(&events) {
                // How far it came before it was cancelled depends on when it was.
                if !cut_short || of == RESULT || of == INTERRUPTED {
                    let of = if of == INTERRUPTED { of } else { format!("{of} of {}", child.key) };
                    all.entry(of).or_default().extend(said);
                }
            }
            parents.push(log);
        }
    }
    all
}

/// What the record shows besides: views and tags reach it by ways of their own.
fn with_record<T, E>(mut all: Essence, env: &Env, execution: &Execution<T, E>) -> Essence {
    let (client, id) = (env.client(), execution.id().clone());
    if let Ok(record) = env.block_on(async move { client.describe(&id).await }) {
        let view = record.projection.view.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
        all.insert("the view that the record shows".to_owned(), vec![view]);
        let tags = record.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.insert("the record's tags".to_owned(), tags);
    }
    all
}

/// Compares a run with the undisturbed one. Bodies may have run to their end so many times more.
pub(super) fn compare(
    clean: &Tale,
    tale: &Tale,
    more: usize,
    seen: &mut Crashes,
) -> Result<(), String> {
    if let Some(reason) = &tale.blocked {
        return Err(format!("the execution is blocked: {reason}"));
    }
    if tale.essence.contains_key(INTERRUPTED) {
        seen.interrupted += 1;
        return Ok(());
    }
    let operations: BTreeSet<_> = clean.essence.keys().chain(tale.essence.keys()).collect();
    for operation in operations {
        let (without, with) = (clean.essence.get(operation), tale.essence.get(operation));
        if without != with {
            let (without, with) = (said(without), said(with));
            return Err(format!("{operation} is {without} without it, and {with} with it"));
        }
    }
    let attempts: BTreeSet<_> = clean.runs.keys().chain(tale.runs.keys()).collect();
    for of in attempts {
        let completed = |tale: &Tale| tale.runs.get(of).map_or(0, |runs| runs.completed);
        let (without, with) = (completed(clean), completed(tale));
        if with < without || with > without + more {
            let (step, attempt) = of;
            return Err(format!(
                "the body of {step}, attempt {attempt}, ran to its end {without} times without it, \
                 and {with} times with it"
            ));
        }
        if with > without {
            seen.repeated.insert(of.0.clone());
        }
    }
    Ok(())
}

fn started(start: &WorkflowStarted) -> String {
    let tags: String = start.tags.iter().map(|(name, value)| format!(", {name}={value}")).collect();
    format!("{} of {}{tags}", start.workflow, start.input)
}

fn said(lines: Option<&Vec<String>>) -> String {
    lines.map_or_else(|| "not there".to_owned(), |lines| lines.join(", then "))
}

const RESULT: &str = "the result";

/// Not a key: keys have a `#`.
const INTERRUPTED: &str = "interrupted";

fn essence(events: &[Event]) -> Essence {
    let mut essence = Essence::new();
    let mut messages = 0;
    for event in events {
        let failed = |attempt: u32, failure: &Failure, input: &_| match failure {
            Failure::Interrupted { .. } => None,
            _ => Some(format!("attempt {attempt} of {input} failed ({})", failure.message())),
        };
        let said = match event {
            Event::StepCompleted(e) => {
                Some(format!("attempt {} of {} returned {}", e.attempt, e.input, e.output))
            }
            Event::StepAttemptFailed(e) => failed(e.attempt, &e.failure, &e.input),
            Event::StepFailed(e) => failed(e.attempt, &e.failure, &e.input),
            Event::TimerStarted(_) => Some("started".to_owned()),
            Event::TimerFired(_) => Some("fired".to_owned()),
            Event::ChildRequested(e) => Some(format!("asked for {} with {}", e.child, e.input)),
            Event::ChildCompleted(e) => Some(format!("ended: {:?}", e.outcome)),
            Event::SignalReceived(e) => {
                messages += 1;
                Some(format!("{} {}", e.name, e.payload))
            }
            Event::VersionChosen(e) => Some(format!("{}", e.version)),
            Event::PromiseCreated(_) => Some("made".to_owned()),
            Event::PromiseHeartbeat(_) => Some("kept alive".to_owned()),
            Event::PromiseResolved(e) => Some(match &e.result {
                PromiseResult::Completed { value } => format!("completed with {value}"),
                result => result.summary(),
            }),
            Event::UpdateReceived(e) => {
                messages += 1;
                Some(format!("{} {}", e.name, e.request))
            }
            Event::ViewPublished(e) => Some(format!("showed {}", e.view)),
            Event::TagSet(e) => Some(format!("{}={}", e.name, e.value)),
            Event::UpdateReplied(e) => Some(format!("{} was answered {}", e.update, e.reply)),
            Event::WorkflowStarted(e) => Some(started(e)),
            Event::WorkflowCompleted(e) => Some(format!("returned {}", e.output)),
            Event::WorkflowFailed(e) => {
                Some(reason_with(format!("failed with {}", e.error), &e.not_undone))
            }
            Event::WorkflowCancelled(e) => {
                Some(reason_with(format!("cancelled ({})", e.reason), &e.not_undone))
            }
            Event::WorkflowTerminated(e) => Some(format!("terminated ({})", e.reason)),
            _ => continue,
        };
        let of = match (event, event.key()) {
            _ if said.is_none() => INTERRUPTED.to_owned(),
            // A callback's step has the key of its promise.
            (
                Event::PromiseCreated(_) | Event::PromiseHeartbeat(_) | Event::PromiseResolved(_),
                Some(key),
            ) => format!("promise {key}"),
            (_, Some(key)) => key.to_string(),
            (Event::SignalReceived(_) | Event::UpdateReceived(_), _) => {
                format!("message {messages}")
            }
            (Event::VersionChosen(e), _) => format!("the version of {:?}", e.name),
            (Event::WorkflowStarted(_), _) => "the start".to_owned(),
            _ => RESULT.to_owned(),
        };
        essence.entry(of).or_default().push(said.unwrap_or_default());
    }
    essence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tale(completed: usize) -> Tale {
        Tale {
            calls: Vec::new(),
            died: true,
            blocked: None,
            essence: Essence::new(),
            runs: BTreeMap::from([(("pay#1".to_owned(), 1), Runs { begun: completed, completed })]),
        }
    }

    #[test]
    fn a_body_may_run_to_its_end_once_more_and_neither_less_nor_twice_more() {
        for (completed, fine, repeated) in
            [(0, false, 0), (1, true, 0), (2, true, 1), (3, false, 0)]
        {
            let mut seen = Crashes { crashes: 0, repeated: BTreeSet::new(), interrupted: 0 };
            let compared = compare(&tale(1), &tale(completed), 1, &mut seen);
            assert_eq!(compared.is_ok(), fine, "{completed}: {compared:?}");
            assert_eq!(seen.repeated.len(), repeated, "{completed}");
        }
        let mut seen = Crashes { crashes: 0, repeated: BTreeSet::new(), interrupted: 0 };
        let text = compare(&tale(1), &tale(3), 1, &mut seen).unwrap_err();
        assert!(text.contains("pay#1, attempt 1, ran to its end 1 times without it"), "{text}");
    }
}
