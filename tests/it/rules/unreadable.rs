//! Rules 15, 22 and 34 where only a newer program can read a log: in a rolling deploy the old hosts find
//! it too, and whatever they do to it costs nothing once they are gone.

use everstep::id::ExecutionId;
use everstep::limits::NOTIFY_AGAIN_AFTER_MAX;
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::Fate;
use everstep::wake::Wake;
use everstep_tests::sim::{Fates, HostOptions, World};
use sha2::{Digest, Sha256};

use super::giving_up::{appended, gave_up, projection};
use super::telling::{Heard, an_outage, host as host_that_tells};
use super::{closed, counts, host, without_sweeper};

/// A word of the newer program.
const NEW: &str = "hibernated";

/// A world in which "x" stands as it does in this one, with another word in its log's last commit, and
/// with a wake that says so.
async fn reworded(world: &World, old: &str, new: &str) -> World {
    let (id, mut copy) = (ExecutionId::new("x").unwrap(), World::new());
    copy.clock = world.clock.clone();
    let loaded = world.store.load_all(&id).await.unwrap().unwrap();
    let mut commits = loaded.commits;
    let last = commits.last_mut().unwrap();
    assert!(last.body.contains(old), "{}", last.body);
    let text = last.body.replace(old, new);
    (last.hash, last.body) = (Sha256::digest(text.as_bytes()).into(), text.into());
    copy.store.create(&loaded.record, &commits[0]).await.unwrap();
    for commit in &commits[1..] {
        copy.store.append(&id, commit).await.unwrap();
    }
    copy.queue.send(&Wake::news(id), seconds(0)).await.unwrap();
    copy
}

fn counting() -> App {
    App::new().workflow(counts)
}

/// Until an old host has done with it whatever it does.
async fn served(world: &World) {
    tokio::time::sleep(minutes(2)).await;
    assert_eq!(world.wakes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_program_has_ended_has_ended() {
    let new = World::new();
    let _ = new.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    let _new = host(&new, "new", &without_sweeper());
    closed(&new, "x", minutes(1)).await;
    let before = projection(&new).await;

    let old = reworded(&new, "WorkflowCompleted", "WorkflowFulfilled").await;
    let _old = host(&old, "old", &without_sweeper());
    served(&old).await;
    assert_eq!(projection(&old).await, before);
}

/// The newer host has written what it did and not yet its record: it may just be about to.
#[tokio::test(start_paused = true)]
async fn what_a_newer_program_goes_on_with_is_not_blocked_behind_what_it_did_last() {
    let old = World::new();
    let _ = old.client().start(counts, ("x".to_owned(), 1)).id("x").await.unwrap();
    appended(&old, gave_up(&old, old.clock.now()), |text| text.replace("gave_up", NEW)).await;
    let _old = host(&old, "old", &without_sweeper());
    served(&old).await;
    let blocked = projection(&old).await;
    assert_eq!((blocked.status, blocked.commit), (Status::Blocked, 0));

    let new = reworded(&old, NEW, "gave_up").await;
    let _new = host(&new, "new", &without_sweeper());
    closed(&new, "x", minutes(1)).await;
}

/// What is untold is told by who can read it, and so is the block that came between.
#[tokio::test(start_paused = true)]
async fn an_old_host_loses_nothing_that_is_untold() {
    let (world, heard) = (World::new(), Heard::default());
    let (fates, _) = an_outage(&world, Fate::FailBefore);
    let first = host_that_tells(&world, counting(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 300)).id("x").await.unwrap();
    world.until("x", minutes(1), |it| it.projection.status == Status::Suspended).await;
    first.kill().await;
    let owed = projection(&world).await;
    assert_eq!(owed.untold, Some(0));

    appended(&world, gave_up(&world, world.clock.now()), |text| text.replace("gave_up", NEW)).await;
    let fates = Fates::good(&world, "old");
    let old = host_that_tells(&world, counting(), &fates, &heard, &HostOptions::default());
    world.until("x", hours(1), |it| it.projection.status == Status::Blocked).await;
    let blocked = projection(&world).await;
    assert_eq!((blocked.commit, blocked.untold), (owed.commit, owed.untold));
    assert_eq!(blocked.telling, owed.telling);
    let reason = blocked.reason.clone().unwrap();
    assert!(reason.to_lowercase().contains("newer program"), "{reason}");
    // It is not looked at all the time, and not forgotten.
    let again = blocked.wake_at.unwrap().since(blocked.updated_at);
    assert_eq!(again, NOTIFY_AGAIN_AFTER_MAX);
    tokio::time::sleep(NOTIFY_AGAIN_AFTER_MAX * 3 / 2).await;
    let later = projection(&world).await;
    assert!(later.wake_at > blocked.wake_at);
    assert_eq!((later.updated_at, later.reason), (blocked.updated_at, blocked.reason));
    assert_eq!(heard.all(), []);
    old.kill().await;

    let new = reworded(&world, NEW, "gave_up").await;
    let fates = Fates::good(&new, "new");
    let _new = host_that_tells(&new, counting(), &fates, &heard, &HostOptions::default());
    closed(&new, "x", minutes(1)).await;
    use Status::{Blocked, Completed, Running, Suspended};
    assert_eq!(heard.statuses(), [Running, Suspended, Blocked, Running, Completed]);
}
