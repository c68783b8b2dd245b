use super::*;
use crate::context::{days, hours, minutes, seconds};

#[track_caller]
fn check(times: &Times, after: &str, expected: &[&str]) {
    let after: DateTime<Utc> = after.parse().expect("a time");
    let found: Vec<String> = times
        .after(after)
        .expect("possible times")
        .take(expected.len())
        .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        .collect();
    assert_eq!(found, expected, "{times}");
}

#[track_caller]
fn refused(times: &Times, says: &str) {
    let error = times.check().expect_err("no times").to_string();
    assert!(error.contains(says), "{error}");
}

fn berlin(expression: &str) -> Times {
    Times::cron(expression).zone("Europe/Berlin")
}

#[test]
fn a_time_that_the_clocks_leave_out_is_the_first_moment_after_the_gap() {
    // 2024-03-31 has no 02:00 to 03:00 in Berlin.
    check(
        &berlin("30 2 * * *"),
        "2024-03-29T12:00:00Z",
        &["2024-03-30T01:30:00Z", "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"],
    );
}

#[test]
fn times_are_whole_seconds_whenever_they_are_asked_for() {
    let daily = Times::cron("0 7 * * *");
    check(&daily, "2024-01-01T06:59:59.999Z", &["2024-01-01T07:00:00Z", "2024-01-02T07:00:00Z"]);
    check(&daily, "2024-01-01T07:00:00.001Z", &["2024-01-02T07:00:00Z"]);
    check(&berlin("30 2 * * *"), "2024-10-26T23:59:59.5Z", &["2024-10-27T00:30:00Z"]);
}

#[test]
fn a_gap_starts_nothing_twice() {
    // 02:00 is moved to 03:00, where there is a start anyway.
    check(
        &berlin("0 2,3 * * *"),
        "2024-03-30T12:00:00Z",
        &["2024-03-31T01:00:00Z", "2024-04-01T00:00:00Z", "2024-04-01T01:00:00Z"],
    );
}

#[test]
fn a_time_that_comes_twice_is_its_first_one() {
    // 2024-10-27 has two 02:30 in Berlin.
    check(
        &berlin("30 2 * * *"),
        "2024-10-26T12:00:00Z",
        &["2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"],
    );
}

#[test]
fn an_interval_of_the_calendar_goes_on_through_gaps_and_repeated_hours() {
    check(
        &berlin("*/30 * * * *"),
        "2024-03-31T00:15:00Z",
        &["2024-03-31T00:30:00Z", "2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z"],
    );
    check(
        &berlin("*/30 * * * *"),
        "2024-10-26T23:45:00Z",
        &[
            "2024-10-27T00:00:00Z",
            "2024-10-27T00:30:00Z",
            "2024-10-27T01:00:00Z",
            "2024-10-27T01:30:00Z",
            "2024-10-27T02:00:00Z",
        ],
    );
    check(
        &berlin("15 * * * *"),
        "2024-10-26T23:45:00Z",
        &["2024-10-27T00:15:00Z", "2024-10-27T01:15:00Z", "2024-10-27T02:15:00Z"],
    );
}

#[test]
fn a_step_of_seconds_goes_on_through_the_repeated_hour() {
    // 01:00:00Z is the second 02:00 of that night.
    check(
        &berlin("*/30 * * * * *"),
        "2024-10-27T00:59:15Z",
        &["2024-10-27T00:59:30Z", "2024-10-27T01:00:00Z", "2024-10-27T01:00:30Z"],
    );
    check(
        &berlin("*/30 * * * * *"),
        "2024-10-27T01:59:30Z",
        &["2024-10-27T02:00:00Z", "2024-10-27T02:00:30Z"],
    );
}

#[test]
fn a_day_that_a_place_leaves_out_is_a_gap() {
    // Samoa had no 2011-12-30.
    let samoa = Times::cron("0 9 30 12 *").zone("Pacific/Apia");
    check(&samoa, "2011-01-01T00:00:00Z", &["2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"]);
}

#[test]
fn a_place_whose_clocks_move_by_half_an_hour_is_no_exception() {
    // Lord Howe: from 02:00 to 02:30 on 2024-10-06, back to 01:30 on 2024-04-07.
    let lord_howe = |expression: &str| Times::cron(expression).zone("Australia/Lord_Howe");
    check(&lord_howe("15 2 * * *"), "2024-10-05T00:00:00Z", &["2024-10-05T15:30:00Z"]);
    check(
        &lord_howe("45 1 * * *"),
        "2024-04-06T00:00:00Z",
        &["2024-04-06T14:45:00Z", "2024-04-07T15:15:00Z"],
    );
}

#[test]
fn expressions_have_seconds_names_and_the_last_day() {
    check(&Times::cron("*/20 * * * * *"), "2024-01-01T00:00:00Z", &["2024-01-01T00:00:20Z"]);
    check(&Times::cron("0 9 * * MON-FRI"), "2024-01-05T10:00:00Z", &["2024-01-08T09:00:00Z"]);
    check(&Times::cron("0 0 L * *"), "2024-02-01T00:00:00Z", &["2024-02-29T00:00:00Z"]);
    check(&Times::cron("0 0 29 2 *"), "2024-03-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
    check(&Times::cron("@daily"), "2024-03-01T00:00:00Z", &["2024-03-02T00:00:00Z"]);
}

#[test]
fn intervals_count_from_1970() {
    check(&Times::every(hours(1)), "2024-01-01T00:00:00Z", &["2024-01-01T01:00:00Z"]);
    check(
        &Times::every(hours(1)).offset(minutes(15)),
        "2024-01-01T00:00:00.001Z",
        &["2024-01-01T00:15:00Z", "2024-01-01T01:15:00Z"],
    );
    // An offset is one within the interval.
    check(
        &Times::every(hours(1)).offset(minutes(75)),
        "2024-01-01T00:00:00Z",
        &["2024-01-01T00:15:00Z"],
    );
    check(&Times::every(seconds(7)), "1969-12-31T23:59:59Z", &["1970-01-01T00:00:00Z"]);
}

#[test]
fn what_is_no_time_is_refused() {
    refused(&Times::cron("every day"), "is no cron expression");
    refused(&Times::cron("61 * * * *"), "is no cron expression");
    refused(&Times::cron("* ".repeat(200)), "more than 256 bytes");
    refused(&Times::cron("0 0 30 2 *"), "never comes");
    refused(&berlin("0 0 * * *").zone("Europe/Atlantis"), "no time zone \"Europe/Atlantis\"");
    refused(&Times::every(std::time::Duration::from_millis(999)), "between 1 second and 10 years");
    refused(&Times::every(days(100_000)), "between 1 second and 10 years");
}

#[test]
fn the_end_of_time_is_an_end() {
    let last = Clockwork::Every { millis: i64::MAX, offset: 0 };
    assert_eq!(last.next(Timestamp(1)), None);
    let every = Times::every(hours(1)).clockwork().expect("an interval");
    assert_eq!(every.next(Timestamp::MAX), None);
}

/// Every minute of two nights is looked at by itself: is it shown, and for the how-manieth time?
#[test]
fn an_interval_is_every_moment_that_the_clocks_show() {
    use chrono::Timelike;
    let zone: Tz = "Europe/Berlin".parse().expect("a zone");
    for night in ["2024-03-30T22:00:00Z", "2024-10-26T22:00:00Z"] {
        let begin: DateTime<Utc> = night.parse().expect("a time");
        let moments = (1..6 * 60).map(|minute| begin + minutes(minute));
        let expected: Vec<_> =
            moments.filter(|it| it.with_timezone(&zone).minute() % 20 == 10).collect();
        let found = berlin("10-50/20 * * * *").after(begin).expect("times");
        assert_eq!(found.take(expected.len()).collect::<Vec<_>>(), expected);
    }
}
