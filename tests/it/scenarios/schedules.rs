//! Schedules: each time starts its execution once, whatever dies, and nothing that was paused or
//! skipped starts at all.

use everstep::event::Json;
use everstep::prelude::*;
use everstep::schedule::{Overlap, Schedule, ScheduleError, ScheduleHandle, Times, Triggered};
use everstep::store::Status;
use everstep_tests::scenario::{ALL, CALM, Effects, IN_MEMORY, MOST, Profile, WARM, World, check};

#[step(skip(effects))]
async fn note(effects: &Effects, what: &str) -> everstep::Result<()> {
    effects.note(what);
    Ok(())
}

/// Works for so many minutes.
#[workflow]
async fn job(State(effects): State<Effects>, lasts: u64) -> everstep::Result<()> {
    note(&effects, execution_id().as_str()).await?;
    if lasts > 0 {
        sleep(minutes(lasts)).await;
    }
    Ok(())
}

#[workflow]
async fn fails(_input: ()) -> everstep::Result<()> {
    Err(everstep::Error::msg("it does").terminal())
}

fn app() -> App {
    App::new().workflow(job).workflow(fails).schedules()
}

fn hourly(lasts: u64) -> Schedule {
    Schedule::new(Times::every(hours(1)), job, lasts)
}

/// The moment so many minutes after the world's beginning, which is on the hour.
fn minute(minute: u64) -> chrono::DateTime<chrono::Utc> {
    let beginning: chrono::DateTime<chrono::Utc> = "2024-01-01T00:00:00Z".parse().unwrap();
    beginning + minutes(minute)
}

async fn created(world: &World, schedule: &Schedule) -> ScheduleHandle {
    // A host may die with the request, and another one wait for its claim's end.
    let handle = world.client().schedule("s").unwrap().wait(minutes(10));
    handle.create(schedule).await.unwrap();
    handle
}

/// Lets hosts work until the schedule is over and all that it started is.
async fn over(world: &World, schedule: &ScheduleHandle) {
    world
        .until(async {
            world.settled(schedule.execution()).await;
            for start in schedule.describe().await.unwrap().recent {
                world.settled(&start.execution).await;
            }
        })
        .await;
}

/// When each of its executions was started, in minutes, and how it ended.
async fn starts(world: &World, schedule: &ScheduleHandle) -> Vec<(u64, Status)> {
    let mut starts = Vec::new();
    for start in schedule.describe().await.unwrap().recent {
        let record = world.client().describe(&start.execution).await.unwrap();
        let at = chrono::DateTime::from(record.started_at) - minute(0);
        starts.push((at.num_minutes().try_into().unwrap(), record.projection.status));
    }
    starts
}

#[test]
fn each_time_starts_its_execution_once() {
    check(
        ALL,
        || app().replay_check(true),
        async |world| {
            let times = Times::cron("30 2-5 * * *").zone("Europe/Berlin");
            let mornings = Schedule::new(times, job, 0).until(minute(6 * 60));
            let schedule = created(world, &mornings).await;
            over(world, &schedule).await;
            let shown = schedule.describe().await.unwrap();
            let ids: Vec<_> = shown.recent.iter().map(|start| start.execution.as_str()).collect();
            let hours = ["01", "02", "03", "04"];
            assert_eq!(ids, hours.map(|hour| format!("s/2024-01-01T{hour}:30:00Z")));
            for id in ids {
                world.did(id, 1);
            }
            assert_eq!((shown.counts.started, shown.counts.failed), (4, 0));
            assert_eq!(shown.status, Status::Completed);
            let listed = world.client().list().tag("everstep.schedule", "s").page().await.unwrap();
            assert_eq!(listed.records.len(), 4);
        },
    );
}

/// What becomes of four hours of an hourly schedule whose executions last so long.
fn overlap(
    policy: Overlap,
    lasts: u64,
    profiles: &[Profile],
    expected: &[(u64, Status)],
    skipped: u64,
) {
    check(profiles, app, async |world| {
        let schedule = hourly(lasts).overlap(policy).until(minute(4 * 60));
        let schedule = created(world, &schedule).await;
        over(world, &schedule).await;
        let found = starts(world, &schedule).await;
        let near = |(at, status): &(u64, Status), (due, ends): &(u64, Status)| {
            at.abs_diff(*due) <= 2 && status == ends
        };
        assert!(
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| near(found, expected)),
            "{found:?}"
        );
        let counts = schedule.describe().await.unwrap().counts;
        assert_eq!((counts.started, counts.skipped), (expected.len() as u64, skipped));
    });
}

#[test]
fn skip_starts_nothing_while_one_is_open() {
    let ends = Status::Completed;
    overlap(Overlap::Skip, 90, ALL, &[(60, ends), (180, ends)], 2);
}

#[test]
fn buffer_one_keeps_one_for_later_and_skips_the_rest() {
    let ends = Status::Completed;
    // It looks every minute: as many worlds with deaths would take minutes.
    overlap(Overlap::BufferOne, 100, IN_MEMORY, &[(60, ends), (160, ends), (260, ends)], 1);
}

#[test]
fn allow_all_starts_beside_what_is_open() {
    let ends = Status::Completed;
    overlap(Overlap::AllowAll, 90, MOST, &[(60, ends), (120, ends), (180, ends), (240, ends)], 0);
}

#[test]
fn cancel_other_makes_way_for_the_new_one() {
    let ends = Status::Cancelled;
    let expected = &[(60, ends), (120, ends), (180, ends), (240, Status::Completed)];
    overlap(Overlap::CancelOther, 90, MOST, expected, 0);
}

#[test]
fn terminate_other_makes_way_for_the_new_one() {
    let ends = Status::Terminated;
    let expected = &[(60, ends), (120, ends), (180, ends), (240, Status::Completed)];
    overlap(Overlap::TerminateOther, 90, MOST, expected, 0);
}

#[test]
fn once_a_pause_has_returned_nothing_starts_until_the_resume() {
    check(MOST, app, async |world| {
        let schedule = created(world, &hourly(0)).await;
        world
            .until(async {
                tokio::time::sleep(minutes(30)).await;
                schedule.pause("").await.unwrap();
                tokio::time::sleep(minutes(40)).await;
                assert_eq!(schedule.describe().await.unwrap().counts.started, 0);
                schedule.resume().await.unwrap();
                // And at the very moment at which one is due.
                tokio::time::sleep(minutes(50)).await;
                schedule.pause("holidays").await.unwrap();
                let before = schedule.describe().await.unwrap();
                assert_eq!(before.paused.as_deref(), Some("holidays"));
                assert_eq!((before.next.len(), before.waiting), (0, None));
                tokio::time::sleep(hours(5)).await;
                let after = schedule.describe().await.unwrap();
                assert_eq!(after.recent, before.recent);
                let first = after.counts.started;
                assert!(first <= 1, "{first}");

                schedule.resume().await.unwrap();
                tokio::time::sleep(minutes(40)).await;
                let resumed = schedule.describe().await.unwrap();
                // What was due in the pause is not caught up with.
                assert_eq!((resumed.counts.started, resumed.counts.missed), (first, 0));
                assert_eq!((resumed.paused, resumed.next.len()), (None, 5));
                tokio::time::sleep(minutes(40)).await;
                assert_eq!(schedule.describe().await.unwrap().counts.started, first + 1);
            })
            .await;
    });
}

#[test]
fn a_trigger_starts_one_execution_also_of_a_paused_schedule() {
    check(MOST, app, async |world| {
        let tagged = hourly(30).tag("shop", "north").tag("everstep.schedule", "another");
        let schedule = created(world, &tagged).await;
        world
            .until(async {
                schedule.pause("").await.unwrap();
                let first = schedule.trigger().id("now").await.unwrap();
                let Triggered::Started(id) = first.clone() else { panic!("{first:?}") };
                assert_eq!(id.as_str(), "s/now");
                // An answer that was lost is had again.
                assert_eq!(schedule.trigger().id("now").await.unwrap(), first);
                // The policy holds for triggers too.
                assert_eq!(schedule.trigger().await.unwrap(), Triggered::Skipped);
                world.settled(&id).await;
                // One of the same name is the same execution.
                schedule.trigger().id("now").await.unwrap();
            })
            .await;
        world.did("s/now", 1);
        let record = world.client().describe(&"s/now".parse().unwrap()).await.unwrap();
        assert_eq!(record.projection.status, Status::Completed);
        // By that one it is found, whatever its schedule says.
        let tags: Vec<_> = record.tags.iter().map(|(name, it)| format!("{name}={it}")).collect();
        assert_eq!(tags, ["everstep.schedule=s", "shop=north"]);
    });
}

#[test]
fn what_was_missed_is_caught_up_with_as_far_as_the_window_goes() {
    check(MOST, app, async |world| {
        // The window ends ten minutes before a start: a host that dies comes back in time for it.
        let schedule = hourly(0).overlap(Overlap::AllowAll).catch_up(minutes(160));
        let schedule = created(world, &schedule.until(minute(8 * 60))).await;
        world.until(tokio::time::sleep(minutes(90))).await;
        // No host is there for five hours: 02:00 to 06:00.
        tokio::time::sleep(hours(5)).await;
        over(world, &schedule).await;
        let shown = schedule.describe().await.unwrap();
        let times: Vec<_> = shown.recent.iter().map(|start| start.execution.as_str()).collect();
        let hours = ["01", "04", "05", "06", "07", "08"];
        assert_eq!(times, hours.map(|hour| format!("s/2024-01-01T{hour}:00:00Z")));
        assert_eq!((shown.counts.started, shown.counts.missed), (6, 2));
        for id in times {
            world.did(id, 1);
        }
    });
}

#[test]
fn a_failure_pauses_if_the_schedule_says_so() {
    check(IN_MEMORY, app, async |world| {
        let schedule = Schedule::new(Times::every(hours(1)), fails, ()).pause_on_failure();
        let schedule = created(world, &schedule).await;
        world.until(tokio::time::sleep(hours(10))).await;
        let shown = schedule.describe().await.unwrap();
        assert_eq!((shown.counts.started, shown.counts.skipped), (1, 1));
        assert_eq!(shown.paused.as_deref(), Some("s/2024-01-01T01:00:00Z has failed"));
    });
}

#[test]
fn what_the_policy_terminates_is_no_failure() {
    check(IN_MEMORY, app, async |world| {
        let schedule = hourly(90).overlap(Overlap::TerminateOther).pause_on_failure();
        let schedule = created(world, &schedule.until(minute(3 * 60))).await;
        over(world, &schedule).await;
        let shown = schedule.describe().await.unwrap();
        assert_eq!((shown.counts.started, shown.counts.skipped, shown.paused), (3, 0, None));
    });
}

#[test]
fn an_update_takes_the_place_of_what_was_there() {
    check(MOST, app, async |world| {
        let schedule = created(world, &hourly(0)).await;
        world
            .until(async {
                tokio::time::sleep(minutes(90)).await;
                let other = Schedule::new(Times::every(hours(2)), job, 5).until(minute(4 * 60));
                schedule.update(&other).await.unwrap();
                assert_eq!(schedule.describe().await.unwrap().schedule, other);
            })
            .await;
        over(world, &schedule).await;
        let ends = Status::Completed;
        let found: Vec<_> = starts(world, &schedule).await;
        // Where a host has died, another one comes a little later.
        let near = |(at, status): (u64, Status), due| status == ends && at - due <= 2;
        assert!(found.into_iter().zip([60, 120, 240]).all(|(found, due)| near(found, due)));
        assert_eq!(schedule.describe().await.unwrap().counts.started, 3);
    });
}

#[test]
fn an_update_to_other_times_starts_nothing_for_what_is_past() {
    check(MOST, app, async |world| {
        let schedule = created(world, &hourly(0)).await;
        let often = Schedule::new(Times::every(minutes(20)), job, 0).until(minute(140));
        world
            .until(async {
                tokio::time::sleep(minutes(90)).await;
                schedule.update(&often).await.unwrap();
                // What was created first is there no more.
                let refused = schedule.create(&hourly(0)).await.unwrap_err();
                assert!(matches!(refused, ScheduleError::Exists { .. }), "{refused}");
                schedule.create(&often).await.unwrap();
            })
            .await;
        over(world, &schedule).await;
        let shown = schedule.describe().await.unwrap();
        let ids: Vec<_> = shown.recent.iter().map(|start| start.execution.as_str()).collect();
        let times = ["01:00", "01:40", "02:00", "02:20"];
        assert_eq!(ids, times.map(|time| format!("s/2024-01-01T{time}:00Z")));
    });
}

#[test]
fn an_update_that_leaves_the_times_loses_none_that_was_missed() {
    check(MOST, app, async |world| {
        let schedule = hourly(0).overlap(Overlap::AllowAll).until(minute(4 * 60));
        let handle = created(world, &schedule).await;
        world.until(tokio::time::sleep(minutes(90))).await;
        // No host is there for 02:00 and 03:00.
        tokio::time::sleep(minutes(110)).await;
        world
            .until(async { handle.update(&schedule.clone().tag("shop", "north")).await.unwrap() })
            .await;
        over(world, &handle).await;
        let shown = handle.describe().await.unwrap();
        let ids: Vec<_> = shown.recent.iter().map(|start| start.execution.as_str()).collect();
        assert_eq!(ids, [1, 2, 3, 4].map(|hour| format!("s/2024-01-01T0{hour}:00:00Z")));
        assert_eq!(shown.counts.missed, 0);
    });
}

#[test]
fn what_was_missed_is_counted_once_though_it_is_planned_anew() {
    check(MOST, app, async |world| {
        let schedule = created(world, &hourly(0).catch_up(minutes(10))).await;
        world.until(tokio::time::sleep(minutes(90))).await;
        // No host is there for 02:00 to 06:00, and at 06:30 all of it is too old.
        tokio::time::sleep(hours(5)).await;
        world
            .until(async {
                tokio::time::sleep(minutes(5)).await;
                schedule.update(&hourly(1).catch_up(minutes(10))).await.unwrap();
                tokio::time::sleep(minutes(5)).await;
            })
            .await;
        let counts = schedule.describe().await.unwrap().counts;
        assert_eq!((counts.started, counts.missed), (1, 5));
    });
}

#[test]
fn a_schedule_is_created_once_and_begins_anew_after_its_end() {
    check(CALM, app, async |world| {
        let schedule = created(world, &hourly(0)).await;
        schedule.create(&hourly(0)).await.unwrap();
        let refused = schedule.create(&hourly(1)).await.unwrap_err();
        assert!(matches!(refused, ScheduleError::Exists { .. }), "{refused}");
        world
            .until(async {
                tokio::time::sleep(minutes(90)).await;
                // Also when it has a history.
                schedule.create(&hourly(0)).await.unwrap();
                schedule.delete().await.unwrap();
                world.settled(schedule.execution()).await;
            })
            .await;
        let gone = schedule.delete().await.unwrap_err();
        assert!(matches!(gone, ScheduleError::Unknown { .. }), "{gone}");
        assert!(world.client().schedules().page().await.unwrap().schedules.is_empty());
        schedule.create(&hourly(0).until(minute(4 * 60))).await.unwrap();
        let anew = schedule.describe().await.unwrap();
        assert_eq!((anew.counts.started, anew.recent.len(), anew.next.len()), (0, 0, 3));
        assert_eq!(world.client().schedules().page().await.unwrap().schedules[0].id(), "s");
        over(world, &schedule).await;
        assert_eq!(schedule.describe().await.unwrap().counts.started, 3);
    });
}

#[test]
fn a_host_that_serves_no_schedules_blocks_it_and_a_resume_goes_on() {
    check(IN_MEMORY, app, async |world| {
        let schedule = created(world, &hourly(0).until(minute(3 * 60))).await;
        let without = || App::new().workflow(job);
        world.until_with(&without, async { world.settled(schedule.execution()).await }).await;
        let shown = schedule.describe().await.unwrap();
        assert_eq!(shown.status, Status::Blocked);
        let problem = shown.problem.unwrap();
        assert!(problem.contains("everstep.schedule"), "{problem}");
        tokio::time::sleep(minutes(150)).await;
        world.client().resume(schedule.execution()).await.unwrap();
        world.until(world.status_is(schedule.execution(), Status::Completed)).await;
        assert_eq!(schedule.describe().await.unwrap().counts.started, 3);
    });
}

#[test]
fn a_start_that_is_refused_is_shown_and_the_next_one_comes() {
    check(IN_MEMORY, app, async |world| {
        // Created by a client that knows no workflows; the name is none.
        let schedule = Schedule::named(Times::every(hours(1)), "w", Json::null());
        let mut stored = serde_json::to_value(&schedule).unwrap();
        stored["workflow"] = "".into();
        stored["until"] = chrono::DateTime::timestamp_millis(&minute(2 * 60)).into();
        let input = serde_json::json!({ "id": "s", "schedule": stored });
        let client = world.client();
        let handle = client.schedule("s").unwrap();
        let start = client.start_named("everstep.schedule", Json::record(&input).unwrap());
        start.id(handle.execution().clone()).await.unwrap();
        over_without_starts(world, &handle).await;
        let shown = handle.describe().await.unwrap();
        assert_eq!((shown.counts.started, shown.counts.failed), (0, 2));
        let problem = shown.recent[1].problem.as_deref().unwrap();
        assert!(problem.contains("a workflow's name has 1 to 256 bytes"), "{problem}");
    });
}

async fn over_without_starts(world: &World, schedule: &ScheduleHandle) {
    world.until(async { world.settled(schedule.execution()).await }).await;
}

#[test]
fn what_can_be_seen_to_be_wrong_is_refused_and_nothing_is_stored() {
    check(WARM, app, async |world| {
        let client = app().backend(world.plain()).client().await.unwrap();
        let handle = client.schedule("s").unwrap();
        let refused = async |schedule: Schedule, says: &str| {
            let error = handle.create(&schedule).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            let error = handle.update(&schedule).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        let often = || Times::every(minutes(1));
        refused(Schedule::new(Times::cron("nightly"), job, 0), "is no cron expression").await;
        refused(hourly(0).catch_up(seconds(9)), "at least 10 seconds").await;
        refused(Schedule::named(often(), "jop", Json::null()), "there is no workflow \"jop\"")
            .await;
        refused(Schedule::named(often(), "job", Json::null()), "cannot read its input").await;
        let large = Json::record(&"x".repeat(100_000)).unwrap();
        refused(Schedule::named(often(), "job", large), "and a schedule keeps 100000 at most")
            .await;
        refused(hourly(0).tag("a=b", ""), "a tag is a name").await;
        assert!(client.schedule("x".repeat(201)).is_err() && client.schedule("").is_err());
        assert!(client.schedule("a\nb").is_err());
        let unknown = handle.describe().await.unwrap_err();
        assert!(matches!(unknown, ScheduleError::Unknown { .. }), "{unknown}");

        let other = App::new().workflow(job).backend(world.plain()).client().await.unwrap();
        let not_served = other.schedule("s").unwrap().create(&hourly(0)).await.unwrap_err();
        assert!(matches!(not_served, ScheduleError::NotServed), "{not_served}");
        assert!(client.list().page().await.unwrap().records.is_empty());
    });
}

#[test]
fn jitter_delays_by_no_more_than_it_says_and_by_the_same_on_replay() {
    check(
        MOST,
        || app().replay_check(true),
        async |world| {
            let schedule = hourly(0).jitter(minutes(20)).until(minute(5 * 60));
            let schedule = created(world, &schedule).await;
            over(world, &schedule).await;
            let late: Vec<_> = starts(world, &schedule)
                .await
                .into_iter()
                .zip(1..)
                .map(|((at, _), hour)| at - hour * 60)
                .collect();
            assert!(late.len() == 5 && late.iter().all(|late| *late <= 21), "{late:?}");
            assert!(late.iter().any(|one| *one != late[0]), "{late:?}");
        },
    );
}

/// E6
#[test]
fn a_year_of_a_daily_schedule_misses_no_day_and_its_log_stays_short() {
    let env = everstep::testing::Env::new(app().state(Effects::default()));
    let client = env.client();
    let times = Times::cron("30 2 * * *").zone("Europe/Berlin");
    let schedule = client.schedule("s").unwrap();
    env.block_on(schedule.create(&Schedule::new(times, job, 0))).unwrap();
    env.advance(days(366));
    let shown = env.block_on(schedule.describe()).unwrap();
    assert_eq!((shown.counts.started, shown.counts.missed), (366, 0));
    assert_eq!(env.runs("note"), 366);
    let loaded = env.block_on(client.load(schedule.execution())).unwrap();
    assert!(loaded.commits.len() < 60, "{} commits are read", loaded.commits.len());
    // The night without that time, and the one that has it twice.
    let spring = "s/2024-03-31T01:00:00Z".parse().unwrap();
    assert!(env.block_on(client.describe(&spring)).is_ok());
    let autumn = "s/2024-10-27T00:30:00Z".parse().unwrap();
    assert!(env.block_on(client.describe(&autumn)).is_ok());
}
