//! Rule 28: what a cancelled or failed execution did is undone, and so is what it may have done.

use std::sync::Arc;

use everstep::event::Event;
use everstep::prelude::*;
use everstep::store::{EventStore, Status};
use everstep_tests::scenario::Effects;
use everstep_tests::sim::{Fates, Host, HostOptions, SlowStore, World, check_log};

use super::{closed, events, without_sweeper};

/// What a test's bookings are like.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Plan {
    /// How long the car's booking takes, in seconds.
    car: u64,
    /// How often it fails first.
    fails: u32,
    /// How long each is freed.
    free: u64,
    /// Whether the car is given up after a second.
    hurry: bool,
}

const PLAN: Plan = Plan { car: 0, fails: 0, free: 0, hurry: false };

#[step(skip(effects), undo = free, retry(initial = "1h", max = "1h", jitter = false))]
async fn book(effects: &Effects, what: &str, plan: &Plan) -> everstep::Result<String> {
    effects.note(format!("book {what}"));
    if what == "car" {
        if everstep::attempt() <= plan.fails {
            return Err(everstep::Error::msg("no car"));
        }
        tokio::time::sleep(seconds(plan.car)).await;
    }
    effects.note(format!("booked {what}"));
    Ok(what.to_owned())
}

async fn free(effects: &Effects, _: &str, plan: &Plan, booked: &str) -> everstep::Result<()> {
    tokio::time::sleep(seconds(plan.free)).await;
    effects.note(format!("freed {booked}"));
    Ok(())
}

#[workflow]
async fn trip(State(effects): State<Effects>, plan: Plan) -> everstep::Result<()> {
    let _hotel = book(&effects, "hotel", &plan).await?;
    let car = book(&effects, "car", &plan);
    if plan.hurry {
        race(sleep(seconds(1)), car).await;
    } else {
        car.await?;
    }
    Err(everstep::Error::msg("no seats"))
}

/// Notes when its body is gone.
struct Walk(Effects);

impl Drop for Walk {
    fn drop(&mut self) {
        self.0.note("back");
    }
}

/// Leaves nothing to undo.
#[step(skip(effects))]
async fn walk(effects: &Effects, takes: u64) -> everstep::Result<()> {
    let _walk = Walk(effects.clone());
    tokio::time::sleep(seconds(takes)).await;
    Ok(())
}

#[workflow]
async fn stay(State(effects): State<Effects>, (plan, walk_s): (Plan, u64)) -> everstep::Result<()> {
    let _hotel = book(&effects, "hotel", &plan).await?;
    walk(&effects, walk_s).await?;
    publish("seen it all");
    let _form = version("form", 1..=2);
    Ok(())
}

/// Its only attempt times out.
#[step(skip(effects), undo = take_back, at_most_once, timeout = "5s")]
async fn ask(effects: &Effects) -> everstep::Result<u32> {
    effects.note("asked");
    std::future::pending().await
}

async fn take_back(effects: &Effects, _: &u32) -> everstep::Result<()> {
    effects.note("took back");
    Ok(())
}

#[workflow]
async fn asks_once(State(effects): State<Effects>, _input: ()) -> everstep::Result<()> {
    race(sleep(seconds(1)), ask(&effects)).await;
    sleep(minutes(1)).await;
    Err(everstep::Error::msg("no answer"))
}

fn host(world: &World, effects: &Effects, name: &str) -> Host {
    host_on(world, effects, name, Arc::clone(&world.store), &without_sweeper())
}

fn host_on(
    world: &World,
    effects: &Effects,
    name: &str,
    store: Arc<dyn EventStore>,
    options: &HostOptions,
) -> Host {
    let fates = Fates::good(world, name);
    let backend = fates.backend(store, Arc::clone(&world.queue));
    let app = App::new().workflow(trip).workflow(stay).workflow(asks_once);
    Host::start(world, app.state(effects.clone()), backend, &fates, options)
}

/// The steps that were let end, by their place.
async fn finishing(world: &World) -> Option<Vec<u32>> {
    events(world, "x").await.into_iter().find_map(|event| match event {
        Event::CompensationStarted(started) => Some(started.finishing),
        _ => None,
    })
}

async fn check_ended(world: &World, status: Status) {
    closed(world, "x", hours(3)).await;
    assert_eq!(world.record("x").await.unwrap().projection.status, status);
    check_log(&world.log("x").await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_runs_when_the_cancel_comes_is_let_end_and_undone() {
    let (world, effects) = (World::new(), Effects::default());
    let busy = HostOptions { concurrency: 1, ..without_sweeper() };
    let _host = host_on(&world, &effects, "host", Arc::clone(&world.store), &busy);
    // The claim is renewed meanwhile, or another host would book the car once more.
    let sweeps = HostOptions::default();
    let _other = host_on(&world, &effects, "other", Arc::clone(&world.store), &sweeps);
    let plan = Plan { car: 600, ..PLAN };
    let handle = world.client().start(trip, plan).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    handle.cancel("enough").await.unwrap();
    check_ended(&world, Status::Cancelled).await;
    let done = ["book hotel", "booked hotel", "book car", "booked car", "freed car", "freed hotel"];
    assert_eq!(effects.all(), done);
    assert_eq!(finishing(&world).await, Some(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_leaves_nothing_to_undo_is_gone_before_the_undoing_begins() {
    let (world, effects) = (World::new(), Effects::default());
    let _host = host(&world, &effects, "host");
    let plan = Plan { free: 30, ..PLAN };
    let handle = world.client().start(stay, (plan, 3_600)).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    handle.cancel("enough").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    check_ended(&world, Status::Cancelled).await;
    assert_eq!(effects.all(), ["book hotel", "booked hotel", "back", "freed hotel"]);
}

/// The body of the last step ends while its turn asks for news and learns of the cancel. Its result
/// is in the log, and what the workflow said and decided with it; but it does not end the workflow.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_is_found_beside_the_last_result_is_what_counts() {
    let (world, effects) = (World::new(), Effects::default());
    let slow = SlowStore::by(Arc::clone(&world.store), |call| match call {
        "record" => [seconds(3), seconds(0)],
        _ => [seconds(0); 2],
    });
    let _host = host_on(&world, &effects, "host", Arc::new(slow), &without_sweeper());
    let handle = world.client().start(stay, (PLAN, 6)).id("x").await.unwrap();
    tokio::time::sleep(seconds(4)).await;
    handle.cancel("enough").await.unwrap();
    check_ended(&world, Status::Cancelled).await;
    assert_eq!(effects.all(), ["book hotel", "booked hotel", "back", "freed hotel"]);
    assert_eq!(handle.view::<String>().await.unwrap().as_deref(), Some("seen it all"));
    let kinds: Vec<_> = events(&world, "x").await.iter().map(Event::kind).collect();
    let start = kinds.iter().position(|kind| *kind == "CompensationStarted").unwrap();
    let before = ["CancelRequested", "StepCompleted", "VersionChosen", "ViewPublished"];
    assert_eq!(kinds[start - 4..start], before, "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_a_dead_host_may_have_run_is_driven_to_its_end_and_undone() {
    let (world, effects) = (World::new(), Effects::default());
    let dies = host(&world, &effects, "dies");
    let plan = Plan { car: 30, ..PLAN };
    let handle = world.client().start(trip, plan).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    handle.cancel("enough").await.unwrap();
    dies.kill().await;
    assert_eq!(effects.all(), ["book hotel", "booked hotel", "book car"]);
    let _next = host(&world, &effects, "next");
    check_ended(&world, Status::Cancelled).await;
    assert_eq!(effects.all()[3..], ["book car", "booked car", "freed car", "freed hotel"]);
    assert_eq!(finishing(&world).await, Some(vec![1]));
    let claims = events(&world, "x").await;
    let claims = claims.iter().filter(|event| matches!(event, Event::TurnStarted(_))).count();
    assert_eq!(claims, 2, "one of each host");
}

/// The hand-over is in the log as an attempt that was interrupted: the next one would be an hour
/// later, and the car may be booked.
#[tokio::test(start_paused = true)]
async fn a_step_that_a_hand_over_interrupted_is_driven_to_its_end_and_undone() {
    let (world, effects) = (World::new(), Effects::default());
    let plan = Plan { car: 100, ..PLAN };
    let handle = world.client().start(trip, plan).id("x").await.unwrap();
    let app = App::new().workflow(trip).state(effects.clone());
    let worker = app.backend(world.backend()).worker().await.unwrap();
    let worker = worker.clock(world.clock.clone()).stop_grace(seconds(5));
    worker.run_until(tokio::time::sleep(seconds(3))).await.unwrap();
    let interrupted = events(&world, "x").await;
    assert!(interrupted.iter().any(|event| matches!(event, Event::StepAttemptFailed(_))));
    handle.cancel("enough").await.unwrap();
    let _next = host(&world, &effects, "next");
    check_ended(&world, Status::Cancelled).await;
    assert_eq!(effects.all()[3..], ["book car", "booked car", "freed car", "freed hotel"]);
    assert_eq!(finishing(&world).await, Some(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_waits_for_its_next_attempt_ends_there() {
    let (world, effects) = (World::new(), Effects::default());
    let _host = host(&world, &effects, "host");
    let handle = world.client().start(trip, Plan { fails: 3, ..PLAN }).id("x").await.unwrap();
    tokio::time::sleep(minutes(90)).await;
    handle.cancel("enough").await.unwrap();
    closed(&world, "x", minutes(1)).await;
    assert_eq!(effects.count("book car"), 2);
    assert_eq!(effects.all().last().map(String::as_str), Some("freed hotel"));
    assert_eq!(effects.count("freed car"), 0);
    assert_eq!(finishing(&world).await, Some(vec![]));
}

/// A body that ends with its own error says that it did nothing: no other attempt follows.
#[tokio::test(start_paused = true)]
async fn a_step_that_is_let_end_and_fails_is_not_tried_again() {
    let (world, effects) = (World::new(), Effects::default());
    let dies = host(&world, &effects, "dies");
    let handle = world.client().start(trip, Plan { car: 30, ..PLAN }).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    handle.cancel("enough").await.unwrap();
    dies.kill().await;
    #[step(name = "book", skip(effects), undo = free, retry(initial = "1h", max = "1h", jitter = false))]
    async fn no_car(effects: &Effects, what: &str, plan: &Plan) -> everstep::Result<String> {
        effects.note(format!("no {what}, {}", plan.car));
        Err(everstep::Error::msg("no car"))
    }
    #[workflow(name = "trip")]
    async fn without(State(effects): State<Effects>, plan: Plan) -> everstep::Result<()> {
        let _hotel = no_car(&effects, "hotel", &plan).await?;
        no_car(&effects, "car", &plan).await?;
        Ok(())
    }
    let fates = Fates::good(&world, "next");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(without).state(effects.clone());
    let _next = Host::start(&world, app, backend, &fates, &HostOptions::default());
    closed(&world, "x", minutes(2)).await;
    assert_eq!(effects.all()[3..], ["no car, 30", "freed hotel"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_workflow_gave_up_is_undone_all_the_same() {
    let (world, effects) = (World::new(), Effects::default());
    let _host = host(&world, &effects, "host");
    let plan = Plan { car: 20, hurry: true, ..PLAN };
    let _ = world.client().start(trip, plan).id("x").await.unwrap();
    check_ended(&world, Status::Failed).await;
    assert_eq!(effects.all()[2..], ["book car", "booked car", "freed car", "freed hotel"]);
}

/// What its one attempt did nobody knows, and no other may tell.
#[tokio::test(start_paused = true)]
async fn an_at_most_once_step_that_timed_out_is_not_begun_again_to_be_undone() {
    let (world, effects) = (World::new(), Effects::default());
    let _host = host(&world, &effects, "host");
    let _ = world.client().start(asks_once, ()).id("x").await.unwrap();
    check_ended(&world, Status::Failed).await;
    assert_eq!(effects.all(), ["asked"]);
    // The attempt has one end, and the step one after that.
    let ends = events(&world, "x").await.into_iter().filter_map(|event| match event {
        Event::StepAttemptFailed(failed) => Some(failed.attempt),
        Event::StepFailed(failed) => Some(failed.attempt),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [1, 2]);
}

/// It failed, and while that is undone somebody cancels it.
#[tokio::test(start_paused = true)]
async fn undoing_is_shielded_from_a_cancel() {
    let (world, effects) = (World::new(), Effects::default());
    let _host = host(&world, &effects, "host");
    let plan = Plan { free: 30, ..PLAN };
    let handle = world.client().start(trip, plan).id("x").await.unwrap();
    tokio::time::sleep(seconds(3)).await;
    assert!(finishing(&world).await.is_some(), "it is being undone");
    handle.cancel("enough").await.unwrap();
    check_ended(&world, Status::Failed).await;
    assert_eq!(effects.all()[4..], ["freed car", "freed hotel"]);
    let taken = events(&world, "x").await;
    assert!(taken.iter().any(|event| matches!(event, Event::CancelRequested(_))));
}

/// Killed in the middle of the first undo: the next host goes on with the undoing, with the same
/// cause, and books nothing again.
#[tokio::test(start_paused = true)]
async fn a_host_that_dies_while_it_undoes_is_followed_by_one_that_goes_on_with_that() {
    let (world, effects) = (World::new(), Effects::default());
    let dies = host(&world, &effects, "dies");
    let _ = world.client().start(trip, Plan { free: 10, ..PLAN }).id("x").await.unwrap();
    tokio::time::sleep(seconds(15)).await;
    dies.kill().await;
    assert_eq!(effects.all()[4..], ["freed car"]);
    let _next = host(&world, &effects, "next");
    check_ended(&world, Status::Failed).await;
    assert_eq!(effects.all()[4..], ["freed car", "freed hotel"]);
}

/// Nothing was booked and nothing runs: the log is what it would be without any undo.
#[tokio::test(start_paused = true)]
async fn where_there_is_nothing_to_undo_nothing_is_written_of_it() {
    #[workflow(name = "trip")]
    async fn waits(State(effects): State<Effects>, plan: Plan) -> everstep::Result<()> {
        let car = book(&effects, "car", &plan).await?;
        Err(everstep::Error::msg(car))
    }
    let (world, effects) = (World::new(), Effects::default());
    let fates = Fates::good(&world, "host");
    let backend = fates.backend(Arc::clone(&world.store), Arc::clone(&world.queue));
    let app = App::new().workflow(waits).state(effects.clone());
    let _host = Host::start(&world, app, backend, &fates, &HostOptions::default());
    let handle = world.client().start(waits, Plan { fails: 3, ..PLAN }).id("x").await.unwrap();
    tokio::time::sleep(minutes(1)).await;
    handle.cancel("enough").await.unwrap();
    check_ended(&world, Status::Cancelled).await;
    let kinds: Vec<_> = events(&world, "x").await.iter().map(Event::kind).collect();
    let last = ["TurnStarted", "CancelRequested", "WorkflowCancelled"];
    assert_eq!(kinds.last_chunk(), Some(&last), "{kinds:?}");
}
