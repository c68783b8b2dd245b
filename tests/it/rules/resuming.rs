//! Rule 22: a resume is taken once, also where it helps nothing: the block that follows is another one.

use std::sync::atomic::{AtomicU32, Ordering};

use everstep::prelude::*;
use everstep::store::{Record, Status};
use everstep::wake::Wake;
use everstep_tests::sim::{Fates, World, check_log};

use super::telling::{Heard, host};
use super::{long, without_sweeper};

fn is_blocked(record: &Record) -> bool {
    record.projection.status == Status::Blocked
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_helps_nothing_is_taken_and_the_next_block_is_told_with_its_own_reason() {
    static REPLAYS: AtomicU32 = AtomicU32::new(0);
    #[workflow(name = "touchy")]
    async fn broken(_: u64) -> everstep::Result<u64> {
        let one = step("one", async move || Ok::<u64, everstep::Error>(1)).await?;
        assert!(one > 1, "the first bug");
        Ok(one)
    }
    #[workflow(name = "touchy")]
    async fn mended_badly(_: u64) -> everstep::Result<u64> {
        REPLAYS.fetch_add(1, Ordering::SeqCst);
        step("two", async move || Ok::<u64, everstep::Error>(2)).await
    }
    let (world, heard) = (World::new(), Heard::default());
    let client = world.client();
    let handle = client.start(broken, 1).id("x").await.unwrap();
    let fates = Fates::good(&world, "first");
    let app = App::new().workflow(broken);
    let first = host(&world, app, &fates, &heard, &without_sweeper());
    world.until("x", minutes(1), is_blocked).await;
    first.kill().await;
    let before = world.record("x").await.unwrap().projection;

    let fates = Fates::good(&world, "second");
    let app = App::new().workflow(mended_badly);
    let _second = host(&world, app, &fates, &heard, &without_sweeper());
    for resumes in [1, 2] {
        client.resume(handle.id()).await.unwrap();
        world.until("x", minutes(1), |it| it.projection.commit == before.commit + resumes).await;
        let after = world.record("x").await.unwrap();
        let said = after.projection.reason.clone().unwrap();
        assert!(is_blocked(&after) && said.contains("two#1"), "{after:?}");
    }
    assert_eq!(REPLAYS.load(Ordering::SeqCst), 2);

    // Nobody asks for it to go on any more.
    handle.signal("go", &1).await.unwrap();
    world.until_no_wake_is_left(minutes(5)).await;
    assert_eq!(REPLAYS.load(Ordering::SeqCst), 2);
    let blocks: Vec<_> =
        heard.distinct().into_iter().filter(|it| it.status() == Some(Status::Blocked)).collect();
    let ids: Vec<_> = blocks.iter().map(|block| &*block.id).collect();
    let id = |resumes| format!("x/{}/blocked", before.commit + resumes);
    assert_eq!(ids, [id(0), id(1), id(2)]);
    check_log(&world.log("x").await);
}

/// Hosts that do not know the workflow can take nothing. It stays blocked as it was.
#[tokio::test(start_paused = true)]
async fn a_resume_among_hosts_that_do_not_know_the_workflow_changes_nothing() {
    #[workflow]
    async fn breaks(_: u64) -> everstep::Result<u64> {
        panic!("a bug")
    }
    let (world, heard) = (World::new(), Heard::default());
    let client = world.client();
    let handle = client.start(breaks, 1).id("x").await.unwrap();
    let fates = Fates::good(&world, "first");
    let first = host(&world, App::new().workflow(breaks), &fates, &heard, &without_sweeper());
    world.until("x", minutes(1), is_blocked).await;
    first.kill().await;
    let before = world.record("x").await.unwrap().projection;

    let fates = Fates::good(&world, "other");
    let _other = host(&world, App::new().workflow(long), &fates, &heard, &without_sweeper());
    client.resume(handle.id()).await.unwrap();
    world.until_no_wake_is_left(minutes(5)).await;
    world.queue.send(&Wake::news(handle.id().clone()), seconds(0)).await.unwrap();
    world.until_no_wake_is_left(minutes(5)).await;
    assert_eq!(world.record("x").await.unwrap().projection, before);
    let told = heard.all().into_iter().filter(|it| it.status() == Some(Status::Blocked));
    assert_eq!(told.count(), 1);
}
