//! What executions are found by, set while they run: soon after it is in the log, over every run,
//! and after the end.

use std::time::Duration;

use everstep::client::OnConflict;
use everstep::prelude::*;
use everstep::store::Status;
use everstep_tests::scenario::{ALL, Effects, Profile, World, check};

#[step(skip(effects))]
async fn pack(effects: &Effects, part: u32) -> everstep::Result<()> {
    effects.note(format!("part {part}"));
    Ok(())
}

/// Packs `parts` parts, two in a run.
#[workflow]
async fn ship(State(effects): State<Effects>, parts: u32) -> everstep::Result<u32> {
    let run = execution_info().run;
    set_tag(format!("run {run}"), "begun");
    set_tag("stage", "packing");
    for _ in 0..parts.min(2) {
        pack(&effects, parts).await?;
        set_tag("stage", "packing"); // it is set, and nothing is written
    }
    sleep(seconds(5)).await;
    if parts > 2 {
        set_tag("stage", "next");
        return continue_as_new(&(parts - 2)).await;
    }
    set_tag("stage", "shipped");
    Ok(run)
}

async fn found(world: &World, tags: &[(&str, &str)]) -> usize {
    let client = world.client();
    let list = tags.iter().fold(client.list(), |list, (name, value)| list.tag(*name, *value));
    list.page().await.unwrap().records.len()
}

#[test]
fn an_execution_is_found_by_the_tags_it_set_in_any_of_its_runs() {
    check(
        ALL,
        || App::new().workflow(ship),
        async |world| {
            let client = world.client();
            let handle = client.start(ship, 3).id("parcel").tag("customer", "ada").await.unwrap();
            assert_eq!(world.result(&handle).await.unwrap(), 2);
            let record = client.describe(handle.id()).await.unwrap();
            let tags: Vec<_> =
                record.tags.iter().map(|(name, it)| format!("{name}={it}")).collect();
            assert_eq!(tags, ["customer=ada", "run 1=begun", "run 2=begun", "stage=shipped"]);
            assert_eq!(record.projection.tags, None, "they are the record's");
            assert_eq!(found(world, &[("stage", "shipped"), ("customer", "ada")]).await, 1);
            assert_eq!(found(world, &[("stage", "packing")]).await, 0);
            // Of each run its number and its stage, then what leads to the next and to the end.
            assert_eq!(world.number_of(handle.id(), "TagSet").await, 2 + 2 + 1 + 1);
        },
    );
}

#[test]
fn an_execution_that_is_started_again_has_the_tags_of_its_new_start() {
    check(
        ALL,
        || App::new().workflow(ship),
        async |world| {
            let client = world.client();
            let handle = client.start(ship, 1).id("parcel").tag("customer", "ada").await.unwrap();
            world.result(&handle).await.unwrap();
            let again = client.start(ship, 1).id("parcel").on_conflict(OnConflict::Restart);
            again.await.unwrap();
            world.result(&handle).await.unwrap();
            let record = client.describe(handle.id()).await.unwrap();
            let tags: Vec<_> =
                record.tags.iter().map(|(name, it)| format!("{name}={it}")).collect();
            assert_eq!(tags, ["run 2=begun", "stage=shipped"]);
        },
    );
}

#[workflow]
async fn slow(_input: ()) -> everstep::Result<()> {
    set_tag("stage", "working");
    step("work", async || {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, everstep::Error>(())
    })
    .await
}

#[test]
fn a_tag_is_seen_while_its_turn_goes_on() {
    check(
        &[Profile::Warm, Profile::Twice, Profile::TwoHosts],
        || App::new().workflow(slow),
        async |world| {
            let handle = world.start(slow, ()).await;
            world
                .until(world.record_is(handle.id(), |record| {
                    record.projection.status == Status::Running
                        && record.tags.get("stage").is_some_and(|stage| stage == "working")
                }))
                .await;
            assert_eq!(world.number_of(handle.id(), "StepCompleted").await, 0);
            world.result(&handle).await.unwrap();
        },
    );
}

#[workflow]
async fn tags_itself((name, value, more): (String, String, u32)) -> everstep::Result<()> {
    set_tag(name, value);
    for number in 0..more {
        set_tag(number.to_string(), "");
    }
    Ok(())
}

#[test]
fn what_is_no_tag_or_one_too_many_blocks_and_says_why() {
    check(
        &[Profile::Warm],
        || App::new().workflow(tags_itself),
        async |world| {
            for (name, value, more, part) in [
                ("a=b", "c".to_owned(), 0, "a tag is a name without '=' and a value"),
                ("", "c".to_owned(), 0, "a tag is a name without '='"),
                ("a\n", "c".to_owned(), 0, "without control characters"),
                ("a", "c".repeat(256), 0, "256 bytes together at most"),
                ("a", "c".to_owned(), 16, "at most 16 tags, and it has so many"),
            ] {
                let handle = world.start(tags_itself, (name.to_owned(), value, more)).await;
                world.until(world.settled(handle.id())).await;
                let record = world.client().describe(handle.id()).await.unwrap();
                assert_eq!(record.projection.status, Status::Blocked);
                let reason = record.projection.reason.unwrap();
                assert!(reason.contains(part), "{reason}");
            }
            let most = ("a".to_owned(), "c".repeat(255), 15);
            let handle = world.start(tags_itself, most).await;
            world.result(&handle).await.unwrap();
            assert_eq!(world.client().describe(handle.id()).await.unwrap().tags.len(), 16);
        },
    );
}
