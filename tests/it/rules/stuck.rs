//! Rule 34 where some notifications do not go through and others do: no others are sent again for
//! them, and what they are is found without reading the log from its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use everstep::client::OnConflict;
use everstep::limits::{NOTIFY_AGAIN_AFTER, NOTIFY_PAUSE, NOTIFY_STUCK_MAX};
use everstep::notify::{NotSent, Notice, Notification, Notifications, Notifier, NotifyError};
use everstep::prelude::*;
use everstep::store::{Projection, Status};
use everstep::wake::Wake;
use everstep_tests::sim::{Host, HostOptions, World};

use super::telling::calls;
use super::{closed, counts, good_host_of, long, without_sweeper};

type Refuses = Box<dyn Fn(&Notification) -> bool + Send + Sync>;

/// Does not take some, until that is mended, and knows what it was given in each call.
struct Choosy {
    refuses: Refuses,
    mended: AtomicBool,
    calls: Mutex<Vec<Vec<Notification>>>,
}

impl std::fmt::Debug for Choosy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Choosy")
    }
}

#[async_trait]
impl Notifier for Choosy {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        self.calls.lock().unwrap().push(notifications.to_vec());
        let refuses = |told| !self.mended.load(Ordering::SeqCst) && (self.refuses)(told);
        let failed = notifications.iter().enumerate().filter(|(_, told)| refuses(told));
        failed.map(|(at, _)| NotSent::new(at, NotifyError::unavailable("error 500"))).collect()
    }
}

impl Choosy {
    fn new(refuses: impl Fn(&Notification) -> bool + Send + Sync + 'static) -> Arc<Self> {
        let (mended, calls) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { refuses: Box::new(refuses), mended, calls })
    }

    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    /// What it was given since it was asked last.
    fn take_calls(&self) -> Vec<Vec<Notification>> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn host(world: &World, app: App, choosy: &Arc<Choosy>, options: &HostOptions) -> Host {
    let app = app.notifications(Notifications::to(Arc::clone(choosy)).steps());
    good_host_of(world, app, "host", options)
}

/// An execution `x` of [`long`] that has ended, and of which `choosy` was sent all once.
async fn ended_and_sent_once(world: &World, choosy: &Arc<Choosy>) -> Host {
    let host = host(world, App::new().workflow(long), choosy, &HostOptions::default());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(world, "x", minutes(1)).await;
    tokio::time::sleep(seconds(1)).await;
    host
}

fn is_step(told: &Notification, named: &str) -> bool {
    format!("{:?}", told.notice).contains(&format!("name: \"{named}\""))
}

/// Checks that what was given in these calls is the same each time, and returns how often each was.
fn sends(calls: &[Vec<Notification>]) -> BTreeMap<String, usize> {
    let mut sends = BTreeMap::new();
    let mut told: BTreeMap<&str, &Notification> = BTreeMap::new();
    for notification in calls.iter().flatten() {
        let first = told.entry(&notification.id).or_insert(notification);
        assert_eq!(*first, notification, "one id, two stories");
        *sends.entry(notification.id.clone()).or_default() += 1;
    }
    sends
}

async fn all_is_told(world: &World, id: &str) {
    world.until(id, hours(3), |it| it.projection.untold.is_none()).await;
    assert_eq!(world.record(id).await.unwrap().projection.telling, None);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_go_through_is_tried_alone() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "long"));
    let _host = ended_and_sent_once(&world, &choosy).await;
    let first = choosy.take_calls();
    assert_eq!(
        first.iter().map(Vec::len).collect::<Vec<_>>(),
        [4],
        "the start, two steps, the end"
    );
    let bad = first[0][1].id.clone();
    let untold = world.record("x").await.unwrap().projection.untold;
    assert_eq!(untold, Some(first[0][1].commit));

    tokio::time::sleep(hours(24)).await;
    let tries = choosy.take_calls();
    assert!((10..60).contains(&tries.len()), "{} tries in a day", tries.len());
    let of_bad = BTreeMap::from([(bad.clone(), tries.len())]);
    assert_eq!(sends(&tries), of_bad, "nothing else is sent again");
    assert!(tries.iter().flatten().all(|told| *told == first[0][1]));

    choosy.mend();
    all_is_told(&world, "x").await;
    assert_eq!(sends(&choosy.take_calls()), BTreeMap::from([(bad, 1)]));
    let read = calls(&world, "host", &["load_page", "load_all"]);
    assert_eq!(read.len(), 0, "what it needs is in the log that is loaded anyway");
    world.check_closed("x").await;
}

/// Bakes for each signal, until there is one that says 0.
#[workflow]
async fn bakes(_: ()) -> everstep::Result<u64> {
    let mut baked = 0;
    while signal::<u64>("bake").await? > 0 {
        baked += 1;
        step("bake", async || Ok::<_, everstep::Error>(())).await?;
    }
    Ok(baked)
}

/// Each turn would send it again, and wait for it.
#[tokio::test(start_paused = true)]
async fn one_that_is_stuck_is_tried_at_its_time_and_not_in_each_turn() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "bake") && told.commit < 4);
    let app = App::new().workflow(bakes);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let handle = world.client().start(bakes, ()).id("x").await.unwrap();
    for _ in 0..200 {
        tokio::time::sleep(seconds(20)).await;
        handle.signal("bake", &1).await.unwrap();
    }
    tokio::time::sleep(seconds(20)).await;
    let mut sent = sends(&choosy.take_calls());
    let bad = sent.iter().max_by_key(|(_, count)| **count).map(|(id, _)| id.clone()).unwrap();
    let tries = sent.remove(&bad).unwrap();
    assert!((3..15).contains(&tries), "{tries} tries in 200 turns");
    assert!(sent.len() > 200, "the others are told: {}", sent.len());
    assert!(sent.values().all(|count| *count == 1), "once: {sent:?}");

    choosy.mend();
    handle.signal("bake", &0).await.unwrap();
    all_is_told(&world, "x").await;
    let sent = sends(&choosy.take_calls());
    assert_eq!(sent.get(&bad), Some(&1));
}

/// Bakes, and begins anew an hour later.
#[workflow]
async fn bakes_daily(left: u64) -> everstep::Result<u64> {
    step("bake", async move || Ok::<_, everstep::Error>(left)).await?;
    sleep(hours(1)).await;
    if left > 0 {
        return continue_as_new(&(left - 1)).await;
    }
    Ok(7)
}

/// It is in a log that no turn loads any more: that one commit is read for each try, and no other.
#[tokio::test(start_paused = true)]
async fn one_that_is_stuck_outlasts_the_runs_and_costs_a_read() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "bake") && told.run == Some(2));
    let app = App::new().workflow(bakes_daily);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let _ = world.client().start(bakes_daily, 6).id("x").await.unwrap();
    closed(&world, "x", hours(12)).await;
    tokio::time::sleep(seconds(1)).await;
    let before = choosy.take_calls();
    let mut sent = sends(&before);
    sent.retain(|_, count| *count > 1);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let reads = calls(&world, "host", &["load_page"]).len();
    tokio::time::sleep(hours(10)).await;
    let tries = choosy.take_calls();
    assert!(tries.len() > 5 && tries.iter().all(|call| call.len() == 1));
    assert_eq!(calls(&world, "host", &["load_page"]).len() - reads, tries.len());
    let bad = &tries[0][0];
    assert!(before.iter().flatten().any(|told| told == bad), "it is told in the same words");
    choosy.mend();
    all_is_told(&world, "x").await;
    assert_eq!(calls(&world, "host", &["load_all"]).len(), 0);
}

/// Nothing goes through for some runs: it is told in order, from where that began.
#[tokio::test(start_paused = true)]
async fn an_outage_that_outlasts_runs_is_made_good_from_where_it_began() {
    let world = World::new();
    let count = AtomicUsize::new(0);
    // It takes two of the first run.
    let choosy = Choosy::new(move |_| count.fetch_add(1, Ordering::SeqCst) >= 2);
    let app = App::new().workflow(bakes_daily);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let _ = world.client().start(bakes_daily, 4).id("x").await.unwrap();
    closed(&world, "x", hours(12)).await;
    let record = world.record("x").await.unwrap().projection;
    let telling = serde_json::to_value(record.telling.unwrap()).unwrap();
    assert_eq!(telling["next"]["commit"], record.untold.unwrap());
    assert_eq!((&telling["next"]["workflow"], telling.get("stuck")), (&"bakes_daily".into(), None));
    let first = choosy.take_calls().swap_remove(0);
    assert_eq!(first[2].commit, record.untold.unwrap());
    choosy.mend();
    let tries = calls(&world, "host", &["load_page"]).len();
    all_is_told(&world, "x").await;
    assert_eq!(calls(&world, "host", &["load_page"]).len() - tries, 1);
    assert_eq!(calls(&world, "host", &["load_all"]).len(), 0);
    let last = choosy.take_calls().pop().unwrap();
    let mut sorted = last.clone();
    sorted.sort_by_key(Notification::sequence);
    assert_eq!(last, sorted, "in order");
    assert_eq!(last[0], first[2], "and from where it began");
    let runs: Vec<u32> = last.iter().filter_map(|told| told.run).collect();
    assert_eq!((runs[0], runs[runs.len() - 1]), (1, 5));
    assert_eq!(last.last().unwrap().status(), Some(Status::Completed));
}

/// The same workflow as when it happened, though another one has the id's next run.
#[tokio::test(start_paused = true)]
async fn what_is_stuck_is_taken_over_by_a_run_of_another_workflow() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "long"));
    let app = App::new().workflow(long).workflow(counts);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let client = world.client();
    client.start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let again = client.start(counts, ("x".to_owned(), 60)).id("x");
    again.on_conflict(OnConflict::Restart).await.unwrap();
    world.until("x", minutes(1), |it| it.workflow == "counts").await;
    closed(&world, "x", minutes(5)).await;
    tokio::time::sleep(hours(2)).await;
    choosy.mend();
    all_is_told(&world, "x").await;
    let calls = choosy.take_calls();
    let mut sent = sends(&calls);
    let runs = calls.iter().flatten().filter(|told| is_step(told, "long"));
    let runs: Vec<_> = runs.map(|told| (told.run.unwrap(), &*told.workflow)).collect();
    assert!(runs.len() > 3 && runs.iter().all(|run| *run == (1, "long")), "{runs:?}");
    // What the later run has to say is told, its start first.
    let of_second: Vec<_> = calls.iter().flatten().filter(|told| told.run == Some(2)).collect();
    let first = &of_second[0].notice;
    assert!(matches!(first, Notice::Status { status: Status::Running, .. }), "{first:?}");
    sent.retain(|_, count| *count > 1);
    assert_eq!(sent.len(), 1, "{sent:?}");
}

/// Whom it concerns is told of the others: that one is stuck does not mean that nobody answers.
#[tokio::test(start_paused = true)]
async fn who_tries_what_is_stuck_in_vain_leaves_the_notifier_to_others() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "long") && told.execution.as_str() == "x");
    let app = App::new().workflow(long);
    let _host = host(&world, app, &choosy, &without_sweeper());
    let client = world.client();
    client.start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    tokio::time::sleep(NOTIFY_AGAIN_AFTER + seconds(1)).await;
    choosy.take_calls();
    world.queue.send(&Wake::sweep("x".parse().unwrap()), seconds(0)).await.unwrap();
    world.until_no_wake_is_left(NOTIFY_PAUSE / 4).await;
    assert_eq!(choosy.take_calls().len(), 1, "it was tried");
    client.start(long, ("y".to_owned(), 0)).id("y").await.unwrap();
    closed(&world, "y", NOTIFY_PAUSE / 4).await;
    assert_eq!(world.record("y").await.unwrap().projection.untold, None);
    // And its own time has not come again.
    world.queue.send(&Wake::sweep("x".parse().unwrap()), seconds(0)).await.unwrap();
    world.until_no_wake_is_left(NOTIFY_PAUSE / 4).await;
    assert!(choosy.take_calls().iter().flatten().all(|told| told.execution.as_str() == "y"));
    assert!(world.record("x").await.unwrap().projection.untold.is_some());
}

#[workflow]
async fn bakes_many(cakes: usize) -> everstep::Result<usize> {
    for _ in 0..cakes {
        step("bake", async || Ok::<_, everstep::Error>(())).await?;
    }
    Ok(cakes)
}

/// The record does not grow without end: where too many are stuck, what follows them waits for them.
#[tokio::test(start_paused = true)]
async fn behind_too_many_that_are_stuck_the_rest_waits() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "bake"));
    let app = App::new().workflow(bakes_many);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let cakes = NOTIFY_STUCK_MAX + 10;
    let _ = world.client().start(bakes_many, cakes).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    tokio::time::sleep(seconds(1)).await;
    let first = choosy.take_calls();
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [cakes + 2]);
    tokio::time::sleep(hours(24)).await;
    let tries = choosy.take_calls();
    assert!((10..60).contains(&tries.len()), "{} tries in a day", tries.len());
    assert!(tries.iter().all(|call| *call == first[0][1..=NOTIFY_STUCK_MAX]));
    choosy.mend();
    all_is_told(&world, "x").await;
    let sent = sends(&choosy.take_calls());
    assert_eq!(sent.len(), cakes + 1, "the steps, and the end again");
    assert!(sent.values().all(|count| *count == 1), "{sent:?}");
}

/// It is known by the commit behind which it was, and what became of it is in the log.
#[tokio::test(start_paused = true)]
async fn a_block_may_be_stuck_longer_than_it_lasts() {
    #[workflow]
    async fn breaks(_: ()) -> everstep::Result<u64> {
        if signal::<bool>("go").await? && !MENDED.load(Ordering::SeqCst) {
            panic!("not yet");
        }
        Ok(1)
    }
    static MENDED: AtomicBool = AtomicBool::new(false);
    let world = World::new();
    let choosy = Choosy::new(|told| told.status() == Some(Status::Blocked));
    let app = App::new().workflow(breaks);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let handle = world.client().start(breaks, ()).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.signal("go", &true).await.unwrap();
    world.until("x", minutes(5), |it| it.projection.status == Status::Blocked).await;
    tokio::time::sleep(hours(2)).await;
    let blocked = world.record("x").await.unwrap().projection.commit;
    let is_block = |told: &&Notification| told.id == format!("x/{blocked}/blocked");
    let tries = choosy.take_calls();
    let blocks: Vec<_> = tries.iter().flatten().filter(is_block).collect();
    assert!(blocks.len() > 3 && blocks.iter().all(|it| *it == blocks[0]), "{blocks:?}");
    assert!(format!("{:?}", blocks[0].notice).contains("not yet"));

    MENDED.store(true, Ordering::SeqCst);
    world.client().resume(handle.id()).await.unwrap();
    closed(&world, "x", minutes(5)).await;
    tokio::time::sleep(hours(2)).await;
    choosy.mend();
    all_is_told(&world, "x").await;
    let calls = choosy.take_calls();
    let others = calls.iter().flatten().filter(|told| !is_block(told));
    let others: Vec<_> = others.filter_map(Notification::status).collect();
    assert_eq!(others, [Status::Completed], "once");
    let last = calls.last().unwrap();
    assert_eq!(last.iter().filter(is_block).count(), 1);
    assert!(format!("{:?}", last[0].notice).contains("why is not known"), "{last:?}");
}

/// It was, and whoever hears of the end may wonder why it came to that.
#[tokio::test(start_paused = true)]
async fn a_block_that_is_stuck_is_told_though_the_execution_was_terminated() {
    #[workflow]
    async fn broken(_: ()) -> everstep::Result<u64> {
        panic!("a bug")
    }
    let world = World::new();
    let choosy = Choosy::new(|told| told.status() == Some(Status::Blocked));
    let _host = host(&world, App::new().workflow(broken), &choosy, &HostOptions::default());
    let handle = world.client().start(broken, ()).id("x").await.unwrap();
    world.until("x", minutes(5), |it| it.projection.status == Status::Blocked).await;
    tokio::time::sleep(hours(2)).await;
    handle.terminate("it never worked").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    let events = world.log("x").await.pop().unwrap().events;
    choosy.take_calls();
    choosy.mend();
    all_is_told(&world, "x").await;
    let calls = choosy.take_calls();
    let late: Vec<_> = calls.iter().flatten().collect();
    let blocked: Vec<_> = late.iter().filter(|it| it.status() == Some(Status::Blocked)).collect();
    assert_eq!(blocked.len(), 1, "{late:?}");
    assert_eq!(blocked[0].at, events[0].at());
    assert!(format!("{:?}", blocked[0].notice).contains("why is not known"), "{blocked:?}");
}

/// The runs before the last one are of that program, too.
#[tokio::test(start_paused = true)]
async fn where_only_the_commit_of_an_earlier_run_is_known_all_is_told_from_there_on() {
    let world = World::new();
    let choosy = Choosy::new(|told| is_step(told, "bake") && told.run == Some(1));
    let app = App::new().workflow(bakes_daily);
    let _host = host(&world, app, &choosy, &HostOptions::default());
    let _ = world.client().start(bakes_daily, 1).id("x").await.unwrap();
    closed(&world, "x", hours(3)).await;
    tokio::time::sleep(seconds(1)).await;
    let told: Vec<_> = sends(&choosy.take_calls()).into_keys().collect();
    choosy.mend();
    let stored = world.record("x").await.unwrap();
    let old = Projection { untold: Some(0), telling: None, ..stored.projection };
    world.store.project(&stored.id, &old).await.unwrap();
    all_is_told(&world, "x").await;
    let calls = choosy.take_calls();
    let runs: BTreeSet<_> = calls.iter().flatten().filter_map(|told| told.run).collect();
    assert_eq!(runs, BTreeSet::from([1, 2]));
    assert_eq!(sends(&calls).into_keys().collect::<Vec<_>>(), told, "all of it");
}

/// A program of before there was more to know than a commit says no more than that, and may leave what
/// it does not know of behind: then all is told from there on.
#[tokio::test(start_paused = true)]
async fn where_only_the_commit_is_known_all_is_told_from_there_on() {
    for leaves_telling in [false, true] {
        let world = World::new();
        let choosy = Choosy::new(|told| is_step(told, "long"));
        let _host = ended_and_sent_once(&world, &choosy).await;
        choosy.take_calls();
        choosy.mend();
        let stored = world.record("x").await.unwrap();
        let telling = stored.projection.telling.clone().filter(|_| leaves_telling);
        assert_eq!(telling.is_some(), leaves_telling);
        let old = Projection { untold: Some(0), telling, ..stored.projection };
        world.store.project(&stored.id, &old).await.unwrap();
        all_is_told(&world, "x").await;
        let sent = sends(&choosy.take_calls());
        assert_eq!(sent.len(), 4, "the start, two steps, the end: {sent:?}");
        assert!(sent.values().all(|count| *count == 1));
    }
}
