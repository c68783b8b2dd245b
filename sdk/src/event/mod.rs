//! The words: what a history can say, and its stored form.
//!
//! A log is a sequence of [commits](Commit); a commit holds [events](Event). `docs/event-log.md`
//! is the byte-for-byte page of it.
//!
//! The examples here tell the stories that histories tell: each picks the events that it is about.
//!
//! # Turns, timers and what is seen from outside
//!
//! ```
//! use everstep::event::{Event, TurnEnd};
//! use everstep::prelude::*;
//!
//! #[workflow]
//! async fn remind(of: String) -> everstep::Result<String> {
//!     publish(&version("wording", 1..=2));
//!     set_tag("stage", "waiting");
//!     sleep(days(3)).await;
//!     Ok(of)
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(remind));
//! let reminder = env.start(remind, "milk".to_owned());
//! reminder.result().unwrap();
//!
//! let story: Vec<String> = reminder.events().iter().filter_map(|event| Some(match event {
//!     Event::WorkflowStarted(start) => format!("run {} of {}", start.run, start.workflow),
//!     Event::TurnStarted(turn) if turn.lease_end > turn.at => "a host has it".to_owned(),
//!     Event::VersionChosen(choice) => format!("{} is {}", choice.name, choice.version),
//!     Event::ViewPublished(shown) => format!("it shows {}", shown.view),
//!     Event::TagSet(tag) => format!("{} is {}", tag.name, tag.value),
//!     Event::TimerStarted(timer) => format!("{} begins", timer.key),
//!     Event::TurnEnded(turn) if turn.reason == TurnEnd::Suspended => "nothing runs".to_owned(),
//!     Event::TimerFired(timer) => format!("{} is over", timer.key),
//!     Event::WorkflowCompleted(end) => format!("it returns {}", end.output),
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, [
//!     "run 1 of remind",
//!     "a host has it",
//!     "wording is 2",
//!     "it shows 2",
//!     "stage is waiting",
//!     "sleep#1 begins",
//!     "nothing runs",
//!     "a host has it",
//!     "sleep#1 is over",
//!     "it returns \"milk\"",
//! ]);
//! ```
//!
//! # Steps
//!
//! ```
//! use everstep::event::{Event, Failure};
//! use everstep::prelude::*;
//!
//! #[step(at_most_once, retry(max_attempts = 2))]
//! async fn charge(card: String) -> everstep::Result<()> {
//!     Err(everstep::Error::msg(format!("no money on {card}")))
//! }
//!
//! /// It says how far it is, and that the disk is full; the next attempt goes on from there.
//! #[step(total_timeout = "1d")]
//! async fn copy(pages: u32) -> everstep::Result<u32> {
//!     let copied = last_heartbeat::<u32>().unwrap_or(0);
//!     if copied == 0 {
//!         heartbeat(&3);
//!         tokio::time::sleep(seconds(15)).await;
//!         return Err(everstep::postpone(minutes(5), "the disk is full").await.into());
//!     }
//!     Ok(pages - copied)
//! }
//!
//! #[workflow]
//! async fn scan(card: String) -> everstep::Result<()> {
//!     copy(7).await?;
//!     charge(card).await
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(scan));
//! let scan = env.start(scan, "4242".to_owned());
//! scan.result().unwrap_err();
//!
//! let story: Vec<String> = scan.events().iter().filter_map(|event| Some(match event {
//!     Event::StepStarted(step) => format!("{} is about to run", step.key),
//!     Event::StepHeartbeat(step) => format!("{} got as far as {}", step.key, step.details),
//!     Event::LeaseRenewed(_) => "its host keeps it".to_owned(),
//!     Event::StepPostponed(step) => format!("{} not yet: {}", step.key, step.reason),
//!     Event::StepCompleted(step) => format!("{} returned {}", step.key, step.output),
//!     Event::StepAttemptFailed(step) => match &step.failure {
//!         Failure::Error { .. } => format!("attempt {}: {}", step.attempt, step.failure.message()),
//!         other => other.message(), // it panicked, timed out, was interrupted …
//!     },
//!     Event::StepFailed(step) => format!("{} failed at attempt {}", step.key, step.attempt),
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, [
//!     "copy#1 got as far as 3",
//!     "its host keeps it",
//!     "copy#1 not yet: the disk is full",
//!     "copy#1 returned 4",
//!     "charge#1 is about to run",
//!     "attempt 1: no money on 4242",
//!     "charge#1 is about to run",
//!     "charge#1 failed at attempt 2",
//! ]);
//! ```
//!
//! # Messages
//!
//! ```
//! use everstep::event::{Event, Reply};
//! use everstep::prelude::*;
//!
//! #[workflow]
//! async fn sell(card: String) -> everstep::Result<String> {
//!     let asked = update::<u64, u64>("price").await;
//!     let price = *asked.request() * 120;
//!     asked.reply(&price);
//!     signal::<bool>("paid").await?;
//!     sleep(days(1)).await;
//!     Ok(card)
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(sell));
//! let sale = env.start(sell, "4242".to_owned());
//! let _price: u64 = sale.update("price", &3).unwrap();
//! sale.signal_after(hours(1), "paid", &true);
//! sale.cancel_after(hours(2), "sold out");
//! sale.result().unwrap_err();
//!
//! let story: Vec<String> = sale.events().iter().filter_map(|event| Some(match event {
//!     Event::UpdateReceived(asked) => format!("{} of {}?", asked.name, asked.request),
//!     Event::UpdateReplied(answer) => match &answer.reply {
//!         Reply::Value(value) => format!("{value}"),
//!         other => panic!("{other}"),
//!     },
//!     Event::TurnEnded(end) if !end.waits_for.is_empty() => {
//!         format!("it waits for {}", end.waits_for.signals.join(", "))
//!     }
//!     Event::SignalReceived(signal) => format!("{}: {}", signal.name, signal.payload),
//!     Event::CancelRequested(cancel) => format!("somebody cancels it: {}", cancel.reason),
//!     Event::WorkflowCancelled(end) => format!("it is cancelled: {}", end.reason),
//!     Event::WorkflowTerminated(end) => format!("it is ended as it is: {}", end.reason),
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, [
//!     "price of 3?",
//!     "360",
//!     "it waits for paid",
//!     "paid: true",
//!     "somebody cancels it: sold out",
//!     "it is cancelled: sold out",
//! ]);
//! ```
//!
//! # Promises
//!
//! ```
//! use everstep::event::{Event, PromiseResult};
//! use everstep::prelude::*;
//!
//! #[workflow]
//! async fn ask(_input: ()) -> everstep::Result<u32> {
//!     Ok(promise::<u32>("answer").heartbeat(hours(2)).await?)
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(ask));
//! let question = env.start(ask, ());
//! question.heartbeat_after(hours(1), "answer");
//! question.complete_after(hours(2), "answer", &7);
//! question.result().unwrap();
//!
//! let story: Vec<String> = question.events().iter().filter_map(|event| Some(match event {
//!     Event::PromiseCreated(promise) => format!("{} is made", promise.key),
//!     Event::PromiseHeartbeat(promise) => format!("somebody works on {}", promise.key),
//!     Event::PromiseResolved(promise) => match &promise.result {
//!         PromiseResult::Completed { value } => format!("{} is {value}", promise.key),
//!         other => format!("{}: {}", promise.key, other.summary()),
//!     },
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, ["answer#1 is made", "somebody works on answer#1", "answer#1 is 7"]);
//! ```
//!
//! # Children
//!
//! ```
//! use everstep::event::{ChildOutcome, ClosePolicy, Event, Parent};
//! use everstep::prelude::*;
//!
//! #[workflow]
//! async fn pack(what: String) -> everstep::Result<usize> {
//!     Ok(what.len())
//! }
//!
//! #[workflow]
//! async fn fulfil(what: String) -> everstep::Result<usize> {
//!     Ok(child(pack, what).id("parcel-7").await?)
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(pack).workflow(fulfil));
//! let order = env.start_as("order-7", fulfil, "cup".to_owned());
//! order.result().unwrap();
//!
//! let story: Vec<String> = order.events().iter().filter_map(|event| Some(match event {
//!     Event::ChildRequested(call) if call.on_close == ClosePolicy::Cancel => {
//!         format!("{} is asked for, with {}", call.child, call.input)
//!     }
//!     Event::ChildStarted(call) => format!("{} is there", call.child),
//!     Event::ChildCompleted(call) => match &call.outcome {
//!         ChildOutcome::Completed { output } => format!("{} returned {output}", call.child),
//!         other => panic!("{other:?}"),
//!     },
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, [
//!     "parcel-7 is asked for, with \"cup\"",
//!     "parcel-7 is there",
//!     "parcel-7 returned 3",
//! ]);
//!
//! # let client = env.client();
//! # let log = env.block_on(async { client.history(&ExecutionId::new("parcel-7").unwrap()).await.unwrap() });
//! // The child's log says whose it is.
//! let Event::WorkflowStarted(start) = &log[0].events[0] else { panic!("a log begins with a start") };
//! let parent: &Parent = start.parent.as_ref().unwrap();
//! assert_eq!((parent.execution.as_str(), parent.key.to_string()), ("order-7", "pack#1".to_owned()));
//! ```
//!
//! # Undoing
//!
//! ```
//! use everstep::event::{CompensationCause, Event};
//! use everstep::prelude::*;
//!
//! #[step(undo = release)]
//! async fn book(what: &str) -> everstep::Result<String> {
//!     Ok(what.to_owned())
//! }
//!
//! async fn release(_what: &str, booking: &str) -> everstep::Result<()> {
//!     println!("{booking} is free again"); // here, tell the hotel
//!     Ok(())
//! }
//!
//! #[workflow]
//! async fn travel(to: String) -> everstep::Result<()> {
//!     book(&format!("a room in {to}")).await?;
//!     Err(everstep::Error::msg("there is no train"))
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(travel));
//! let trip = env.start(travel, "Rome".to_owned());
//! trip.result().unwrap_err();
//!
//! let story: Vec<String> = trip.events().iter().filter_map(|event| Some(match event {
//!     Event::StepCompleted(step) => format!("{} is done", step.key),
//!     Event::CompensationStarted(start) => match &start.cause {
//!         CompensationCause::Failed { .. } => "it has failed, and is undone".to_owned(),
//!         other => panic!("{other:?}"),
//!     },
//!     Event::WorkflowFailed(end) if end.not_undone.is_empty() => "all is undone".to_owned(),
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, ["book#1 is done", "it has failed, and is undone", "undo book#1 is done", "all is undone"]);
//! ```
//!
//! # One run after the other
//!
//! ```
//! use everstep::event::{Carried, Event, InputHash, Json, ShortIds, Taken, TakenHour};
//! use everstep::prelude::*;
//!
//! #[workflow]
//! async fn count(so_far: u64) -> everstep::Result<u64> {
//!     match signal::<u64>("add").await? {
//!         0 => Ok(so_far),
//!         more => continue_as_new(&(so_far + more)).await,
//!     }
//! }
//!
//! # let env = everstep::testing::Env::new(App::new().workflow(count));
//! let counting = env.start(count, 0);
//! counting.signal("add", &7);
//! counting.signal("add", &0);
//! assert_eq!(counting.result().unwrap(), 7);
//! let events = counting.events();
//!
//! let story: Vec<String> = events.iter().filter_map(|event| Some(match event {
//!     Event::WorkflowStarted(start) => format!("run {} begins with {}", start.run, start.input),
//!     Event::Carried(_) => "it hands on what the next one must know".to_owned(),
//!     Event::ContinuedAsNew(_) => "it is over".to_owned(),
//!     Event::WorkflowCompleted(end) => format!("it returns {}", end.output),
//!     _ => return None,
//! })).collect();
//! assert_eq!(story, [
//!     "run 1 begins with 0",
//!     "it hands on what the next one must know",
//!     "it is over",
//!     "run 2 begins with 7",
//!     "it returns 7",
//! ]);
//!
//! // The ids of what the first run took, so that none of it is taken again.
//! let carried: Option<&Carried> = events.iter().find_map(|event| match event {
//!     Event::Carried(carried) => Some(carried),
//!     _ => None,
//! });
//! let hours: &[TakenHour] = &carried.unwrap().hours;
//! let ids: &ShortIds = &hours[0].ids;
//! assert!(!ids.is_empty() && ids.len() <= 2);
//! let in_first_logs: &[Taken] = &carried.unwrap().taken;
//! assert!(in_first_logs.is_empty());
//!
//! // And with what it all began, by which a repeated start is known.
//! let first_input = events.iter().rev().find_map(|event| match event {
//!     Event::WorkflowStarted(start) => start.first_input,
//!     _ => None,
//! });
//! assert_eq!(first_input, Some(InputHash::of(&Json::record(&0).unwrap())));
//! ```
//!
//! # As it is stored, and as it is printed
//!
//! ```
//! use everstep::event::{Commit, CorruptCommit, Event, HistoryLine, StoredCommit};
//! use everstep::id::{ExecutionId, WriterId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let started: Event = serde_json::from_str(
//!     r#"{"WorkflowStarted":{"at":1000,"execution":"sale-7","workflow":"sell","run":1,"input":"4242"}}"#,
//! )?;
//! let writer = WriterId::random();
//! let stored = StoredCommit::encode(0, writer, None, &[started]);
//! let commit: Commit = stored.decode(None)?;
//! assert_eq!((commit.number, commit.writer, commit.hash), (0, writer, stored.hash));
//!
//! // Nobody changes a byte unseen.
//! let body = stored.body.replace("4242", "4711").into();
//! let error: CorruptCommit = StoredCommit { body, ..stored }.decode(None).unwrap_err();
//! assert!(error.to_string().starts_with("commit 0 of the log cannot be trusted"));
//!
//! // A line for each event, as `everstep history --json` has them.
//! let id = ExecutionId::new("sale-7")?;
//! let log = [commit];
//! let lines: Vec<String> = HistoryLine::of(&id, &log).map(|line| line.to_text()).collect::<Result<_, _>>()?;
//! assert_eq!(lines, [HistoryLine::new(&id, 0, &log[0].events[0]).to_text()?]);
//! assert!(lines[0].starts_with(r#"{"v":1,"execution":"sale-7","commit":0,"at":"1970-01-01T00:00:01.000Z""#));
//! # Ok(()) }
//! ```

mod child;
mod commit;
mod compensation;
mod continued;
mod decode;
mod failure;
mod fast;
mod heartbeat;
mod json;
mod key;
mod line;
mod payloads;
mod postponed;
mod promise;
mod recorded;
mod request;
mod signal;
mod step;
mod tag;
mod text;
mod timer;
mod turn;
mod update;
mod value;
mod version;
mod view;
mod workflow;

pub(crate) use child::child_item_id;
pub use child::{ChildCompleted, ChildOutcome, ChildRequested, ChildStarted, ClosePolicy, Parent};
pub(crate) use commit::Previous;
pub use commit::{Commit, CorruptCommit, StoredCommit};
pub(crate) use compensation::reason_with;
pub use compensation::{CompensationCause, CompensationStarted};
pub use continued::{Carried, ContinuedAsNew, InputHash, ShortIds, Taken, TakenHour};
pub(crate) use decode::decode;
pub use failure::Failure;
pub(crate) use failure::error_text;
pub use heartbeat::StepHeartbeat;
pub use json::Json;
pub use key::OperationKey;
pub use line::HistoryLine;
pub use postponed::StepPostponed;
pub use promise::{PromiseCreated, PromiseHeartbeat, PromiseResolved, PromiseResult};
pub(crate) use recorded::{Runs, read_lines};
#[cfg(feature = "testing")]
pub(crate) use recorded::{Unreadable, Why};
pub use request::{CancelRequested, Resumed};
pub use signal::SignalReceived;
pub use step::{StepAttemptFailed, StepCompleted, StepFailed, StepStarted};
pub use tag::TagSet;
pub use text::Text;
pub use timer::{TimerFired, TimerStarted};
pub(crate) use turn::pinned_to;
pub use turn::{LeaseRenewed, TurnEnd, TurnEnded, TurnStarted, WaitsFor};
pub use update::{Reply, UpdateReceived, UpdateReplied};
pub use value::UnrecordableValue;
pub use version::VersionChosen;
pub use view::ViewPublished;
pub use workflow::{
    WorkflowCancelled, WorkflowCompleted, WorkflowFailed, WorkflowStarted, WorkflowTerminated,
};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One fact of an execution.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everstep::event::{Event, Json};
/// use everstep::time::Timestamp;
///
/// let stored = r#"{"SignalReceived":{"at":5000,"id":"signal/1","name":"paid","payload":69}}"#;
/// let mut event: Event = serde_json::from_str(stored)?;
/// assert_eq!(serde_json::to_string(&event)?, stored);
///
/// // What can be asked of every event.
/// assert_eq!((event.kind(), event.at()), ("SignalReceived", Timestamp(5_000)));
/// assert_eq!((event.item(), event.key()), (Some("signal/1"), None)); // from the inbox, by no call
/// assert!(!event.is_end() && !event.is_progress());
///
/// // What of it is users' data.
/// let mut payloads = Vec::new();
/// event.payloads(&mut |payload: &Json| payloads.push(payload.to_string()));
/// assert_eq!(payloads, ["69"]);
/// let before = event.weight();
/// event.payloads_mut(&mut |payload: &mut Json| *payload = Json::null());
/// assert!(event.weight() > before);
///
/// // Somebody has asked for a blocked execution to go on.
/// let resumed: Event = serde_json::from_str(r#"{"Resumed":{"at":6000,"id":"r-1"}}"#)?;
/// assert!(resumed.is_progress());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The execution exists; the first event of every log.
    WorkflowStarted(WorkflowStarted),
    /// A host claims the execution until `lease_end`.
    TurnStarted(TurnStarted),
    /// The host that has the claim keeps it longer.
    LeaseRenewed(LeaseRenewed),
    /// An `at_most_once` attempt is about to run.
    StepStarted(StepStarted),
    /// An attempt failed and another may follow.
    StepAttemptFailed(StepAttemptFailed),
    /// An attempt could not do its work yet, and another follows. It does not count.
    StepPostponed(StepPostponed),
    /// How far an attempt had got while it ran.
    StepHeartbeat(StepHeartbeat),
    /// A step has its result.
    StepCompleted(StepCompleted),
    /// A step has failed for good.
    StepFailed(StepFailed),
    /// A timer runs.
    TimerStarted(TimerStarted),
    /// A timer's time has come.
    TimerFired(TimerFired),
    /// A child is asked for: it may exist from here on.
    ChildRequested(ChildRequested),
    /// The child exists.
    ChildStarted(ChildStarted),
    /// A child's end was taken from the inbox, or it could not be started.
    ChildCompleted(ChildCompleted),
    /// A signal was taken from the inbox.
    SignalReceived(SignalReceived),
    /// The run is on this version of a change from now on.
    VersionChosen(VersionChosen),
    /// A promise can be completed from outside.
    PromiseCreated(PromiseCreated),
    /// Somebody works on a promise still.
    PromiseHeartbeat(PromiseHeartbeat),
    /// A promise has its result, or will have none.
    PromiseResolved(PromiseResolved),
    /// An update was taken from the inbox: a request that is to be answered.
    UpdateReceived(UpdateReceived),
    /// An update was answered.
    UpdateReplied(UpdateReplied),
    /// The workflow shows something of itself.
    ViewPublished(ViewPublished),
    /// The workflow gives the execution a tag.
    TagSet(TagSet),
    /// Somebody asked for the execution to be cancelled.
    CancelRequested(CancelRequested),
    /// Somebody asked for a blocked execution to go on: strikes and attempts count anew.
    Resumed(Resumed),
    /// What the workflow did is undone from here on.
    CompensationStarted(CompensationStarted),
    /// The turn is over and the execution is not.
    TurnEnded(TurnEnded),
    /// The workflow returned `Ok`.
    WorkflowCompleted(WorkflowCompleted),
    /// The workflow returned `Err`.
    WorkflowFailed(WorkflowFailed),
    /// The execution was cancelled.
    WorkflowCancelled(WorkflowCancelled),
    /// The execution was ended without its code.
    WorkflowTerminated(WorkflowTerminated),
    /// What the next run keeps of this one.
    Carried(Carried),
    /// The run is over, and the next one begins with the event after this.
    ContinuedAsNew(ContinuedAsNew),
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::WorkflowStarted(e) => e.at,
            Self::TurnStarted(e) => e.at,
            Self::LeaseRenewed(e) => e.at,
            Self::StepStarted(e) => e.at,
            Self::StepAttemptFailed(e) => e.at,
            Self::StepPostponed(e) => e.at,
            Self::StepHeartbeat(e) => e.at,
            Self::StepCompleted(e) => e.at,
            Self::StepFailed(e) => e.at,
            Self::TimerStarted(e) => e.at,
            Self::TimerFired(e) => e.at,
            Self::ChildRequested(e) => e.at,
            Self::ChildStarted(e) => e.at,
            Self::ChildCompleted(e) => e.at,
            Self::SignalReceived(e) => e.at,
            Self::VersionChosen(e) => e.at,
            Self::PromiseCreated(e) => e.at,
            Self::PromiseHeartbeat(e) => e.at,
            Self::PromiseResolved(e) => e.at,
            Self::UpdateReceived(e) => e.at,
            Self::UpdateReplied(e) => e.at,
            Self::ViewPublished(e) => e.at,
            Self::TagSet(e) => e.at,
            Self::CancelRequested(e) => e.at,
            Self::Resumed(e) => e.at,
            Self::CompensationStarted(e) => e.at,
            Self::TurnEnded(e) => e.at,
            Self::WorkflowCompleted(e) => e.at,
            Self::WorkflowFailed(e) => e.at,
            Self::WorkflowCancelled(e) => e.at,
            Self::WorkflowTerminated(e) => e.at,
            Self::Carried(e) => e.at,
            Self::ContinuedAsNew(e) => e.at,
        }
    }

    /// The name of its kind, as it is stored.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkflowStarted(_) => "WorkflowStarted",
            Self::TurnStarted(_) => "TurnStarted",
            Self::LeaseRenewed(_) => "LeaseRenewed",
            Self::StepStarted(_) => "StepStarted",
            Self::StepAttemptFailed(_) => "StepAttemptFailed",
            Self::StepPostponed(_) => "StepPostponed",
            Self::StepHeartbeat(_) => "StepHeartbeat",
            Self::StepCompleted(_) => "StepCompleted",
            Self::StepFailed(_) => "StepFailed",
            Self::TimerStarted(_) => "TimerStarted",
            Self::TimerFired(_) => "TimerFired",
            Self::ChildRequested(_) => "ChildRequested",
            Self::ChildStarted(_) => "ChildStarted",
            Self::ChildCompleted(_) => "ChildCompleted",
            Self::SignalReceived(_) => "SignalReceived",
            Self::VersionChosen(_) => "VersionChosen",
            Self::PromiseCreated(_) => "PromiseCreated",
            Self::PromiseHeartbeat(_) => "PromiseHeartbeat",
            Self::PromiseResolved(_) => "PromiseResolved",
            Self::UpdateReceived(_) => "UpdateReceived",
            Self::UpdateReplied(_) => "UpdateReplied",
            Self::ViewPublished(_) => "ViewPublished",
            Self::TagSet(_) => "TagSet",
            Self::CancelRequested(_) => "CancelRequested",
            Self::Resumed(_) => "Resumed",
            Self::CompensationStarted(_) => "CompensationStarted",
            Self::TurnEnded(_) => "TurnEnded",
            Self::WorkflowCompleted(_) => "WorkflowCompleted",
            Self::WorkflowFailed(_) => "WorkflowFailed",
            Self::WorkflowCancelled(_) => "WorkflowCancelled",
            Self::WorkflowTerminated(_) => "WorkflowTerminated",
            Self::Carried(_) => "Carried",
            Self::ContinuedAsNew(_) => "ContinuedAsNew",
        }
    }

    /// The key of the operation it is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&OperationKey> {
        match self {
            Self::StepStarted(e) => Some(&e.key),
            Self::StepAttemptFailed(e) => Some(&e.key),
            Self::StepPostponed(e) => Some(&e.key),
            Self::StepHeartbeat(e) => Some(&e.key),
            Self::StepCompleted(e) => Some(&e.key),
            Self::StepFailed(e) => Some(&e.key),
            Self::TimerStarted(e) => Some(&e.key),
            Self::TimerFired(e) => Some(&e.key),
            Self::ChildRequested(e) => Some(&e.key),
            Self::ChildStarted(e) => Some(&e.key),
            Self::ChildCompleted(e) => Some(&e.key),
            Self::PromiseCreated(e) => Some(&e.key),
            Self::PromiseHeartbeat(e) => Some(&e.key),
            Self::PromiseResolved(e) => Some(&e.key),
            Self::UpdateReplied(e) => Some(&e.key),
            Self::ViewPublished(e) => Some(&e.key),
            Self::TagSet(e) => Some(&e.key),
            _ => None,
        }
    }

    /// The id of the inbox item that was taken with it, if one was.
    #[must_use]
    pub fn item(&self) -> Option<&str> {
        match self {
            Self::SignalReceived(e) => Some(&e.id),
            Self::UpdateReceived(e) => Some(&e.id),
            Self::CancelRequested(e) => Some(&e.id),
            Self::Resumed(e) => Some(&e.id),
            Self::PromiseHeartbeat(e) => Some(&e.id),
            Self::PromiseResolved(e) => e.id.as_deref(),
            Self::WorkflowTerminated(e) => Some(&e.id),
            _ => None,
        }
    }

    /// Whether the execution ends with it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::WorkflowCompleted(_)
                | Self::WorkflowFailed(_)
                | Self::WorkflowCancelled(_)
                | Self::WorkflowTerminated(_)
        )
    }

    /// Whether it shows that the turn it was written in got somewhere. What comes *with* a claim
    /// (the claim itself, taken messages, answers and views, timers found due) does not, nor does a
    /// turn that hands over: a host that dies each time writes all of these.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        match self {
            Self::TurnStarted(_)
            | Self::LeaseRenewed(_)
            | Self::SignalReceived(_)
            | Self::PromiseHeartbeat(_)
            | Self::PromiseResolved(_)
            | Self::UpdateReceived(_)
            | Self::UpdateReplied(_)
            | Self::ViewPublished(_)
            | Self::TagSet(_)
            | Self::CancelRequested(_)
            | Self::ChildCompleted(_)
            // A body that kills its host may well say how far it has got before.
            | Self::StepHeartbeat(_)
            // It says of itself that it did nothing, as often as it likes.
            | Self::StepPostponed(_)
            | Self::TimerFired(_)
            | Self::Carried(_) => false,
            Self::TurnEnded(end) => end.reason == TurnEnd::Suspended,
            Self::WorkflowStarted(_)
            | Self::StepStarted(_)
            | Self::StepAttemptFailed(_)
            | Self::StepCompleted(_)
            | Self::StepFailed(_)
            | Self::TimerStarted(_)
            | Self::VersionChosen(_)
            | Self::ChildRequested(_)
            | Self::ChildStarted(_)
            | Self::PromiseCreated(_)
            | Self::Resumed(_)
            | Self::CompensationStarted(_)
            | Self::WorkflowCompleted(_)
            | Self::WorkflowFailed(_)
            | Self::WorkflowCancelled(_)
            | Self::WorkflowTerminated(_)
            | Self::ContinuedAsNew(_) => true,
        }
    }
}
