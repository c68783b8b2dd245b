//! Schedules: workflows that are started by the calendar or at intervals.
//!
//! A schedule is an execution itself, of a workflow of the library's own: it sleeps until the next
//! time, starts the execution that is due, and sleeps again. So it lives on every store, survives
//! what executions survive, and needs nothing but a host whose [`App`](crate::App) was told to serve
//! [`schedules`](crate::App::schedules). The guide has a page on it, `docs/guide/schedules.md`.
//!
//! ```
//! use everstep::prelude::*;
//! use everstep::schedule::{Overlap, Schedule, Times};
//!
//! #[workflow]
//! async fn report(customer: String) -> everstep::Result<String> {
//!     Ok(format!("all is well with {customer}"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut app = App::new().workflow(report).schedules().backend(Backend::memory());
//! let client = app.client().await?;
//!
//! let times = Times::cron("0 7 * * MON-FRI").zone("Europe/Berlin");
//! let schedule = Schedule::new(times, report, "Ada".to_owned()).overlap(Overlap::BufferOne);
//! client.schedule("report-ada")?.create(&schedule).await?;
//! # assert!(client.schedule("report-ada")?.describe().await?.next.len() > 1);
//! # Ok(())
//! # }
//! ```

mod calendar;
mod client;
mod error;
mod fire;
mod life;
mod limits;
mod state;
mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use client::{Description, ScheduleHandle, SchedulePage, Schedules, Triggered, Triggering};
pub use error::{InvalidScheduleId, ScheduleError};
pub use limits::{CATCH_UP, CATCH_UP_MIN, INPUT_BYTES_MAX, LOOK_EVERY_MAX, SCHEDULE_ID_BYTES_MAX};
pub use state::{Counts, Start};
pub use times::{InvalidTimes, Times};

pub(crate) use fire::Starter;
pub(crate) use life::Life;

use crate::context::{Workflow, WorkflowSpec};
use crate::event::{Json, UnrecordableValue};
use crate::time::Timestamp;

/// What to do if an execution that the schedule started is still open when the next is due. The
/// terms are those of [Temporal's schedules](https://docs.temporal.io/schedule#overlap-policy).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// Nothing is started this time. The default.
    #[default]
    Skip,
    /// One waits until the open one has ended, and is started then; those that come due while one
    /// waits are skipped.
    BufferOne,
    /// It is started whatever else is open.
    AllowAll,
    /// The open one is asked to cancel, and the new one is started when it has ended. If the next
    /// comes due meanwhile, it takes the place of the one that waits.
    CancelOther,
    /// The open one is terminated, and the new one is started when it has ended.
    TerminateOther,
}

/// What is started, and when. It is created with a [handle](ScheduleHandle::create).
///
/// ```
/// use everstep::event::Json;
/// use everstep::prelude::*;
/// use everstep::schedule::{Overlap, Schedule, Times};
///
/// let schedule = Schedule::named(Times::cron("0 7 * * *"), "report", Json::record("north")?)
///     .from("2024-06-01T00:00:00Z".parse()?)
///     .until("2024-07-01T00:00:00Z".parse()?)
///     .jitter(minutes(5))
///     .catch_up(hours(6))
///     .overlap(Overlap::CancelOther)
///     .pause_on_failure()
///     .tag("shop", "north");
/// assert_eq!(schedule.times().to_string(), "0 7 * * * (UTC)");
/// assert_eq!((schedule.workflow(), schedule.input().as_str()), ("report", "\"north\""));
/// assert_eq!(schedule.overlap_policy(), Overlap::CancelOther);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    times: Times,
    workflow: String,
    input: Json,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    overlap: Overlap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_zero")]
    jitter_millis: u64,
    catch_up_millis: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pause_on_failure: bool,
    /// Why the input cannot be recorded.
    #[serde(skip)]
    refused: Option<UnrecordableValue>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Schedule {
    /// Starts `workflow` with `input` at these times.
    pub fn new<A, W: Workflow<A>>(
        times: Times,
        workflow: W,
        input: <W::Spec as WorkflowSpec>::Input,
    ) -> Self {
        let _ = workflow;
        let name = <W::Spec as WorkflowSpec>::NAME;
        match Json::record(&input) {
            Ok(input) => Self::named(times, name, input),
            Err(refused) => {
                Self { refused: Some(refused), ..Self::named(times, name, Json::null()) }
            }
        }
    }

    /// Starts a workflow by its name. A client that an [`App`](crate::App::client) made refuses to
    /// create it if the app has no such workflow or it cannot read the input.
    pub fn named(times: Times, workflow: impl Into<String>, input: Json) -> Self {
        Self {
            times,
            workflow: workflow.into(),
            input,
            tags: BTreeMap::new(),
            overlap: Overlap::default(),
            from: None,
            until: None,
            jitter_millis: 0,
            catch_up_millis: millis(CATCH_UP),
            pause_on_failure: false,
            refused: None,
        }
    }

    /// What to do if the one before is still open; [`Overlap::Skip`] by default.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Nothing is started before this moment.
    #[must_use]
    pub fn from(mut self, from: DateTime<Utc>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Nothing is started for a time after this moment, and then the schedule ends.
    #[must_use]
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until.into());
        self
    }

    /// Each start comes later by a random time of up to this; not at all by default. What starts at
    /// the same time in a thousand schedules is spread so.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter_millis = millis(jitter);
        self
    }

    /// What was missed for no longer than this, because no host was there, is started late, one
    /// after the other, under the [overlap policy](Self::overlap); what is older is not started.
    /// [`CATCH_UP`] by default, at least [`CATCH_UP_MIN`].
    #[must_use]
    pub fn catch_up(mut self, window: Duration) -> Self {
        self.catch_up_millis = millis(window);
        self
    }

    /// Pauses the schedule when it is next due after one of its executions has failed or was
    /// terminated, and at once if one could not be started. Under [`Overlap::TerminateOther`] to be
    /// terminated is no failure.
    #[must_use]
    pub fn pause_on_failure(mut self) -> Self {
        self.pause_on_failure = true;
        self
    }

    /// A tag of every execution it starts, as [`Start::tag`](crate::client::Start::tag). They all
    /// have the tag `everstep.schedule`, with the schedule's id.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// When it starts something.
    #[must_use]
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// What it starts.
    #[must_use]
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// What it starts it with.
    #[must_use]
    pub fn input(&self) -> &Json {
        &self.input
    }

    /// Its overlap policy.
    #[must_use]
    pub fn overlap_policy(&self) -> Overlap {
        self.overlap
    }

    fn catch_up_window(&self) -> Duration {
        Duration::from_millis(self.catch_up_millis)
    }

    /// Whether it starts something when `other` does, but for jitter.
    fn has_times_of(&self, other: &Self) -> bool {
        (&self.times, self.from, self.until) == (&other.times, other.from, other.until)
    }

    /// The first of its times after `last`.
    fn next(&self, clockwork: &times::Clockwork, last: Timestamp) -> Option<Timestamp> {
        let before = self.from.map_or(last, |from| last.max(from.before(Duration::from_millis(1))));
        clockwork.next(before).filter(|next| self.until.is_none_or(|until| *next <= until))
    }
}
