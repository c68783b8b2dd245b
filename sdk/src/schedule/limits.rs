//! Limits of schedules, each with its reason.

use std::time::Duration;

/// Longest id of a schedule, in bytes: a schedule's last ten starts, with their ids, fit into its
/// view, and its id into a tag.
pub const SCHEDULE_ID_BYTES_MAX: usize = 200;

/// Largest input of a scheduled workflow, in bytes of JSON: the schedule hands it on to each of its
/// own runs, with what it knows of its starts.
pub const INPUT_BYTES_MAX: usize = 100_000;

/// What was missed for no longer than this is started late, unless the schedule says otherwise: an
/// outage of a night is caught up with, and an environment that is switched on after months does
/// not start with the work of months.
pub const CATCH_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest catch-up window, as Temporal has it
/// (<https://docs.temporal.io/schedule#catchup-window>): a start that is late by the time that a
/// host needs to take over is no missed one.
pub const CATCH_UP_MIN: Duration = Duration::from_secs(10);

/// While one waits for another's end, that is looked for after a second, then after pauses that
/// double up to this.
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
