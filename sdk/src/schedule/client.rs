//! Creating schedules, and talking to them.

mod list;
mod trigger;

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use list::{SchedulePage, Schedules};
pub use trigger::{Triggered, Triggering};

use super::life::{Answer, Life, REQUEST, Request};
use super::limits::{CATCH_UP_MIN, INPUT_BYTES_MAX, SCHEDULE_ID_BYTES_MAX};
use super::state::{Shown, State};
use super::{Counts, InvalidScheduleId, InvalidTimes, Schedule, ScheduleError, Start};
use crate::client::{Client, HistoryError, OnConflict, SendError, StartError, UpdateError};
use crate::context::WorkflowSpec;
use crate::event::Json;
use crate::id::ExecutionId;
use crate::limits::UPDATE_WAIT;
use crate::replay::History;
use crate::store::{Projection, Status};
use crate::time::Timestamp;

/// How many of the next times are told.
const NEXT_TOLD: usize = 5;

/// What is known of a schedule.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Description, Schedule, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule = client.schedule("report-north")?;
/// schedule.create(&Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned())).await?;
/// # tokio::time::sleep(days(2)).await;
/// // Two mornings later
/// let shown: Description = schedule.describe().await?;
/// assert_eq!((&*shown.id, shown.schedule.workflow()), ("report-north", "report"));
/// assert_eq!((shown.counts.started, shown.recent.len(), shown.paused), (2, 2, None));
/// assert_eq!(shown.next[0].to_rfc3339(), "2024-01-03T07:00:00+00:00");
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Description {
    /// Its id.
    pub id: String,
    /// What it starts, and when.
    pub schedule: Schedule,
    /// The status of its own execution: closed once it is deleted or over, blocked if a host met it
    /// that does not serve schedules.
    pub status: Status,
    /// Why it is blocked, if it is.
    pub problem: Option<String>,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    /// Its next times, five at most; none while it is paused. What [jitter](Schedule::jitter) adds
    /// is not in them.
    pub next: Vec<DateTime<Utc>>,
    /// What waits to be started until what is open has ended.
    pub waiting: Option<ExecutionId>,
    /// Its last ten starts, the latest last. [`Client::list`] with the tag `everstep.schedule`
    /// lists all.
    pub recent: Vec<Start>,
    /// How many starts there were.
    pub counts: Counts,
}

/// A schedule, from outside. Cheap to clone; nothing is looked up until it is asked something.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, ScheduleHandle, Times, Triggered};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule: ScheduleHandle = client.schedule("report-north")?.wait(minutes(1));
/// let own = schedule.execution().as_str();
/// assert_eq!((schedule.id(), own), ("report-north", "everstep.schedule/report-north"));
/// let daily = Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned());
/// schedule.create(&daily).await?;
///
/// schedule.pause("the shop moves").await?; // nothing starts from here on
/// assert_eq!(schedule.describe().await?.paused.as_deref(), Some("the shop moves"));
/// let by_hand = schedule.trigger().id("by-hand").await?; // but this
/// assert_eq!(by_hand, Triggered::Started("report-north/by-hand".parse()?));
/// schedule.resume().await?;
///
/// schedule.update(&daily.tag("shop", "north")).await?;
/// schedule.delete().await?;
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct ScheduleHandle {
    client: Client,
    id: String,
    execution: ExecutionId,
    wait: Duration,
}

impl Client {
    /// The schedule with this id, whether it exists or not.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// let client = Client::new(&Backend::memory());
    /// assert_eq!(client.schedule("report-ada").unwrap().id(), "report-ada"); // it need not be there
    /// assert!(client.schedule("").is_err());
    /// ```
    ///
    /// # Errors
    /// The text is too long for an id, or has control characters.
    pub fn schedule(&self, id: impl Into<String>) -> Result<ScheduleHandle, InvalidScheduleId> {
        let id = id.into();
        let execution = ExecutionId::new(format!("{}/{id}", Life::NAME));
        match execution {
            Ok(execution) if (1..=SCHEDULE_ID_BYTES_MAX).contains(&id.len()) => {
                Ok(ScheduleHandle { client: self.clone(), id, execution, wait: UPDATE_WAIT })
            }
            _ => Err(InvalidScheduleId { id }),
        }
    }

    /// The schedules there are, the newest first, a page at a time. May be a moment behind.
    ///
    /// ```
    /// # use everstep::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::new(&Backend::memory());
    /// let page = client.schedules().limit(20).page().await?;
    /// assert!(page.schedules.is_empty() && page.next.is_none());
    /// # Ok(()) }
    /// ```
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules { client: self, limit: 0, after: None, ended: false }
    }
}

impl ScheduleHandle {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The execution that it is itself: `everstep.schedule/` and its id.
    #[must_use]
    pub fn execution(&self) -> &ExecutionId {
        &self.execution
    }

    /// How long to wait for the schedule's answers; [`UPDATE_WAIT`] by default.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Creates the schedule. Its first start is for its first time after this moment. To create it
    /// again with the content that it has by then is to have created it once; one that was deleted
    /// or is over begins anew.
    ///
    /// What it starts has the ids `<schedule>/<time>`, as `nightly/2024-03-31T01:00:00Z`, so that no
    /// time of a schedule is ever started twice, whatever dies; also not if it is deleted and
    /// created again.
    ///
    /// Dropping the future may leave the schedule created.
    ///
    /// # Errors
    /// There are no such times, what is to be started cannot be, another schedule has the id; or
    /// store or queue failed, and it may or may not be created: create it again.
    pub async fn create(&self, schedule: &Schedule) -> Result<(), ScheduleError> {
        let input = self.checked(schedule)?;
        let start = |policy| {
            let start = self.client.start_named(Life::NAME, input.clone());
            start.id(self.execution.clone()).on_conflict(policy).into_future()
        };
        match start(OnConflict::Attach).await {
            Ok(handle) if handle.is_new() => return Ok(()),
            // It may be there and over.
            Ok(_) | Err(StartError::Exists { .. }) => {}
            Err(error) => return Err(ScheduleError::Start(error)),
        }
        match start(OnConflict::Restart).await {
            Ok(_) => Ok(()),
            // It is there: the same? What it was started with an update may have replaced.
            Err(StartError::Exists { .. }) => {
                let there = State::new(self.id.clone(), self.describe().await?.schedule);
                if Json::record(&there)?.same(&input) {
                    Ok(())
                } else {
                    Err(ScheduleError::Exists { id: self.id.clone() })
                }
            }
            Err(error) => Err(ScheduleError::Start(error)),
        }
    }

    /// Checks all that can be seen to be wrong, and makes the input of its workflow.
    fn checked(&self, schedule: &Schedule) -> Result<Json, ScheduleError> {
        if let Some(refused) = &schedule.refused {
            return Err(refused.clone().into());
        }
        if !self.client.may_start(Life::NAME) {
            return Err(ScheduleError::NotServed);
        }
        schedule.times.check()?;
        if schedule.catch_up_window() < CATCH_UP_MIN {
            return Err(ScheduleError::CatchUp);
        }
        let bytes = schedule.input.as_str().len();
        if bytes > INPUT_BYTES_MAX {
            return Err(ScheduleError::InputTooLarge { bytes });
        }
        let mut start = self.client.start_named(&schedule.workflow, schedule.input.clone());
        for (name, value) in &schedule.tags {
            start = start.tag(name, value);
        }
        start = start.tag(super::fire::TAG, &self.id);
        start.check().map_err(ScheduleError::Start)?;
        Ok(Json::record(&State::new(self.id.clone(), schedule.clone()))?)
    }

    /// Starts nothing from now on, until [resume](Self::resume). What is due meanwhile is left out,
    /// and so is what waits for another's end. Once this has returned nothing more is started, but
    /// by [trigger](Self::trigger). Why is kept up to 200 bytes.
    ///
    /// # Errors
    /// There is no such schedule; or it has not answered, for no host serves it, and the request is
    /// kept until one does.
    pub async fn pause(&self, why: impl Into<String>) -> Result<(), ScheduleError> {
        self.ask(Request::Pause { why: why.into() }).await.map(drop)
    }

    /// Goes on, from the next time on.
    ///
    /// # Errors
    /// See [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<(), ScheduleError> {
        self.ask(Request::Resume).await.map(drop)
    }

    /// Starts one now, under the overlap policy, also while the schedule is paused. The execution's
    /// id is the schedule's, `/` and a random name; [`id`](Triggering::id) chooses it.
    pub fn trigger(&self) -> Triggering<'_> {
        Triggering { schedule: self, id: Uuid::new_v4().to_string() }
    }

    /// Puts another schedule in the place of this one. What has been started goes on, what waited is
    /// skipped; it is paused if it was. If its times or bounds are others, its first start is for its
    /// first time after this moment, and what was due before is not started any more.
    ///
    /// # Errors
    /// The new one is refused as by [`create`](Self::create); else see [`pause`](Self::pause).
    pub async fn update(&self, schedule: &Schedule) -> Result<(), ScheduleError> {
        self.checked(schedule)?;
        let schedule = Box::new(schedule.clone());
        self.ask(Request::Update { schedule }).await.map(drop)
    }

    /// Ends the schedule. What it has started goes on; its log stays.
    ///
    /// # Errors
    /// See [`pause`](Self::pause).
    pub async fn delete(&self) -> Result<(), ScheduleError> {
        self.ask(Request::Delete).await.map(drop)
    }

    /// What is known of it: one read of its log, which is short; no host is needed.
    ///
    /// # Errors
    /// There is no such schedule, nor was there one; or what is stored of it cannot be read.
    pub async fn describe(&self) -> Result<Description, ScheduleError> {
        let unreadable = |source| ScheduleError::Unreadable { id: self.id.clone(), source };
        let loaded = match self.client.load(&self.execution).await {
            Err(HistoryError::Unknown { .. }) => {
                return Err(ScheduleError::Unknown { id: self.id.clone() });
            }
            loaded => loaded?,
        };
        let history = History::read(&loaded.commits, loaded.from).map_err(|source| {
            let (readable, id) = (Vec::new(), self.execution.clone());
            HistoryError::Corrupt { id, readable, source }
        })?;
        let start = history.start();
        let (mut input, mut view) = (start.input.clone(), history.view.clone());
        for sealed in [Some(&mut input), view.as_mut()].into_iter().flatten() {
            self.client.open_payload(&self.execution, sealed).await?;
        }
        let state: State = input.read().map_err(unreadable)?;
        let shown = match &view {
            Some(view) => view.read::<Shown>().map_err(unreadable)?,
            None => state.shown.clone(),
        };
        let Projection { status, reason, .. } = loaded.record.projection;
        let next = if shown.paused.is_some() || status.is_closed() {
            Vec::new()
        } else {
            let done_until = match shown.next {
                Some(next) => next.time.before(Duration::from_millis(1)),
                None => state.done_until.unwrap_or(start.at).max(history.time),
            };
            next_of(&state.schedule, done_until)?
        };
        Ok(Description {
            id: self.id.clone(),
            schedule: state.schedule,
            status,
            problem: reason,
            paused: shown.paused,
            next,
            waiting: shown.waiting,
            recent: shown.recent,
            counts: shown.counts,
        })
    }

    async fn ask(&self, request: Request) -> Result<Answer, ScheduleError> {
        let updating = self.client.update::<Answer>(&self.execution, REQUEST, &request);
        match updating.wait(self.wait).await {
            Ok(Answer::Refused { problem }) => {
                Err(ScheduleError::Refused { id: self.id.clone(), problem })
            }
            Ok(answer) => Ok(answer),
            Err(
                UpdateError::Closed { .. }
                | UpdateError::Send(SendError::Unknown { .. } | SendError::Closed { .. }),
            ) => Err(ScheduleError::Unknown { id: self.id.clone() }),
            Err(source) => Err(ScheduleError::Ask { id: self.id.clone(), source }),
        }
    }
}

fn next_of(schedule: &Schedule, last: Timestamp) -> Result<Vec<DateTime<Utc>>, InvalidTimes> {
    let clockwork = schedule.times.clockwork()?;
    let mut last = last;
    let times = std::iter::from_fn(|| {
        last = schedule.next(&clockwork, last)?;
        Some(last.into())
    });
    Ok(times.take(NEXT_TOLD).collect())
}
