//! Starting one by hand, as a schedule does.

use futures::future::{BoxFuture, FutureExt};

use super::ScheduleHandle;
use crate::id::{ExecutionId, InvalidExecutionId};
use crate::schedule::ScheduleError;
use crate::schedule::life::{Answer, Request};

/// A trigger that has not been sent; `.await` sends it and waits for what comes of it.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, Times, Triggering};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { sleep(days(1)).await; Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule = client.schedule("report-north")?;
/// schedule.create(&Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned())).await?;
/// // A web hook that comes twice
/// let trigger: Triggering = schedule.trigger().id("delivery-1");
/// let first = trigger.await?;
/// assert_eq!(schedule.trigger().id("delivery-1").await?, first);
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
///
/// # Errors
/// What is to be started cannot be; or as of [`ScheduleHandle::pause`].
#[must_use = "nothing is triggered unless it is awaited"]
#[derive(Debug)]
pub struct Triggering<'a> {
    pub(super) schedule: &'a ScheduleHandle,
    pub(super) id: String,
}

impl Triggering<'_> {
    /// What comes after the schedule's id and `/` in the execution's: a trigger that is repeated
    /// with the same id starts one execution. 100 bytes at most.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }
}

impl<'a> IntoFuture for Triggering<'a> {
    type Output = Result<Triggered, ScheduleError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let id = format!("{}/{}", self.schedule.id, self.id);
            let execution = ExecutionId::new(id)
                .map_err(|error: InvalidExecutionId| ScheduleError::Start(error.into()))?;
            Ok(match self.schedule.ask(Request::Trigger { execution: execution.clone() }).await? {
                Answer::Waits { execution } => Triggered::Waits(execution),
                Answer::Skipped => Triggered::Skipped,
                _ => Triggered::Started(execution),
            })
        }
        .boxed()
    }
}

/// What came of a [trigger](ScheduleHandle::trigger).
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{Schedule, Times, Triggered};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # let env = everstep::testing::Env::new(App::new().workflow(report).schedules());
/// # let client = env.client();
/// # env.block_on(async {
/// let schedule = client.schedule("report-north")?;
/// schedule.create(&Schedule::new(Times::cron("0 7 * * *"), report, "north".to_owned())).await?;
/// match schedule.trigger().id("by-hand").await? {
///     Triggered::Started(id) => assert_eq!(id.as_str(), "report-north/by-hand"),
///     other => panic!("{other:?}"), // another is open
/// }
/// # Ok::<_, everstep::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Triggered {
    /// This was started.
    Started(ExecutionId),
    /// This is started when what is open has ended.
    Waits(ExecutionId),
    /// Nothing is started: another is open, and the overlap policy says to skip.
    Skipped,
}
