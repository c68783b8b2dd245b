use super::*;
use crate::context::{days, minutes};
use crate::event::Json;
use crate::schedule::Times;
use crate::schedule::limits::STARTED_ID_BYTES_MAX;

const HOUR: i64 = 3_600_000;

fn state(schedule: impl FnOnce(Schedule) -> Schedule) -> State {
    let hourly = Schedule::named(Times::every(minutes(60)), "w", Json::null());
    State::new("s".to_owned(), schedule(hourly))
}

#[track_caller]
fn check(state: &State, last: i64, now: i64, next: Option<i64>, missed: u64) {
    let plan = state.plan(Timestamp(last), Timestamp(now)).expect("a plan");
    assert_eq!(plan, Plan { next: next.map(Timestamp), missed });
}

#[test]
fn a_time_that_is_not_older_than_the_window_is_the_next_one() {
    let two_hours = state(|schedule| schedule.catch_up(minutes(120)));
    check(&two_hours, 0, 0, Some(HOUR), 0);
    check(&two_hours, 0, 3 * HOUR, Some(HOUR), 0);
    check(&two_hours, 0, 3 * HOUR + 1, Some(2 * HOUR), 1);
    check(&two_hours, 0, 100 * HOUR, Some(98 * HOUR), 97);
}

#[test]
fn an_outage_of_years_is_not_counted_through() {
    let every_second = state(|schedule| Schedule {
        times: Times::every(std::time::Duration::from_secs(1)),
        ..schedule
    });
    let now = 10 * 365 * 24 * HOUR;
    check(&every_second, 0, now, Some(now - 24 * HOUR), MISSED_MAX);
}

#[test]
fn bounds_are_within() {
    let bounded = state(|schedule| {
        schedule.from(Timestamp(2 * HOUR).into()).until(Timestamp(3 * HOUR).into())
    });
    check(&bounded, 0, 0, Some(2 * HOUR), 0);
    check(&bounded, 2 * HOUR, 0, Some(3 * HOUR), 0);
    check(&bounded, 3 * HOUR, 0, None, 0);
    // Also where all of it was missed.
    check(&bounded, 0, 100 * HOUR, None, 2);
}

#[test]
fn what_a_schedule_shows_fits_into_a_view() {
    let mut state = state(|schedule| schedule);
    let execution = ExecutionId::new("\"".repeat(STARTED_ID_BYTES_MAX)).expect("an id");
    let firing = Firing { execution, time: Some(Timestamp(HOUR)) };
    for _ in 0..100 {
        state.started(firing.clone(), Timestamp(0));
        state.failed(firing.clone(), Timestamp(0), &"\"".repeat(10_000));
    }
    state.shown.recent.iter_mut().for_each(|start| {
        start.problem = Some(note(&"\u{1}\"".repeat(10_000)));
    });
    state.waits(firing, Timestamp(0));
    state.shown.paused = Some(note(&"ä".repeat(10_000)));
    let bytes = Json::record(state.shown()).expect("a view").as_str().len();
    assert!(bytes < crate::limits::VIEW_BYTES_MAX, "{bytes}");
    assert_eq!(state.open.len(), OPEN_MAX);
}

#[test]
fn looks_become_rarer_up_to_a_minute() {
    let mut state = state(|schedule| schedule);
    let firing = state.firing_at(Timestamp(HOUR)).expect("an id");
    assert_eq!(firing.execution.as_str(), "s/1970-01-01T01:00:00Z");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        state.waits(firing.clone(), Timestamp(0));
        pauses.extend(state.waiting.as_ref().map(|waiting| waiting.pause_millis / 1_000));
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let two_days = state.schedule.clone().catch_up(days(2));
    assert_eq!(two_days.catch_up_window(), days(2));
}

/// What a schedule of an earlier version has in its log is read by this one.
#[test]
fn the_stored_form_of_a_schedule_stays_readable() {
    let full = r#"{"id":"nightly","schedule":{"times":{"cron":{"expression":"0 3 * * *","zone":"Europe/Zurich"}},"workflow":"report","input":{"region":"eu"},"tags":{"team":"billing"},"overlap":"buffer_one","from":1735689600000,"until":1767225600000,"jitter_millis":60000,"catch_up_millis":86400000,"pause_on_failure":true},"done_until":1735700400000,"open":["nightly/2025-01-01T02:00:00Z"],"waiting":{"firing":{"execution":"nightly/2025-01-02T02:00:00Z","time":1735783200000},"again_at":1735783260000,"pause_millis":60000},"shown":{"paused":null,"next":{"time":1735869600000,"at":1735869630000},"waiting":"nightly/2025-01-02T02:00:00Z","counts":{"started":1,"skipped":2,"missed":3,"failed":4},"recent":[{"execution":"nightly/2025-01-01T02:00:00Z","time":1735696800000,"at":1735696801000}]}}"#;
    let least = r#"{"id":"s","schedule":{"times":{"every":{"millis":3600000}},"workflow":"w","input":null,"overlap":"skip","catch_up_millis":31536000000},"shown":{"paused":null,"next":null,"waiting":null,"counts":{"started":0,"skipped":0,"missed":0,"failed":0},"recent":[]}}"#;
    for stored in [full, least] {
        let state: State = serde_json::from_str(stored).expect("it is readable");
        assert_eq!(serde_json::to_string(&state).expect("JSON"), stored);
    }
}
