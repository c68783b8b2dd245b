//! Rule 22: a resume that helps nothing changes nothing.

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
async fn a_resume_that_helps_nothing_leaves_the_block_as_it_was() {
    #[workflow(name = "touchy")]
    async fn broken(_: u64) -> everstep::Result<u64> {
        let one = step("one", async move || Ok::<u64, everstep::Error>(1)).await?;
        assert!(one > 1, "a bug");
        Ok(one)
    }
    #[workflow(name = "touchy")]
    async fn mended_badly(_: u64) -> everstep::Result<u64> {
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

    tokio::time::sleep(minutes(1)).await;
    let fates = Fates::good(&world, "second");
    let app = App::new().workflow(mended_badly);
    let _second = host(&world, app, &fates, &heard, &without_sweeper());
    client.resume(handle.id()).await.unwrap();
    world.until_no_wake_is_left(minutes(5)).await;
    assert_eq!(world.record("x").await.unwrap().projection, before);
    assert_eq!(blocks(&heard), 1);
    check_log(&world.log("x").await);
}

/// How often a block was told.
fn blocks(heard: &Heard) -> usize {
    heard.all().iter().filter(|told| told.status() == Some(Status::Blocked)).count()
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
    assert_eq!(blocks(&heard), 1);
}
