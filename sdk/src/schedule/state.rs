//! What a schedule knows, hands on from run to run, and shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limits::{LOOK_EVERY_MAX, MISSED_MAX, NOTE_BYTES_MAX, OPEN_MAX, RECENT_MAX};
use super::{InvalidTimes, Schedule};
use crate::id::ExecutionId;
use crate::time::Timestamp;

/// The input of each run of a schedule's workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Its id, as people write it.
    pub(super) id: String,
    pub(super) schedule: Schedule,
    /// Up to here every time has been dealt with. `None` until the first run begins, so that a
    /// repeated creation is the same start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) done_until: Option<Timestamp>,
    /// What was started and is not known to have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<ExecutionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) waiting: Option<Waiting>,
    #[serde(default)]
    pub(super) shown: Shown,
}

/// What the schedule shows to those who look at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// Why it is paused, if it is.
    #[serde(default)]
    pub(super) paused: Option<String>,
    /// When the next start is, and for which time. With jitter the first is later.
    #[serde(default)]
    pub(super) next: Option<Planned>,
    /// What waits to be started.
    #[serde(default)]
    pub(super) waiting: Option<ExecutionId>,
    #[serde(default)]
    pub(super) counts: Counts,
    #[serde(default)]
    pub(super) recent: Vec<Start>,
}

/// The next time, and when it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) time: Timestamp,
    pub(super) at: Timestamp,
}

/// A start that waits for the end of what is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) firing: Firing,
    pub(super) again_at: Timestamp,
    pub(super) pause_millis: u64,
}

/// Something to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Firing {
    /// The id of what is started.
    pub(super) execution: ExecutionId,
    /// The time it is started for; none if somebody asked for it.
    pub(super) time: Option<Timestamp>,
}

/// How many starts there were, and how many were not made.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Counts, Schedule, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule = client.schedule("report-north")?;
/// schedule.create(&Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned())).await?;
/// # tokio::time::sleep(days(2)).await;
/// // Two mornings later
/// let counts: Counts = schedule.describe().await?.counts;
/// assert_eq!((counts.started, counts.skipped, counts.missed, counts.failed), (2, 0, 0, 0));
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Executions that were started.
    pub started: u64,
    /// Starts that were not made because of the overlap policy, or because the schedule was paused
    /// while they waited.
    pub skipped: u64,
    /// Times older than the catch-up window when a host came back. An outage counts for 10,000 of
    /// them at most.
    pub missed: u64,
    /// Starts that were refused for good.
    pub failed: u64,
}

/// One start of a schedule.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, Start, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule = client.schedule("report-north")?;
/// schedule.create(&Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned())).await?;
/// # tokio::time::sleep(days(2)).await;
/// // Two mornings later
/// let last: Start = schedule.describe().await?.recent.remove(1);
/// assert_eq!(last.execution.as_str(), "report-north/2024-01-02T07:00:00Z");
/// assert!(last.time.is_some_and(|due| due <= last.at) && last.problem.is_none());
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Start {
    /// The execution.
    pub execution: ExecutionId,
    /// The time it was due at; none if somebody asked for it.
    pub time: Option<Timestamp>,
    /// When it was started.
    pub at: Timestamp,
    /// Why it could not be started, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What comes next of a schedule's times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// `None` if there is no further one.
    pub(super) next: Option<Timestamp>,
    /// How many before it were too old to be started.
    pub(super) missed: u64,
}

impl State {
    pub(super) fn new(id: String, schedule: Schedule) -> Self {
        let (open, shown) = (Vec::new(), Shown::default());
        Self { id, schedule, done_until: None, open, waiting: None, shown }
    }

    /// The next time after `last` that is not too old at `now`.
    pub(super) fn plan(&self, last: Timestamp, now: Timestamp) -> Result<Plan, InvalidTimes> {
        let clockwork = self.schedule.times.clockwork()?;
        let oldest = now.before(self.schedule.catch_up_window());
        let (mut last, mut missed) = (last, 0);
        loop {
            let next = self.schedule.next(&clockwork, last);
            let Some(too_old) = next.filter(|next| *next < oldest) else {
                return Ok(Plan { next, missed });
            };
            missed += 1;
            last = too_old;
            if missed == MISSED_MAX {
                last = last.max(oldest.before(Duration::from_millis(1)));
            }
        }
    }

    /// What is started for this time: the same execution whoever starts it, and however often.
    pub(super) fn firing_at(&self, time: Timestamp) -> Option<Firing> {
        let at = chrono::DateTime::from(time).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let execution = ExecutionId::new(format!("{}/{at}", self.id)).ok()?;
        Some(Firing { execution, time: Some(time) })
    }

    pub(super) fn started(&mut self, firing: Firing, at: Timestamp) {
        self.shown.counts.started += 1;
        self.open.push(firing.execution.clone());
        let forgotten = self.open.len().saturating_sub(OPEN_MAX);
        self.open.drain(..forgotten);
        self.show_start(firing, at, None);
    }

    pub(super) fn failed(&mut self, firing: Firing, at: Timestamp, problem: &str) {
        self.shown.counts.failed += 1;
        self.show_start(firing, at, Some(note(problem)));
    }

    fn show_start(&mut self, firing: Firing, at: Timestamp, problem: Option<String>) {
        let Firing { execution, time } = firing;
        self.shown.recent.push(Start { execution, time, at, problem });
        let old = self.shown.recent.len().saturating_sub(RECENT_MAX);
        self.shown.recent.drain(..old);
    }

    pub(super) fn skipped(&mut self) {
        self.shown.counts.skipped += 1;
    }

    /// What is shown now.
    pub(super) fn shown(&mut self) -> &Shown {
        self.shown.waiting = self.waiting.as_ref().map(|waiting| waiting.firing.execution.clone());
        &self.shown
    }

    /// Gives up what waits.
    pub(super) fn wait_no_more(&mut self) {
        if self.waiting.take().is_some() {
            self.skipped();
        }
    }

    /// This one is looked after again after a while.
    pub(super) fn waits(&mut self, firing: Firing, now: Timestamp) {
        let max = u64::try_from(LOOK_EVERY_MAX.as_millis()).unwrap_or(u64::MAX);
        let before = self.waiting.take().map(|waiting| waiting.pause_millis);
        let pause_millis = before.map_or(1_000, |pause| (pause * 2).min(max));
        let again_at = now.after(Duration::from_millis(pause_millis));
        self.waiting = Some(Waiting { firing, again_at, pause_millis });
    }

    pub(super) fn pause(&mut self, why: &str) {
        self.shown.paused = Some(note(why));
        self.shown.next = None;
        self.wait_no_more();
    }
}

/// A text, cut to what is kept and without control characters, which take six bytes each.
fn note(text: &str) -> String {
    let mut end = text.len().min(NOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
