//! Rule 34: what others are told is told after the commit and before the record, at least once, and a
//! notifier that fails stops nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use everstep::client::{DeleteError, OnConflict};
use everstep::event::Event;
use everstep::limits::{NOTIFY_AGAIN_AFTER, NOTIFY_PAUSE, NOTIFY_WAIT};
use everstep::notify::{NotSent, Notification, Notifications, Notifier, NotifierFn, NotifyError};
use everstep::prelude::*;
use everstep::store::Status;
use everstep::testing::faults::{Fate, FaultyNotifier};
use everstep::wake::Wake;
use everstep_tests::said::Said;
use everstep_tests::sim::programs::act;
use everstep_tests::sim::{Fates, Host, HostOptions, Ledger, World};

use super::ending::tramp;
use super::{closed, counts, host_of, long, without_sweeper};

/// Whoever is told, with what was heard, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<Notification>>>);

#[async_trait]
impl Notifier for Heard {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        self.0.lock().unwrap().extend(notifications.iter().cloned());
        Vec::new()
    }
}

impl Heard {
    pub(super) fn all(&self) -> Vec<Notification> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn statuses(&self) -> Vec<Status> {
        self.all().iter().filter_map(Notification::status).collect()
    }

    /// Each notification once, in the order in which they were heard first.
    pub(super) fn distinct(&self) -> Vec<Notification> {
        let mut distinct: Vec<Notification> = Vec::new();
        for told in self.all() {
            match distinct.iter().find(|it| it.id == told.id) {
                None => distinct.push(told),
                Some(before) => assert_eq!(*before, told, "one id, two stories"),
            }
        }
        distinct
    }
}

/// The notifier of a process, whose calls are among those that its fates decide about.
fn told_by(fates: &Fates, heard: &Heard) -> Notifications {
    Notifications::to(FaultyNotifier::new(Arc::new(heard.clone()), fates.faults()))
}

pub(super) fn host(
    world: &World,
    app: App,
    fates: &Fates,
    heard: &Heard,
    options: &HostOptions,
) -> Host {
    host_of(world, app.notifications(told_by(fates, heard)), fates, options)
}

/// A process whose notifier fares like this until the switch is off.
pub(super) fn an_outage(world: &World, fate: Fate) -> (Fates, Arc<AtomicBool>) {
    let lasts = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&lasts);
    let fates = Fates::by(world, "host", move |call| match call.name {
        "notify" if lasts.load(Ordering::SeqCst) => fate,
        _ => Fate::Proceed,
    });
    (fates, switch)
}

fn app() -> App {
    App::new().workflow(long).workflow(counts)
}

/// The places of these calls of a process, in the order in which it made them.
pub(super) fn calls(world: &World, process: &str, names: &[&str]) -> Vec<String> {
    let mark = format!(" {process} ");
    let of_process = |line: &String| line.split_once(&mark).map(|(_, call)| call.to_owned());
    let name = |call: &String| call.split('#').next().unwrap_or_default().to_owned();
    let trace = world.trace();
    let calls = trace.iter().filter_map(of_process).map(|call| name(&call));
    calls.filter(|name| names.contains(&&**name)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_happened_is_told_after_its_commit_and_before_the_record() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    assert_eq!(
        calls(&world, "host", &["append", "notify", "project"]),
        ["append", "append", "append", "notify", "project"],
        "claim, first result, end"
    );
    assert_eq!(heard.statuses(), [Status::Running, Status::Completed]);
    let log = world.log("x").await;
    let last = log.last().unwrap();
    let ids: Vec<String> = heard.all().into_iter().map(|told| told.id).collect();
    assert_eq!(ids, ["x/0/0".to_owned(), format!("x/{}/{}", last.number, last.events.len() - 1)]);
    let record = world.record("x").await.unwrap().projection;
    assert_eq!((record.untold, record.wake_at), (None, None));
}

#[tokio::test(start_paused = true)]
async fn an_app_that_tells_nobody_does_and_stores_nothing_for_it() {
    let world = World::new();
    let mut bills = Vec::new();
    for told in [false, true] {
        let id = if told { "told" } else { "untold" };
        let fates = Fates::good(&world, id);
        let heard = Heard::default();
        let mut app = app();
        if told {
            app = app.notifications(told_by(&fates, &heard));
        }
        let host = host_of(&world, app, &fates, &without_sweeper());
        tokio::time::sleep(seconds(1)).await;
        fates.faults().take_counts();
        let client = world.client();
        client.start(counts, (id.to_owned(), 60)).id(id).await.unwrap();
        for signal in 0..3_u64 {
            tokio::time::sleep(seconds(10)).await;
            client.signal(&id.parse().unwrap(), "go", &signal).await.unwrap();
        }
        closed(&world, id, minutes(5)).await;
        world.until_no_wake_is_left(minutes(5)).await;
        host.kill().await;
        let mut counts = fates.faults().take_counts();
        assert_eq!(counts.calls.remove("notify").is_some(), told);
        // How often it has asked its queue in vain says nothing.
        counts.calls.remove("queue.receive");
        bills.push((counts.calls, counts.items_written));
        if !told {
            assert_eq!(heard.all(), []);
        }
    }
    assert_eq!(bills[0], bills[1], "to tell costs neither a write nor a query");
}

/// What is not told while a long step runs is told soon, and not only when it is done.
#[tokio::test(start_paused = true)]
async fn what_happened_is_told_while_the_turn_goes_on() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 600)).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    assert_eq!(heard.statuses(), [Status::Running]);
    let projected = calls(&world, "host", &["project"]);
    assert_eq!(projected.len(), 0, "no record is written for it");
    closed(&world, "x", minutes(20)).await;
    assert_eq!(heard.statuses(), [Status::Running, Status::Completed], "and not told again");
}

/// Nobody waits for a notifier that is out: the turn waits for its body, and what is untold for the
/// turn's end.
#[tokio::test(start_paused = true)]
async fn a_turn_whose_notifier_is_out_sleeps_while_its_body_runs() {
    let (world, heard) = (World::new(), Heard::default());
    let (fates, _) = an_outage(&world, Fate::FailBefore);
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 60)).id("x").await.unwrap();
    closed(&world, "x", minutes(2)).await;
    assert_eq!(heard.all(), []);
}

/// It is looked at when its timer is due, not only when it is time to tell again.
#[tokio::test(start_paused = true)]
async fn what_is_untold_makes_nothing_late() {
    let (world, heard) = (World::new(), Heard::default());
    let (fates, _) = an_outage(&world, Fate::FailBefore);
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(counts, ("x".to_owned(), 5)).id("x").await.unwrap();
    world.until("x", minutes(1), |it| it.projection.status == Status::Suspended).await;
    let owing = world.record("x").await.unwrap().projection;
    assert_eq!(owing.untold, Some(0));
    assert!(owing.wake_at.unwrap().since(owing.updated_at) <= seconds(5), "{owing:?}");
}

/// A turn that goes on where another handed over tells only what is new.
#[tokio::test(start_paused = true)]
async fn a_hand_over_is_not_told() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "function");
    let options = HostOptions { invocation: Some(seconds(30)), ..without_sweeper() };
    let _function = host(&world, App::new().workflow(tramp), &fates, &heard, &options);
    let _ = world.client().start(tramp, "x".to_owned()).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    assert_eq!(heard.statuses(), [Status::Running, Status::Completed]);
}

/// Signals that lead to nothing change no status.
#[tokio::test(start_paused = true)]
async fn what_nobody_could_see_is_not_told() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let handle = world.client().start(counts, ("x".to_owned(), 600)).id("x").await.unwrap();
    for signal in 0..5_u64 {
        tokio::time::sleep(seconds(30)).await;
        handle.signal("go", &signal).await.unwrap();
    }
    closed(&world, "x", minutes(20)).await;
    assert_eq!(heard.statuses(), [Status::Running, Status::Suspended, Status::Completed]);
}

/// A crash between the commit and the notifications, or between these and the record: whoever comes
/// next tells them.
#[tokio::test(start_paused = true)]
async fn a_host_that_dies_before_its_record_says_so_is_followed_by_one_that_tells() {
    for (name, fate) in [
        ("notify", Fate::Hang),
        ("notify", Fate::HangAfter),
        ("project", Fate::Hang),
        ("project", Fate::HangAfter),
    ] {
        let (world, heard) = (World::new(), Heard::default());
        let fates =
            Fates::by(
                &world,
                "first",
                move |call| {
                    if call.name == name { fate } else { Fate::Proceed }
                },
            );
        let mut first = host(&world, app(), &fates, &heard, &without_sweeper());
        let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
        first.dies().await;
        let fates = Fates::good(&world, "second");
        let _second = host(&world, app(), &fates, &heard, &HostOptions::default());
        closed(&world, "x", minutes(10)).await;
        world.until_no_wake_is_left(minutes(10)).await;
        let distinct: Vec<_> = heard.distinct().iter().filter_map(Notification::status).collect();
        assert_eq!(distinct, [Status::Running, Status::Completed], "{name} {fate:?}");
        let sent_before_its_death =
            matches!((name, fate), ("notify", Fate::HangAfter) | ("project", Fate::Hang));
        assert_eq!(heard.all().len() > 2, sent_before_its_death, "{name} {fate:?}");
    }
}

/// An execution waits for its notifier at most a moment, and goes on; the record is overdue until all
/// is told, also when it is closed.
#[tokio::test(start_paused = true)]
async fn an_outage_stops_nothing_and_all_is_told_after_it() {
    for hangs in [false, true] {
        let (world, heard) = (World::new(), Heard::default());
        let fate = if hangs { Fate::Slow(hours(10_000)) } else { Fate::FailBefore };
        let (fates, out) = an_outage(&world, fate);
        let _host = host(&world, app(), &fates, &heard, &HostOptions::default());
        let begun = world.clock.now();
        let handle = world.client().start(counts, ("x".to_owned(), 60)).id("x").await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 0);
        let took = world.clock.now().since(begun);
        assert!(took < seconds(62) + 3 * NOTIFY_WAIT, "it took {took:?}");
        let record = world.record("x").await.unwrap().projection;
        assert_eq!((record.status, record.untold), (Status::Completed, Some(0)));
        let due = record.wake_at.unwrap().since(record.updated_at);
        assert!(due >= NOTIFY_AGAIN_AFTER, "{due:?}");

        // It is tried again, ever more rarely, and nothing else is done for it.
        tokio::time::sleep(hours(24)).await;
        let tries = calls(&world, "host", &["notify"]).len();
        assert!((10..60).contains(&tries), "{tries} tries in a day");
        assert_eq!(heard.all(), []);
        let late = world.record("x").await.unwrap().projection;
        assert_eq!((late.untold, late.commit), (Some(0), record.commit));

        out.store(false, Ordering::SeqCst);
        world.until("x", hours(2), |it| it.projection.untold.is_none()).await;
        let told = [Status::Running, Status::Suspended, Status::Completed];
        assert_eq!(heard.statuses(), told, "in order");
        world.until_no_wake_is_left(minutes(10)).await;
        world.check_closed("x").await;
    }
}

/// Takes one notification of each call, unless it is out.
#[derive(Debug, Default)]
struct Sips {
    heard: Heard,
    out: AtomicBool,
}

#[async_trait]
impl Notifier for Sips {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        let taken = usize::from(!self.out.load(Ordering::SeqCst));
        self.heard.0.lock().unwrap().extend(notifications.iter().take(taken).cloned());
        let busy = |index| NotSent::new(index, NotifyError::unavailable("busy"));
        (taken..notifications.len()).map(busy).collect()
    }
}

/// What an outage has left is not sent at the pace of its last tries.
#[tokio::test(start_paused = true)]
async fn what_could_be_sent_in_part_is_gone_on_with_soon() {
    let world = World::new();
    let sips = Arc::new(Sips { out: AtomicBool::new(true), ..Sips::default() });
    let app = app().notifications(Notifications::to(Arc::clone(&sips)));
    let fates = Fates::good(&world, "host");
    let _host = host_of(&world, app, &fates, &HostOptions::default());
    let _ = world.client().start(counts, ("x".to_owned(), 60)).id("x").await.unwrap();
    closed(&world, "x", minutes(10)).await;
    tokio::time::sleep(hours(24)).await;
    assert_eq!(world.record("x").await.unwrap().projection.untold, Some(0));
    sips.out.store(false, Ordering::SeqCst);
    // The first of three tries is an hour away at the most.
    world.until("x", minutes(90), |it| it.projection.untold.is_none()).await;
    let told = [Status::Running, Status::Suspended, Status::Completed];
    assert_eq!(sips.heard.statuses(), told);
}

#[workflow]
async fn naps_and_works(State(ledger): State<Ledger>, _: ()) -> everstep::Result<u64> {
    sleep(minutes(1)).await;
    act(&ledger, "x", "work", &[], seconds(5)).await
}

/// What is told later is told from the status that the execution had before it.
#[tokio::test(start_paused = true)]
async fn what_was_sent_in_part_is_told_with_every_status_between() {
    let world = World::new();
    let sips = Arc::new(Sips { out: AtomicBool::new(true), ..Sips::default() });
    let app = App::new().workflow(naps_and_works);
    let app = app.notifications(Notifications::to(Arc::clone(&sips)));
    let fates = Fates::good(&world, "host");
    let _host = host_of(&world, app, &fates, &HostOptions::default());
    let _ = world.client().start(naps_and_works, ()).id("x").await.unwrap();
    closed(&world, "x", minutes(10)).await;
    sips.out.store(false, Ordering::SeqCst);
    world.until("x", hours(5), |it| it.projection.untold.is_none()).await;
    let told = [Status::Running, Status::Suspended, Status::Running, Status::Completed];
    assert_eq!(sips.heard.statuses(), told);
}

/// What is past its time of deletion is tried as rarely as all else, and deleted once it is told.
#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_the_retention_is_outlasted() {
    let (world, heard) = (World::new(), Heard::default());
    let (fates, out) = an_outage(&world, Fate::FailBefore);
    let app = app().retention(hours(1));
    let _host = host(&world, app, &fates, &heard, &HostOptions::default());
    let client = world.client();
    let handle = client.start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    tokio::time::sleep(hours(24)).await;
    let tries = calls(&world, "host", &["notify"]).len();
    assert!((10..60).contains(&tries), "{tries} tries in a day");
    let early = client.delete(handle.id()).await.unwrap_err();
    assert!(matches!(early, DeleteError::Untold { .. }), "{early}");

    out.store(false, Ordering::SeqCst);
    world.until("x", hours(2), |it| it.projection.untold.is_none()).await;
    assert_eq!(heard.statuses(), [Status::Running, Status::Completed]);
    // Not at once: another host may be about to write the record.
    let kept = world.record("x").await.unwrap().projection.wake_at.unwrap();
    assert!(kept.since(world.clock.now()) > minutes(59), "{kept:?}");
    tokio::time::sleep(hours(2)).await;
    assert!(world.record("x").await.is_none());
}

/// Each turn would wait for it otherwise, for as long as it may take.
#[tokio::test(start_paused = true)]
async fn a_notifier_that_fails_is_left_alone_for_a_while_by_all_turns_of_its_process() {
    check_left_alone(Fate::FailBefore).await;
    // One that does not answer has failed when it has had its time.
    check_left_alone(Fate::Slow(hours(1))).await;
}

async fn check_left_alone(fate: Fate) {
    let (world, heard) = (World::new(), Heard::default());
    let (fates, out) = an_outage(&world, fate);
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    let client = world.client();
    let tries_after = async |id: &str| {
        let _ = client.start(long, (id.to_owned(), 0)).id(id).await.unwrap();
        closed(&world, id, NOTIFY_PAUSE / 2).await;
        world.until_no_wake_is_left(NOTIFY_PAUSE / 2).await;
        calls(&world, "host", &["notify"]).len()
    };
    assert_eq!(tries_after("a").await, 1);
    assert_eq!(tries_after("b").await, 1, "nobody asks it again so soon");
    assert_eq!(world.record("b").await.unwrap().projection.untold, Some(0), "nothing is lost");
    tokio::time::sleep(NOTIFY_PAUSE).await;
    assert_eq!(tries_after("c").await, 2, "it is asked again");
    assert_eq!(tries_after("d").await, 2);
    out.store(false, Ordering::SeqCst);
    tokio::time::sleep(NOTIFY_PAUSE).await;
    assert_eq!(tries_after("e").await, 3);
    assert_eq!(tries_after("f").await, 4, "once it answers the pause is over");
    let told = heard.all().into_iter().map(|told| told.execution.to_string());
    assert_eq!(told.collect::<Vec<_>>(), ["e", "e", "f", "f"]);
}

/// Never takes what says that a step has ended.
#[derive(Debug)]
struct NoSteps;

#[async_trait]
impl Notifier for NoSteps {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        let steps = notifications.iter().enumerate().filter(|(_, told)| told.status().is_none());
        steps.map(|(index, _)| NotSent::new(index, NotifyError::unavailable("error 500"))).collect()
    }
}

/// Who mends it must know which one it is, where it goes, and what is wrong with it.
#[tokio::test(start_paused = true)]
async fn the_notification_that_does_not_go_through_is_named() {
    let said = Said::listen();
    let world = World::new();
    let app = app().notifications(Notifications::to(NoSteps).steps());
    let fates = Fates::good(&world, "host");
    let _host = host_of(&world, app, &fates, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let log = world.log("x").await;
    let is_step = |event: &Event| matches!(event, Event::StepCompleted(_));
    let mut places = log.iter().flat_map(|commit| {
        let steps = commit.events.iter().enumerate().filter(|(_, event)| is_step(event));
        steps.map(|(index, _)| format!("id=x/{}/{index} ", commit.number))
    });
    let first = places.next().unwrap();
    let parts =
        ["WARN", "everstep.execution.id=x ", &first, "\"NoSteps\"", "error 500", "failed=2"];
    assert_eq!(said.with(&parts).len(), 1, "{:?}", said.with(&["notifi"]));
}

/// Fails the first batches in part, and one notification for ever.
#[derive(Debug, Default)]
struct Picky {
    heard: Heard,
    calls: AtomicU32,
}

#[async_trait]
impl Notifier for Picky {
    async fn send(&self, notifications: &[Notification]) -> Vec<NotSent> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut not_sent = Vec::new();
        for (index, told) in notifications.iter().enumerate() {
            if told.status() == Some(Status::Suspended) {
                not_sent.push(NotSent::new(index, NotifyError::refused("it is too sad")));
            } else if call == 0 && index == notifications.len() - 1 {
                not_sent.push(NotSent::new(index, NotifyError::unavailable("busy")));
            } else {
                self.heard.0.lock().unwrap().push(told.clone());
            }
        }
        not_sent
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_failed_is_sent_again_and_what_is_refused_is_dropped() {
    let world = World::new();
    let picky = Arc::new(Picky::default());
    let app = app().notifications(Notifications::to(Arc::clone(&picky)).steps());
    let fates = Fates::good(&world, "host");
    let _host = host_of(&world, app, &fates, &HostOptions::default());
    let client = world.client();
    client.start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let first = world.record("x").await.unwrap().projection;
    assert!(first.untold.is_some_and(|untold| untold > 0), "{first:?}");
    world.until("x", hours(1), |it| it.projection.untold.is_none()).await;
    assert_eq!(picky.heard.distinct().len(), 4, "the start, two steps and the end");
    client.start(counts, ("y".to_owned(), 60)).id("y").await.unwrap();
    closed(&world, "y", minutes(10)).await;
    assert_eq!(world.record("y").await.unwrap().projection.untold, None);
    let of_y = picky.heard.all().into_iter().filter(|told| told.execution.as_str() == "y");
    let statuses: Vec<_> = of_y.filter_map(|told| told.status()).collect();
    assert_eq!(statuses, [Status::Running, Status::Completed]);
}

#[workflow]
async fn breaks(_: u64) -> everstep::Result<u64> {
    let go = signal::<bool>("go").await?;
    if go && !FIXED.load(Ordering::SeqCst) {
        panic!("not yet");
    }
    Ok(1)
}

static FIXED: AtomicBool = AtomicBool::new(false);

/// A block is no event: it is told from the record, known by the commit behind which it is.
#[tokio::test(start_paused = true)]
async fn a_block_is_told_with_its_reason_and_so_is_what_follows_it() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let app = || App::new().workflow(breaks);
    let first = host(&world, app(), &fates, &heard, &HostOptions::default());
    let handle = world.client().start(breaks, 1).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.signal("go", &true).await.unwrap();
    world.until("x", minutes(5), |it| it.projection.status == Status::Blocked).await;
    let record = world.record("x").await.unwrap().projection;
    assert_eq!(record.wake_at, None);
    let block = heard.all().pop().unwrap();
    assert_eq!(block.id, format!("x/{}/blocked", record.commit));
    let said = format!("{:?}", block.notice);
    assert!(said.contains("not yet"), "{said}");
    first.kill().await;

    FIXED.store(true, Ordering::SeqCst);
    let fates = Fates::good(&world, "fixed");
    let _fixed = host(&world, app(), &fates, &heard, &HostOptions::default());
    closed(&world, "x", minutes(5)).await;
    use Status::{Blocked, Completed, Running, Suspended};
    assert_eq!(heard.statuses(), [Running, Suspended, Blocked, Completed]);
}

/// A block that could not be told is told while it lasts, and if it is over by then, all the same.
#[tokio::test(start_paused = true)]
async fn a_block_that_nobody_heard_of_is_told_late() {
    #[workflow]
    async fn breaks_once(_: u64) -> everstep::Result<u64> {
        if signal::<bool>("go").await? && !MENDED.load(Ordering::SeqCst) {
            panic!("not yet");
        }
        Ok(1)
    }
    static MENDED: AtomicBool = AtomicBool::new(false);
    for resumed_before in [false, true] {
        MENDED.store(false, Ordering::SeqCst);
        let (world, heard) = (World::new(), Heard::default());
        let (fates, out) = an_outage(&world, Fate::FailBefore);
        out.store(false, Ordering::SeqCst);
        let app = App::new().workflow(breaks_once);
        let _host = host(&world, app, &fates, &heard, &HostOptions::default());
        let handle = world.client().start(breaks_once, 1).id("x").await.unwrap();
        tokio::time::sleep(seconds(1)).await;
        out.store(true, Ordering::SeqCst);
        handle.signal("go", &true).await.unwrap();
        world.until("x", minutes(5), |it| it.projection.status == Status::Blocked).await;
        let untold = world.record("x").await.unwrap().projection.untold;
        assert!(untold.is_some());
        MENDED.store(true, Ordering::SeqCst);
        if resumed_before {
            world.client().resume(handle.id()).await.unwrap();
            closed(&world, "x", minutes(5)).await;
        }
        out.store(false, Ordering::SeqCst);
        world.until("x", hours(3), |it| it.projection.untold.is_none()).await;
        let last = if resumed_before { vec![Status::Completed] } else { vec![] };
        let told = [vec![Status::Running, Status::Suspended, Status::Blocked], last].concat();
        let heard: Vec<_> = heard.distinct().iter().filter_map(Notification::status).collect();
        assert_eq!(heard, told, "resumed before it was told: {resumed_before}");
    }
}

/// A block whose notifications arrive, though nobody learns of it, is told again in the same words.
#[tokio::test(start_paused = true)]
async fn a_block_that_is_told_again_is_told_the_same() {
    #[workflow]
    async fn breaks_again(_: u64) -> everstep::Result<u64> {
        if signal::<bool>("go").await? {
            panic!("not yet");
        }
        Ok(1)
    }
    let (world, heard) = (World::new(), Heard::default());
    let (fates, lost) = an_outage(&world, Fate::FailAfter);
    let app = App::new().workflow(breaks_again);
    let _host = host(&world, app, &fates, &heard, &HostOptions::default());
    let handle = world.client().start(breaks_again, 1).id("x").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    handle.signal("go", &true).await.unwrap();
    world.until("x", minutes(5), |it| it.projection.status == Status::Blocked).await;
    tokio::time::sleep(hours(1)).await;
    lost.store(false, Ordering::SeqCst);
    world.until("x", hours(3), |it| it.projection.untold.is_none()).await;
    let blocks = |told: Vec<Notification>| {
        told.iter().filter(|told| told.status() == Some(Status::Blocked)).count()
    };
    let (all, distinct) = (blocks(heard.all()), blocks(heard.distinct()));
    assert!(all > 2 && distinct == 1, "{all} and {distinct}");
}

#[workflow]
async fn goes_round(left: u64) -> everstep::Result<u64> {
    if left > 0 {
        return continue_as_new(&(left - 1)).await;
    }
    Ok(7)
}

/// Each run begins once, whoever writes its beginning: a client, a run before it, a parent.
#[tokio::test(start_paused = true)]
async fn each_run_is_told_of_once() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let app = App::new().workflow(goes_round).workflow(asks);
    let _host = host(&world, app, &fates, &heard, &without_sweeper());
    let client = world.client();
    client.start(goes_round, 2).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    let again = client.start(goes_round, 0).id("x").on_conflict(OnConflict::Restart);
    again.await.unwrap();
    closed(&world, "x", minutes(1)).await;
    use Status::{Completed, Running};
    let of = |id: &str| -> Vec<_> {
        let told = heard.all().into_iter().filter(|told| told.execution.as_str() == id);
        told.map(|told| (told.run.unwrap(), told.status().unwrap())).collect()
    };
    let runs =
        [(1, Running), (2, Running), (3, Running), (3, Completed), (4, Running), (4, Completed)];
    assert_eq!(of("x"), runs);
    client.start(asks, ()).id("p").await.unwrap();
    closed(&world, "p", minutes(1)).await;
    assert_eq!(of("p/goes_round#1"), [(1, Running), (2, Running), (2, Completed)]);
}

/// Its step is over in the commit in which it goes on as a new run.
#[workflow]
async fn counts_down(left: u64) -> everstep::Result<u64> {
    step("count", async move || Ok::<_, everstep::Error>(left)).await?;
    if left == 0 { Ok(0) } else { continue_as_new(&(left - 1)).await }
}

#[tokio::test(start_paused = true)]
async fn what_a_run_did_last_is_told_once_and_as_its_own() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let app = App::new().workflow(counts_down).notifications(told_by(&fates, &heard).steps());
    let _host = host_of(&world, app, &fates, &without_sweeper());
    let _ = world.client().start(counts_down, 2).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    assert_eq!(heard.distinct(), heard.all());
    assert_eq!(heard.statuses().len(), 4, "three runs have started, and the last has ended");
}

#[workflow]
async fn asks(_: ()) -> everstep::Result<u64> {
    Ok(child(goes_round, 1).await?)
}

/// What the run before could not tell is told with the next, though its log is read no more.
#[tokio::test(start_paused = true)]
async fn what_is_untold_outlasts_the_runs() {
    for restarts in [false, true] {
        let (world, heard) = (World::new(), Heard::default());
        let (fates, out) = an_outage(&world, Fate::FailBefore);
        let app = App::new().workflow(goes_round);
        let _host = host(&world, app, &fates, &heard, &HostOptions::default());
        let client = world.client();
        client.start(goes_round, if restarts { 0 } else { 1 }).id("x").await.unwrap();
        closed(&world, "x", minutes(1)).await;
        if restarts {
            let again = client.start(goes_round, 0).id("x").on_conflict(OnConflict::Restart);
            again.await.unwrap();
            world.until("x", minutes(1), |it| it.projection.commit > 2).await;
        }
        out.store(false, Ordering::SeqCst);
        world.until("x", hours(3), |it| it.projection.untold.is_none()).await;
        use Status::{Completed, Running};
        let mut runs = vec![(1, Running), (2, Running), (2, Completed)];
        if restarts {
            runs.insert(1, (1, Completed));
        }
        let told: Vec<_> = heard.distinct();
        let told: Vec<_> = told.iter().map(|it| (it.run.unwrap(), it.status().unwrap())).collect();
        assert_eq!(told, runs, "restarts: {restarts}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminate_and_a_cancel_are_told_with_their_reasons() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    for (id, status) in [("c", Status::Cancelled), ("t", Status::Terminated)] {
        let handle = world.client().start(counts, (id.to_owned(), 600)).id(id).await.unwrap();
        tokio::time::sleep(seconds(5)).await;
        match status {
            Status::Cancelled => drop(handle.cancel("no need").await.unwrap()),
            _ => handle.terminate("no need").await.unwrap(),
        }
        closed(&world, id, minutes(1)).await;
        let last = heard.all().pop().unwrap();
        assert_eq!((last.execution.as_str(), last.status()), (id, Some(status)));
        assert!(format!("{:?}", last.notice).contains("no need"), "{:?}", last.notice);
    }
    let is_end = |event: &Event| matches!(event, Event::WorkflowTerminated(_));
    assert_eq!(super::count(&world, "t", is_end).await, 1);
}

/// Who tells nobody owes nothing: such a host clears what another has left, and the sweeper does not
/// come for ever.
#[tokio::test(start_paused = true)]
async fn a_host_that_tells_nobody_leaves_nothing_untold() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::each(&world, "telling", "notify", Fate::FailBefore);
    let telling = host(&world, app(), &fates, &heard, &without_sweeper());
    let _ = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    assert!(world.record("x").await.unwrap().projection.untold.is_some());
    telling.kill().await;
    let _silent = super::host(&world, "silent", &HostOptions::default());
    world.until("x", hours(1), |it| it.projection.untold.is_none()).await;
    world.check_closed("x").await;
}

/// An execution that nobody can read is blocked, and that much can be told.
#[tokio::test(start_paused = true)]
async fn an_unreadable_log_is_told_as_a_block() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let handle = world.client().start(counts, ("x".to_owned(), 5)).id("x").await.unwrap();
    let strange = everstep::event::StoredCommit {
        number: 1,
        writer: everstep::id::WriterId::random(),
        hash: [7; 32],
        body: "{}".into(),
        life: None,
    };
    world.store.append(handle.id(), &strange).await.unwrap();
    let _host = host(&world, app(), &fates, &heard, &without_sweeper());
    world.until("x", minutes(1), |it| it.projection.status == Status::Blocked).await;
    let told = heard.all();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&*told[0].id, told[0].run, told[0].status()),
        ("x/1/blocked", None, Some(Status::Blocked))
    );
    // Whoever looks again tells nothing new.
    world.queue.send(&Wake::news(handle.id().clone()), seconds(0)).await.unwrap();
    world.until_no_wake_is_left(minutes(5)).await;
    assert_eq!(heard.all().len(), 1);
}

/// A notifier's own faults are no strikes of the executions it tells of.
#[tokio::test(start_paused = true)]
async fn a_notifier_that_panics_blocks_nothing() {
    let world = World::new();
    let tells = NotifierFn::new(|told: &Notification| panic!("{} is too much", told.id));
    let app = app().notifications(Notifications::to(tells));
    let fates = Fates::good(&world, "host");
    let _host = host_of(&world, app, &fates, &HostOptions::default());
    let handle = world.client().start(long, ("x".to_owned(), 0)).id("x").await.unwrap();
    handle.result().await.unwrap();
    tokio::time::sleep(hours(5)).await;
    let record = world.record("x").await.unwrap().projection;
    assert_eq!((record.status, record.untold), (Status::Completed, Some(0)));
}

#[workflow]
async fn wide(branches: u32) -> everstep::Result<u32> {
    let branch = async |of: u32| {
        step("large", async move || {
            tokio::time::sleep(seconds(1)).await;
            Ok::<_, everstep::Error>("x".repeat(150_000))
        })
        .input("of", &of)
        .await
    };
    let all = join_all((0..branches).map(branch)).await;
    Ok(all.into_iter().filter(Result::is_ok).count() as u32)
}

/// What ends together is one write, unless it is too large: then each part is told by its own place.
#[tokio::test(start_paused = true)]
async fn what_is_written_as_several_commits_is_told_by_the_place_of_each() {
    let (world, heard) = (World::new(), Heard::default());
    let fates = Fates::good(&world, "host");
    let app = App::new().workflow(wide).notifications(told_by(&fates, &heard).steps());
    let _host = host_of(&world, app, &fates, &without_sweeper());
    world.client().start(wide, 7).id("x").await.unwrap();
    closed(&world, "x", minutes(5)).await;
    let log = world.log("x").await;
    let is_step = |event: &&Event| matches!(event, Event::StepCompleted(_));
    let split = log.iter().filter(|commit| commit.events.iter().any(|it| is_step(&it))).count();
    assert!(split > 1, "{split} commits have the results");
    let steps: Vec<_> = heard.all().into_iter().filter(|it| it.status().is_none()).collect();
    assert_eq!(steps.len(), 7);
    for told in steps {
        let commit = &log[usize::try_from(told.commit).unwrap()];
        let event = &commit.events[told.index.unwrap() as usize];
        let Event::StepCompleted(step) = event else { panic!("{} is {event:?}", told.id) };
        assert!(format!("{:?}", told.notice).contains(&format!("count: {}", step.key.count)));
    }
}
