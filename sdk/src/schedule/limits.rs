//! Limits of schedules, each with its reason.

use std::time::Duration;

/// Longest id of a schedule, in bytes: a schedule's last ten starts, with their ids, fit into its
/// view, and its id into a tag.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::SCHEDULE_ID_BYTES_MAX;
///
/// let client = Client::new(&Backend::memory());
/// assert!(client.schedule("s".repeat(SCHEDULE_ID_BYTES_MAX)).is_ok());
/// assert!(client.schedule("s".repeat(SCHEDULE_ID_BYTES_MAX + 1)).is_err());
/// ```
pub const SCHEDULE_ID_BYTES_MAX: usize = 200;

/// Largest input of a scheduled workflow, in bytes of JSON: the schedule hands it on to each of its
/// own runs, with what it knows of its starts.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{INPUT_BYTES_MAX, Schedule, ScheduleError, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shops = "north, ".repeat(INPUT_BYTES_MAX / 7 + 1);
/// let daily = Schedule::new(Times::every(days(1)), report, shops);
/// match Client::new(&Backend::memory()).schedule("report")?.create(&daily).await {
///     Err(ScheduleError::InputTooLarge { bytes }) => assert!(bytes > INPUT_BYTES_MAX),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
pub const INPUT_BYTES_MAX: usize = 100_000;

/// What was missed for no longer than this is started late, unless the schedule says otherwise: an
/// outage of a night is caught up with, and an environment that is switched on after months does
/// not start with the work of months.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::schedule::CATCH_UP;
///
/// assert_eq!(CATCH_UP, hours(24));
/// ```
pub const CATCH_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest catch-up window, as Temporal has it
/// (<https://docs.temporal.io/schedule#catchup-window>): a start that is late by the time that a
/// host needs to take over is no missed one.
///
/// ```
/// # use everstep::prelude::*;
/// use everstep::schedule::{CATCH_UP_MIN, Schedule, ScheduleError, Times};
/// # #[workflow] async fn report(shop: String) -> everstep::Result<String> { Ok(shop) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hourly = Schedule::new(Times::every(hours(1)), report, "north".to_owned());
/// let schedule = Client::new(&Backend::memory()).schedule("report")?;
/// let refused = schedule.create(&hourly.clone().catch_up(CATCH_UP_MIN / 2)).await;
/// assert!(matches!(refused, Err(ScheduleError::CatchUp)));
/// schedule.create(&hourly.catch_up(CATCH_UP_MIN)).await?;
/// # Ok(()) }
/// ```
pub const CATCH_UP_MIN: Duration = Duration::from_secs(10);

/// While one waits for another's end, that is looked for after a second, then after pauses that
/// double up to this.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::schedule::LOOK_EVERY_MAX;
///
/// assert_eq!(LOOK_EVERY_MAX, minutes(1));
/// ```
pub const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);

/// Longest id of what a schedule starts, in bytes: its own, `/`, and a time or the name of a
/// trigger.
pub(super) const STARTED_ID_BYTES_MAX: usize = SCHEDULE_ID_BYTES_MAX + 1 + 100;

/// How many starts a schedule shows.
pub(super) const RECENT_MAX: usize = 10;

/// How many open executions a schedule keeps in mind, the last ones: only with
/// [`AllowAll`](super::Overlap::AllowAll) there are several.
pub(super) const OPEN_MAX: usize = 20;

/// How many missed times are counted; those before are neither counted nor looked at.
pub(super) const MISSED_MAX: u64 = 10_000;

/// Longest text that a schedule keeps: why it is paused, why something was not started.
pub(super) const NOTE_BYTES_MAX: usize = 200;

/// After so many events of a run the schedule begins a new one. Each of its starts is about eight,
/// and every look at the schedule reads all of them: this is less than what is suggested for others,
/// for a schedule hands on next to nothing.
pub(super) const EVENTS_MAX: u64 = 80;
